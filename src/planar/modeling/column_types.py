"""How do exact numbers, moments and JSON lie in a table? The column types that both kinds of tables share.

On SQLite the formats are part of the contract, because the engine's writer speaks to the same file without SQLAlchemy: a moment is
``YYYY-MM-DD HH:MM:SS.ffffff`` in UTC, JSON is compact text, a decimal is its digits. Every SQLite connection of this process learns
the collation ``decimal`` and the aggregate ``decimal_sum``, named and behaving as in SQLite's own decimal extension, so that its
command-line shell can read and sort such a column too; and the function ``planar_fold``, for searches that do not care for case.
"""

from __future__ import annotations

import json
import sqlite3
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Any, cast

from sqlalchemy import Dialect, Numeric, String, Text, event
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.pool import Pool
from sqlalchemy.sql import functions
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.operators import OperatorType, like_op, not_like_op
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel.sql.sqltypes import UTCDateTime

from planar.modeling.errors import InvalidDecimal, InvalidJSON

__all__ = ["ExactDecimal", "JSONText", "PlanarSQLiteConnection", "UTCDateTime"]

FOLD = "planar_fold"
"""What SQLite connections of this process call the function that makes letters small."""

_WIDE = Context(prec=10_000)
"""Enough digits that neither a sum nor a rounding ever loses one."""


class JSONText(TypeDecorator[Any]):
    """A JSON value in a text column: Python's ``None, bool, int, float, str, list, dict`` and compact JSON text.

    ``None`` is SQL NULL. Text rather than a JSON column: cheaper to write, and every string that JSON knows can be stored.
    Changes inside a stored list or dict are not noticed; assign a new value.
    """

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """The value as text; what JSON cannot hold is an `InvalidJSON`."""
        if value is None:
            return None
        try:
            return json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise InvalidJSON(f"This value cannot be stored as JSON: {error}. Convert it to plain JSON values first.") from error

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The value again."""
        return None if value is None else json.loads(value)

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        """A pattern of LIKE is text; anything else is compared as JSON."""
        return String() if op in (like_op, not_like_op) else self


class ExactDecimal(TypeDecorator[Decimal]):
    """A decimal that comes back as it went in.

    On SQLite, which would keep a float, it is text that compares, sorts and sums as the number it is; elsewhere a NUMERIC. With a
    *scale* a stored value is rounded half up to so many places, and one that needs more than *precision* digits is refused, on
    SQLite as PostgreSQL does it. Comparison, order, min, max and sum are exact; other arithmetic in SQL is done by SQLite in floats.

    Args:
        precision: digits in all, or None for any number.
        scale: digits after the point, or None for as many as the value has.
    """

    impl = Numeric
    cache_ok = True

    def __init__(self, precision: int | None = None, scale: int | None = None) -> None:
        super().__init__(precision=precision, scale=scale)
        self.precision = precision
        self.scale = scale if scale is not None or precision is None else 0

    def __repr__(self) -> str:
        return f"ExactDecimal({self.precision}, {self.scale})"

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Text with a collation on SQLite, NUMERIC elsewhere."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(Text(collation="decimal"))
        return dialect.type_descriptor(Numeric(self.precision, self.scale))

    def coerce_compared_value(self, op: OperatorType | None, value: Any) -> TypeEngine[Any]:
        """What a column is compared with is never rounded to the column's scale."""
        return ExactDecimal()

    def process_bind_param(self, value: Decimal | float | str | None, dialect: Dialect) -> Any:
        """The value as the driver wants it; not a number, infinite or too long is an `InvalidDecimal`."""
        if value is None:
            return None
        exact = self.fitted(_decimal_of(value))
        return format(exact, "f") if dialect.name == "sqlite" else exact

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        """The number again; what SQLite calculated as a float becomes the shortest decimal that stands for it."""
        return None if value is None else Decimal(str(value))

    def fitted(self, value: Decimal) -> Decimal:
        """*value* as the column holds it: rounded to its scale; one with too many digits is an `InvalidDecimal`."""
        if self.scale is not None:
            value = value.quantize(Decimal(1).scaleb(-self.scale), rounding=ROUND_HALF_UP, context=_WIDE)
        if self.precision is not None and value.adjusted() + 1 > self.precision - (self.scale or 0) and value != 0:
            raise InvalidDecimal(f"{value} does not fit a number of {self.precision} digits with {self.scale} after the point.")
        return value


def _decimal_of(value: Decimal | float | str) -> Decimal:
    try:
        exact = value if isinstance(value, Decimal) else Decimal(str(value))
    except ArithmeticError:
        raise InvalidDecimal(f"{value!r} is not a decimal number.") from None
    if not exact.is_finite():
        raise InvalidDecimal(f"{exact} cannot be stored: a decimal column holds finite numbers only.")
    return exact


@compiles(functions.sum, "sqlite")
def _compile_sum(element: functions.sum[Any], compiler: SQLCompiler, **kw: Any) -> str:
    """SQLite's own SUM would add up floats; for exact decimals ours is used."""
    name = "decimal_sum" if isinstance(element.type, ExactDecimal) else "sum"
    return f"{name}{compiler.function_argspec(element, **kw)}"


class _DecimalSum:
    """The aggregate ``decimal_sum``; usable over a window as well."""

    def __init__(self) -> None:
        self._total: Decimal | None = None

    def step(self, value: Any) -> None:
        if value is not None:
            self._total = _WIDE.add(self._total or Decimal(0), Decimal(str(value)))

    def inverse(self, value: Any) -> None:
        if value is not None:
            self._total = _WIDE.subtract(self._total or Decimal(0), Decimal(str(value)))

    def value(self) -> str | None:
        return None if self._total is None else format(self._total, "f")

    finalize = value


def _compare_decimals(left: str, right: str) -> int:
    """The order of two numbers given as text; anything else (written by hand) sorts as text, after the numbers."""
    a, b = _number_in(left), _number_in(right)
    if a is None or b is None:
        return (a is None) - (b is None) or (left > right) - (left < right)
    return (a > b) - (a < b)


def _number_in(text: str) -> Decimal | None:
    try:
        number = Decimal(text)
    except ArithmeticError:
        return None
    return number if number.is_finite() else None


def _fold(text: Any) -> Any:
    """A text in small letters, those beyond ASCII included, which SQLite's own ``lower`` leaves alone."""
    return text.lower() if isinstance(text, str) else text


def _teach(connection: sqlite3.Connection) -> None:
    connection.create_collation("decimal", _compare_decimals)
    connection.create_window_function("decimal_sum", 1, cast("Any", _DecimalSum))
    connection.create_function(FOLD, 1, _fold, deterministic=True)


class PlanarSQLiteConnection(sqlite3.Connection):
    """A connection that knows exact decimals. Pass it as ``factory`` where SQLAlchemy's pool does not open the connection itself."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _teach(self)


@event.listens_for(Pool, "connect")
def _on_connect(dbapi_connection: Any, _record: Any) -> None:
    """Any synchronous SQLite engine of this process can use exact decimals, not only ours."""
    if isinstance(dbapi_connection, sqlite3.Connection) and not isinstance(dbapi_connection, PlanarSQLiteConnection):
        _teach(dbapi_connection)
