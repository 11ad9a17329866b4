"""The stored forms as plain JSON values, for programs that look into records."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel

from planar.workflows.serialization import (
    deserialize_args,
    deserialize_primitive,
    deserialize_result,
    deserialize_value,
    is_pydantic_model,
    serialize_args,
    serialize_primitive,
    serialize_result,
    serialize_value,
)

T = TypeVar("T")


class Item(BaseModel):
    name: str
    price: Decimal = Decimal("1.50")


class Page(BaseModel, Generic[T]):
    items: list[T]


class Color(Enum):
    RED = "r"


@dataclass
class Line:
    item: Item
    pause: timedelta


async def order(item: Item, count: int, when: date | None = None, **more: Decimal) -> Line: ...


async def anything(value): ...


async def page_of(items: list[T]) -> Page[T]: ...


def test_a_model_and_its_class_are_told_from_other_things() -> None:
    assert [is_pydantic_model(found) for found in (Item, Item(name="a"), Line, int, None)] == [True, True, False, False, False]


@pytest.mark.parametrize(
    ("value", "form"),
    [
        (None, None),
        (True, True),
        (5, 5),
        (1.5, 1.5),
        ("a", "a"),
        (Decimal("1.10"), "1.10"),
        (UUID(int=1), str(UUID(int=1))),
        (datetime(2024, 1, 2, tzinfo=UTC), "2024-01-02T00:00:00+00:00"),
        (date(2024, 1, 2), "2024-01-02"),
        (timedelta(days=1, seconds=2, microseconds=3), {"days": 1, "seconds": 2, "microseconds": 3}),
    ],
)
def test_a_single_value_is_stored_and_restored(value: Any, form: Any) -> None:
    assert serialize_primitive(value) == form
    assert serialize_value(value) == form
    assert deserialize_primitive(form, type(value) if value is not None else None) == value
    assert deserialize_value(form) == form


def test_only_single_values_are_primitive() -> None:
    with pytest.raises(TypeError, match="list"):
        serialize_primitive([1])


@pytest.mark.parametrize(
    ("value", "hint", "form"),
    [
        (Item(name="a"), Item, {"name": "a", "price": "1.50"}),
        ([Decimal(1)], list[Decimal], ["1"]),
        ({"a": {date(2020, 1, 1)}}, dict[str, set[date]], {"a": ["2020-01-01"]}),
        (Color.RED, Color, "r"),
        ((1, "a"), tuple[int, str], [1, "a"]),
        (b"a", bytes, "YQ=="),
        ("5", int | str, "5"),
        (Item, type[Item], Item.model_json_schema()),
    ],
)
def test_any_value_is_stored_and_restored(value: Any, hint: Any, form: Any) -> None:
    assert serialize_value(value) == form
    assert deserialize_value(form, hint) == value


def test_what_cannot_be_stored_or_restored_is_told() -> None:
    with pytest.raises(TypeError, match=r"at \['a'\]: an `object`"):
        serialize_value({"a": object()})
    with pytest.raises(ValueError, match="cannot be restored"):
        deserialize_value("soon", timedelta)


def test_arguments_are_stored_by_value_and_restored_by_annotation() -> None:
    args, kwargs = serialize_args(order, (Item(name="a"),), {"count": 2, "when": date(2020, 1, 1), "tax": Decimal("0.1")})
    assert (args, kwargs) == ([{"name": "a", "price": "1.50"}], {"count": 2, "when": "2020-01-01", "tax": "0.1"})
    assert deserialize_args(order, args, kwargs) == ([Item(name="a")], {"count": 2, "when": date(2020, 1, 1), "tax": Decimal("0.1")})
    with pytest.raises(ValueError, match="`count`"):
        deserialize_args(order, args, {"count": "many"})


def test_a_result_is_restored_by_the_explicit_type_then_the_annotation_then_not_at_all() -> None:
    form = serialize_result(order, Line(Item(name="a"), timedelta(1)))
    assert deserialize_result(order, form) == Line(Item(name="a"), timedelta(1))
    assert deserialize_result(order, form["item"], Item) == Item(name="a")
    assert deserialize_result(anything, "1.50") == "1.50"
    assert deserialize_result(anything, "1.50", Decimal) == Decimal("1.50")


def test_a_generic_result_keeps_what_it_was_made_of() -> None:
    for page in (Page[Item](items=[Item(name="a")]), Page(items=[Item(name="a")])):
        restored = deserialize_result(page_of, serialize_result(page_of, page))
        assert restored == Page[Item](items=[Item(name="a")])
        assert type(restored.items[0]) is Item
