"""Whatever is annotated with a nested type comes back from the journal as it was."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from planar.engine.codec.compiler import Compiler
from planar.engine.codec.names import VALUE
from planar.engine.codec.stored import text_of
from planar.engine.codec.values import plain, same
from tests.unit.engine.codec_shapes import Animal, Box, Card, Color, Crate, Dog, Level, Mixed, Point, T, Transfer, Word, stored, through

Pair = tuple[Any, Any]
"""An annotation, and a value that belongs to it."""

TEXTS = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(["2020-01-01", "1", "null", "$type", VALUE, str(UUID(int=1))])
OFFSETS = st.timezones() | st.just(UTC) | st.none()

SINGLES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(),
    bool: st.booleans(),
    float: st.floats(),
    str: TEXTS,
    bytes: st.binary(max_size=5),
    Decimal: st.decimals(allow_nan=False) | st.just(Decimal("NaN")),
    UUID: st.uuids(),
    date: st.dates(),
    datetime: st.datetimes(timezones=OFFSETS, allow_imaginary=False),
    time: st.times(),
    timedelta: st.timedeltas(),
    PurePosixPath: st.builds(PurePosixPath, st.sampled_from(["/a", "b/c", "."])),
    Color: st.sampled_from(Color),
    Level: st.sampled_from(Level),
    Word: st.sampled_from(Word),
    Mixed: st.sampled_from(Mixed),
    type(None): st.none(),
}
MODELS: dict[Any, st.SearchStrategy[Any]] = {
    Animal: st.builds(Animal, name=TEXTS) | st.builds(Dog, name=TEXTS, tricks=st.integers()),
    Card: st.builds(Card, number=st.integers()),
    Transfer: st.builds(Transfer, number=st.integers()),
    Point: st.builds(Point, st.decimals(allow_nan=False), st.frozensets(st.integers(), max_size=2)),
    Crate[int]: st.builds(Crate[int], item=st.integers()),
}
KEYS: dict[Any, st.SearchStrategy[Any]] = {hint: SINGLES[hint] for hint in (int, str, bool, UUID, date, datetime, Color, Level, bytes)}
KEYS[Decimal] = st.decimals(allow_nan=False)
KEYS[tuple[int, str]] = st.tuples(st.integers(), TEXTS)

single_pairs = st.sampled_from([*SINGLES, *MODELS]).flatmap(lambda hint: st.tuples(st.just(hint), (SINGLES | MODELS)[hint]))


def _several(make: Callable[[Any], Any], gather: Callable[[Any], Any]) -> Callable[[Pair], st.SearchStrategy[Pair]]:
    return lambda pair: st.tuples(st.just(make(pair[0])), st.just(gather([pair[1]])) | st.just(gather([])))


def _nested(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    """Annotations around *inner*, with values around its values."""
    lists = inner.flatmap(_several(lambda hint: list[hint], list))
    tuples = st.lists(inner, min_size=1, max_size=3).map(
        lambda pairs: (tuple[tuple(hint for hint, _ in pairs)], tuple(value for _, value in pairs))
    )
    long_tuples = inner.flatmap(_several(lambda hint: tuple[hint, ...], tuple))
    keys = st.sampled_from([*KEYS]).flatmap(lambda hint: st.tuples(st.just(hint), KEYS[hint]))
    dicts = st.tuples(keys, inner).map(lambda both: (dict[both[0][0], both[1][0]], {both[0][1]: both[1][1]}))
    optionals = inner.flatmap(lambda pair: st.tuples(st.just(pair[0] | None), st.sampled_from([pair[1], None])))
    unions = st.tuples(inner, inner).flatmap(
        lambda both: st.tuples(st.just(both[0][0] | both[1][0]), st.sampled_from([both[0][1], both[1][1]]))
    )
    boxes = inner.map(lambda pair: (Box[pair[0]], Box(pair[1])))
    return lists | tuples | long_tuples | dicts | optionals | unions | boxes


sets = st.sampled_from([*KEYS]).flatmap(
    lambda hint: st.tuples(st.sampled_from([set, frozenset]), st.just(hint), st.sets(KEYS[hint], max_size=3))
)
set_pairs = sets.map(lambda found: (found[0][found[1]], found[0](found[2])))
pairs = st.recursive(single_pairs | set_pairs, _nested, max_leaves=4)

open_values = st.recursive(
    st.one_of(*SINGLES.values(), *MODELS.values()),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXTS | st.integers(), inner, max_size=3)
        | inner.map(Box)
    ),
    max_leaves=5,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(pairs)
def test_a_value_of_a_nested_type_comes_back_as_it_was(pair: Pair) -> None:
    hint, value = pair
    assert same(through(hint, value), value)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(open_values)
def test_a_value_under_a_type_parameter_keeps_its_class_in_every_part(value: Any) -> None:
    assert same(through(T, value), value)


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(open_values)
def test_without_an_annotation_the_stored_form_is_a_fixed_point(value: Any) -> None:
    try:
        raw = plain(value)
    except ValueError:
        assume(False)
    assert plain(raw) == raw
    assert through(Any, value) == Compiler("", {}, {}).form(Any).reader.read(text_of(raw))


def test_sets_that_python_goes_through_in_different_orders_are_written_alike() -> None:
    assert stored(set[int], set([8, 0])) == stored(set[int], set([0, 8])) == "[0,8]"  # noqa: C405 (the order of insertion matters)
