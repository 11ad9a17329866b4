"""Why did a database refuse a row? Read from what its driver says; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from sqlalchemy.exc import DBAPIError


class Refusal(StrEnum):
    """The reasons for which a database refuses a row."""

    UNIQUE = "unique"
    REFERENCE = "reference"
    NULL = "null"
    CHECK = "check"
    VALUE = "value"


@dataclass(frozen=True, slots=True)
class Said:
    """What a driver said.

    Args:
        sqlstate: PostgreSQL's code; None on SQLite.
        message: its sentence.
        detail: its second sentence, with the columns; PostgreSQL only.
        table, column, constraint: what it names; PostgreSQL only.
    """

    sqlstate: str | None
    message: str
    detail: str | None = None
    table: str | None = None
    column: str | None = None
    constraint: str | None = None


@dataclass(frozen=True, slots=True)
class Violation:
    """A refusal.

    Args:
        refusal: the reason.
        columns: the columns that it is about, as far as the driver names them.
        table: the table that a still referenced row is referenced from; None otherwise.
        constraint: the name of the constraint, as far as the driver names it.
    """

    refusal: Refusal
    columns: tuple[str, ...] = ()
    table: str | None = None
    constraint: str | None = None


_STATES: Final = {
    "23505": Refusal.UNIQUE,
    "23503": Refusal.REFERENCE,
    "23502": Refusal.NULL,
    "23514": Refusal.CHECK,
    "23P01": Refusal.UNIQUE,
}
_DATA: Final = "22"
"""The class of PostgreSQL's codes for values that cannot be stored."""

_KEY: Final = re.compile(r"^Key \((?P<columns>.*?)\)=\(")
_REFERRER: Final = re.compile(r"is still referenced from table \"(?P<table>.*)\"")
_SQLITE: Final = re.compile(r"^(?P<what>UNIQUE|NOT NULL|CHECK|FOREIGN KEY) constraint failed(?:: (?P<where>.*))?$", re.DOTALL)
_SQLITE_REFUSALS: Final = {
    "UNIQUE": Refusal.UNIQUE,
    "NOT NULL": Refusal.NULL,
    "CHECK": Refusal.CHECK,
    "FOREIGN KEY": Refusal.REFERENCE,
}


def said_by(error: DBAPIError) -> Said:
    """What the driver said in *error*."""
    cause = error.orig
    # SQLAlchemy's adapter of asyncpg keeps the code; the rest is with the error that it stands for.
    origin = getattr(cause, "__cause__", None) or cause

    def part(name: str) -> str | None:
        found = getattr(origin, name, None)
        return str(found) if found else None

    state = part("sqlstate") or (str(found) if (found := getattr(cause, "sqlstate", None)) else None)
    return Said(state, str(origin), part("detail"), part("table_name"), part("column_name"), part("constraint_name"))


def read_violation(said: Said) -> Violation | None:
    """The refusal in what was said; None if it is about something else."""
    return _read_sqlite(said.message) if said.sqlstate is None else _read_postgresql(said)


def _read_postgresql(said: Said) -> Violation | None:
    state = said.sqlstate or ""
    if state.startswith(_DATA):
        return Violation(Refusal.VALUE)
    refusal = _STATES.get(state)
    if refusal is None:
        return None
    if refusal is Refusal.NULL:
        return Violation(refusal, (said.column,) if said.column else ())
    key = _KEY.search(said.detail or "")
    columns = tuple(_unquoted(name) for name in key["columns"].split(", ")) if key is not None else ()
    referrer = _REFERRER.search(said.detail or "")
    return Violation(refusal, columns, referrer["table"] if referrer is not None else None, said.constraint)


def _read_sqlite(message: str) -> Violation | None:
    found = _SQLITE.search(message)
    if found is None:
        return Violation(Refusal.VALUE) if message.startswith(("datatype mismatch", "string or blob too big")) else None
    refusal, where = _SQLITE_REFUSALS[found["what"]], found["where"] or ""
    if refusal is Refusal.CHECK:
        return Violation(refusal, constraint=where or None)
    if where.startswith("index "):  # of expressions, which have no columns
        return Violation(refusal, constraint=where.removeprefix("index ").strip("'"))
    return Violation(refusal, tuple(name.rpartition(".")[2] for name in where.split(", ") if name))


def _unquoted(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
