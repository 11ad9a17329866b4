"""Do sets of values add up? Tried against what single values say."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from planar.rules.checking.cells import Kind, values_of
from planar.rules.checking.sets import Choices, Interval, Numbers

BOUNDS = st.one_of(st.none(), st.integers(0, 6).map(Decimal))
INTERVALS = st.builds(Interval, BOUNDS, BOUNDS, st.booleans(), st.booleans())
VALUES = [Decimal(number) / 2 for number in range(-2, 16)]


def lies_in(value: Decimal, interval: Interval) -> bool:
    above = interval.low is None or value > interval.low or (value == interval.low and not interval.low_open)
    below = interval.high is None or value < interval.high or (value == interval.high and not interval.high_open)
    return above and below


def members(numbers: Numbers) -> set[Decimal]:
    values = [value for value in VALUES if not numbers.integral or value == int(value)]
    return {value for value in values if any(lies_in(value, interval) for interval in numbers.intervals)}


@given(st.lists(INTERVALS, max_size=3), st.lists(INTERVALS, max_size=3), st.booleans())
def test_numbers_are_cut_and_subtracted_as_sets_are(a: list[Interval], b: list[Interval], integral: bool) -> None:
    one, two = Numbers.of(a, integral=integral), Numbers.of(b, integral=integral)
    assert members(one.cut(two)) == members(one) & members(two)
    assert members(one.without(two)) == members(one) - members(two)
    assert not members(one) or not one.is_empty()
    if not one.is_empty():
        assert lies_in(Decimal(one.example()), one.intervals[0])


@given(st.frozensets(st.sampled_from("abcd")), st.booleans(), st.frozensets(st.sampled_from("abcd")), st.booleans())
def test_choices_are_cut_and_subtracted_as_sets_are(a: frozenset[str], not_a: bool, b: frozenset[str], not_b: bool) -> None:
    def has(choices: Choices, value: str) -> bool:
        return (value in choices.members) is not choices.excluded

    one, two = Choices(a, excluded=not_a), Choices(b, excluded=not_b)
    for value in "abcde":
        assert has(one.cut(two), value) == (has(one, value) and has(two, value))
        assert has(one.without(two), value) == (has(one, value) and not has(two, value))


CELLS = st.sampled_from(
    ["> 2", ">= 2", "< 3", "<= 3", "4", "== 4", "!= 4", "[1..3]", "(1..3)", "[1..3)", "(1..3]", "1, 4", "in [1, 2]", "not in [1, 2]"]
)


@given(CELLS, CELLS, st.sampled_from([",", " and ", " or "]))
def test_a_cell_lets_through_what_the_engine_lets_through(a: str, b: str, word: str) -> None:
    import zen

    cell = f"{a}{word}{b}"
    values = values_of(cell, Kind.NUMBER)
    if values is None:
        return
    try:
        compiled = zen.compile_unary_expression(cell)
    except RuntimeError:
        return
    assert isinstance(values, Numbers)
    for value in VALUES:
        assert (value in members(values)) == compiled.evaluate({"$": float(value)}), (cell, value)
