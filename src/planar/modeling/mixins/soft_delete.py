"""Is a row gone, though it is still there? For entities whose deletion can be undone."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from planar.modeling.column_types import UTCDateTime

DELETED_AT = "deleted_at"
"""The field that says so."""


class SoftDeleteMixin(SQLModel):
    """Adds ``deleted_at``: when the row was deleted, or None while it was not.

    With ``entity_options = EntityOptions(soft_delete=True)`` a deletion over HTTP sets it instead of removing the row.
    """

    deleted_at: datetime | None = Field(default=None, sa_type=UTCDateTime, index=True)
