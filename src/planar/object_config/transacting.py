"""Whose transaction does a change belong to? The one that is open here, else one of its own, repeated when another was in its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.orm import SessionTransactionOrigin

from planar.context import current_run_place
from planar.db.conflicts import is_conflict, pause_before_retry
from planar.db.session import PlanarSession, get_session

T = TypeVar("T")


def joins(session: PlanarSession) -> bool:
    """Whether somebody else ends the transaction of *session*: the step, or whoever has written in it or opened it by a block."""
    place = current_run_place()
    if (place is not None and place.step_id is not None) or session.has_uncommitted_work or session.in_run_transaction:
        return True
    transaction = session.sync_session.get_transaction()
    return session.in_nested_transaction() or (transaction is not None and transaction.origin is not SessionTransactionOrigin.AUTOBEGIN)


async def in_transaction(work: Callable[[PlanarSession], Awaitable[T]]) -> T:
    """What *work* returns; after an error nothing of it is left.

    In a step, and wherever the current session has an open transaction, it is a part of that and becomes durable with it. Otherwise it
    is committed on return.

    Args:
        work: does nothing but use the session that it is given; called again after a conflict with another transaction.

    Raises:
        SessionNotBound: no session belongs to this code.
        Exception: what *work* raised; the conflict, if there were too many.
    """
    session = get_session()
    if joins(session):
        async with session.begin_nested():
            return await work(session)
    return await committed(session, lambda: work(session))


async def committed(session: PlanarSession, work: Callable[[], Awaitable[T]]) -> T:
    """What *work* returns, once what it did with *session* is committed; after a conflict it is called again."""
    conflicts = 0
    while True:
        try:
            result = await work()
            await session.commit()
            return result
        except BaseException as error:
            await session.rollback()
            if not is_conflict(error) or conflicts >= session.max_conflict_retries:
                raise
        await pause_before_retry(conflicts)
        conflicts += 1
