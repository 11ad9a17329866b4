"""Why could a value not be written or restored, in words for people?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError


def reason(error: Exception) -> str:
    """What *error* says, without the values that it is about."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{_place(found['loc'])}{_said(found)}" for found in error.errors(include_url=False, include_input=False))
    if isinstance(error, RecursionError):
        return "it is nested too deeply, or contains itself"
    text = str(error) or type(error).__name__
    if isinstance(error, PydanticSerializationError) and "surrogates not allowed" in text:
        return "a text in it holds half of a pair of characters (a lone surrogate), which has no encoding"
    return text


def reasons_by_argument(error: ValidationError, arguments: tuple[tuple[str, Any], ...]) -> str:
    """What *error* says about each of *arguments*, which were restored together."""
    said: list[str] = []
    for found in error.errors(include_url=False, include_input=False):
        first, *rest = found["loc"] or ("",)
        name = arguments[first][0] if isinstance(first, int) else first
        said.append(f"`{name}`: {_place(rest)}{_said(found)}")
    return "; ".join(said)


def shown(hint: Any) -> str:
    """An annotation as it would be written."""
    return hint.__qualname__ if isinstance(hint, type) else str(hint)


def _said(found: Any) -> str:
    return found["msg"].removeprefix("Value error, ")


def _place(loc: Iterable[Any]) -> str:
    place = ".".join(str(part) for part in loc)
    return f"at {place}: " if place else ""
