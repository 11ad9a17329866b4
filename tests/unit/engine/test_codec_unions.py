"""The class of a value decides how it is stored and what comes back, never the order of a union's members."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field

from planar.engine.codec import CallCodec
from planar.engine.errors import ArgumentNotStorable, CallNotRestorable, ResultNotStorable
from tests.unit.engine.codec_shapes import (
    Animal,
    Card,
    Color,
    Crate,
    Dog,
    InvoicePage,
    Leaf,
    Left,
    Level,
    M,
    Node,
    Owner,
    Point,
    RightHand,
    Speaks,
    T,
    Transfer,
    returning,
    stored,
    survives,
    through,
)

KEY = UUID(int=5)


@pytest.mark.parametrize(
    ("hint", "values"),
    [
        (int | str, [5, "5"]),
        (str | int, [5, "5"]),
        (int | float, [1, 1.0]),
        (float | Level, [1.0, Level.LOW]),
        (int | bool, [1, True]),
        (float | str, [1.0, math.inf, "Infinity"]),
        (UUID | str, [KEY, str(KEY), "x"]),
        (date | datetime | str, [date(2020, 1, 1), datetime(2020, 1, 1, tzinfo=UTC), "2020-01-01"]),
        (Decimal | float | int | str, [Decimal(1), 1.0, 1, "1"]),
        (bytes | str, [b"a", "YQ=="]),
        (Color | str, [Color.RED, "r"]),
        (Literal["a"] | int, ["a", 1]),
        (timedelta | dict[str, int], [timedelta(1), {"days": 1, "seconds": 0, "microseconds": 0}]),
        (list[int] | list[str], [[1], ["1"], []]),
        (tuple[int, ...] | list[int] | set[int], [(1,), [1], {1}]),
        (Card | Transfer, [Card(), Transfer()]),
        (Annotated[Card | Transfer, Field(discriminator="kind")], [Card(), Transfer()]),
        (Left | RightHand, [Left(), RightHand()]),
        (Animal | Dog, [Animal(name="a"), Dog(name="a")]),
        (Animal | str | list[Animal], [Dog(name="a"), "a", [Dog(name="a"), Animal(name="b")]]),
        (dict[str, Any] | Card, [{"kind": "card", "number": 1}, Card()]),
        (Node | Leaf | Point, [Node(1, timedelta(1)), Leaf(1, timedelta(1)), Point(Decimal(1))]),
        (int | None, [1, None]),
    ],
)
def test_each_member_of_a_union_comes_back_as_what_it_is(hint: Any, values: list[Any]) -> None:
    for value in values:
        assert survives(hint, value), value


def test_a_value_stands_bare_where_its_form_tells_the_member() -> None:
    assert stored(int | str, "5") == '"5"'
    assert stored(UUID | str, KEY) == f'"{KEY}"'
    assert stored(Card | Transfer, Transfer()) == '{"kind":"transfer","number":1}'
    assert json.loads(stored(UUID | str, str(KEY))) == {"$type": "builtins:str", "$value": str(KEY)}


def test_a_users_own_dictionary_that_looks_like_a_named_class_stays_a_dictionary() -> None:
    for hint in (dict[str, Any] | int, dict[str, Any] | Card, dict[str, Any], T):
        assert survives(hint, {"$type": "builtins:int", "$value": 1})


def test_a_value_of_no_member_is_told_at_the_step() -> None:
    with pytest.raises(ResultNotStorable, match=r"does not fit its annotation"):
        through(int | date, "soon")


@pytest.mark.parametrize("hint", [Animal, M, T, Speaks, BaseModel, list[Animal], tuple[Animal, ...], dict[str, Animal], Animal | None])
def test_a_subclass_keeps_its_class_and_its_fields(hint: Any) -> None:
    dog = Dog(name="Rex", tricks=3)
    containers = {list[Animal]: [dog], tuple[Animal, ...]: (dog,), dict[str, Animal]: {"a": dog}}
    assert survives(hint, containers.get(hint, dog))


def test_a_subclass_of_a_dataclass_keeps_its_class_at_any_depth() -> None:
    assert survives(Node, Node(1, timedelta(1), Leaf(2, timedelta(1), data=b"\xff"), [Leaf(3, timedelta(2))]))


def test_a_class_in_the_functions_own_module_is_named_without_the_module() -> None:
    def example(animal: Animal) -> Animal: ...

    example.__module__ = Dog.__module__
    args, _ = CallCodec(example).dump_call((Dog(name="a"),), {})
    assert json.loads(args)[0]["$type"] == ":Dog"
    example.__module__ = "tests.elsewhere"
    args, _ = CallCodec(example).dump_call((Dog(name="a"),), {})
    assert json.loads(args)[0]["$type"] == f"{Dog.__module__}:Dog"


def test_a_subclass_is_found_where_its_file_is_called_differently_now() -> None:
    text = json.dumps({"$type": "codec_shapes:Dog", "$value": {"name": "a", "tricks": 1}})
    assert CallCodec(returning(Animal)).load_result(text) == Dog(name="a", tricks=1)


@pytest.mark.parametrize("label", ["os:Dog", "decimal:Decimal", ":", "Dog", 5, [], ["builtins:dict", "builtins:str"]])
def test_a_named_class_that_does_not_belong_there_is_refused(label: Any) -> None:
    with pytest.raises(CallNotRestorable):
        CallCodec(returning(Animal)).load_result(json.dumps({"$type": label, "$value": {"name": "a"}}))


def test_naming_a_class_imports_no_module() -> None:
    with pytest.raises(CallNotRestorable, match="this:Thing"):
        CallCodec(returning(T)).load_result('{"$type":"this:Thing","$value":1}')


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Crate[int], Crate[int](item=1)),
        (Crate[T], Crate[Animal](item=Animal(name="a"))),
        (Crate, Crate[Animal](item=Animal(name="a"), items=[Animal(name="b")])),
        (Crate[Animal], Crate[Animal](item=Animal(name="a"))),
        (Crate, Crate(item=1)),
    ],
)
def test_a_generic_model_keeps_what_it_was_made_of(hint: Any, value: Any) -> None:
    assert survives(hint, value)


def test_a_generic_model_without_parameters_is_restored_by_what_it_holds() -> None:
    restored = through(Crate[T], Crate(item=Animal(name="a"), items=[Animal(name="b")]))
    assert restored == Crate[Animal](item=Animal(name="a"), items=[Animal(name="b")])
    assert type(restored.item) is Animal
    assert type(restored.items[0]) is Animal


def test_a_subclass_inside_a_models_field_is_refused_rather_than_cut_down() -> None:
    codec = CallCodec(returning(Owner))
    with pytest.raises(ArgumentNotStorable, match=r"`value` .* at \.others\[1\]: Dog stands where Animal is annotated"):
        codec.dump_call((Owner(pet=Animal(name="a"), others=[Animal(name="b"), Dog(name="c")]),), {})
    with pytest.raises(ResultNotStorable, match=r"at \.pet: Dog stands where Animal is annotated"):
        codec.roundtrip_result(Owner(pet=Dog(name="a")))
    assert survives(Owner, Owner(pet=Animal(name="a")))


def test_a_class_made_inside_a_function_is_refused_where_only_its_name_could_lead_to_it() -> None:
    class Local(BaseModel):
        number: int

    with pytest.raises(ResultNotStorable, match="at the top of a module"):
        CallCodec(returning(T)).roundtrip_result(Local(number=1))
    assert survives(Local, Local(number=1))


def test_a_page_of_rows_is_not_taken_for_rows() -> None:
    assert survives(InvoicePage | list[int], InvoicePage(rows=[]))
