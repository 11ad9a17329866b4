"""Is there what rows are to refer to? Asked before they are written, where the database would not say that it is not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, select

from planar.db.planar_session import PlanarSession
from planar.entities.refusals import bulk_refusal, explained
from planar.entities.registration import RegisteredEntity
from planar.entities.validation import MAX_MISFITS, BadRows, Location, entry
from planar.entities.violations import Refusal, Violation
from planar.errors import PlanarError
from planar.files.checking import visible_files
from planar.files.columns import FileColumn
from planar.modeling.entity_options import EntityOptions
from planar.modeling.errors import Misfits
from planar.modeling.mixins.soft_delete import DELETED_AT

CHUNK: Final = 500
"""How many values one statement asks for."""

Written = Mapping[str, Any]
"""What is to be written of a row, by field."""


def referring(entity: RegisteredEntity) -> tuple[str, ...]:
    """The fields of *entity* that are looked at here."""
    return (*_file_fields(entity), *_soft_targets(entity))


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
    known = await visible_files(session, wanted, hold=True)
    bad = BadRows(loc)
    for index, ids in enumerate(held):
        unknown = [
            entry("unknown_file", (name,), _no_file(file_id), input=file_id) for name, file_id in ids.items() if file_id not in known
        ]
        with bad.at(index):
            if unknown:
                raise Misfits(unknown)
    bad.raise_if_any()


async def refuse_deleted_targets(session: PlanarSession, entity: RegisteredEntity, rows: Sequence[Written], loc: Location) -> None:
    """Make sure that *rows* refer to none that is marked as deleted: a foreign key still finds it. A statement for each such key.

    Raises:
        MissingReference: some do; each entry names the field.
    """
    errors: dict[int, PlanarError] = {}
    for name, (remote, mark) in _soft_targets(entity).items():
        deleted = await _deleted(session, remote, mark, {row[name] for row in rows if row.get(name) is not None})
        column = entity.fields[name].column.name
        for index, row in enumerate(rows):
            if row.get(name) in deleted:
                errors.setdefault(index, explained(entity, Violation(Refusal.REFERENCE), (column,), (*loc, index)))
    if errors:
        raise bulk_refusal([errors[index] for index in sorted(errors)][:MAX_MISFITS])


async def _deleted(session: PlanarSession, remote: Column[Any], mark: Column[Any], values: Set[Any]) -> set[Any]:
    """Those of *values* that are of rows marked as deleted."""
    found: set[Any] = set()
    in_order = list(values)
    for start in range(0, len(in_order), CHUNK):
        query = select(remote).where(remote.in_(in_order[start : start + CHUNK]), mark.is_not(None))
        found.update((await (await session.connection()).execute(query)).scalars())
    return found


def _soft_targets(entity: RegisteredEntity) -> dict[str, tuple[Column[Any], Column[Any]]]:
    """The fields that refer to rows which are only marked as deleted: the column there, and that of the mark."""
    found: dict[str, tuple[Column[Any], Column[Any]]] = {}
    keys = {name: key.column for name, field in entity.fields.items() for key in field.column.foreign_keys}
    for name, remote in keys.items():
        for mapper in entity.mapper.registry.mappers:
            options = getattr(mapper.class_, "entity_options", None)
            soft = isinstance(options, EntityOptions) and options.soft_delete and DELETED_AT in mapper.columns
            if soft and mapper.local_table is remote.table:
                found[name] = (remote, mapper.columns[DELETED_AT])  # pyright: ignore[reportArgumentType] - a table's columns are columns
    return found


def _file_fields(entity: RegisteredEntity) -> list[str]:
    return [name for name, field in entity.fields.items() if isinstance(field.column.type, FileColumn)]


def _id_of(value: Any) -> UUID:
    """The id of a file that is given as one or by its id."""
    return getattr(value, "id", value)


def _no_file(file_id: UUID) -> str:
    return f"There is no file {file_id}. Upload it first, and send the id that the upload answered"
