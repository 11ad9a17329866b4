"""A table that is not what its class says is described column by column."""

from __future__ import annotations

from sqlalchemy import Column, Float, Integer, MetaData, String, Table
from sqlalchemy.dialects import postgresql, sqlite

from planar.db.tables import differences, expected_types
from planar.modeling.column_types import ExactDecimal, UTCDateTime

INVOICES = Table("invoice", MetaData(), Column("id", Integer), Column("amount", ExactDecimal(12, 2)), Column("at", UTCDateTime))


def test_the_same_columns_make_no_difference_whatever_their_order() -> None:
    assert not differences("invoice", {"a": "TEXT", "b": "INTEGER"}, {"b": "INTEGER", "a": "TEXT"})


def test_every_difference_names_table_and_column() -> None:
    found = differences("invoice", {"a": "TEXT", "b": "INTEGER"}, {"b": "FLOAT", "c": "TEXT"})
    assert found == [
        "Table invoice has no column a (TEXT).",
        "Column b of table invoice is FLOAT, its class says INTEGER.",
        "Table invoice has a column c that its class does not have.",
    ]


def test_a_decimal_is_text_on_sqlite_and_a_numeric_on_postgresql() -> None:
    assert expected_types(INVOICES, sqlite.dialect()) == {"id": "INTEGER", "amount": "TEXT", "at": "DATETIME"}
    assert expected_types(INVOICES, postgresql.dialect()) == {
        "id": "INTEGER",
        "amount": "NUMERIC(12, 2)",
        "at": "TIMESTAMP WITH TIME ZONE",
    }


def test_two_spellings_of_one_type_are_one_type() -> None:
    table = Table("t", MetaData(), Column("x", Float))
    assert expected_types(table, postgresql.dialect()) == {"x": "DOUBLE PRECISION"}


def test_the_length_of_a_text_counts_only_where_the_database_minds_it() -> None:
    table = Table("t", MetaData(), Column("x", String(7)))
    assert expected_types(table, sqlite.dialect()) == {"x": "VARCHAR"}
    assert expected_types(table, postgresql.dialect()) == {"x": "VARCHAR(7)"}
