"""What does a caller read whose request did not fit? FastAPI's list, made safe: everything in it can be encoded, and nothing is long."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, cast

MAX_ERRORS: Final = 50
MAX_TEXT: Final = 500
MAX_INPUT: Final = 200
"""Characters of the input that is quoted beside an error; a longer one is left out."""


def readable_errors(errors: Sequence[Mapping[str, Any]], most: int = MAX_ERRORS) -> list[dict[str, Any]]:
    """The entries of a validation error with ``type``, ``loc``, ``msg``, and ``input`` and ``ctx`` where they are short.

    Args:
        errors: as pydantic gives them.
        most: how many to show; the others are counted in a last entry.
    """
    shown = [_readable(error) for error in errors[:most]]
    if len(errors) > most:
        shown.append({"type": "too_many_errors", "loc": [], "msg": f"{len(errors) - most} more errors are not shown."})
    return shown


def _readable(error: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "type": str(error.get("type", "value_error")),
        "loc": [part if isinstance(part, int) else _cut(str(part)) for part in error.get("loc", ())],
        "msg": _cut(str(error.get("msg", ""))),
    }
    for key, most in (("input", MAX_INPUT), ("ctx", MAX_TEXT)):
        if key in error:
            with suppress(_TooLong):
                entry[key] = _Quotation(most).of(error[key])
    return entry


class _TooLong(Exception):
    """A value is too long to be quoted."""


class _Quotation:
    """A value in JSON types, given up as soon as it is longer than allowed, so that a large one costs no time."""

    def __init__(self, most: int) -> None:
        self._left = most

    def of(self, value: Any) -> Any:
        """*value* in JSON types.

        Raises:
            _TooLong: it has more characters or members than allowed.
        """
        self._spend(1)
        if isinstance(value, Mapping):
            return {self._text(str(key)): self.of(member) for key, member in cast("Mapping[Any, Any]", value).items()}
        if isinstance(value, (list, tuple)):
            return [self.of(item) for item in cast("Sequence[Any]", value)]
        if value is None or isinstance(value, bool):
            return value
        if type(value) is int and abs(value) < 1 << 63:
            return value
        if type(value) is float and math.isfinite(value):
            return value
        if isinstance(value, bytes):
            self._spend(len(value))
            return value.decode("utf-8", "replace")
        if type(value) is int:
            raise _TooLong
        return self._text(str(value))

    def _text(self, text: str) -> str:
        self._spend(len(text))
        return text

    def _spend(self, amount: int) -> None:
        self._left -= amount
        if self._left < 0:
            raise _TooLong


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
