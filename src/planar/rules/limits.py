"""How large may a graph be? Looked at before anything is made of it: the engine's own reader may end the process on what is too deep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, cast

MAX_DEPTH: Final = 100
"""How deeply values may be nested; the engine reads JSON up to 128."""
MAX_BRACKETS: Final = 200
"""How deeply brackets may be nested in one text."""
MAX_CHARACTERS: Final = 1_000_000
"""Of all texts of a graph together."""
_INTEGER: Final = 2**63

_OPENING: Final = frozenset("([{")
_CLOSING: Final = frozenset(")]}")


def check_limits(raw: Any) -> None:
    """Look at what a graph is to be made of: JSON values, or parts that are made already, which were looked at then.

    Raises:
        ValueError: it is too large or too deep, or holds an integer of more than 64 bits, or half a character.
    """
    left = MAX_CHARACTERS
    waiting: list[tuple[Any, int]] = [(raw, 0)]
    while waiting:
        value, depth = waiting.pop()
        if isinstance(value, str):
            left -= len(value)
            _check_text(value, left)
        elif isinstance(value, int) and not -_INTEGER <= value < _INTEGER:
            raise ValueError(f"it holds the number {str(value)[:40]}…, and integers in a graph have 64 bits")
        elif isinstance(value, Mapping | list):
            if depth == MAX_DEPTH:
                raise ValueError(f"its values are nested more than {MAX_DEPTH} deep")
            waiting.extend((inner, depth + 1) for inner in _inside(cast("Mapping[Any, Any] | list[Any]", value)))


def _inside(value: Mapping[Any, Any] | list[Any]) -> list[Any]:
    return value if isinstance(value, list) else [*value, *value.values()]


def _check_text(text: str, left: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character (a lone surrogate)") from None
    if left < 0:
        raise ValueError(f"its texts have more than {MAX_CHARACTERS} characters together")
    if brackets(text) > MAX_BRACKETS:
        raise ValueError(f"brackets are nested more than {MAX_BRACKETS} deep in the text that begins with {text[:40]!r}")


def brackets(text: str) -> int:
    """How many brackets are open at once in *text*, at most; those in quotes count as well."""
    depth = deepest = 0
    for character in text:
        if character in _OPENING:
            depth += 1
            deepest = max(deepest, depth)
        elif character in _CLOSING:
            depth = max(0, depth - 1)
    return deepest
