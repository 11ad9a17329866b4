"""Of which tables is a history kept, and of which columns? Of those of `PlanarBaseEntity`, unless class or field says otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, cast
from weakref import WeakKeyDictionary

from pydantic_core import to_json
from sqlalchemy import Column, FromClause, event
from sqlalchemy.orm import Mapper

from planar.modeling.history_options import deletes_softly, has_history, masked_fields, unrecorded_fields
from planar.modeling.mixins.soft_delete import DELETED_AT
from planar.modeling.orm.planar_base_entity import PlanarBaseEntity

Key: TypeAlias = tuple[Any, ...]
"""A primary key, by its columns."""


@dataclass(frozen=True, slots=True, eq=False)
class Tracked:
    """A table with a history.

    Args:
        entity: the class.
        table: the table, or the join of tables, that its rows stand in.
        table_name: the name of the table, with its schema if it has one.
        keys: the columns of the primary key.
        key_names: the attributes that hold them.
        columns: what is kept, by the names of attributes.
        masked: those of which the values are not shown.
        automatic: those that every UPDATE renews; they alone are no change.
        soft: whether a row is deleted by setting ``deleted_at``.
    """

    entity: type[Any]
    table: FromClause
    table_name: str
    keys: tuple[Column[Any], ...]
    key_names: tuple[str, ...]
    columns: Mapping[str, Column[Any]]
    masked: frozenset[str]
    automatic: frozenset[str]
    soft: bool

    def key_text(self, key: Key) -> str:
        """A primary key as the history writes it."""
        if len(key) == 1 and isinstance(key[0], str):
            return key[0]
        text = to_json(key[0] if len(key) == 1 else key, bytes_mode="base64", fallback=str).decode()
        return text.strip('"') if len(key) == 1 else text


_by_mapper: WeakKeyDictionary[Mapper[Any], Tracked | None] = WeakKeyDictionary()
_mappers: WeakKeyDictionary[FromClause, Mapper[Any]] = WeakKeyDictionary()


@event.listens_for(PlanarBaseEntity, "instrument_class", propagate=True)
def _remember(mapper: Mapper[Any], _entity: type[Any]) -> None:
    _mappers.setdefault(mapper.local_table, mapper)


def tracked_table(table: Any) -> Tracked | None:
    """What is kept of *table*; None if nothing is."""
    mapper = _mappers.get(table)
    return None if mapper is None else tracked_mapper(mapper)


def tracked_mapper(mapper: Mapper[Any]) -> Tracked | None:
    """What is kept of the rows of a mapped class; None if nothing is."""
    try:
        return _by_mapper[mapper]
    except KeyError:
        found = _by_mapper[mapper] = _describe(mapper)
        return found


def _describe(mapper: Mapper[Any]) -> Tracked | None:
    entity = mapper.class_
    if not issubclass(entity, PlanarBaseEntity) or not has_history(entity):
        return None
    left_out, masked = unrecorded_fields(entity), masked_fields(entity)
    columns = {each.key: each.columns[0] for each in mapper.column_attrs if isinstance(each.columns[0], Column)}
    automatic = {name for name, column in columns.items() if column.onupdate is not None or column.server_onupdate is not None}
    if mapper.version_id_col is not None:
        automatic.add(mapper.get_property_by_column(mapper.version_id_col).key)
    keys = cast("tuple[Column[Any], ...]", mapper.primary_key)
    return Tracked(
        entity=entity,
        table=mapper.persist_selectable,
        table_name=str(mapper.local_table),
        keys=keys,
        key_names=tuple(mapper.get_property_by_column(column).key for column in keys),
        columns={name: column for name, column in columns.items() if name not in left_out},
        masked=masked,
        automatic=frozenset(automatic),
        soft=DELETED_AT in columns and DELETED_AT not in left_out and deletes_softly(entity),
    )
