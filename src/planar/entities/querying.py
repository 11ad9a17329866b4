"""Which rows are meant? Filters, orders, searches and cursors become SQL, the same in meaning on both databases."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import ColumnElement, Select, and_, bindparam, exists, false, func, or_, select
from sqlalchemy.orm import aliased, lazyload, undefer

from planar.entities.cursors import Cursor
from planar.entities.expressions import folded, has_member, is_json_null, like, ordered, within
from planar.entities.fields import Kind, ServedField
from planar.entities.filters import Condition, FieldPath, Operator, Order
from planar.entities.registration import RegisteredEntity
from planar.entities.relations import Relation
from planar.modeling.mixins.soft_delete import DELETED_AT


class Deleted(StrEnum):
    """Whether rows are meant that are only marked as deleted."""

    EXCLUDE = "exclude"
    INCLUDE = "include"
    ONLY = "only"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which rows of an entity are meant, before they are ordered and cut into pages.

    Args:
        conditions: all of which have to hold.
        search: words, each of which some text of the row has to hold; case does not matter.
        deleted: whether rows count that are marked as deleted.
    """

    conditions: tuple[Condition, ...] = ()
    search: str | None = None
    deleted: Deleted = Deleted.EXCLUDE


_COMPARISONS: Final[Mapping[Operator, Callable[[Any, Any], Any]]] = {
    Operator.GT: operator.gt,
    Operator.GE: operator.ge,
    Operator.LT: operator.lt,
    Operator.LE: operator.le,
}


def where(entity: RegisteredEntity, selection: Selection, *, unicode: bool) -> list[ColumnElement[bool]]:
    """What holds for the rows that are meant.

    Args:
        entity: whose rows.
        selection: which of them.
        unicode: whether the database makes the letters of every language small.
    """
    found = [_condition(entity, condition, unicode) for condition in selection.conditions]
    found += _search(entity, selection.search, unicode)
    if entity.options.soft_delete and selection.deleted is not Deleted.INCLUDE:
        mark = getattr(entity.cls, DELETED_AT)
        found.append(mark.is_not(None) if selection.deleted is Deleted.ONLY else mark.is_(None))
    return found


def by_key(orders: Sequence[Order], entity: RegisteredEntity) -> list[Order]:
    """*orders* and, after them, the key: so that no two rows have the same place."""
    key = Order(FieldPath(entity.fields[entity.key]))
    for place, order in enumerate(orders):
        if order.path.relation is None and order.path.field.name == entity.key:
            return list(orders[: place + 1])
    return [*orders, key]


def page_query(
    entity: RegisteredEntity, conditions: Sequence[ColumnElement[bool]], orders: Sequence[Order], cursor: Cursor | None
) -> Select[Any]:
    """The rows, each with the values of its place in the order.

    Args:
        entity: whose rows.
        conditions: from `where`.
        orders: the key is the last.
        cursor: after which place.
    """
    places = [place_of(entity, order) for order in orders]
    query = select(entity.cls, *(place.label(f"place_{number}") for number, place in enumerate(places))).where(*conditions)
    if cursor is not None:
        query = query.where(_after(orders, places, cursor))
    query = query.order_by(*(_direction(order, place) for order, place in zip(orders, places, strict=True)))
    return query.options(lazyload("*"), undefer("*"))


def count_query(entity: RegisteredEntity, conditions: Sequence[ColumnElement[bool]]) -> Select[int]:
    """How many rows are meant."""
    return select(func.count()).select_from(entity.cls).where(*conditions)


def group_query(entity: RegisteredEntity, fields: Sequence[ServedField], conditions: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """The values of *fields* that there are, and how many rows have them: the most frequent first."""
    columns = [getattr(entity.cls, field.name) for field in fields]
    places = [ordered(field, column) for field, column in zip(fields, columns, strict=True)]
    count = func.count().label("rows")
    query: Any = select(*columns, count).select_from(entity.cls).where(*conditions).group_by(*columns)
    return query.order_by(count.desc(), *(place.asc().nulls_last() for place in places))


def place_of(entity: RegisteredEntity, order: Order) -> ColumnElement[Any]:
    """What the database orders by."""
    field, relation = order.path.field, order.path.relation
    if relation is None:
        return ordered(field, getattr(entity.cls, field.name))
    other: Any = aliased(relation.target.cls)
    value = ordered(field, getattr(other, field.name))
    return select(value).where(_tied(entity, relation, other)).limit(1).correlate(entity.cls).scalar_subquery()


def _direction(order: Order, place: ColumnElement[Any]) -> ColumnElement[Any]:
    directed = place.desc() if order.descending else place.asc()
    return directed.nulls_last() if _may_be_null(order) else directed


def _may_be_null(order: Order) -> bool:
    return order.path.relation is not None or order.path.field.nullable


def _after(orders: Sequence[Order], places: Sequence[ColumnElement[Any]], cursor: Cursor) -> ColumnElement[bool]:
    """Rows beyond the cursor: equal in the first fields and beyond in the next one, for some number of first fields."""
    ways: list[ColumnElement[bool]] = []
    equal: list[ColumnElement[bool]] = []
    for order, place, value in zip(orders, places, cursor.values, strict=True):
        ways.append(and_(*equal, _beyond(order, place, value)))
        equal.append(place.is_(None) if value is None else place == _bound(place, value))
    return or_(*ways)


def _beyond(order: Order, place: ColumnElement[Any], value: Any) -> ColumnElement[bool]:
    if value is None:
        return false()
    further = place < _bound(place, value) if order.descending else place > _bound(place, value)
    return or_(further, place.is_(None)) if _may_be_null(order) else further


def _bound(place: ColumnElement[Any], value: Any) -> ColumnElement[Any]:
    return bindparam(None, value, type_=place.type, unique=True)


def _condition(entity: RegisteredEntity, condition: Condition, unicode: bool) -> ColumnElement[bool]:
    relation, field = condition.path.relation, condition.path.field
    if relation is None:
        return compare(field, getattr(entity.cls, field.name), condition, unicode)
    other: Any = aliased(relation.target.cls)
    there = exists().where(_tied(entity, relation, other), compare(field, getattr(other, field.name), condition, unicode))
    # Whatever *deleted* says of the listed rows: those at the other end are gone for whoever looks across.
    return there.where(getattr(other, DELETED_AT).is_(None)) if relation.target.options.soft_delete else there


def _tied(entity: RegisteredEntity, relation: Relation, other: Any) -> ColumnElement[bool]:
    """Whether the row of *other* is one that the entity's row is tied to."""
    here, there = getattr(entity.cls, relation.local), getattr(other, relation.remote)
    if relation.link is None:
        return there == here
    table, near, far = relation.link
    return exists().where(near == here, far == there).correlate_except(table)


def compare(field: ServedField, column: Any, condition: Condition, unicode: bool) -> ColumnElement[bool]:
    """The comparison of *column*, which holds *field*."""
    value = condition.value
    match condition.operator:
        case Operator.EQ:
            return column == value
        case Operator.NE:
            return column != value
        case Operator.IN:
            return column.in_(value)
        case Operator.NOT_IN:
            return column.not_in(value)
        case Operator.IS_NULL:
            missing = is_json_null(column) if field.kind is Kind.JSON else column.is_(None)
            return missing if value else ~missing
        case Operator.BETWEEN:
            least, most = (bindparam(None, item, type_=column.type, unique=True) for item in value)
            return ordered(field, column).between(least, most)
        case Operator.LIKE:
            return like(column, value)
        case Operator.ILIKE:
            return like(folded(column, unicode=unicode), value.lower())
        case Operator.CONTAINS:
            return has_member(column, value) if field.kind is Kind.JSON else within(column, value)
        case _:
            return _COMPARISONS[condition.operator](ordered(field, column), bindparam(None, value, type_=column.type, unique=True))


def _search(entity: RegisteredEntity, text: str | None, unicode: bool) -> list[ColumnElement[bool]]:
    """Each word stands in one of the texts that are searched."""
    columns = [folded(getattr(entity.cls, name), unicode=unicode) for name in entity.searchable]
    return [or_(false(), *(within(column, word.lower()) for column in columns)) for word in (text or "").split()]
