"""Only an error that another transaction caused is worth a second attempt."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError

from planar.db.conflicts import is_conflict
from planar.db.errors import DatabaseBusy, WriteHeldTooLong


class PostgresError(Exception):
    def __init__(self, sqlstate: str) -> None:
        super().__init__(sqlstate)
        self.sqlstate = sqlstate


def sqlite_error(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_SNAPSHOT, sqlite3.SQLITE_BUSY_RECOVERY])
def test_every_kind_of_busy_is_a_conflict(code: int) -> None:
    assert is_conflict(OperationalError("s", {}, sqlite_error(code)))


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_serialization_failures_and_deadlocks_are_conflicts(state: str) -> None:
    assert is_conflict(DBAPIError("s", {}, PostgresError(state)))


def test_a_write_lock_that_was_not_free_is_a_conflict() -> None:
    assert is_conflict(DatabaseBusy())


@pytest.mark.parametrize(
    "error",
    [
        ValueError("could not serialize access"),
        WriteHeldTooLong(),
        OperationalError("s", {}, sqlite_error(sqlite3.SQLITE_FULL)),
        IntegrityError("s", {}, PostgresError("23505")),
    ],
)
def test_any_other_error_is_not(error: Exception) -> None:
    assert not is_conflict(error)
