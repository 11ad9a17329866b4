"""Who made a row, and who changed it last? Taken from whoever acts, never from the caller."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, event
from sqlalchemy.orm import Mapper, object_session
from sqlalchemy.orm.attributes import set_attribute
from sqlmodel import Field, SQLModel

from planar.context import current_actor

SYSTEM_USER = "system"
"""Who acts when nobody is named."""


def actor_name() -> str:
    """The name under which the current actor signs: the e-mail address, else the subject, else ``system``."""
    actor = current_actor()
    if actor is None:
        return SYSTEM_USER
    return actor.user_email or actor.sub or SYSTEM_USER


class AuditableMixin(SQLModel):
    """Adds ``created_by`` and ``updated_by``.

    Both are set when a row is inserted, the second at every update, whatever the caller wrote there. INSERT and UPDATE statements
    of many rows sign as well, unless they give a value themselves.
    """

    created_by: str = Field(default_factory=actor_name, sa_column_kwargs={"server_default": SYSTEM_USER})
    updated_by: str = Field(default_factory=actor_name, sa_column_kwargs={"server_default": SYSTEM_USER, "onupdate": actor_name})


# The handlers set attributes as SQLAlchemy does: a checked assignment gives a pydantic model another dictionary than the one that
# is being written.


@event.listens_for(AuditableMixin, "before_insert", propagate=True)
def _before_insert(_mapper: Mapper[Any], _connection: Connection, target: AuditableMixin) -> None:
    name = actor_name()
    set_attribute(target, "created_by", name)
    set_attribute(target, "updated_by", name)


@event.listens_for(AuditableMixin, "before_update", propagate=True)
def _before_update(_mapper: Mapper[Any], _connection: Connection, target: AuditableMixin) -> None:
    # Also called for objects of which nothing is written: signing those would write them.
    session = object_session(target)
    if session is None or session.is_modified(target):
        set_attribute(target, "updated_by", actor_name())
