"""When is history written? Where SQLAlchemy says that a session is about to change rows, or has."""

from __future__ import annotations

from sqlalchemy import event
from sqlalchemy.orm import Session

from planar.db.history import flushes, statements
from planar.modeling.orm.planar_base_entity import PlanarBaseEntity


def keep_history(sessions: type[Session]) -> None:
    """Record what sessions of this class change. One that only reads does nothing more than before."""
    event.listen(sessions, "before_flush", flushes.begin)
    event.listen(sessions, "after_flush", flushes.end)
    event.listen(sessions, "do_orm_execute", statements.on_execute, retval=True)


event.listen(PlanarBaseEntity, "before_update", flushes.before_change, propagate=True)
event.listen(PlanarBaseEntity, "before_delete", flushes.before_change, propagate=True)
event.listen(PlanarBaseEntity, "after_insert", flushes.created, propagate=True)
event.listen(PlanarBaseEntity, "after_update", flushes.updated, propagate=True)
event.listen(PlanarBaseEntity, "after_delete", flushes.deleted, propagate=True)
