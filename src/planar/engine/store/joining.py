"""When do others hear of what was written in a user's transaction? Once it is durable, and never if it was undone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from planar.engine.store.port import News

_PENDING = "planar_pending_news"


@dataclass(frozen=True, slots=True)
class _Pending:
    transaction: SessionTransaction | None
    """The transaction, or the savepoint, in which it was written."""
    news: News
    publish: Callable[[News], None]


def publish_with_commit(session: Session, news: News, publish: Callable[[News], None]) -> None:
    """Call *publish* with *news* when the open transaction of *session* is committed; not if it, or the savepoint in it, is undone."""
    if _PENDING not in session.info:
        event.listen(session, "after_commit", _committed)
        event.listen(session, "after_soft_rollback", _rolled_back)
        event.listen(session, "after_transaction_end", _ended)
    pending: list[_Pending] = session.info.setdefault(_PENDING, [])
    pending.append(_Pending(session.get_nested_transaction() or session.get_transaction(), news, publish))


def _committed(session: Session) -> None:
    if session.in_nested_transaction():
        return
    pending: list[_Pending] = session.info[_PENDING]
    session.info[_PENDING] = []
    for each in pending:
        each.publish(each.news)


def _rolled_back(session: Session, undone: SessionTransaction) -> None:
    session.info[_PENDING] = [each for each in session.info[_PENDING] if not _is_within(each.transaction, undone)]


def _ended(session: Session, transaction: SessionTransaction) -> None:
    # A session that is closed without a commit says nothing else.
    if transaction.parent is None:
        session.info[_PENDING] = []


def _is_within(transaction: SessionTransaction | None, outer: SessionTransaction) -> bool:
    while transaction is not None and transaction is not outer:
        transaction = transaction.parent
    return transaction is outer
