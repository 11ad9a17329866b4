"""Is there what rows are to refer to? Asked before they are written, where no foreign key of the database says it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from planar.db.planar_session import PlanarSession
from planar.entities.registration import RegisteredEntity
from planar.entities.validation import BadRows, Location, entry
from planar.files.checking import visible_files
from planar.files.columns import FileColumn
from planar.modeling.errors import Misfits

Written = Mapping[str, Any]
"""What is to be written of a row, by field."""


def referring(entity: RegisteredEntity) -> tuple[str, ...]:
    """The fields of *entity* that are looked at here."""
    return tuple(_file_fields(entity))


async def refuse_unknown_files(session: PlanarSession, entity: RegisteredEntity, rows: Sequence[Written], loc: Location) -> None:
    """Make sure that the files of *rows* exist and are for whoever acts to see; one statement for all, and none if they name no file.

    Raises:
        Misfits: some are not; each entry names the field.
    """
    names = _file_fields(entity)
    held = [{name: _id_of(row[name]) for name in names if row.get(name) is not None} for row in rows]
    wanted = {file_id for ids in held for file_id in ids.values()}
    if not wanted:
        return
    known = await visible_files(session, wanted)
    bad = BadRows(loc)
    for index, ids in enumerate(held):
        unknown = [entry("unknown_file", (name,), _no_file(file_id), input=file_id) for name, file_id in ids.items() if file_id not in known]
        with bad.at(index):
            if unknown:
                raise Misfits(unknown)
    bad.raise_if_any()


def _file_fields(entity: RegisteredEntity) -> list[str]:
    return [name for name, field in entity.fields.items() if isinstance(field.column.type, FileColumn)]


def _id_of(value: Any) -> UUID:
    """The id of a file that is given as one or by its id."""
    return getattr(value, "id", value)


def _no_file(file_id: UUID) -> str:
    return f"There is no file {file_id}. Upload it first, and send the id that the upload answered"
