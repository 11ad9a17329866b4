"""What is to be done when the transaction that is open now has ended?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from planar.db.planar_session import HeldSession
from planar.db.session import PlanarSession

_WAITING: Final = "planar_object_config_after"


def after_transaction(session: PlanarSession, call: Callable[[], object]) -> None:
    """Call *call* once when the open transaction of *session* has been committed or rolled back."""
    waiting: list[Callable[[], object]] = session.sync_session.info.setdefault(_WAITING, [])
    waiting.append(call)


@event.listens_for(HeldSession, "after_transaction_end")
def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        waiting: Any = session.info.pop(_WAITING, ())
        for call in waiting:
            call()
