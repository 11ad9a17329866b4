"""Every type that a workflow may pass: its stored form, and that it comes back as itself."""

from __future__ import annotations

import collections
import ipaddress
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from pydantic import AfterValidator, AnyUrl, Base64Bytes, BaseModel, Field, StringConstraints

from planar.engine.codec import CallCodec
from planar.engine.errors import CallNotRestorable, ResultNotStorable
from tests.unit.engine.codec_shapes import (
    Animal,
    Box,
    Checked,
    Color,
    Dog,
    Doubling,
    Entry,
    Invoice,
    Json,
    Leaf,
    Level,
    Mixed,
    Node,
    Opaque,
    Place,
    Point,
    Reference,
    Right,
    Seeded,
    Sloppy,
    Strictly,
    Swapped,
    Word,
    returning,
    stored,
    survives,
    through,
)

KEY = UUID(int=5)
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        (int, 5, "5"),
        (int, 10**300, str(10**300)),
        (int, True, "true"),
        (bool, False, "false"),
        (float, 1.0, "1.0"),
        (float, math.inf, '"Infinity"'),
        (float, -math.inf, '"-Infinity"'),
        (float, math.nan, '"NaN"'),
        (str, "a\x00é😀", '"a\\u0000é😀"'),
        (str, '"$type"', '"\\"$type\\""'),
        (int | None, None, "null"),
        (Decimal, Decimal("1.10"), '"1.10"'),
        (Decimal, Decimal("NaN"), '"NaN"'),
        (UUID, KEY, '"00000000-0000-0000-0000-000000000005"'),
        (datetime, MOMENT, '"2024-01-02T03:04:05.000006+00:00"'),
        (datetime, datetime(9999, 12, 31, 23, 59), '"9999-12-31T23:59:00"'),  # noqa: DTZ001 (a naive moment stays one)
        (date, date(2024, 1, 2), '"2024-01-02"'),
        (time, time(1, 2, 3, 4, tzinfo=UTC), '"01:02:03.000004+00:00"'),
        (timedelta, timedelta(days=-1, microseconds=3), '{"days":-1,"seconds":0,"microseconds":3}'),
        (bytes, b"\xff\xfe", '"//4="'),
        (bytearray, bytearray(b"a"), '"YQ=="'),
        (Path, Path("/a/b"), '"/a/b"'),
        (PurePosixPath, PurePosixPath("a"), '"a"'),
    ],
)
def test_a_single_value_comes_back_as_itself(hint: Any, value: Any, text: str) -> None:
    assert stored(hint, value) == text
    assert survives(hint, value)


def test_a_datetime_keeps_its_moment_where_the_offset_has_seconds() -> None:
    local = datetime(1850, 1, 1, tzinfo=ZoneInfo("Europe/Berlin"))
    assert through(datetime, local) == local


def test_an_aware_datetime_comes_back_in_the_library_of_pythons_own_zones() -> None:
    assert through(datetime, MOMENT).tzinfo is UTC
    assert through(datetime, MOMENT.astimezone(timezone(timedelta(hours=2)))).utcoffset() == timedelta(hours=2)


@pytest.mark.parametrize("text", ["90", "90.0", '"PT1M30S"', '{"seconds":90}'])
def test_a_timedelta_is_read_from_seconds_iso_text_and_parts(text: str) -> None:
    assert CallCodec(returning(timedelta)).load_result(text) == timedelta(seconds=90)


@pytest.mark.parametrize("text", ['{"hours":1}', "{}", '"soon"', '{"days":"many"}', "[]"])
def test_what_is_no_timedelta_is_refused(text: str) -> None:
    with pytest.raises(CallNotRestorable):
        CallCodec(returning(timedelta)).load_result(text)


@pytest.mark.parametrize("text", ['"ü"', '"a"', "5"])
def test_what_is_not_base64_is_refused(text: str) -> None:
    with pytest.raises(CallNotRestorable, match="base64"):
        CallCodec(returning(bytes)).load_result(text)


@pytest.mark.parametrize("member", [*Color, *Level, *Word, *Mixed, *Opaque, Right.READ, Right.READ | Right.WRITE, Right(0)])
def test_a_member_of_an_enum_comes_back_as_the_member(member: Any) -> None:
    assert through(type(member), member) is member or through(type(member), member) == member


def test_an_enum_is_stored_by_its_value_where_values_can_be_told_apart() -> None:
    assert [stored(type(member), member) for member in (Color.RED, Level.HIGH, Right.WRITE)] == ['"r"', "2", "2"]


@pytest.mark.parametrize(
    ("hint", "value", "text"),
    [
        (list[int], [1, 2], "[1,2]"),
        (list[timedelta], [timedelta(1)], '[{"days":1,"seconds":0,"microseconds":0}]'),
        (tuple[int, str], (1, "a"), '[1,"a"]'),
        (tuple[Decimal, ...], (Decimal(1), Decimal(2)), '["1","2"]'),
        (tuple[()], (), "[]"),
        (set[str], {"b", "a", "c"}, '["a","b","c"]'),
        (frozenset[UUID], frozenset({KEY}), f'["{KEY}"]'),
        (set[tuple[int, str]], {(2, "b"), (1, "a")}, '[[1,"a"],[2,"b"]]'),
        (collections.deque[int], collections.deque([1, 2]), "[1,2]"),
        (Sequence[int], [1], "[1]"),
        (Sequence[str], "abc", '"abc"'),
        (Iterable[date], [date(2020, 1, 1)], '["2020-01-01"]'),
        (AbstractSet[int], {1}, "[1]"),
        (dict[str, Decimal], {"a": Decimal("1.0")}, '{"a":"1.0"}'),
        (Mapping[str, date], {"a": date(2020, 1, 1)}, '{"a":"2020-01-01"}'),
        (dict[int, str], {1: "a"}, '{"1":"a"}'),
        (dict[bool, int], {True: 1}, '{"true":1}'),
        (dict[float, int], {1.5: 1, math.inf: 2}, '{"1.5":1,"Infinity":2}'),
        (dict[UUID, int], {KEY: 1}, f'{{"{KEY}":1}}'),
        (dict[date, int], {date(2020, 1, 1): 1}, '{"2020-01-01":1}'),
        (dict[datetime, int], {MOMENT: 1}, '{"2024-01-02T03:04:05.000006+00:00":1}'),
        (dict[Color, int], {Color.RED: 1}, '{"r":1}'),
        (dict[Level, list[bytes]], {Level.LOW: [b"a"]}, '{"1":["YQ=="]}'),
        (dict[tuple[int, str], int], {(1, "a"): 2}, '[[[1,"a"],2]]'),
        (dict[int | str, int], {1: 1, "1": 2}, '[[1,1],["1",2]]'),
        (dict[str | None, int], {None: 1, "a": 2}, '[[null,1],["a",2]]'),
        (dict[Point, int], {Point(Decimal(1)): 1}, '[[{"x":"1","marks":[]},1]]'),
        (collections.OrderedDict[str, int], collections.OrderedDict(a=1), '{"a":1}'),
        (collections.Counter[str], collections.Counter("aab"), '{"a":2,"b":1}'),
        (collections.defaultdict[str, list[int]], collections.defaultdict(list, {"a": [1]}), '{"a":[1]}'),
    ],
)
def test_a_container_comes_back_with_its_class_and_that_of_its_parts(hint: Any, value: Any, text: str) -> None:
    assert stored(hint, value) == text
    assert survives(hint, value)


def test_a_restored_defaultdict_still_makes_its_defaults() -> None:
    restored = through(collections.defaultdict[str, list[int]], collections.defaultdict(list))
    restored["new"].append(1)
    assert restored == {"new": [1]}


def test_a_typed_dictionary_knows_which_keys_may_be_missing() -> None:
    assert survives(Entry, {"number": 1})
    assert survives(Entry, {"number": 1, "on": date(2020, 1, 1)})
    with pytest.raises(ResultNotStorable, match="number"):
        through(Entry, {"on": date(2020, 1, 1)})


def test_a_typed_dictionary_keeps_keys_that_it_does_not_declare_as_they_are_stored() -> None:
    assert through(Entry, {"number": 1, "more": Decimal(1)}) == {"number": 1, "more": "1"}


def test_a_named_tuple_comes_back_as_one_and_may_have_grown_a_field() -> None:
    assert survives(Place, Place(1, date(2021, 1, 1)))
    assert CallCodec(returning(Place)).load_result("[7]") == Place(7)


def test_a_dataclass_with_postponed_annotations_that_contains_itself_comes_back() -> None:
    node = Node(1, timedelta(2), Node(3, timedelta(4), label="5"), [Node(6, timedelta(7))])
    assert survives(Node, node)
    assert json.loads(stored(Node, node))["following"]["label"] == "5"


@pytest.mark.parametrize("value", [Doubling(3), Seeded(4), Point(Decimal("1.0"), frozenset({1, 2})), Box(1), Sloppy()])
def test_a_dataclass_is_what_it_was_whatever_its_constructor_does(value: Any) -> None:
    assert survives(type(value), value)


def test_a_dataclass_that_grew_a_field_takes_the_default() -> None:
    assert CallCodec(returning(Node)).load_result('{"number":1,"pause":{"days":1}}') == Node(1, timedelta(1))


@pytest.mark.parametrize(("hint", "content"), [(Box[date], date(2020, 1, 1)), (Box[list[Decimal]], [Decimal(1)]), (Box, Decimal(1))])
def test_a_generic_dataclass_restores_its_content(hint: Any, content: Any) -> None:
    assert survives(hint, Box(content))


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Literal["a", "b"], "a"),
        (Literal[1, 2], 1),
        (Literal[True, 1, "1", None], True),
        (Literal[True, 1, "1", None], 1),
        (Literal[Color.RED, 3], Color.RED),
        (Literal[b"x"], b"x"),
        (Annotated[int, Field(gt=0)], 1),
        (Annotated[timedelta, Field(gt=timedelta(0))], timedelta(1)),
        (Annotated[str, StringConstraints(min_length=1)], "a"),
        (Annotated[Decimal, AfterValidator(lambda value: value)], Decimal("1.0")),
        (Reference, KEY),
        (Json, {"a": [1, "x", None, {"b": 1.5}]}),
        (AnyUrl, AnyUrl("https://example.org/")),
        (ipaddress.IPv4Address, ipaddress.IPv4Address("192.0.2.1")),
        (re.Pattern, re.compile("a+")),
        (complex, 1 + 2j),
        (Checked, Checked(1)),
        (Strictly, Strictly(on=date(2020, 1, 1))),
        (Swapped, Swapped(first=1, second=2)),
    ],
)
def test_other_annotations_are_understood(hint: Any, value: Any) -> None:
    assert survives(hint, value)


def test_a_type_with_a_serializer_of_its_own_is_written_by_it() -> None:
    assert stored(Base64Bytes, b"abc") == '"YWJj"'
    assert survives(Base64Bytes, b"abc")


def test_the_class_of_a_model_is_stored_as_its_schema() -> None:
    assert json.loads(stored(type[Animal], Animal)) == Animal.model_json_schema()
    assert through(type[Animal], Animal) is Animal
    assert through(type[Animal], Dog) is Dog
    assert through(type[BaseModel], Invoice) is Invoice


@pytest.mark.parametrize("text", ['{"title":"Unheard","type":"object"}', '"Animal"', '{"title":"Color","type":"string"}'])
def test_the_schema_of_another_class_is_refused(text: str) -> None:
    with pytest.raises(CallNotRestorable):
        CallCodec(returning(type[Animal])).load_result(text)


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        (Decimal("1.0"), "1.0"),
        (KEY, str(KEY)),
        (MOMENT, MOMENT.isoformat()),
        (timedelta(1), {"days": 1, "seconds": 0, "microseconds": 0}),
        ((1, {2}), [1, [2]]),
        (Color.RED, "r"),
        (b"a", "YQ=="),
        (memoryview(b"a"), "YQ=="),
        (Path("/a"), "/a"),
        (range(2), [0, 1]),
        (Dog(name="a"), {"name": "a", "tricks": 0}),
        (Point(Decimal(1)), {"x": "1", "marks": []}),
        (Place(1), [1, "2020-01-01"]),
        ({1: 2, KEY: 3, Color.RED: 4}, {"1": 2, str(KEY): 3, "r": 4}),
        (math.inf, "Infinity"),
        ([1, "x", {"a": None, "b": 1.5}], [1, "x", {"a": None, "b": 1.5}]),
    ],
)
@pytest.mark.parametrize("hint", [Any, object, None])
def test_without_an_annotation_the_stored_form_comes_back(hint: Any, value: Any, raw: Any) -> None:
    assert through(hint, value) == raw if hint is not None else CallCodec(lambda: value).roundtrip_result(value)[1] == raw


def test_none_comes_back_where_the_annotation_does_not_allow_it() -> None:
    assert through(Leaf, None) is None
    assert through(int, None) is None
