"""What a driver says of a refused row is read without a database."""

from __future__ import annotations

import pytest

from planar.entities.violations import Refusal, Said, Violation, read_violation


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (Said(None, "UNIQUE constraint failed: customer.email"), Violation(Refusal.UNIQUE, ("email",))),
        (Said(None, "UNIQUE constraint failed: a.x, a.y"), Violation(Refusal.UNIQUE, ("x", "y"))),
        (Said(None, "UNIQUE constraint failed: index 'lower_name'"), Violation(Refusal.UNIQUE, constraint="lower_name")),
        (Said(None, "NOT NULL constraint failed: a.x"), Violation(Refusal.NULL, ("x",))),
        (Said(None, "CHECK constraint failed: positive"), Violation(Refusal.CHECK, constraint="positive")),
        (Said(None, "FOREIGN KEY constraint failed"), Violation(Refusal.REFERENCE)),
        (Said(None, "datatype mismatch"), Violation(Refusal.VALUE)),
        (Said(None, "database is locked"), None),
        (
            Said("23505", "m", 'Key (a, "B""c")=(1, 2) already exists.', constraint="u"),
            Violation(Refusal.UNIQUE, ("a", 'B"c'), constraint="u"),
        ),
        (Said("23505", "m", None, constraint="u"), Violation(Refusal.UNIQUE, constraint="u")),
        (
            Said("23503", "m", 'Key (x)=((a)=(b)) is not present in table "t".', constraint="f"),
            Violation(Refusal.REFERENCE, ("x",), constraint="f"),
        ),
        (
            Said("23503", "m", 'Key (id)=(1) is still referenced from table "order".', constraint="f"),
            Violation(Refusal.REFERENCE, ("id",), "order", "f"),
        ),
        (Said("23502", "m", "Failing row contains (1).", column="x"), Violation(Refusal.NULL, ("x",))),
        (Said("23514", "m", constraint="positive"), Violation(Refusal.CHECK, constraint="positive")),
        (Said("22001", "value too long"), Violation(Refusal.VALUE)),
        (Said("40001", "could not serialize"), None),
    ],
)
def test_what_was_said_is_read(said: Said, read: Violation | None) -> None:
    assert read_violation(said) == read
