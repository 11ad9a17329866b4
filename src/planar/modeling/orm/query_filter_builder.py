"""How is a query narrowed, ordered and cut into pages, and how many rows are there in all?"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import StrEnum
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Select, inspect
from sqlalchemy.orm import Mapper
from sqlmodel import func, select
from sqlmodel.sql.expression import SelectOfScalar

from planar.modeling.errors import InvalidFilter

Q = TypeVar("Q", bound=Select[Any])

Filter = tuple[Any, str, Any]
"""A column or expression, an operator, and what to compare with."""


class SortDirection(StrEnum):
    """Smallest or largest first."""

    ASC = "asc"
    DESC = "desc"


def _values(value: Any) -> Collection[Any]:
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        raise InvalidFilter(f"in and not_in compare with a list of values, not with {value!r}.")
    return list(cast("Iterable[Any]", value))


_OPERATORS: dict[str, Callable[[Any, Any], ColumnElement[bool]]] = {
    "=": lambda column, value: column == value,
    "==": lambda column, value: column == value,
    "!=": lambda column, value: column != value,
    ">": lambda column, value: column > value,
    ">=": lambda column, value: column >= value,
    "<": lambda column, value: column < value,
    "<=": lambda column, value: column <= value,
    "like": lambda column, value: column.like(value),
    "ilike": lambda column, value: column.ilike(value),
    "in": lambda column, value: column.in_(_values(value)),
    "not_in": lambda column, value: column.not_in(_values(value)),
}

_NULL_OPERATORS: dict[str, bool] = {"is_null": True, "is_not_null": False}


def build_paginated_query(
    query: Q,
    filters: Sequence[Filter] | None = None,
    offset: int | None = None,
    limit: int | None = None,
    order_by: Any | Sequence[Any] | None = None,
    order_direction: SortDirection | str | None = None,
) -> tuple[Q, SelectOfScalar[int]]:
    """*query* for one page, and the query that counts the rows of all pages (use it with ``.one()``).

    Pages are stable: rows that are equal in *order_by* are ordered by their primary key, where the query selects an entity.

    Args:
        query: what to select; grouped and distinct queries are counted as they are.
        filters: ``(column, operator, value)`` each, all of which must hold. Operators: ``= == != > >= < <= like ilike in not_in``,
            which are left out if the value is None, as an empty search field; and ``is_null``, ``is_not_null``, whose value is
            True, False for the opposite, or None.
        offset: how many rows to skip, from 0.
        limit: how many rows to give at most, from 0.
        order_by: a column or expression, or several.
        order_direction: ``asc`` or ``desc``, the default.

    Raises:
        InvalidFilter: a text in place of a column, an unknown operator or direction, a negative number, or a value that the
            operator cannot compare with.
    """
    for number in (offset, limit):
        if number is not None and number < 0:
            raise InvalidFilter(f"offset and limit are 0 or more, not {number}.")
    conditions = [condition for given in filters or () if (condition := _condition(*given)) is not None]
    filtered = query.where(*conditions) if conditions else query
    count = select(func.count()).select_from(filtered.order_by(None).subquery())
    page = _ordered(filtered, order_by, order_direction)
    if offset is not None:
        page = page.offset(offset)
    if limit is not None:
        page = page.limit(limit)
    return page, count


def _column(given: Any) -> Any:
    # A text would be compared as a text: the name of a column is equal to nothing that it holds.
    if isinstance(given, str):
        raise InvalidFilter(f"A column is given as the attribute of its class, not as the text {given!r}.")
    return given


def _condition(given: Any, operator: str, value: Any) -> ColumnElement[bool] | None:
    column = _column(given)
    if operator in _NULL_OPERATORS:
        if value not in (None, True, False):
            raise InvalidFilter(f"{operator} takes True, False or None, not {value!r}.")
        wanted = _NULL_OPERATORS[operator] if value is not False else not _NULL_OPERATORS[operator]
        return column.is_(None) if wanted else column.is_not(None)
    compare = _OPERATORS.get(operator)
    if compare is None:
        raise InvalidFilter(f"There is no operator {operator!r}. Use one of: {', '.join([*_OPERATORS, *_NULL_OPERATORS])}.")
    return None if value is None else compare(column, value)


def _ordered(query: Q, order_by: Any | Sequence[Any] | None, direction: SortDirection | str | None) -> Q:
    try:
        ascending = SortDirection(direction or SortDirection.DESC) is SortDirection.ASC
    except ValueError:
        raise InvalidFilter(f"The direction of an order is 'asc' or 'desc', not {direction!r}.") from None
    columns: list[Any] = []
    if order_by is not None:
        columns.extend(cast("Sequence[Any]", order_by) if isinstance(order_by, list | tuple) else [order_by])
    columns = [_column(column) for column in columns]
    columns.extend(_primary_key(query))
    if not columns:
        return query
    return query.order_by(*(column.asc() if ascending else column.desc() for column in columns))


def _primary_key(query: Select[Any]) -> Sequence[Any]:
    """The key of the first entity that *query* selects; nothing where ordering by it would change what is selected."""
    plain = cast("Any", query)
    if plain._distinct or plain._group_by_clauses:
        return ()
    entity = query.column_descriptions[0].get("entity") if query.column_descriptions else None
    mapper = inspect(entity, raiseerr=False) if entity is not None else None
    if not isinstance(mapper, Mapper) or query.column_descriptions[0].get("expr") is not entity:
        return ()
    return [mapper.get_property_by_column(column).class_attribute for column in mapper.primary_key]
