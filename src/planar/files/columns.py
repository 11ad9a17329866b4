"""How does an entity name a file? By the file's id, in a column that forms, references and collections know."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import Dialect, Uuid, event
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field

from planar.db.planar_session import HeldSession
from planar.files.flushes import hold_files
from planar.files.models import FILE_PRESENTATION, PlanarFile


class FileColumn(TypeDecorator[UUID]):
    """A column that holds the id of a file. It takes a `PlanarFile` too, and gives the id."""

    impl = Uuid
    cache_ok = True
    plain_in_revisions = True
    """A revision names the type beneath: it stays as it is when this class does not."""

    names_files = True
    """`planar.files.flushes` looks for it."""

    def process_bind_param(self, value: Any, dialect: Dialect) -> UUID | None:
        """The id."""
        return value.id if isinstance(value, PlanarFile) else value


def file_field(*, nullable: bool = True, index: bool = True, description: str | None = None) -> Any:
    """A field of an entity that names a file: ``contract: UUID | None = file_field()``. Load it by ``PlanarFile.load(id)``.

    The file is then in use: it is not deleted unless somebody insists.

    Args:
        nullable: whether there may be none.
        index: whether rows are found by it; without, finding out who uses a file reads the whole table.
        description: what the field means.
    """
    options: dict[str, Any] = {"default": None} if nullable else {}
    return Field(
        sa_type=FileColumn,
        nullable=nullable,
        index=index,
        description=description,
        schema_extra={"json_schema_extra": FILE_PRESENTATION},
        **options,
    )


event.listen(HeldSession, "after_flush", hold_files)
