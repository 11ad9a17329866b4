"""Which values does a cell let through? Sets of numbers and sets of texts, which can be cut and subtracted exactly."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol, TypeAlias

Literal: TypeAlias = str | bool | Decimal
"""A value that stands in a cell."""


@dataclass(frozen=True, slots=True)
class Interval:
    """Numbers from ``low`` to ``high``; None is no bound. A bound is part of it unless it is open."""

    low: Decimal | None = None
    high: Decimal | None = None
    low_open: bool = False
    high_open: bool = False

    def is_empty(self) -> bool:
        """Whether no number lies in it."""
        if self.low is None or self.high is None:
            return False
        return self.low > self.high or (self.low == self.high and (self.low_open or self.high_open))

    def cut(self, other: Interval) -> Interval:
        """The numbers in both."""
        low, low_open = _tighter(self.low, other.low, self.low_open, other.low_open, up=True)
        high, high_open = _tighter(self.high, other.high, self.high_open, other.high_open, up=False)
        return Interval(low, high, low_open, high_open)

    def outside(self) -> list[Interval]:
        """The numbers that are not in it."""
        found: list[Interval] = []
        if self.low is not None:
            found.append(Interval(None, self.low, high_open=not self.low_open))
        if self.high is not None:
            found.append(Interval(self.high, None, low_open=not self.high_open))
        return found

    def whole(self) -> Interval:
        """The same whole numbers, with bounds that are whole and part of it."""
        low, high = self.low, self.high
        if low is not None:
            up = low.to_integral_value("ROUND_CEILING")
            low = up + 1 if self.low_open and up == low else up
        if high is not None:
            down = high.to_integral_value("ROUND_FLOOR")
            high = down - 1 if self.high_open and down == high else down
        return Interval(low, high)

    def example(self) -> Decimal:
        """A number in it, a plain one if there is one."""
        if self.low is None and self.high is None:
            return Decimal(0)
        if self.low is None:
            assert self.high is not None
            return self.high - 1 if self.high_open else self.high
        if not self.low_open:
            return self.low
        if self.high is None or self.high - self.low > 1:
            return self.low + 1
        return (self.low + self.high) / 2


def _tighter(
    a: Decimal | None,
    b: Decimal | None,
    a_open: bool,
    b_open: bool,
    *,
    up: bool,
) -> tuple[Decimal | None, bool]:
    """The bound that lets less through: the higher one of two low ones if *up*, else the lower one of two high ones."""
    if a is None or b is None:
        return (b, b_open) if a is None else (a, a_open)
    if a == b:
        return a, a_open or b_open
    return (a, a_open) if (a > b) is up else (b, b_open)


class ValueSet(Protocol):
    """Values of one kind."""

    def is_empty(self) -> bool: ...
    def cut(self, other: ValueSet) -> ValueSet: ...
    def without(self, other: ValueSet) -> ValueSet: ...
    def example(self) -> str:
        """A value in it, as people write it."""
        ...


@dataclass(frozen=True, slots=True)
class Numbers:
    """Numbers, in intervals that do not overlap; only whole ones if ``integral``."""

    intervals: tuple[Interval, ...]
    integral: bool = False

    @classmethod
    def of(cls, intervals: Iterable[Interval], *, integral: bool = False) -> Numbers:
        """Those in any of *intervals*."""
        joined: list[Interval] = []
        for interval in intervals:
            rest = [interval.whole() if integral else interval]
            for known in joined:
                rest = [part.cut(piece) for part in rest for piece in known.outside()]
            joined.extend(part for part in rest if not part.is_empty())
        numbers = cls(tuple(joined), integral)
        return replace(numbers, intervals=tuple(part.whole() for part in numbers.intervals)) if integral else numbers

    def is_empty(self) -> bool:
        return not self.intervals

    def cut(self, other: ValueSet) -> Numbers:
        assert isinstance(other, Numbers)
        return self._with(a.cut(b) for a in self.intervals for b in other.intervals)

    def without(self, other: ValueSet) -> Numbers:
        assert isinstance(other, Numbers)
        rest = list(self.intervals)
        for taken in other.intervals:
            outside = taken.outside()
            rest = [left for part in rest for piece in outside if not (left := part.cut(piece)).is_empty()]
        return self._with(rest)

    def _with(self, parts: Iterable[Interval]) -> Numbers:
        """Those of *parts*, which do not overlap, that hold something."""
        whole = (part.whole() for part in parts) if self.integral else parts
        return Numbers(tuple(part for part in whole if not part.is_empty()), self.integral)

    def example(self) -> str:
        return format(self.intervals[0].example(), "f")


@dataclass(frozen=True, slots=True)
class Choices:
    """The values of ``members``; or, if ``excluded``, every other value."""

    members: frozenset[Literal]
    excluded: bool = False

    def is_empty(self) -> bool:
        return not self.members and not self.excluded

    def cut(self, other: ValueSet) -> Choices:
        assert isinstance(other, Choices)
        if self.excluded and other.excluded:
            return Choices(self.members | other.members, excluded=True)
        if self.excluded:
            return Choices(other.members - self.members)
        return Choices(self.members - other.members if other.excluded else self.members & other.members)

    def without(self, other: ValueSet) -> Choices:
        assert isinstance(other, Choices)
        return self.cut(Choices(other.members, excluded=not other.excluded))

    def example(self) -> str:
        if self.excluded:
            return "any other value" if self.members else "any value"
        first = min(self.members, key=str)
        return str(first).lower() if isinstance(first, bool) else f'"{first}"'
