"""Which of many rows did the database refuse? Written again without the ORM, in ever smaller parts, and undone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import inspect, update
from sqlalchemy.exc import StatementError
from sqlmodel import SQLModel

from planar.db.planar_session import PlanarSession
from planar.entities.refusals import Row, bulk_refusal, find_refused, refusal_of
from planar.entities.registration import RegisteredEntity
from planar.entities.validation import Location
from planar.errors import PlanarError


async def refused(
    session: PlanarSession, entity: RegisteredEntity, error: StatementError, rows: Sequence[Row], loc: Location, attempt: Any
) -> Exception | None:
    """The error for rows that were refused together; the savepoint is undone already, and nothing is written here.

    None if one after the other, in the order of *rows*, all of them are accepted: the ORM has an order of its own, or another transaction
    was in the way, and is no more.

    Args:
        session, entity: whose rows.
        error: what the database said of them together.
        rows: what was to be written.
        loc: where they stand in the request.
        attempt: `inserting` or `updating`.
    """
    # Rows that pass alone are written while those that do not are looked for.
    async with session.begin_nested() as trial:
        try:
            return await _explained(session, entity, error, rows, loc, attempt)
        finally:
            await trial.rollback()


async def _explained(
    session: PlanarSession, entity: RegisteredEntity, error: StatementError, rows: Sequence[Row], loc: Location, attempt: Any
) -> Exception | None:
    causes = [(0, error)] if len(rows) == 1 else await find_refused(rows, attempt)
    found: list[PlanarError] = []
    for index, cause in causes:
        explained = await refusal_of(session, entity, cause, rows[index], (*loc, index))
        if explained is None:
            return cause
        found.append(explained)
    return bulk_refusal(found) if found else None


def inserting(session: PlanarSession, entity: RegisteredEntity) -> Any:
    """Inserts rows again, for `refused`."""

    async def attempt(rows: Sequence[Row]) -> None:
        async with session.begin_nested():
            await (await session.connection()).execute(entity.table.insert(), list(rows))

    return attempt


def updating(session: PlanarSession, entity: RegisteredEntity) -> Any:
    """Updates rows again, for `refused`."""
    key = entity.fields[entity.key].column

    async def attempt(rows: Sequence[Row]) -> None:
        async with session.begin_nested():
            connection = await session.connection()
            for row in rows:
                await connection.execute(update(entity.table).where(key == row[key.name]).values(row))

    return attempt


def columns_of(entity: RegisteredEntity, row: SQLModel) -> Row:
    """What an INSERT of the row sets: a key that the database makes is left out."""
    values = {field.column.name: getattr(row, name) for name, field in entity.fields.items()}
    key = entity.fields[entity.key].column.name
    if values[key] is None:
        del values[key]
    return values


def changed_columns(entity: RegisteredEntity, row: SQLModel) -> Row:
    """What an UPDATE of the row sets, and its key."""
    state = inspect(row)
    assert state is not None
    names = [name for name in entity.fields if name == entity.key or state.attrs[name].history.has_changes()]
    return {entity.fields[name].column.name: getattr(row, name) for name in names}
