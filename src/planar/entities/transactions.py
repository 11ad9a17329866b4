"""How does a change become durable? As one transaction, repeated when another one was in its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from sqlalchemy.exc import StatementError

from planar.db.conflicts import is_conflict, pause_before_retry
from planar.db.planar_session import PlanarSession
from planar.entities.refusals import refusal_of
from planar.entities.registration import RegisteredEntity

T = TypeVar("T")


async def in_transaction(session: PlanarSession, entity: RegisteredEntity, work: Callable[[], Awaitable[T]]) -> T:
    """What *work* returns, once it is committed; after an error everything is undone.

    Args:
        session: the one that *work* uses; it has nothing uncommitted.
        entity: what is changed, for the words of an error.
        work: does nothing but use the session; called again after a conflict with another transaction.

    Raises:
        ConstraintViolated: the database refused the commit.
        Exception: what *work* raised; the conflict, if there were too many.
    """
    conflicts = 0
    while True:
        try:
            result = await work()
            await session.commit()
            return result
        except StatementError as error:
            await session.rollback()
            if not is_conflict(error):
                raise await refusal_of(session, entity, error, None, ()) or error from None
            if conflicts >= session.max_conflict_retries:
                raise
        except BaseException:
            await session.rollback()
            raise
        await pause_before_retry(conflicts)
        conflicts += 1
