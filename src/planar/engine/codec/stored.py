"""What does a stored form look like? The small pieces of which every stored value is made.

Equal values give equal texts in every process: a set is written in order, a number as it is.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable
from datetime import date, time, timedelta
from typing import Any, cast

from pydantic_core import to_json

AS_IS = frozenset({type(None), bool, int, str})
"""Types whose stored form is the value itself, and which come back identical."""


_PATH_SHOWN = 12


class NotStorable(ValueError):
    """A value has no stored form. ``path`` leads from the argument to it."""

    def __init__(self, reason: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path = path

    def inside(self, key: object) -> NotStorable:
        """The same, seen from the container that holds the value under *key*."""
        return NotStorable(self.reason, (f"[{key!r}]", *self.path))

    def inside_field(self, name: str) -> NotStorable:
        """The same, seen from the object that has the value as its field *name*."""
        return NotStorable(self.reason, (f".{name}", *self.path))

    def __str__(self) -> str:
        path = self.path if len(self.path) <= _PATH_SHOWN else (*self.path[:_PATH_SHOWN], "...")
        return f"at {''.join(path)}: {self.reason}" if path else self.reason


def text_of(stored: Any) -> str:
    """The JSON text of a stored form, which may hold pydantic models: they write themselves."""
    return to_json(stored, by_alias=False, round_trip=True, inf_nan_mode="strings").decode()


def ordered(stored: Iterable[Any]) -> list[Any]:
    """The stored elements of a set, in an order that is the same in every process."""
    return sorted(stored, key=_rank)


def _rank(stored: Any) -> tuple[str, Any]:
    kind = cast("type[Any]", type(stored))
    if kind is str or kind is int:
        return kind.__name__, stored
    return "~", text_of(stored)


def duration(value: timedelta) -> dict[str, int]:
    """A timedelta by its three parts."""
    return {"days": value.days, "seconds": value.seconds, "microseconds": value.microseconds}


def encoded(value: bytes | bytearray) -> str:
    """Bytes as base64 text."""
    return base64.b64encode(value).decode("ascii")


def number(value: float) -> float | str:
    """A float; what JSON cannot write, as a text."""
    if math.isfinite(value):
        return float(value)
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def moment(value: date | time) -> str:
    """A date, a time or a datetime as ISO text."""
    return value.isoformat()
