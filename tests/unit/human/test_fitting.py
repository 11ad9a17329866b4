"""Whether a value has the shape that a schema asks for: as pydantic's schemas have it, for models that read the value."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from planar.human.fitting import fits
from planar.human.forms import schema_of


class Colour(Enum):
    RED = "red"


class Leaf(BaseModel):
    model_config = ConfigDict(extra="forbid")
    kind: Literal["leaf"]
    colour: Colour | None = None
    children: list[Leaf] = []


class Whole(BaseModel):
    approved: bool
    count: int = 0
    price: Decimal | None = None
    until: date | None = None
    pair: tuple[int, str] = (1, "")
    labels: dict[str, int] = {}
    leaf: Leaf | None = None
    anything: Any = None


GOOD: list[dict[str, Any]] = [
    {"approved": True},
    {"approved": False, "count": 7, "price": "0.1", "until": "2027-01-02", "pair": [1, "a"], "labels": {"a": 1}, "more": 1},
    {"approved": True, "leaf": {"kind": "leaf", "colour": "red", "children": [{"kind": "leaf"}]}, "anything": [None, {"x": 1.5}]},
    {"approved": True, "leaf": None, "price": 3},
]
BAD: list[Any] = [
    {},
    [],
    None,
    {"approved": 1},
    {"approved": "yes"},
    {"approved": True, "count": 1.5},
    {"approved": True, "count": True},
    {"approved": True, "pair": ["a", 1]},
    {"approved": True, "labels": {"a": "x"}},
    {"approved": True, "leaf": {"kind": "root"}},
    {"approved": True, "leaf": {"kind": "leaf", "colour": "blue"}},
    {"approved": True, "leaf": {"kind": "leaf", "children": [{"kind": "leaf", "more": 1}]}},
]


@pytest.mark.parametrize("value", GOOD)
def test_what_the_model_reads_fits(value: dict[str, Any]) -> None:
    Whole.model_validate(value)
    assert fits(schema_of(Whole), value)


@pytest.mark.parametrize("value", BAD)
def test_what_the_model_does_not_read_does_not_fit(value: Any) -> None:
    with pytest.raises(ValidationError):
        Whole.model_validate(value, strict=True)
    assert not fits(schema_of(Whole), value)


def test_a_schema_without_an_end_fits_nothing() -> None:
    assert not fits({"$ref": "#/$defs/A", "$defs": {"A": {"$ref": "#/$defs/A"}}}, {})
    assert not fits({"$ref": "#/$defs/gone"}, {})
    assert fits({"allOf": [{"type": ["object", "null"]}, {"required": ["a"]}]}, {"a": 1})
    assert fits({"enum": [1, "a"]}, "a")
    assert not fits({"enum": [1]}, True)
