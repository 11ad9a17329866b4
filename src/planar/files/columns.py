"""How does an entity name a file? By the file's id, in a column that forms, references and collections know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast, get_args
from uuid import UUID

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic_core import CoreSchema, core_schema
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


class _FileOrId:
    """Reads a file that is given by its id or as what an upload answered, whichever of the two the field is declared as."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        inner = handler(source)
        if PlanarFile in (source, *get_args(source)):
            return core_schema.no_info_wrap_validator_function(_file_or_id, inner)
        return core_schema.no_info_before_validator_function(_id_in, inner)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """An id: that is what is shown, also where the class says `PlanarFile`."""
        found: dict[str, Any] = handler(schema)
        members = [_AN_ID if "$ref" in member else member for member in found.get("anyOf", [found])]
        return {**found, "anyOf": members} if "anyOf" in found else members[0]


_AN_ID: Final = {"type": "string", "format": "uuid"}


def _file_or_id(value: Any, handler: Callable[[Any], Any]) -> Any:
    """A file as it is; an id as a row holds it that was read from the database."""
    try:
        return handler(value)
    except ValidationError:
        named = _id_in(value)
        try:
            return named if isinstance(named, UUID) else UUID(named)
        except (TypeError, ValueError, AttributeError):
            pass
        raise


def _id_in(value: Any) -> Any:
    """The id of a file; what is no file, as it is."""
    if isinstance(value, PlanarFile):
        return value.id
    return cast("Mapping[str, Any]", value).get("id", cast("Any", value)) if isinstance(value, Mapping) else value


def file_field(*, nullable: bool = True, index: bool = True, description: str | None = None) -> Any:
    """A field of an entity that names a file: ``contract: UUID | None = file_field()``. Load it by ``PlanarFile.load(id)``.

    The file is then in use: it is not deleted unless somebody insists.

    Args:
        nullable: whether there may be none.
        index: whether rows are found by it; without, finding out who uses a file reads the whole table.
        description: what the field means.
    """
    options: dict[str, Any] = {"default": None} if nullable else {}
    field: Any = Field(
        sa_type=FileColumn,
        nullable=nullable,
        index=index,
        description=description,
        schema_extra={"json_schema_extra": FILE_PRESENTATION},
        **options,
    )
    field.metadata.append(_FileOrId())
    return field


event.listen(HeldSession, "after_flush", hold_files)
