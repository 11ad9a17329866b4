"""How is a value written in a file, and read again exactly? As a cell of CSV, or as a member of a JSON object."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NoReturn

from pydantic_core import to_json, to_jsonable_python

from planar.entities.fields import Kind, ServedField
from planar.entities.reading_values import parse_value

LEFT_OUT: Final = object()
"""There is no value: the field gets its default, or stays as it is."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""With one of these a cell begins that a spreadsheet takes for a formula."""
_SHIELD: Final = "'"

_AS_TEXT: Final = frozenset({Kind.TEXT, Kind.BYTES, Kind.OTHER})


def to_cell(field: ServedField, value: Any, *, safe: bool = False) -> str | None:
    """*value* as a cell; None for no value, which is not an empty text.

    Args:
        field: whose value.
        value: as the row holds it.
        safe: whether a text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    if value is None:
        return None
    text = _written(field.kind, value)
    return _SHIELD + text if safe and field.kind in _AS_TEXT and _is_formula(text) else text


def from_cell(field: ServedField, cell: str | None, *, safe: bool = False) -> Any:
    """The value that a cell stands for, or `LEFT_OUT`.

    A cell without a value is None where the field may be; a text is empty then, and anything else is left out.

    Args:
        field: whose value.
        cell: what `to_cell` made, or a person wrote.
        safe: whether an apostrophe before what looks like a formula is taken away.

    Raises:
        ValueError: it stands for none of the field's type; the message says what is allowed.
    """
    if cell is None:
        if field.nullable:
            return None
        return "" if field.kind is Kind.TEXT and field.enum is None else LEFT_OUT
    if safe and field.kind in _AS_TEXT and cell.startswith(_SHIELD) and _is_formula(cell):
        cell = cell[1:]
    if field.kind is Kind.JSON:
        return read_json(cell)
    # A text, bytes in base64, or what only the class itself can read.
    return cell if field.kind in _AS_TEXT else parse_value(field, cell)


def to_member(field: ServedField, value: Any) -> Any:
    """*value* as a value of JSON, which `from_member` and the API read as the same."""
    if value is None or field.kind is Kind.JSON or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value
    return _written(field.kind, value) if field.kind is not Kind.OTHER else to_jsonable_python(value, fallback=str)


def from_member(field: ServedField, value: Any) -> Any:
    """The value of a member of a JSON object, for the class to check: a number keeps all of its digits where they count."""
    if isinstance(value, Digits):
        return Decimal(value.text) if field.kind is Kind.DECIMAL else float(value)
    return value


class Digits(float):
    """A number of JSON that is not whole, with its digits."""

    text: str

    @classmethod
    def read(cls, text: str) -> Digits:
        """The number that *text* is."""
        found = cls(text)
        found.text = text
        return found


def read_json(text: str) -> Any:
    """The value that a JSON text stands for. Strict: every name once, finite numbers only.

    Raises:
        ValueError: it is no such text.
    """
    try:
        return json.loads(text, parse_float=Digits.read, parse_constant=_not_finite, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        raise ValueError(f"Input should be JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("Input should be JSON that is nested less deeply") from None


def write_json(value: Any) -> str:
    """The compact JSON text of *value*."""
    return to_json(value, bytes_mode="base64", inf_nan_mode="strings", fallback=str).decode()


def _is_formula(text: str) -> bool:
    # With apostrophes before it as well, so that taking one away gives back what was there.
    return text.lstrip(_SHIELD).startswith(_FORMULA)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))
        raise ValueError(f"{twice!r} stands there twice")
    return found


def _not_finite(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _written(kind: Kind, value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case bytes() if kind is Kind.BYTES:
            return base64.b64encode(value).decode()
        case Decimal() if kind is not Kind.JSON:
            return format(value, "f")
        case datetime() if value.tzinfo is not None:
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case str() if kind is not Kind.JSON:
            return value
        case _ if kind is Kind.JSON:
            return write_json(value)
        case _:
            found = to_jsonable_python(value, fallback=str)
            return found if isinstance(found, str) else write_json(found)
