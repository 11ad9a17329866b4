"""What a pydantic model's own JSON would lose without a word is kept, or is an error that says what to do."""

from __future__ import annotations

import json
import math
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pytest
from pydantic import BaseModel, ConfigDict, Secret, SecretStr, field_serializer
from sqlalchemy import inspect
from sqlmodel import SQLModel
from typing_extensions import TypedDict

from planar.engine.codec import CallCodec, models, rendering
from planar.engine.errors import ArgumentNotStorable, CallNotRestorable, ResultNotStorable
from tests.unit.engine.codec_shapes import (
    Animal,
    Dog,
    Guarded,
    Invoice,
    InvoicePage,
    LooseOwner,
    Measured,
    Swapped,
    Textual,
    returning,
    stored,
    survives,
    through,
)


def test_a_model_is_stored_as_its_fields_by_their_names() -> None:
    assert stored(Animal, Animal(name="a")) == '{"name":"a"}'
    assert json.loads(stored(Swapped, Swapped(first=1, second=2))) == {"first": 2, "second": 1}


def test_what_a_model_computes_is_not_stored_as_if_it_were_given() -> None:
    assert "total" not in stored(Swapped, Swapped(first=1, second=2))


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
@pytest.mark.parametrize("hint", [Measured, None, list[Measured]])
def test_an_infinite_number_is_refused_where_the_model_would_write_null(hint: Any, number: float) -> None:
    value: Any = Measured(maybe=number)
    with pytest.raises(ArgumentNotStorable, match=r"\.maybe: (inf|-inf|nan) .*ser_json_inf_nan='strings'"):
        CallCodec(returning(hint)).dump_call(([value] if hint == list[Measured] else value,), {})


class Priced(BaseModel):
    price: float
    note: str | None = None


class Order(BaseModel):
    lines: list[Priced]


LOST = Priced(price=math.nan)


@pytest.mark.parametrize(
    ("hint", "value", "place"),
    [
        (Priced, LOST, r"at \.price: nan"),
        (Priced | None, LOST, r"at \.price: nan"),
        (list[Priced], [Priced(price=1), LOST], r"at \[1\]\.price: nan"),
        (Order, Order(lines=[Priced(price=1), LOST]), r"at \.lines\[1\]\.price: nan"),
    ],
)
def test_a_number_that_would_be_lost_is_refused_wherever_it_is(hint: Any, value: Any, place: str) -> None:
    codec = CallCodec(returning(hint))
    for args, kwargs in (((value,), {}), ((), {"value": value})):
        with pytest.raises(ArgumentNotStorable, match=f"`value` .*{place}"):
            codec.dump_call(args, kwargs)
    with pytest.raises(ResultNotStorable, match=place):
        codec.roundtrip_result(value)


@pytest.mark.parametrize("note", [None, "null and void"])
def test_a_null_that_is_meant_is_stored(note: str | None) -> None:
    order = Order(lines=[Priced(price=1.5, note=note)])
    assert survives(Order, order)
    assert survives(list[Order], [order])
    assert CallCodec(returning(Order)).dump_call((), {"value": order})[1] == f'{{"value":{stored(Order, order)}}}'


def test_a_model_whose_text_has_no_null_is_written_without_a_further_look(monkeypatch: pytest.MonkeyPatch) -> None:
    def look(*given: Any) -> bool:
        raise AssertionError("it was looked at")

    monkeypatch.setattr(rendering, "_look", look)
    order = Order(lines=[Priced(price=1.5, note="a")])
    for hint, value in ((Order, order), (Order | None, order), (list[Order], [order])):
        assert survives(hint, value)
        assert CallCodec(returning(hint)).dump_call((), {"value": value})[0] == "[]"


def test_a_model_without_numbers_is_written_without_a_further_look_whatever_is_null(monkeypatch: pytest.MonkeyPatch) -> None:
    class Note(BaseModel):
        text: str | None = None

    class Notes(BaseModel):
        notes: list[Note]

    def dump(*given: Any) -> bool:
        raise AssertionError("it was looked at")

    monkeypatch.setattr(models, "written", dump)
    notes = Notes(notes=[Note()])
    assert survives(Notes, notes)
    assert survives(list[Notes], [notes, notes])
    assert CallCodec(returning(Notes)).dump_call((notes,), {})[0] == '[{"notes":[{"text":null}]}]'


class Pair(NamedTuple):
    tags: set[str]
    value: float = 1.0


class Tagged(TypedDict):
    tags: set[str]
    value: float


@dataclass
class Loose:
    tags: list[str]
    value: float


class OfPair(BaseModel):
    held: Pair


class OfTagged(BaseModel):
    held: Tagged


class OfLoose(BaseModel):
    held: Loose
    number: float = 1.0


class OfQueue(BaseModel):
    held: deque[float]


class OfAnything(BaseModel):
    model_config = ConfigDict(extra="allow")
    number: float = 1.0


TAGS = [f"tag {number}" for number in range(20)]


@pytest.mark.parametrize(
    "make",
    [
        lambda tags: OfPair(held=Pair(tags)),
        lambda tags: OfTagged(held=Tagged(tags=tags, value=1.0)),
        lambda tags: OfLoose(held=Loose(tags, 1.0)),
        lambda tags: OfAnything(held=tags),
    ],
    ids=["named tuple", "typed dictionary", "dataclass", "extra"],
)
def test_a_set_is_in_order_wherever_a_model_holds_it(make: Callable[[set[str]], BaseModel]) -> None:
    holder = make(set(TAGS))
    assert re.findall(r"tag \d+", stored(type(holder), holder)) == sorted(TAGS)


@pytest.mark.parametrize(
    ("holder", "place"),
    [
        (OfPair(held=Pair(set(), math.nan)), r"at \.held\[1\]: nan"),
        (OfTagged(held=Tagged(tags=set(), value=math.nan)), r"at \.held\['value'\]: nan"),
        (OfLoose(held=Loose([], math.nan)), r"at \.held\.value: nan"),
        (OfQueue(held=deque([1.0, math.nan])), r"at \.held\[1\]: nan"),
        (OfAnything.model_validate({"held": math.nan}), r"at \['held'\]: nan"),
    ],
    ids=["named tuple", "typed dictionary", "dataclass", "deque", "extra"],
)
def test_a_number_that_would_be_lost_is_found_wherever_a_model_holds_it(holder: BaseModel, place: str) -> None:
    with pytest.raises(ArgumentNotStorable, match=place):
        CallCodec(returning(type(holder))).dump_call((holder,), {})


def test_a_result_that_contains_itself_says_so() -> None:
    class Node(BaseModel):
        inner: list[Any] = []
        size: float = 1.0

    class Tree(BaseModel):
        inner: list[Tree] = []
        size: float = 1.0

    for kind in (Node, Tree):
        value = kind()
        value.inner.append(value)
        with pytest.raises(ResultNotStorable, match="contains itself"):
            through(kind, value)


def test_a_subclass_that_was_made_later_is_refused_as_one_that_was_there() -> None:
    class Line(BaseModel):
        price: float

    class Lines(BaseModel):
        lines: list[Line]

    codec = CallCodec(returning(Lines))
    assert codec.dump_call((Lines(lines=[Line(price=1)]),), {})[0] == '[{"lines":[{"price":1.0}]}]'

    class Reduced(Line):
        by: float

    with pytest.raises(ArgumentNotStorable, match="Reduced stands where Line"):
        codec.dump_call((Lines(lines=[Reduced(price=1, by=2)]),), {})


def test_an_infinite_number_survives_where_the_model_writes_it_as_text() -> None:
    assert survives(Textual, Textual(value=math.inf))


def test_sets_in_models_are_written_in_order() -> None:
    assert stored(Measured, Measured(tags={8, 0})) == stored(Measured, Measured(tags={0, 8})) == '{"value":1.0,"tags":[0,8],"maybe":null}'
    assert survives(Measured, Measured(tags={8, 0}))


class Sealed(BaseModel):
    key: Secret[str]
    limit: Secret[float] | None = None


@pytest.mark.parametrize(
    "value", [Sealed(key=Secret("x")), Guarded(key=SecretStr("x")), SecretStr("x"), [SecretStr("x")], {"a": Guarded(key=SecretStr("x"))}]
)
@pytest.mark.parametrize("is_annotated", [True, False])
def test_a_secret_is_never_written(value: Any, is_annotated: bool) -> None:
    codec = CallCodec(returning(type(value) if is_annotated else Any))
    with pytest.raises(ArgumentNotStorable, match="secret"):
        codec.dump_call((value,), {})


def test_a_model_that_writes_its_secret_by_itself_may() -> None:
    class Trusting(BaseModel):
        key: SecretStr

        @field_serializer("key", when_used="json")
        def tell(self, key: SecretStr) -> str:
            return key.get_secret_value()

    assert through(Trusting, Trusting(key=SecretStr("open"))).key.get_secret_value() == "open"


def test_bytes_that_a_model_cannot_write_are_told() -> None:
    class Blob(BaseModel):
        data: bytes

    assert survives(Blob, Blob(data=b"text"))
    with pytest.raises(ResultNotStorable, match="utf-8"):
        through(Blob, Blob(data=b"\xff"))


def test_a_serializer_that_fails_names_the_argument() -> None:
    class Broken(BaseModel):
        name: str

        @field_serializer("name")
        def fail(self, name: str) -> str:
            raise KeyError(name)

    with pytest.raises(ArgumentNotStorable, match="`value`"):
        CallCodec(returning(Broken)).dump_call((Broken(name="a"),), {})


def test_a_field_that_is_written_loosely_is_refused_when_it_would_come_back_cut_down() -> None:
    with pytest.raises(ResultNotStorable, match="Dog stands where Animal"):
        through(LooseOwner, LooseOwner(pet=Dog(name="a")))


def test_a_row_comes_back_as_a_row_with_checked_values() -> None:
    row = Invoice(amount=Decimal("1.10"), due=datetime(2020, 1, 1, tzinfo=UTC))
    restored = through(Invoice, row)
    assert restored == row
    assert isinstance(restored.amount, Decimal)
    assert inspect(restored).transient


def test_rows_inside_a_model_are_checked_too() -> None:
    page = InvoicePage(rows=[Invoice(amount=Decimal("1.10"))])
    restored = through(InvoicePage, page)
    assert restored == page
    assert type(restored.rows[0].id) is type(page.rows[0].id)
    assert inspect(restored.rows[0]).transient


@pytest.mark.parametrize("hint", [Invoice, Any, SQLModel])
def test_a_row_whose_columns_are_not_loaded_is_refused(hint: Any) -> None:
    row = Invoice(amount=Decimal(1))
    del row.__dict__["id"]
    with pytest.raises(ArgumentNotStorable, match="id of this Invoice is not loaded"):
        CallCodec(returning(hint)).dump_call((row,), {})


def test_changing_an_argument_after_the_call_changes_nothing_that_was_stored() -> None:
    codec, animals = CallCodec(returning(list[Animal])), [Animal(name="before")]
    args, kwargs = codec.dump_call((animals,), {})
    animals[0].name = "after"
    animals.clear()
    assert codec.load_call(args, kwargs) == (([Animal(name="before")],), {})


def test_a_result_is_never_the_callees_own_object() -> None:
    for hint, value in ((list[int], [1]), (Animal, Animal(name="a")), (Any, {"a": [1]})):
        assert through(hint, value) == value
        assert through(hint, value) is not value


def test_a_model_that_lost_a_field_says_so_when_it_is_restored() -> None:
    with pytest.raises(CallNotRestorable, match="name: Field required"):
        CallCodec(returning(Animal)).load_result("{}")
