"""What does a caller ask for? Filters, orders and selections, read from text into values; pure.

A filter is ``path:operator:value``: ``status:eq:open``, ``total:between:10,20``, ``customer.name:ilike:%berg%``, ``paid_at:is_null``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, TypeVar

from planar.entities.fields import Kind, ServedField
from planar.entities.reading_values import parse_json_member, parse_value
from planar.entities.registration import RegisteredEntity
from planar.entities.relations import Relation
from planar.entities.validation import Entry, Location, entry
from planar.modeling.errors import Misfits

T = TypeVar("T")

MAX_FILTERS: Final = 50
MAX_VALUES: Final = 1000
"""How many values ``in`` compares with."""
MAX_TEXT: Final = 10_000
"""How many characters a filter has."""
MAX_SORTS: Final = 10


class Operator(StrEnum):
    """How a field is compared. A missing value meets nothing but `is_null`."""

    EQ = "eq"
    NE = "ne"
    GT = "gt"
    GE = "ge"
    LT = "lt"
    LE = "le"
    LIKE = "like"
    ILIKE = "ilike"
    IN = "in"
    NOT_IN = "not_in"
    IS_NULL = "is_null"
    BETWEEN = "between"
    CONTAINS = "contains"


_EQUAL: Final = (Operator.EQ, Operator.NE, Operator.IN, Operator.NOT_IN, Operator.IS_NULL)
_ORDERED: Final = (*_EQUAL, Operator.GT, Operator.GE, Operator.LT, Operator.LE, Operator.BETWEEN)
_TEXT: Final = (*_ORDERED, Operator.LIKE, Operator.ILIKE, Operator.CONTAINS)

OPERATORS: Final[Mapping[Kind, tuple[Operator, ...]]] = {
    **dict.fromkeys((Kind.INTEGER, Kind.FLOAT, Kind.DECIMAL, Kind.DATE, Kind.DATETIME, Kind.TIME, Kind.DURATION, Kind.UUID), _ORDERED),
    Kind.TEXT: _TEXT,
    Kind.BOOLEAN: _EQUAL,
    Kind.ENUM: _EQUAL,
    Kind.JSON: (Operator.IS_NULL, Operator.CONTAINS),
    Kind.BYTES: (Operator.IS_NULL,),
    Kind.OTHER: (Operator.IS_NULL,),
}
"""What each kind of field can be compared by."""

UNSORTED: Final = frozenset({Kind.JSON, Kind.BYTES, Kind.OTHER})
"""Kinds without an order, by which nobody groups either."""


@dataclass(frozen=True, slots=True)
class FieldPath:
    """A field of an entity, or of one that it is tied to."""

    field: ServedField
    relation: Relation | None = None

    def __str__(self) -> str:
        return self.field.name if self.relation is None else f"{self.relation.name}.{self.field.name}"


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison that rows have to meet."""

    path: FieldPath
    operator: Operator
    value: Any


@dataclass(frozen=True, slots=True)
class Order:
    """One of the fields by which rows are ordered. Missing values come last, either way."""

    path: FieldPath
    descending: bool = False

    def __str__(self) -> str:
        return f"-{self.path}" if self.descending else str(self.path)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a caller may name: the fields of an entity that are shown, and those of its relations.

    Args:
        entity: which one.
        relations: those across which the caller may look.
    """

    entity: RegisteredEntity
    relations: Mapping[str, Relation]

    def find(self, text: str) -> FieldPath:
        """The field that *text* names.

        Raises:
            ValueError: there is none; the message lists what there is.
        """
        first, dot, rest = text.partition(".")
        if not dot:
            return FieldPath(_shown(self.entity, text))
        relation = self.relations.get(first)
        if relation is None or relation.chosen:
            known = [name for name, found in self.relations.items() if not found.chosen]
            raise ValueError(f"{self.entity.name} has no relation {first!r}. {_choice('Relations', known)}")
        return FieldPath(_shown(relation.target, rest), relation)


def parse_filters(texts: Sequence[str], scope: Scope) -> list[Condition]:
    """The conditions of the parameters ``filter``.

    Raises:
        Misfits: a field, an operator or a value is wrong; each entry names it and lists what is allowed.
    """
    if len(texts) > MAX_FILTERS:
        raise _misfit(("query", "filter"), f"There are more than {MAX_FILTERS} filters")
    return _each("filter", texts, lambda text: parse_filter(text, scope))


def parse_filter(text: str, scope: Scope) -> Condition:
    """One condition.

    Raises:
        ValueError: it cannot be understood.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"A filter has at most {MAX_TEXT} characters")
    name, colon, rest = text.partition(":")
    if not colon:
        raise ValueError("A filter is written field:operator:value, as in status:eq:open")
    path = scope.find(name)
    word, _, value = rest.partition(":")
    allowed = OPERATORS[path.field.kind]
    if word not in allowed:
        raise ValueError(f"{path} is a {path.field.kind}, which has no operator {word!r}. {_choice('Operators', allowed)}")
    operator = Operator(word)
    try:
        return Condition(path, operator, _parse_operand(path.field, operator, value))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def parse_sort(text: str | None, scope: Scope) -> list[Order]:
    """The orders of the parameter ``sort``: names separated by commas, each with a minus for the largest first.

    Raises:
        Misfits: one is no field, or has no order.
    """
    names = [name.strip() for name in text.split(",")] if text else []
    if len(names) > MAX_SORTS:
        raise _misfit(("query", "sort"), f"There are more than {MAX_SORTS} fields")
    return _each("sort", names, lambda name: _parse_order(name, scope))


def parse_fields(text: str | None, entity: RegisteredEntity) -> tuple[str, ...] | None:
    """The fields of the parameter ``fields``; None for all.

    Raises:
        Misfits: one is no field.
    """
    if text is None:
        return None
    return tuple(_each("fields", [name.strip() for name in text.split(",")], lambda name: _shown(entity, name).name))


def parse_groups(text: str, entity: RegisteredEntity) -> list[ServedField]:
    """The fields of the parameter ``by``.

    Raises:
        Misfits: one is no field, or no rows can be grouped by it.
    """
    return _each("by", [name.strip() for name in text.split(",")], lambda name: _sortable(_shown(entity, name)))


def parse_expand(text: str | None, relations: Mapping[str, Relation]) -> list[Relation]:
    """The relations of the parameter ``expand``.

    Raises:
        Misfits: one is no relation.
    """

    def find(name: str) -> Relation:
        if name not in relations:
            raise ValueError(f"There is no relation {name!r}. {_choice('Relations', list(relations))}")
        return relations[name]

    return _each("expand", list(dict.fromkeys(name.strip() for name in text.split(","))), find) if text else []


def _parse_order(text: str, scope: Scope) -> Order:
    path = scope.find(text.removeprefix("-"))
    _sortable(path.field)
    if path.relation is not None and path.relation.many:
        raise ValueError(f"A row may have several {path.relation.name}: they give it no place in an order")
    return Order(path, text.startswith("-"))


def _parse_operand(field: ServedField, operator: Operator, text: str) -> Any:
    match operator:
        case Operator.IS_NULL:
            if text not in ("", "true", "false"):
                raise ValueError(f"is_null takes true or false, not {text!r}")
            return text != "false"
        case Operator.IN | Operator.NOT_IN:
            values = _listed(text)
            if len(values) > MAX_VALUES:
                raise ValueError(f"{operator} compares with at most {MAX_VALUES} values")
            return [parse_value(field, value) for value in values]
        case Operator.BETWEEN:
            values = _listed(text)
            if len(values) != 2:
                raise ValueError(f"between takes two values separated by a comma, not {len(values)}")
            return [parse_value(field, value) for value in values]
        case Operator.CONTAINS if field.kind is Kind.JSON:
            return parse_json_member(text)
        case Operator.LIKE | Operator.ILIKE:
            return _pattern(str(parse_value(field, text)))
        case _:
            return parse_value(field, text)


def _pattern(text: str) -> str:
    if (len(text) - len(text.rstrip("\\"))) % 2:
        raise ValueError("A pattern must not end with a backslash; a backslash itself is written twice")
    return text


def _listed(text: str) -> list[str]:
    """Values separated by commas; one that holds a comma or a quote stands in double quotes, in which a quote is written twice."""
    try:
        return next(csv.reader([text], strict=True), [""])
    except csv.Error as error:
        raise ValueError(f"Values are separated by commas; one with a comma stands in double quotes ({error})") from None


def _shown(entity: RegisteredEntity, name: str) -> ServedField:
    field = entity.fields.get(name)
    if field is None or field.hidden:
        raise ValueError(f"{entity.name} has no field {name!r}. {_choice('Fields', entity.visible)}")
    return field


def _sortable(field: ServedField) -> ServedField:
    if field.kind in UNSORTED:
        raise ValueError(f"{field.name} is {field.kind}, which has no order")
    return field


def _choice(what: str, names: Collection[str]) -> str:
    return f"{what}: {', '.join(names) or 'none'}"


def _each(parameter: str, texts: Sequence[str], read: Callable[[str], T]) -> list[T]:
    found: list[T] = []
    entries: list[Entry] = []
    for index, text in enumerate(texts):
        try:
            found.append(read(text))
        except ValueError as error:
            entries.append(entry("value_error", ("query", parameter, index), str(error), input=text))
    if entries:
        raise Misfits(entries)
    return found


def _misfit(loc: Location, message: str) -> Misfits:
    return Misfits([entry("value_error", loc, message)])
