"""Who still refers to rows that are to be deleted? Asked before, so that the answer is the same on every database and names them.

Without this SQLAlchemy would quietly clear the foreign keys of related rows, and SQLite would not say who refers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import ForeignKeyConstraint, literal, select
from sqlalchemy.orm import Mapper
from sqlmodel import SQLModel

from planar.db.planar_session import PlanarSession
from planar.entities.errors import StillReferenced
from planar.entities.refusals import bulk_refusal
from planar.entities.registration import RegisteredEntity
from planar.entities.validation import MAX_MISFITS, Location, entry
from planar.entities.visibility import OTHERS, rows_of

_HANDLED: Final = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})
"""What a foreign key may say of a deletion so that it is no obstacle."""

CHUNK: Final = 500


async def refuse_referenced(session: PlanarSession, entity: RegisteredEntity, rows: Sequence[SQLModel], loc: Location) -> None:
    """Make sure that nobody else refers to *rows*; a statement for each foreign key to their table.

    Foreign keys with an ``ondelete`` of their own, and relationships that delete with the row, do not count.

    Raises:
        StillReferenced: somebody does; the message names the table and the field, if whoever acts may list its rows.
    """
    errors: dict[int, StillReferenced] = {}
    for constraint in _obstacles(entity):
        for index in await _referenced(session, entity, constraint, rows):
            message = _told(entity, constraint)
            errors.setdefault(index, StillReferenced(message, errors=[entry(StillReferenced.code, (*loc, index), message)]))
    if errors:
        raise bulk_refusal([errors[index] for index in sorted(errors)][:MAX_MISFITS])


def _told(entity: RegisteredEntity, constraint: ForeignKeyConstraint) -> str:
    """Who refers, as far as whoever acts may know."""
    columns = list(constraint.columns)
    rows = rows_of(constraint.table, columns)
    by = "" if rows == OTHERS else f" by {', '.join(column.name for column in columns)}"
    return f"{rows} refer to this {entity.name}{by}. Change or delete them first."


async def _referenced(
    session: PlanarSession, entity: RegisteredEntity, constraint: ForeignKeyConstraint, rows: Sequence[SQLModel]
) -> set[int]:
    """The places of those of *rows* that are referred to by *constraint*."""
    (element,) = constraint.elements
    name = next(name for name, field in entity.fields.items() if field.column is element.column)
    places = {getattr(row, name): index for index, row in enumerate(rows)}
    values = [value for value in places if value is not None]
    referring = element.parent
    # Rows that go together may refer to each other.
    is_own = constraint.table is entity.table
    going = {getattr(row, entity.key) for row in rows} if is_own else set[Any]()
    key = entity.fields[entity.key].column if is_own else literal(None)
    found: set[int] = set()
    connection = await session.connection()
    for start in range(0, len(values), CHUNK):
        query = select(referring, key).where(referring.in_(values[start : start + CHUNK])).distinct()
        found.update(places[value] for value, referrer in await connection.execute(query) if referrer not in going)
    return found


def _obstacles(entity: RegisteredEntity) -> list[ForeignKeyConstraint]:
    """The foreign keys to the entity's table, of one column each, that would keep a row from being deleted."""
    cascading = _cascading(entity.mapper)
    return [
        constraint
        for table in entity.table.metadata.sorted_tables
        for constraint in table.foreign_key_constraints
        if constraint.referred_table is entity.table
        and (constraint.ondelete or "").upper() not in _HANDLED
        and len(constraint.elements) == 1
        and constraint.table not in cascading
    ]


def _cascading(mapper: Mapper[Any]) -> set[object]:
    """The tables of which SQLAlchemy deletes rows together with the mapper's: by a cascade, or because they only link."""
    found: set[object] = set()
    for relationship in mapper.relationships:
        if relationship.secondary is not None:
            found.add(relationship.secondary)
        elif relationship.cascade.delete:
            target: Any = relationship.mapper
            found.add(target.local_table)
    return found
