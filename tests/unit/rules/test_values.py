"""What does a graph see of a value, and what does its result become?"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field

from planar.rules.errors import RuleInputUnusable, RuleResultMisfit
from planar.rules.values import context_text, fit_result, serialize_for_rule_evaluation


class Color(StrEnum):
    RED = "red"


class Level(IntEnum):
    HIGH = 3


class Pair(Enum):
    BOTH = ("a", 1)


class Inner(BaseModel):
    price: Decimal = Field(alias="cost")


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        (UUID(int=5), "00000000-0000-0000-0000-000000000005"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).replace(tzinfo=None), "2026-01-02T03:04:05Z"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), "2026-01-02T03:04:05+00:00"),
        (datetime(2026, 1, 2, tzinfo=timezone(timedelta(hours=2))), "2026-01-02T00:00:00+02:00"),
        (date(2026, 1, 2), "2026-01-02"),
        (time(3, 4), "03:04:00"),
        (Color.RED, "red"),
        (Level.HIGH, 3),
        (Pair.BOTH, ["a", 1]),
        ({3, 1, 2}, [1, 2, 3]),
        (("a", Decimal("1.50")), ["a", Decimal("1.50")]),
        ({Color.RED: {1: None}}, {"red": {"1": None}}),
        (Inner(cost=Decimal("0.10")), {"cost": Decimal("0.10")}),
        (timedelta(hours=1), "PT1H"),
        (b"ab", "YWI="),
        (True, True),
    ],
)
def test_each_type_has_its_form(value: Any, seen: Any) -> None:
    plain = serialize_for_rule_evaluation(value)
    assert plain == seen
    assert type(plain) is type(seen)


@pytest.mark.parametrize(
    "digits",
    ["1234567890123456789.123456789", "0.1", "1.10", "-5", "79228162514264337593543950335", "0.0000000000000000000000000001", "1E+5"],
)
def test_a_decimal_keeps_all_its_digits(digits: str) -> None:
    number = Decimal(digits)
    text = context_text({"x": number})
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal)["x"] == number
    assert "E" not in text


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": {"b": float("nan")}}, "a.b is nan"),
        ({"a": [Decimal("Infinity")]}, r"a\[0\] is Infinity"),
        ({"x": 1e30}, "numbers up to"),
        ({"x": 10**30}, "numbers up to"),
        ({"x": Decimal("1.23456789012345678901234567891")}, "more than 28 digits"),
        ({("a", "b"): 1}, "A key"),
        ({"x": object()}, "x is object"),
    ],
)
def test_what_a_graph_cannot_read_is_an_error_at_its_place(value: Any, words: str) -> None:
    with pytest.raises(RuleInputUnusable, match=words):
        context_text(value)


class Result(BaseModel):
    model_config = ConfigDict(strict=True)

    ok: bool
    at: datetime
    day: date
    color: Color
    tags: set[str]
    price: Decimal


def test_a_result_is_read_as_json_is_also_by_a_strict_model() -> None:
    given = {"ok": True, "at": "2026-01-02T03:04:05Z", "day": "2026-01-02", "color": "red", "tags": ["a"], "price": "1.50"}
    made = fit_result(Result, given, "It")
    assert made == Result(
        ok=True, at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), day=date(2026, 1, 2), color=Color.RED, tags={"a"}, price=Decimal("1.50")
    )


@pytest.mark.parametrize("result", [None, [], 5, "text", {}])
def test_a_result_that_does_not_fit_names_what_is_missing(result: Any) -> None:
    with pytest.raises(RuleResultMisfit, match="It gave a result that does not fit Result") as caught:
        fit_result(Result, result, "It")
    assert type(caught.value)(*caught.value.args).fields == caught.value.fields
    if result == {}:
        assert caught.value.fields == ("ok", "at", "day", "color", "tags", "price")


def test_half_a_character_has_no_form_that_a_graph_can_read() -> None:
    with pytest.raises(RuleInputUnusable, match="no form in JSON"):
        context_text({"note": "\ud800"})
