"""What goes into a column comes out of it, on SQLite, in the format that the engine's own statements rely on."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, create_engine, func, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import StatementError
from sqlalchemy.schema import CreateTable

from planar.modeling.column_types import ExactDecimal, JSONText, UTCDateTime
from planar.modeling.errors import InvalidDecimal, InvalidJSON

THINGS = Table(
    "thing",
    MetaData(),
    Column("id", Integer, primary_key=True),
    Column("price", ExactDecimal(20, 2)),
    Column("weight", ExactDecimal()),
    Column("data", JSONText),
    Column("at", UTCDateTime),
)


@pytest.fixture
def connection() -> Iterator[Connection]:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        THINGS.metadata.create_all(connection)
        yield connection
    engine.dispose()


def insert(connection: Connection, **values: Any) -> None:
    connection.execute(THINGS.insert(), values)


@pytest.mark.parametrize("digits", ["1234567890123456.89", "0.10", "-999999999999999999.99", "0.00"])
def test_a_decimal_comes_back_with_every_digit(connection: Connection, digits: str) -> None:
    insert(connection, price=Decimal(digits), weight=Decimal(digits))
    row = connection.execute(select(THINGS.c.price, THINGS.c.weight)).one()
    assert [str(value) for value in row] == [digits, digits]


def test_a_decimal_without_scale_keeps_all_its_places(connection: Connection) -> None:
    insert(connection, weight=Decimal("0.1234567890123456789012345678901234567890"))
    assert connection.execute(select(THINGS.c.weight)).scalar_one() == Decimal("0.1234567890123456789012345678901234567890")


def test_a_stored_decimal_is_rounded_half_up_to_its_scale(connection: Connection) -> None:
    insert(connection, price=Decimal("2.345"))
    insert(connection, price=Decimal("-2.345"))
    assert list(connection.execute(select(THINGS.c.price).order_by(THINGS.c.id)).scalars()) == [Decimal("2.35"), Decimal("-2.35")]


def test_decimals_sort_and_compare_as_numbers_not_as_text(connection: Connection) -> None:
    for number in ("9", "10", "-1", "1E+3", "0.5"):
        insert(connection, weight=Decimal(number))
    weight = THINGS.c.weight
    assert list(connection.execute(select(weight).order_by(weight)).scalars()) == [Decimal(n) for n in ("-1", "0.5", "9", "10", "1000")]
    assert set(connection.execute(select(weight).where(weight > 9)).scalars()) == {Decimal(10), Decimal(1000)}
    assert set(connection.execute(select(weight).where(weight.in_([9, 10]))).scalars()) == {Decimal(9), Decimal(10)}
    assert connection.execute(select(func.max(weight))).scalar_one() == Decimal(1000)
    assert connection.execute(text("select count(*) from thing where weight < 9.5")).scalar_one() == 3


def test_a_compared_value_is_not_rounded_to_the_columns_scale(connection: Connection) -> None:
    insert(connection, price=Decimal("0.00"))
    insert(connection, price=Decimal("0.01"))
    assert connection.execute(select(func.count()).where(THINGS.c.price > Decimal("0.005"))).scalar_one() == 1
    assert connection.execute(select(func.count()).where(THINGS.c.price < Decimal("0.005"))).scalar_one() == 1


def test_equal_numbers_written_differently_are_equal(connection: Connection) -> None:
    insert(connection, weight=Decimal("1.50"))
    assert connection.execute(select(func.count()).where(THINGS.c.weight == Decimal("1.5"))).scalar_one() == 1


def test_a_sum_of_decimals_is_exact(connection: Connection) -> None:
    for _ in range(10):
        insert(connection, price=Decimal("0.10"))
    insert(connection, price=Decimal("100000000000000000.01"))
    insert(connection, price=None)
    assert connection.execute(select(func.sum(THINGS.c.price))).scalar_one() == Decimal("100000000000000001.01")


def test_a_sum_of_nothing_is_null_and_other_sums_are_untouched(connection: Connection) -> None:
    assert connection.execute(select(func.sum(THINGS.c.price))).scalar_one() is None
    insert(connection, price=Decimal(1))
    assert connection.execute(select(func.sum(THINGS.c.id))).scalar_one() == 1


def test_a_running_sum_over_a_window_is_exact(connection: Connection) -> None:
    for _ in range(4):
        insert(connection, price=Decimal("0.10"))
    window = func.sum(THINGS.c.price).over(order_by=THINGS.c.id, rows=(-1, 0))
    assert list(connection.execute(select(window)).scalars()) == [Decimal(n) for n in ("0.10", "0.20", "0.20", "0.20")]


@pytest.mark.parametrize("value", [Decimal("NaN"), Decimal("Infinity"), float("inf"), "twelve"])
def test_what_is_not_a_finite_number_is_refused(connection: Connection, value: Any) -> None:
    with pytest.raises(StatementError) as caught:
        insert(connection, weight=value)
    assert isinstance(caught.value.orig, InvalidDecimal)


def test_a_number_with_too_many_digits_is_refused(connection: Connection) -> None:
    insert(connection, price=Decimal("999999999999999999.99"))
    with pytest.raises(StatementError, match="does not fit a number of 20 digits with 2 after the point"):
        insert(connection, price=Decimal("999999999999999999.995"))


def test_on_postgresql_a_decimal_is_a_numeric() -> None:
    ddl = str(CreateTable(THINGS).compile(dialect=postgresql.dialect()))
    assert "price NUMERIC(20, 2)" in ddl
    assert "weight NUMERIC," in ddl
    assert "at TIMESTAMP WITH TIME ZONE" in ddl


def test_json_is_compact_text_and_comes_back(connection: Connection) -> None:
    value = {"a": [1, 2.5, None, True, "ü\x00"], "big": 12345678901234567890123}
    insert(connection, data=value)
    insert(connection, data=None)
    raw = connection.execute(text("select data from thing order by id")).scalars().all()
    assert raw == ['{"a":[1,2.5,null,true,"ü\\u0000"],"big":12345678901234567890123}', None]
    assert connection.execute(select(THINGS.c.data).order_by(THINGS.c.id)).scalars().all() == [value, None]


def test_json_text_can_be_searched_with_like(connection: Connection) -> None:
    insert(connection, data={"name": "Ada"})
    assert connection.execute(select(func.count()).where(THINGS.c.data.like("%Ada%"))).scalar_one() == 1
    assert connection.execute(select(func.count()).where(THINGS.c.data == {"name": "Ada"})).scalar_one() == 1


@pytest.mark.parametrize("value", [{"x": object()}, float("nan"), {1, 2}])
def test_what_json_cannot_hold_is_refused(connection: Connection, value: Any) -> None:
    with pytest.raises(StatementError) as caught:
        insert(connection, data=value)
    assert isinstance(caught.value.orig, InvalidJSON)


def test_a_moment_is_stored_as_utc_text_and_comes_back_aware(connection: Connection) -> None:
    insert(connection, at=datetime(2025, 1, 2, 3, 4, 5, 6, tzinfo=timezone(timedelta(hours=2))))
    assert connection.execute(text("select at from thing")).scalar_one() == "2025-01-02 01:04:05.000006"
    stored = connection.execute(select(THINGS.c.at)).scalar_one()
    assert stored == datetime(2025, 1, 2, 1, 4, 5, 6, tzinfo=UTC)
    assert stored.utcoffset() == timedelta(0)


def test_a_naive_moment_is_refused(connection: Connection) -> None:
    with pytest.raises(StatementError, match="timezone"):
        insert(connection, at=datetime(2025, 1, 2, tzinfo=UTC).replace(tzinfo=None))
