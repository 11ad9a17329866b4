"""Where does the next page begin? After a row, which a cursor names by its place in the order: text that means nothing to callers."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from planar.entities.fields import Kind
from planar.entities.filters import Order
from planar.modeling.texts import text_misfit

_MAX_LENGTH: Final = 20_000
"""How long a text may be that is taken for a cursor."""

_MAX_WRITTEN: Final = 2_000
"""A cursor has to fit into an address, of which servers between may refuse long ones. One that would be longer names the key alone."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """A place in an order.

    Args:
        values: of the order's fields there, the key's being the last; the key's alone where the others have to be looked up.
    """

    values: tuple[Any, ...]


def write_cursor(entity: str, orders: Sequence[Order], values: Sequence[Any]) -> str:
    """The cursor of the row with *values*.

    Args:
        entity: the entity's name.
        orders: of the list, the key included.
        values: of the row, one for each order, as the database orders by them.
    """
    held = [
        None if value is None else _WRITERS.get(order.path.field.kind, _same)(value) for order, value in zip(orders, values, strict=True)
    ]
    whole = _encoded([_order_of(entity, orders), held])
    return whole if len(whole) <= _MAX_WRITTEN else _encoded([_order_of(entity, orders), held[-1:]])


def read_cursor(text: str, entity: str, orders: Sequence[Order]) -> Cursor:
    """The place that a cursor names.

    Raises:
        ValueError: it is none, or belongs to another entity or order.
    """
    try:
        if len(text) > _MAX_LENGTH:
            raise ValueError
        order, held = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError, TypeError, RecursionError):
        raise ValueError("This is not a cursor: give `next` of the page before") from None
    if order != _order_of(entity, orders):
        raise ValueError("This cursor belongs to a list in another order: give it with the same `sort`")
    try:
        if len(held) not in (1, len(orders)) or held[-1] is None:
            raise ValueError
        named = orders[-len(held) :]
        values = [None if value is None else _READERS[item.path.field.kind](value) for item, value in zip(named, held, strict=True)]
    except (ValueError, TypeError, ArithmeticError, KeyError):
        raise ValueError("This is not a cursor: give `next` of the page before") from None
    return Cursor(tuple(values))


def _encoded(content: list[Any]) -> str:
    text = json.dumps(content, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _order_of(entity: str, orders: Sequence[Order]) -> str:
    return f"{entity}:{','.join(map(str, orders))}"


def _same(value: Any) -> Any:
    return value


def _microseconds(value: timedelta) -> int:
    return value // timedelta(microseconds=1)


def _integer(value: Any) -> int:
    if type(value) is not int or not -(2**63) <= value < 2**63:
        raise ValueError
    return value


def _text(value: Any) -> str:
    if type(value) is not str or text_misfit(value) is not None:
        raise ValueError
    return value


def _number(value: Any) -> float:
    found = float(value)
    if found != found or abs(found) == float("inf"):
        raise ValueError
    return found


def _decimal(value: Any) -> Decimal:
    found = Decimal(_text(value))
    if not found.is_finite() or abs(found.adjusted()) > 10_000:
        raise ValueError
    return found


_WRITERS: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.DECIMAL: str,
    Kind.UUID: str,
    Kind.DATE: date.isoformat,
    Kind.DATETIME: datetime.isoformat,
    Kind.TIME: time.isoformat,
    Kind.DURATION: _microseconds,
}
_READERS: Final[Mapping[Kind, Callable[[Any], Any]]] = {
    Kind.INTEGER: _integer,
    Kind.BOOLEAN: _integer,  # as they are ordered
    Kind.ENUM: _integer,
    Kind.FLOAT: _number,
    Kind.TEXT: _text,
    Kind.DECIMAL: _decimal,
    Kind.UUID: UUID,
    Kind.DATE: date.fromisoformat,
    Kind.DATETIME: datetime.fromisoformat,
    Kind.TIME: time.fromisoformat,
    Kind.DURATION: lambda value: timedelta(microseconds=_integer(value)),
}
