"""What is there of an entity? Pages, counts and groups of rows, in the caller's session."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Select, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

from planar.db.planar_session import PlanarSession
from planar.entities.asking import ask, ask_values
from planar.entities.cursors import Cursor, write_cursor
from planar.entities.expressions import UNICODE_COLLATION
from planar.entities.fields import ServedField
from planar.entities.filters import Order
from planar.entities.querying import Deleted, Selection, by_key, count_query, group_query, page_query, where
from planar.entities.registration import RegisteredEntity
from planar.modeling.mixins.soft_delete import DELETED_AT

_unicode: WeakKeyDictionary[AsyncEngine, bool] = WeakKeyDictionary()
"""Which databases make the letters of every language small; asked once of each."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A page of rows.

    Args:
        items: the rows.
        next: the cursor of the last one, if there are more.
    """

    items: list[SQLModel]
    next: str | None


@dataclass(frozen=True, slots=True)
class Group:
    """Rows with the same values: one for each field that they are grouped by, and how many rows there are."""

    values: tuple[Any, ...]
    count: int


async def select_page(
    session: PlanarSession,
    entity: RegisteredEntity,
    selection: Selection,
    orders: Sequence[Order],
    *,
    limit: int,
    offset: int = 0,
    cursor: Cursor | None = None,
) -> Rows:
    """A page of the rows that are meant, by one statement.

    Args:
        session: where to look.
        entity: whose rows.
        selection: which of them.
        orders: in which order; rows that are equal in it are ordered by their key.
        limit: how many at most.
        offset: how many to leave out.
        cursor: after which place, read with the same orders.
    """
    whole = by_key(orders, entity)
    conditions = where(entity, selection, unicode=await knows_unicode(session))
    # One more than was asked for tells whether there is a next page.
    query: Any = page_query(entity, conditions, whole, cursor).offset(offset).limit(limit + 1)
    found: list[Any] = list(await ask(session, query))
    shown = found[:limit]
    more = write_cursor(entity.name, whole, shown[-1][1:]) if len(found) > limit else None
    return Rows([row[0] for row in shown], more)


async def find_place(session: PlanarSession, entity: RegisteredEntity, orders: Sequence[Order], cursor: Cursor) -> Cursor:
    """*cursor* with all values of its place; those that it does not hold are those that its row has now.

    Raises:
        ValueError: there is no such row any more.
    """
    whole = by_key(orders, entity)
    if len(cursor.values) == len(whole):
        return cursor
    query = page_query(entity, [getattr(entity.cls, entity.key) == cursor.values[-1]], whole, None)
    row: Any = (await ask(session, query)).first()
    if row is None:
        raise ValueError("The row after which to go on is gone: begin with the first page")
    return Cursor(tuple(row[1:]))


async def count_rows(session: PlanarSession, entity: RegisteredEntity, selection: Selection) -> int:
    """How many rows are meant."""
    conditions = where(entity, selection, unicode=await knows_unicode(session))
    return await _number(session, count_query(entity, conditions))


async def select_groups(
    session: PlanarSession, entity: RegisteredEntity, fields: Sequence[ServedField], selection: Selection, *, limit: int, offset: int
) -> list[Group]:
    """A page of groups, the largest first, then by their values."""
    conditions = where(entity, selection, unicode=await knows_unicode(session))
    query = group_query(entity, fields, conditions).offset(offset).limit(limit)
    found = await ask_values(session, query)
    return [Group(tuple(row[:-1]), row[-1]) for row in found]


async def count_groups(session: PlanarSession, entity: RegisteredEntity, fields: Sequence[ServedField], selection: Selection) -> int:
    """How many groups there are."""
    conditions = where(entity, selection, unicode=await knows_unicode(session))
    groups = group_query(entity, fields, conditions).order_by(None).subquery()
    return await _number(session, select(func.count()).select_from(groups))


async def count_all(session: PlanarSession, entities: Sequence[RegisteredEntity]) -> dict[str, int]:
    """How many rows each entity has, by its name; one statement for all. What is marked as deleted does not count."""
    if not entities:
        return {}
    counts: list[Any] = []
    for entity in entities:
        count = select(func.count()).select_from(entity.cls)
        if entity.options.soft_delete:
            count = count.where(getattr(entity.cls, DELETED_AT).is_(None))
        counts.append(count.scalar_subquery())
    found = (await (await session.connection()).execute(select(*counts))).one()
    return {entity.name: int(number) for entity, number in zip(entities, found, strict=True)}


async def find_row(session: PlanarSession, entity: RegisteredEntity, key: Any, deleted: Deleted = Deleted.EXCLUDE) -> SQLModel | None:
    """The row of that key, or None."""
    conditions = where(entity, Selection(deleted=deleted), unicode=True)
    query: Any = page_query(entity, [getattr(entity.cls, entity.key) == key, *conditions], (), None)
    return (await ask(session, query)).scalars().first()


async def _number(session: PlanarSession, query: Select[int]) -> int:
    return int((await ask_values(session, query)).scalar_one())


async def knows_unicode(session: PlanarSession) -> bool:
    """Whether the database makes the letters of every language small; if not, those that its locale knows."""
    if session.dialect.name == "sqlite":
        return True
    known = _unicode.get(session.engine)
    if known is None:
        query = text("SELECT count(*) FROM pg_collation WHERE collname = :name")
        known = bool((await (await session.connection()).execute(query, {"name": UNICODE_COLLATION})).scalar())
        _unicode[session.engine] = known
    return known
