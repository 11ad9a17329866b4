"""Does a value fit its column, on every database? One that would not is refused before a database sees it."""

from __future__ import annotations

import base64
import binascii
import math
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any, Final, cast

from sqlalchemy import BigInteger, Integer, Numeric, SmallInteger
from sqlalchemy.types import TypeDecorator, TypeEngine

from planar.entities.fields import Kind, ServedField
from planar.modeling.column_types import ExactDecimal, UTCDateTime
from planar.modeling.texts import text_misfit

SMALL: Final = 2**15
NORMAL: Final = 2**31
BIG: Final = 2**63
MAX_DEPTH: Final = 100
"""How deeply a JSON value may be nested."""
MAX_DIGITS: Final = 1000
"""How many digits a decimal without a precision may have on either side of its point."""


class WrittenNumber(float):
    """A number with a point or an exponent, as it stands in JSON: a decimal field takes it as it was written, any other as a float."""

    text: str

    def __new__(cls, text: str) -> WrittenNumber:
        number = super().__new__(cls, text)
        number.text = text
        return number


def misfit_of(field: ServedField, value: Any) -> str | None:
    """Why *value* cannot be stored in the field's column; None if it can.

    Args:
        field: whose column.
        value: as the class has it, after its own checks.
    """
    if value is None:
        return None if field.nullable or field.read_only else "Input should not be null"
    match field.kind:
        case Kind.TEXT:
            return _text(field.column.type, value)
        case Kind.INTEGER:
            return integer_misfit(field.column.type, value)
        case Kind.FLOAT:
            return None if math.isfinite(value) else "Input should be a finite number"
        case Kind.DECIMAL:
            return _decimal(field.column.type, value)
        case Kind.DATETIME:
            return moment_misfit(field.column.type, value)
        case Kind.TIME:
            return "Input should have no time zone" if isinstance(value, time) and value.tzinfo is not None else None
        case Kind.JSON:
            return _json(value)
        case _:
            return None


def integer_misfit(column_type: TypeEngine[Any], value: Any) -> str | None:
    """Why an integer is beyond what the column holds; None if it is not."""
    kind = _implementation(column_type)
    bound = SMALL if isinstance(kind, SmallInteger) else BIG if isinstance(kind, BigInteger) or not isinstance(kind, Integer) else NORMAL
    return None if -bound <= int(value) < bound else f"Input should be an integer from {-bound} to {bound - 1}"


def moment_misfit(column_type: TypeEngine[Any], value: Any) -> str | None:
    """Why a moment cannot be stored: it needs its offset where the column is in UTC, and no offset elsewhere. None if it can."""
    if not isinstance(value, datetime):
        return None
    if is_aware(column_type):
        if value.tzinfo is None:
            return "Input should have timezone info"
        try:
            value.astimezone(UTC)
        except OverflowError:
            return "Input should lie within the years 1 to 9999 in UTC"
        return None
    return None if value.tzinfo is None else "Input should not have timezone info"


def is_aware(column_type: TypeEngine[Any]) -> bool:
    """Whether the column's moments have an offset."""
    return isinstance(column_type, UTCDateTime) or bool(getattr(_implementation(column_type), "timezone", False))


def to_bytes(value: Any) -> Any:
    """The bytes that a text in base64 stands for; what is no text is given back.

    Raises:
        ValueError: it is no base64.
    """
    if not isinstance(value, str):
        return value
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("Input should be bytes in base64") from None


def _text(column_type: TypeEngine[Any], value: Any) -> str | None:
    if not isinstance(value, str):
        return None
    length = getattr(_implementation(column_type), "length", None)
    if isinstance(length, int) and len(value) > length:
        return f"String should have at most {length} characters"
    return text_misfit(value)


def _decimal(column_type: TypeEngine[Any], value: Any) -> str | None:
    if not isinstance(value, Decimal):
        return None
    if not value.is_finite():
        return "Input should be a finite number"
    exponent = value.normalize().as_tuple().exponent if value else 0
    if value.adjusted() > MAX_DIGITS or (isinstance(exponent, int) and -exponent > MAX_DIGITS):
        return f"Decimal input should have no more than {MAX_DIGITS} digits before and after its point"
    precision, scale = getattr(column_type, "precision", None), getattr(column_type, "scale", None)
    if not isinstance(column_type, ExactDecimal | Numeric) or precision is None:
        return None
    places = scale or 0
    if isinstance(exponent, int) and -exponent > places:
        return f"Decimal input should have no more than {places} decimal places"
    if value and value.adjusted() + 1 > precision - places:
        return f"Decimal input should have no more than {precision - places} digits before the decimal point"
    return None


def _json(value: Any, depth: int = 0) -> str | None:
    if depth > MAX_DEPTH:
        return f"Input should be nested no more than {MAX_DEPTH} levels deep"
    if isinstance(value, str):
        return text_misfit(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else "Input should hold finite numbers only"
    members: list[Any] = []
    if isinstance(value, dict):
        members = [item for pair in cast("dict[Any, Any]", value).items() for item in pair]
    elif isinstance(value, list | tuple | set | frozenset):
        members = list(cast("list[Any]", value))
    return next((found for member in members if (found := _json(member, depth + 1)) is not None), None)


def _implementation(column_type: TypeEngine[Any]) -> TypeEngine[Any]:
    while isinstance(column_type, TypeDecorator):
        column_type = column_type.impl_instance
    return column_type
