"""Which key does a row have? A UUID of version 7: unique without asking the database, and sorted by the time of its making."""

from __future__ import annotations

from uuid import UUID

from sqlmodel import Field, SQLModel
from uuid_utils.compat import uuid7


class UUIDPrimaryKeyMixin(SQLModel):
    """Adds ``id``, the primary key: a UUIDv7 unless one is given."""

    id: UUID = Field(default_factory=uuid7, primary_key=True)
