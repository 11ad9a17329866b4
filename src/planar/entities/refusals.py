"""The database refused rows: which of them, for which fields, and in whose words? Asked only after it happened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final, TypeVar

from sqlalchemy import ForeignKeyConstraint, Table, select
from sqlalchemy.exc import DBAPIError, StatementError

from planar.db.conflicts import is_conflict
from planar.db.planar_session import PlanarSession
from planar.entities.errors import CheckFailed, ConstraintViolated, MissingReference, MissingValue, NotUnique, StillReferenced
from planar.entities.registration import RegisteredEntity
from planar.entities.validation import MAX_MISFITS, Entry, Location, entry
from planar.entities.violations import Refusal, Violation, read_violation, said_by
from planar.entities.visibility import rows_of
from planar.errors import PlanarError
from planar.modeling.errors import Misfits

T = TypeVar("T")

_ERRORS: Final[dict[Refusal, type[ConstraintViolated]]] = {
    Refusal.UNIQUE: NotUnique,
    Refusal.REFERENCE: MissingReference,
    Refusal.NULL: MissingValue,
    Refusal.CHECK: CheckFailed,
}

Row = dict[str, Any]
"""A row by its columns' names."""

Attempt = Callable[[Sequence[T]], Awaitable[None]]
"""Writes some rows, inside a savepoint of its own."""


async def find_refused(rows: Sequence[T], attempt: Attempt[T]) -> list[tuple[int, StatementError]]:
    """The places of those of *rows* that the database refuses, up to `MAX_MISFITS`, each with its error.

    Halves are tried again and again, so that one bad row of n costs about log n attempts. Rows that are accepted stay, so that of two
    that exclude each other the later one is told of.

    Args:
        rows: what to write.
        attempt: writes some of them, and leaves nothing behind if it fails.
    """
    found: list[tuple[int, StatementError]] = []
    waiting = [(0, len(rows))]
    while waiting and len(found) < MAX_MISFITS:
        start, end = waiting.pop()
        try:
            await attempt(rows[start:end])
        except StatementError as error:
            if is_conflict(error):
                raise
            if end - start == 1:
                found.append((start, error))
            else:
                middle = (start + end) // 2
                waiting += [(middle, end), (start, middle)]
    return found


async def refusal_of(
    session: PlanarSession, entity: RegisteredEntity, error: StatementError, row: Row | None, loc: Location
) -> PlanarError | None:
    """The error that says for which fields the database refused *row*; None if it did something else.

    Args:
        session: where to look for what the driver does not tell; its failed transaction is undone already.
        entity: what the row is of.
        error: what happened.
        row: what was to be written, or None if that is not known.
        loc: where the row stands in the request.
    """
    violation = read_violation(said_by(error)) if isinstance(error, DBAPIError) else Violation(Refusal.VALUE)
    if violation is None:
        return None
    if violation.refusal is Refusal.VALUE:
        return Misfits([entry("value_error", loc, "A value is not one that the database can store")])
    columns = violation.columns
    if violation.refusal is Refusal.REFERENCE and violation.table is None and not columns and row is not None:
        columns = await missing_references(session, entity.table, row)
    return explained(entity, violation, columns, loc)


def explained(entity: RegisteredEntity, violation: Violation, columns: Sequence[str], loc: Location) -> ConstraintViolated:
    """The error for a violation of *columns*."""
    fields = [name for name, field in entity.fields.items() if field.column.name in columns and not field.hidden]
    kind = StillReferenced if violation.table is not None else _ERRORS[violation.refusal]
    message = _message(entity, violation, fields)
    places = [(*loc, name) for name in fields] or [loc]
    return kind(message, errors=[entry(kind.code, place, message) for place in places])


def _message(entity: RegisteredEntity, violation: Violation, fields: Sequence[str]) -> str:
    named = " and ".join(fields)
    if violation.table is not None:
        return f"{rows_of(_table(entity, violation.table))} refer to this {entity.name}. Change or delete them first."
    match violation.refusal:
        case Refusal.UNIQUE:
            return f"Another {entity.name} has the same {named or 'value'}."
        case Refusal.REFERENCE:
            return f"{named or 'A field'} of {entity.name} refers to a row that does not exist."
        case Refusal.NULL:
            return f"{named or 'A field'} of {entity.name} must have a value."
        case _:
            name = violation.constraint
            # SQLite gives the text of a condition that has no name.
            return (
                f"{entity.name} does not meet the condition {name!r}." if name and name.isidentifier() else f"{entity.name} breaks a rule."
            )


def _table(entity: RegisteredEntity, name: str) -> Table | None:
    """The table that a database calls *name*, which is without its schema."""
    return next((table for table in entity.table.metadata.sorted_tables if table.name == name), None)


async def missing_references(session: PlanarSession, table: Table, row: Row) -> tuple[str, ...]:
    """The columns of *row* that refer to a row that does not exist; a statement for each foreign key."""
    missing: list[str] = []
    for constraint in table.foreign_key_constraints:
        if not await _is_met(session, constraint, row):
            missing.extend(column.name for column in constraint.columns)
    return tuple(missing)


async def _is_met(session: PlanarSession, constraint: ForeignKeyConstraint, row: Row) -> bool:
    pairs = [(element.column, row.get(element.parent.name)) for element in constraint.elements]
    if any(value is None for _, value in pairs):
        return True
    there = select(pairs[0][0]).where(*(column == value for column, value in pairs)).limit(1)
    return (await (await session.connection()).execute(there)).first() is not None


def bulk_refusal(errors: Sequence[PlanarError]) -> PlanarError:
    """One error for those of many rows: what a caller has to mend first decides its kind."""
    misfits = [found for error in errors if isinstance(error, Misfits) for found in error.entries]
    if misfits:
        return Misfits(misfits)
    entries: list[Entry] = [found for error in errors for found in error.details.get("errors", ())]
    first = errors[0]
    return type(first)(f"{first.message} Nothing was written; {len(errors)} of the rows were refused.", errors=entries)
