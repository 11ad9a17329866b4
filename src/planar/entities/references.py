"""Who is a row tied to? Labels of the rows that it refers to, and those rows themselves: a statement a relation, not a row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from sqlalchemy import func, null, select
from sqlalchemy.orm import aliased, lazyload, undefer
from sqlmodel import SQLModel

from planar.db.planar_session import PlanarSession
from planar.entities.asking import ask
from planar.entities.keys import find_key
from planar.entities.registration import RegisteredEntity
from planar.entities.relations import Relation
from planar.modeling.mixins.soft_delete import DELETED_AT

CHUNK: Final = 1000
"""How many values one statement asks for; a page has no more rows, so that it is one."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A row that another one refers to, for people.

    Args:
        id: its key as text.
        label: what people recognise it by; None if the caller may not know, or it does not exist.
        entity: the name of its entity.
        deleted: whether it is marked as deleted, as far as the caller may know.
    """

    id: str
    label: str | None
    entity: str
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Ties:
    """What a row is tied to along one relation: some rows, and whether there are more."""

    rows: list[SQLModel] = field(default_factory=list[SQLModel])
    more: bool = False


async def references_of(
    session: PlanarSession, relations: Collection[Relation], rows: Sequence[SQLModel], allowed: Collection[str]
) -> list[dict[str, Reference | None]]:
    """For each of *rows*, what it refers to along each of *relations*, by the relation's name; None where it refers to nothing.

    Args:
        session: where to look.
        relations: those whose key the rows hold.
        rows: a page of rows.
        allowed: the entities whose labels may be shown, by name.
    """
    found: list[dict[str, Reference | None]] = [{} for _ in rows]
    for relation in relations:
        held = [_held(relation, row) for row in rows]
        wanted = {value for value in held if value is not None} if relation.target.name in allowed else set[Any]()
        known = await _labels(session, relation, wanted)
        for references, row, value in zip(found, rows, held, strict=True):
            raw = getattr(row, relation.local)
            key, label, deleted = known.get(value, (raw if value is None else value, None, False))
            references[relation.name] = None if raw is None else Reference(str(key), label, relation.target.name, deleted)
    return found


async def expand(session: PlanarSession, entity: RegisteredEntity, relation: Relation, rows: Sequence[SQLModel], limit: int) -> list[Ties]:
    """For each of *rows*, what it is tied to along *relation*: at most *limit* rows each, in the order of their keys.

    Rows that are marked as deleted are left out.
    """
    held = [_held(relation, row) for row in rows]
    found: defaultdict[Any, Ties] = defaultdict(Ties)
    values = {value for value in held if value is not None}
    for chunk in _chunks(values):
        for value, place, tied in cast("Iterable[Any]", await ask(session, _tied_query(relation, chunk, limit))):
            ties = found[value]
            if place > limit:
                found[value] = Ties(ties.rows, more=True)
            else:
                ties.rows.append(tied)
    return [found[value] if value is not None else Ties() for value in held]


def label_of(entity: RegisteredEntity, row: SQLModel) -> str:
    """What people recognise a row by: its display field, else its key."""
    value = getattr(row, entity.display_field) if entity.display_field else None
    return str(getattr(row, entity.key)) if value is None else _as_text(value)


async def _labels(session: PlanarSession, relation: Relation, values: Collection[Any]) -> Mapping[Any, tuple[Any, str, bool]]:
    """The key and the label of each target and whether it is marked as deleted, by the value that refers to it."""
    target = relation.target
    cls = target.cls
    remote, key = getattr(cls, relation.remote), getattr(cls, target.key)
    shown = getattr(cls, target.display_field) if target.display_field else key
    mark = getattr(cls, DELETED_AT) if target.options.soft_delete else null()
    found: dict[Any, tuple[Any, str, bool]] = {}
    connection = await session.connection()
    for chunk in _chunks(values):
        for value, identity, label, gone in await connection.execute(select(remote, key, shown, mark).where(remote.in_(chunk))):
            found[value] = (identity, str(identity) if label is None else _as_text(label), gone is not None)
    return found


def _tied_query(relation: Relation, values: Sequence[Any], limit: int) -> Any:
    """The value that ties, the place among the rows of that value, and the row; one beyond *limit* tells that there are more."""
    target = relation.target
    key = getattr(target.cls, target.key)
    remote = getattr(target.cls, relation.remote)
    tie: Any = remote if relation.link is None else relation.link[1]
    numbered: Any = select(tie.label("tie"), key.label("key"), func.row_number().over(partition_by=tie, order_by=key).label("place"))
    if relation.link is not None:
        table, _, far = relation.link
        numbered = numbered.select_from(target.cls).join(table, far == remote)
    numbered = numbered.where(tie.in_(values))
    if target.options.soft_delete:
        numbered = numbered.where(getattr(target.cls, DELETED_AT).is_(None))
    part = numbered.subquery()
    other: Any = aliased(target.cls)
    query: Any = select(part.c.tie, part.c.place, other).join(other, getattr(other, target.key) == part.c.key)
    return query.where(part.c.place <= limit + 1).order_by(part.c.place).options(lazyload("*"), undefer("*"))


def _held(relation: Relation, row: SQLModel) -> Any:
    """The value by which a row is tied; a chosen key that is none ties to nothing."""
    value = getattr(row, relation.local)
    return find_key(relation.target, value) if relation.chosen and value is not None else value


def _as_text(value: Any) -> str:
    return str(getattr(value, "value", value))


def _chunks(values: Collection[Any]) -> list[list[Any]]:
    in_order = list(values)
    return [in_order[start : start + CHUNK] for start in range(0, len(in_order), CHUNK)]
