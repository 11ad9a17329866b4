"""Which value does a text stand for? For filters and cursors: strict, typed by the field, and within what its column can hold."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Enum as EnumType

from planar.entities.fields import Kind, ServedField
from planar.entities.values import MAX_DIGITS, integer_misfit, moment_misfit, text_misfit

_INTEGER: Final = re.compile(r"[+-]?[0-9]{1,40}")
MAX_QUOTED: Final = 50
"""How much of a wrong value an error repeats."""

_BOOLEANS: Final = {"true": True, "1": True, "false": False, "0": False}
_DURATION: Final = TypeAdapter(timedelta, config={"defer_build": True})

JsonScalar = str | int | float | bool | None
"""A member of a list in JSON that can be looked for."""


def parse_value(field: ServedField, text: str) -> Any:
    """The value of *field*'s type that *text* stands for.

    Raises:
        ValueError: it stands for none, or for one that the column cannot hold; the message says what is allowed.
    """
    return _PARSERS[field.kind](field, text)


def parse_json_member(text: str) -> JsonScalar:
    """What is looked for in a list: JSON where the text is a number, a text in quotes, ``true``, ``false`` or ``null``; else the text.

    Raises:
        ValueError: it is a list or an object, or no database can store it.
    """
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = text
    if isinstance(found, list | dict):
        raise ValueError("Lists are looked through for a text, a number, true, false or null")
    if isinstance(found, str):
        _refuse(text_misfit(found))
    elif isinstance(found, float) and not math.isfinite(found):
        raise ValueError("Input should be a finite number")
    elif isinstance(found, int) and not -(2**63) <= found < 2**63:
        raise ValueError("Input should be an integer of 64 bits")
    return found


def enum_members(field: ServedField) -> list[Any]:
    """The values that an enumerated field may have, in their order."""
    if field.enum is not None:
        return list(field.enum)
    column_type = field.column.type
    return list(column_type.enums) if isinstance(column_type, EnumType) else []


def _integer(field: ServedField, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f"{_cut(text)!r} is not an integer")
    value = int(text)
    _refuse(integer_misfit(field.column.type, value))
    return value


def _float(_field: ServedField, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{_cut(text)!r} is not a number") from None
    if not math.isfinite(value):
        raise ValueError(f"{_cut(text)!r} is not a finite number")
    return value


def _decimal(_field: ServedField, text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"{_cut(text)!r} is not a decimal number") from None
    if not value.is_finite():
        raise ValueError(f"{_cut(text)!r} is not a finite number")
    exponent = value.as_tuple().exponent
    if abs(value.adjusted()) > MAX_DIGITS or (isinstance(exponent, int) and abs(exponent) > MAX_DIGITS):
        raise ValueError(f"a number has at most {MAX_DIGITS} digits before and after its point")
    return value


def _boolean(_field: ServedField, text: str) -> bool:
    if text not in _BOOLEANS:
        raise ValueError(f"{_cut(text)!r} is neither true nor false")
    return _BOOLEANS[text]


def _text(_field: ServedField, text: str) -> str:
    _refuse(text_misfit(text))
    return text


def _enum(field: ServedField, text: str) -> Any:
    members = enum_members(field)
    for member in members:
        if str(getattr(member, "value", member)) == text:
            return member
    raise ValueError(f"{_cut(text)!r} is not one of {', '.join(str(getattr(member, 'value', member)) for member in members)}")


def _date(_field: ServedField, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{_cut(text)!r} is not a date: write 2026-01-31") from None


def _datetime(field: ServedField, text: str) -> datetime:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{_cut(text)!r} is not a moment: write 2026-01-31T12:00:00Z (and a plus in an address as %2B)") from None
    _refuse(moment_misfit(field.column.type, value))
    return value


def _time(_field: ServedField, text: str) -> time:
    try:
        value = time.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{_cut(text)!r} is not a time of day: write 12:00:00") from None
    if value.tzinfo is not None:
        raise ValueError(f"{_cut(text)!r} has an offset, which a time of day has not")
    return value


def _duration(_field: ServedField, text: str) -> timedelta:
    try:
        return _DURATION.validate_python(text)
    except ValidationError:
        raise ValueError(f"{_cut(text)!r} is not a duration: write P1DT2H or 26:00:00") from None


def _uuid(_field: ServedField, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise ValueError(f"{_cut(text)!r} is not a UUID") from None


def _nothing(field: ServedField, _text: str) -> Any:
    raise ValueError(f"{field.name} is {field.kind}, and cannot be compared")


def _cut(text: str) -> str:
    return text if len(text) <= MAX_QUOTED else f"{text[:MAX_QUOTED]}…"


def _refuse(message: str | None) -> None:
    if message is not None:
        raise ValueError(message)


_PARSERS: Final[Mapping[Kind, Callable[[ServedField, str], Any]]] = {
    Kind.INTEGER: _integer,
    Kind.FLOAT: _float,
    Kind.DECIMAL: _decimal,
    Kind.BOOLEAN: _boolean,
    Kind.TEXT: _text,
    Kind.ENUM: _enum,
    Kind.DATE: _date,
    Kind.DATETIME: _datetime,
    Kind.TIME: _time,
    Kind.DURATION: _duration,
    Kind.UUID: _uuid,
    Kind.JSON: _nothing,
    Kind.BYTES: _nothing,
    Kind.OTHER: _nothing,
}
