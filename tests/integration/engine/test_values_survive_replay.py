"""What a run holds before it is evicted, and what its replay holds: the same values, of the same classes in every part."""

from __future__ import annotations

import asyncio
import enum
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, cast
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from planar import PlanarApp, PlanarConfig
from planar.testing import WorkflowObserver
from planar.workflows import emit_event, step, wait_for_event, workflow
from tests import stores
from tests.databases import databases_of
from tests.unit.engine.codec_shapes import (
    Animal,
    Box,
    Checked,
    Color,
    Crate,
    Dog,
    Doubling,
    Entry,
    Json,
    Leaf,
    Level,
    Measured,
    Mixed,
    Node,
    Owner,
    Place,
    Point,
    Reference,
    Right,
    Swapped,
    T,
    Textual,
    Word,
)
from tests.unit.engine.test_codec_properties import MODELS, SINGLES, TEXTS, Pair, _nested, open_values, set_pairs, single_pairs

# -- what passes ----------------------------------------------------------------------------------------------------------


class Permission(enum.IntFlag):
    READ = 1
    WRITE = 2


class Label(str, enum.Enum):  # noqa: UP042 (the form that is older than StrEnum)
    DRAFT = "draft"


@dataclass(frozen=True)
class Money:
    amount: Decimal
    currency: Literal["EUR", "USD"] = "EUR"


FINITE = st.floats(allow_nan=False, allow_infinity=False)
"""A pydantic model writes others as null, unless it says otherwise as `Textual` does: they are refused, which is tested elsewhere."""

Amount = Annotated[int, Field(ge=0)]

_nodes = st.recursive(
    st.builds(Node, number=st.integers(), pause=st.timedeltas(), label=st.integers() | TEXTS),
    lambda inner: st.builds(Node, number=st.integers(), pause=st.timedeltas(), following=inner, children=st.lists(inner, max_size=2)),
    max_leaves=3,
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=4,
)

MORE: dict[Any, st.SearchStrategy[Any]] = {
    Path: st.sampled_from([Path("/a/b"), Path("c"), Path()]),
    Right: st.sampled_from([Right(0), Right.READ, Right.READ | Right.WRITE]),
    Permission: st.sampled_from([Permission(0), Permission.WRITE, Permission.READ | Permission.WRITE]),
    Label: st.sampled_from(Label),
    Literal[1, "1", True]: st.sampled_from([1, "1"]),
    Amount: st.integers(min_value=0),
    Reference: st.uuids(),
    Money: st.builds(Money, st.decimals(allow_nan=False), st.sampled_from(["EUR", "USD"])),
    Node: _nodes | st.builds(Leaf, number=st.integers(), pause=st.timedeltas(), data=st.binary(max_size=5)),
    Checked: st.builds(Checked, number=st.integers(), share=FINITE),
    Doubling: st.builds(Doubling, st.integers()),
    Entry: st.fixed_dictionaries({"number": st.integers()}, optional={"on": st.dates()}),
    Place: st.builds(Place, st.integers(), st.dates()),
    Owner: st.builds(Owner, pet=st.builds(Animal, name=TEXTS), others=st.lists(st.builds(Animal, name=TEXTS), max_size=2)),
    Measured: st.builds(Measured, value=FINITE, tags=st.sets(st.integers(), max_size=3), maybe=st.none() | FINITE),
    Textual: st.builds(Textual, value=st.floats()),
    Swapped: st.builds(Swapped, second=st.integers(), first=st.integers()),
    Crate[list[Decimal]]: st.builds(Crate[list[Decimal]], item=st.lists(st.decimals(allow_nan=False, allow_infinity=False), max_size=2)),
    Box[Dog]: st.builds(Box, st.builds(Dog, name=TEXTS, tricks=st.integers())),
    Json: _json,
    dict[str, Any]: st.dictionaries(TEXTS, st.integers() | TEXTS | st.none(), max_size=3),
    T: open_values,
}
ALL: dict[Any, st.SearchStrategy[Any]] = SINGLES | MODELS | MORE

more_pairs = st.sampled_from([*MORE]).flatmap(lambda hint: st.tuples(st.just(hint), MORE[hint]))
nestable = st.sampled_from([hint for hint in MORE if hint not in (Json, T)]).flatmap(lambda hint: st.tuples(st.just(hint), MORE[hint]))
pairs = more_pairs | st.recursive(single_pairs | set_pairs | nestable, _nested, max_leaves=4)

# -- what is compared -----------------------------------------------------------------------------------------------------


def differences(first: Any, second: Any, where: str = "value") -> Iterator[str]:
    """Where two values differ, in whatever one can see of them; nothing of the codec's own comparison is used."""
    if type(first) is not type(second):
        yield f"{where}: {type(first).__name__} {first!r} became {type(second).__name__} {second!r}"
    elif isinstance(first, BaseModel) or (is_dataclass(first) and not isinstance(first, type)):
        for name in _field_names(first):
            yield from differences(getattr(first, name), getattr(second, name), f"{where}.{name}")
    elif isinstance(first, Mapping):
        yield from _differing_entries(cast("Mapping[Any, Any]", first), second, where)
    elif isinstance(first, list | tuple):
        yield from _differing_items(first, second, where)
    elif isinstance(first, AbstractSet):
        yield from _differing_items(sorted(first, key=repr), sorted(second, key=repr), where)
    elif _face(first) != _face(second):
        yield f"{where}: {first!r} became {second!r}"


def _field_names(value: Any) -> Iterable[str]:
    return type(value).model_fields if isinstance(value, BaseModel) else [field.name for field in fields(value)]


def _differing_entries(first: Mapping[Any, Any], second: Mapping[Any, Any], where: str) -> Iterator[str]:
    yield from _differing_items(sorted(first, key=repr), sorted(second, key=repr), f"{where}'s keys")
    for key in first:
        if key in second:
            yield from differences(first[key], second[key], f"{where}[{key!r}]")


def _differing_items(first: Iterable[Any], second: Iterable[Any], where: str) -> Iterator[str]:
    ours, theirs = list(first), list(second)
    if len(ours) != len(theirs):
        yield f"{where}: {len(ours)} parts became {len(theirs)}"
    for index, (one, other) in enumerate(zip(ours, theirs, strict=False)):
        yield from differences(one, other, f"{where}[{index}]")


def _face(value: Any) -> Any:
    """What is to be equal of a single value. Equal moments of different offsets, 1.0 and 1.00, 0.0 and -0.0 are told apart."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else (value, math.copysign(1, value))
    if isinstance(value, Decimal):
        return value.as_tuple()
    if isinstance(value, datetime | time):
        return value.replace(tzinfo=None, fold=0).isoformat(), value.utcoffset()
    return value


def test_the_comparison_sees_what_equality_does_not() -> None:
    for first, second in [
        (1, True),
        (0.0, -0.0),
        (Decimal("1.0"), Decimal("1.00")),
        ((1,), [1]),
        ({1}, {True}),
        ({1: "a"}, {1.0: "a"}),
        (datetime(2024, 1, 1, 12, tzinfo=UTC), datetime.fromisoformat("2024-01-01T13:00:00+01:00")),
        ([Dog(name="a")], [Animal(name="a")]),
        (Word.YES, "yes"),
        (Level.LOW, 1),
        (Box(1), Box("1")),
        ({"a": 1, "b": 2}, {"a": 1}),
    ]:
        assert list(differences(first, second)), (first, second)
    assert not list(differences([math.nan, {"a": (Color.RED, Mixed.TEXT)}], [math.nan, {"a": (Color.RED, Mixed.TEXT)}]))


# -- how it passes --------------------------------------------------------------------------------------------------------


@dataclass
class Sighting:
    """What one pass of the run saw: its argument, by position and by name, and the step's result."""

    argument: Any
    named: Any
    result: Any


class Journey:
    """One app over a real database, in which each run is evicted at its wait."""

    def __init__(self, runner: asyncio.Runner, config: PlanarConfig) -> None:
        self._observer = WorkflowObserver()
        self._app = PlanarApp(config=config, on_workflow_notification=self._observer.on_workflow_notification)
        self._lifespan = self._app._lifespan(self._app.fastapi)
        self._runner = runner

    def open(self) -> None:
        self._runner.run(self._lifespan.__aenter__())

    def close(self) -> None:
        async def closing() -> None:
            await self._lifespan.__aexit__(None, None, None)

        self._runner.run(closing())

    def travel(self, hint: Any, value: Any) -> tuple[list[Sighting], list[Any], Any]:
        """Pass *value* through a run: what its passes saw, what the step's body was given, and what the run returned."""
        return self._runner.run(self._travel(hint, value))

    async def _travel(self, hint: Any, value: Any) -> tuple[list[Sighting], list[Any], Any]:
        carrying, seen, given_to_body = _made_for(hint)
        run = await carrying.start(value, named=value)
        await self._observer.wait_for_status(run, "suspended")
        await emit_event("go", workflow_id=run.id)
        result = await carrying.wait_for_completion(run.id)
        return seen, given_to_body, result


def _made_for(hint: Any) -> tuple[Any, list[Sighting], list[Any]]:
    """A workflow and a step for values of the type *hint*. Made at one place: each takes the place of the one before."""
    seen: list[Sighting] = []
    given_to_body: list[Any] = []

    async def carry(value: Any) -> Any:
        given_to_body.append(value)
        return value

    async def carrying_values(value: Any, named: Any) -> Any:
        result = await carry_step(value)
        seen.append(Sighting(value, named, result))
        await wait_for_event("go")
        return result

    carry.__annotations__ = {"value": hint, "return": hint}
    carrying_values.__annotations__ = {"value": hint, "named": hint, "return": hint}
    carry_step: Callable[..., Any] = step()(carry)
    return workflow()(carrying_values), seen, given_to_body


@contextmanager
def journey(store: str, folder: Path) -> Iterator[Journey]:
    with asyncio.Runner() as runner:
        lent = databases_of(store, folder)
        databases = runner.run(lent.__aenter__())
        one = Journey(runner, runner.run(databases.config(max_parked_runs=0)))
        one.open()
        try:
            yield one
        finally:
            one.close()
            runner.run(lent.__aexit__(None, None, None))


@pytest.fixture(scope="module", params=stores.kinds(stores.SQLITE, stores.POSTGRESQL))
def traveller(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    with journey(request.param, tmp_path_factory.mktemp("values")) as one:
        yield one


def check(traveller: Journey, hint: Any, value: Any) -> None:
    seen, given_to_body, result = traveller.travel(hint, value)
    assert len(given_to_body) == 1, "the body ran again"
    assert len(seen) == 2, "the run was not replayed"
    for what, found in [
        ("the body's argument", given_to_body[0]),
        ("the argument at first", seen[0].argument),
        ("the named argument at first", seen[0].named),
        ("the step's result at first", seen[0].result),
        ("the argument at replay", seen[1].argument),
        ("the named argument at replay", seen[1].named),
        ("the step's result at replay", seen[1].result),
        ("the run's result", result),
    ]:
        assert list(differences(value, found)) == [], what
    # Also in what equality leaves open: the order in which the code would go through a dict or a set.
    assert repr(seen[0]) == repr(seen[1])


# -- the proof ------------------------------------------------------------------------------------------------------------

EDGES: list[tuple[Any, Any]] = [
    (type(None), None),
    (int, 2**70),
    (float, math.inf),
    (float, -math.inf),
    (float, math.nan),
    (float, -0.0),
    (Decimal, Decimal("NaN")),
    (Decimal, Decimal("-Infinity")),
    (Decimal, Decimal("1.10")),
    (str, "a\x00é😀"),
    (bytes, bytes(range(256))),
    (datetime, datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)),
    (datetime, datetime(2024, 1, 2, 3, 4)),  # noqa: DTZ001 (a naive moment stays one)
    (datetime, datetime.fromisoformat("2024-01-02T03:04:05+05:30")),
    (date, date(1, 1, 1)),
    (time, time(23, 59, 59, 999999, tzinfo=UTC)),
    (timedelta, timedelta(days=-1, microseconds=1)),
    (UUID, UUID(int=0)),
    (tuple[int, str, Decimal], (1, "a", Decimal("2.50"))),
    (tuple[int, ...], ()),
    (tuple[()], ()),
    (set[date], {date(2024, 1, 1), date(2024, 1, 2)}),
    (frozenset[str], frozenset({"b", "a"})),
    (dict[int, str], {1: "a", -2: "b"}),
    (dict[tuple[int, Color], list[Decimal]], {(1, Color.RED): [Decimal("1.0")]}),
    (dict[date, dict[UUID, set[int]]], {date(2024, 1, 1): {UUID(int=1): {3, 1, 2}}}),
    (dict[Level, bytes], {Level.HIGH: b"\xff"}),
    (int | str, "5"),
    (str | int, 5),
    (int | float, 1.0),
    (bool | int, 1),
    (date | datetime, datetime(2024, 1, 1, tzinfo=UTC)),
    (date | str, "2024-01-01"),
    (Animal | Dog, Dog(name="a", tricks=2)),
    (list[Animal], [Dog(name="a"), Animal(name="b")]),
    (Color | None, None),
    (Mixed, Mixed.NOTHING),
    (Mixed | None, Mixed.NOTHING),
    (Mixed | None, None),
    (list[int | str | None], [1, "1", None]),
    (tuple[Place, Entry], (Place(1), Entry(number=1))),
    (Point, Point(Decimal("0.10"), frozenset({1}))),
    (type[Animal], Animal),
]


@pytest.mark.parametrize(("hint", "value"), [pytest.param(*edge, id=f"{number}-{edge[0]}"[:60]) for number, edge in enumerate(EDGES)])
def test_an_edge_is_the_same_on_replay(traveller: Journey, hint: Any, value: Any) -> None:
    check(traveller, hint, value)


@pytest.mark.store_independent
@pytest.mark.parametrize("hint", [pytest.param(hint, id=getattr(hint, "__name__", str(hint))) for hint in ALL])
def test_each_single_type_is_the_same_on_replay(traveller: Journey, hint: Any) -> None:
    @settings(derandomize=True, deadline=None, max_examples=6, database=None)
    @given(ALL[hint])
    def passing(value: Any) -> None:
        check(traveller, hint, value)

    passing()


@pytest.mark.store_independent
def test_nested_types_are_the_same_on_replay(traveller: Journey) -> None:
    @settings(derandomize=True, deadline=None, max_examples=150, database=None, suppress_health_check=[HealthCheck.too_slow])
    @given(pairs)
    def passing(pair: Pair) -> None:
        check(traveller, *pair)

    passing()
