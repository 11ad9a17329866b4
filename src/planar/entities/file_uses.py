"""Which rows name a file? Those with its id in a column for files; not those that hold it in a JSON value."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Column, MetaData, Table, select

from planar.context import current_services
from planar.db.session import PlanarSession
from planar.db.unfit_tables import present_columns
from planar.entities.registration import EntityRegistry, RegisteredEntity
from planar.files.columns import FileColumn
from planar.files.models import PlanarFileMetadata
from planar.files.statements import rows
from planar.files.uses import MOST_REFERENCES, Permission, Reference, ReferenceKind
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA
from planar.security.actions import EntityAction
from planar.security.resources import EntityResource


async def uses_by_rows(session: PlanarSession, file: PlanarFileMetadata) -> list[Reference]:
    """The rows that name *file*, up to `MOST_REFERENCES` of each column, those included that are only marked as deleted."""
    registry = current_services().get(EntityRegistry)
    found: list[Reference] = []
    columns = list(file_columns(PLANAR_APPLICATION_METADATA))
    # A class may be newer than the database: what is not there yet names no file.
    there = await present_columns(session, {table for table, _ in columns})
    for table, column in columns:
        if (table.fullname, column.name) not in there:
            continue
        entity = registry.find_table(table)
        name, needs = table.name if entity is None else entity.name, _to_see(entity, column)
        keys: list[Column[Any]] = list(table.primary_key.columns)
        for row in await rows(session, select(*keys).where(column == file.id).order_by(*keys).limit(MOST_REFERENCES)):
            key = ",".join(str(part) for part in row)
            found.append(Reference(ReferenceKind.ENTITY, name, key, column.name, True, needs))
    return found


def file_columns(metadata: MetaData) -> Iterator[tuple[Table, Column[Any]]]:
    """The columns of *metadata*'s tables that name files."""
    for table in metadata.sorted_tables:
        for column in table.columns:
            if isinstance(column.type, FileColumn):
                yield table, column


def _to_see(entity: RegisteredEntity | None, column: Column[Any]) -> Permission | None:
    """What is asked of somebody who wants to know the rows of *column*. Of a table that is not served: to list whatever there is."""
    if entity is None:
        return Permission(EntityResource(), EntityAction.LIST)
    # What a hidden field holds is told to nobody.
    is_hidden = any(field.hidden for field in entity.fields.values() if field.column is column)
    return None if is_hidden else Permission(EntityResource(entity.name), EntityAction.LIST)
