"""Which versions of an object are stored? The read side: one, the active one, a page of them, and who promoted what."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, func, select, union_all

from planar.db.session import PlanarSession
from planar.object_config.lifecycle import ConfigState
from planar.object_config.statements import IS_ACTIVE, OBJECTS, PROMOTIONS, VERSIONS, first, rows

_LIGHT: Final = tuple(column for column in VERSIONS.c if column.name not in ("data", "diagnostics"))


@dataclass(frozen=True, slots=True)
class StoredVersion:
    """A row of ``object_configuration``. *data* is its JSON text, and *diagnostics* what its last check found, if they were read."""

    id: UUID
    object_name: str
    object_type: str
    created_at: datetime
    version: int
    active: bool
    state: ConfigState
    author: str
    author_email: str | None
    comment: str | None
    fingerprint: str
    promoted_at: datetime | None
    data: str | None = None
    diagnostics: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ActiveVersion:
    """Which stored version of an object is active."""

    id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class VersionPage:
    """Part of the versions of one object or of all of a type, newest first. *total* counts the whole; None if nobody asked."""

    items: list[StoredVersion]
    total: int | None


def version_of(row: Any) -> StoredVersion:
    """A row as a value."""
    values = dict(row._mapping)
    values["state"] = ConfigState(values["state"])
    return StoredVersion(**values)


async def find_version(session: PlanarSession, config_id: UUID) -> StoredVersion | None:
    """The stored version of that id, with its data."""
    row = await first(session, select(*VERSIONS.c).where(VERSIONS.c.id == config_id))
    return None if row is None else version_of(row)


async def find_active(session: PlanarSession, object_type: str, object_name: str) -> ActiveVersion | None:
    """Which stored version of an object is active; None if the code's is used. One look into the index of active ones."""
    query = select(VERSIONS.c.id, VERSIONS.c.version).where(
        VERSIONS.c.object_type == object_type, VERSIONS.c.object_name == object_name, IS_ACTIVE
    )
    row = await first(session, query)
    return None if row is None else ActiveVersion(row.id, row.version)


async def newest_versions(session: PlanarSession, object_type: str, names: Collection[str], limit: int) -> dict[str, list[StoredVersion]]:
    """The newest *limit* versions of each of several objects, newest first, and the active one after them if it is older. One statement."""
    found = await _newest(session, newest_query(object_type, names, limit), names) if names else {}
    return {name: [version_of(row) for row in versions] for name, versions in found.items()}


async def newest_within(
    session: PlanarSession, object_type: str, names: Collection[str], limit: int, characters: int
) -> dict[str, list[StoredVersion]]:
    """As `newest_versions`, with the data of as many, in that order, as have *characters* together; more is not even read."""
    columns = (*_LIGHT, func.length(VERSIONS.c.data).label("characters"))
    found = await _newest(session, newest_query(object_type, names, limit, columns), names) if names else {}
    shown: list[UUID] = []
    for row in (row for versions in found.values() for row in versions):
        if row.characters <= characters:
            shown.append(row.id)
            characters -= row.characters
    texts = await data_of(session, shown)
    return {name: [_with(row, texts.get(row.id)) for row in versions] for name, versions in found.items()}


async def _newest(session: PlanarSession, query: Any, names: Collection[str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {name: [] for name in names}
    for row in await rows(session, query):
        found[row.object_name].append(row)
    for versions in found.values():
        versions.sort(key=lambda row: row.version, reverse=True)
    return found


def _with(row: Any, data: str | None) -> StoredVersion:
    values: dict[str, Any] = {column.name: getattr(row, column.name) for column in _LIGHT}
    values["state"] = ConfigState(values["state"])
    return StoredVersion(**values, data=data)


def newest_query(object_type: str, names: Collection[str], limit: int, columns: Iterable[Any] = VERSIONS.c) -> Any:
    """The statement of `newest_versions`: for each object it looks for the version to begin with, and reads on from there."""
    each = VERSIONS.alias("each_version")
    lowest = (
        select(each.c.version)
        .where(each.c.object_type == OBJECTS.c.object_type, each.c.object_name == OBJECTS.c.object_name)
        .order_by(each.c.version.desc())
        .limit(1)
        .offset(limit - 1)
        .scalar_subquery()
    )
    since = (
        select(OBJECTS.c.object_name.label("name"), func.coalesce(lowest, 0).label("lowest"))
        .where(OBJECTS.c.object_type == object_type, OBJECTS.c.object_name.in_(names))
        .cte("since")
    )
    newest = (
        select(*columns)
        .select_from(VERSIONS)
        .join(since, VERSIONS.c.object_name == since.c.name)
        .where(VERSIONS.c.object_type == object_type)
    )
    return union_all(newest.where(VERSIONS.c.version >= since.c.lowest), newest.where(IS_ACTIVE, VERSIONS.c.version < since.c.lowest))


async def list_versions(
    session: PlanarSession,
    object_type: str,
    object_name: str | None,
    *,
    limit: int,
    offset: int = 0,
    after: UUID | None = None,
    total: bool = True,
    data: bool = False,
) -> VersionPage:
    """*limit* versions older than the one named *after*, leaving out *offset*; with *data* only if asked.

    Those of one object are in the order of their numbers, those of all in the order of their ids, which hold the time.
    """
    which = [VERSIONS.c.object_type == object_type, *([] if object_name is None else [VERSIONS.c.object_name == object_name])]
    order = VERSIONS.c.id if object_name is None else VERSIONS.c.version
    beyond = [] if after is None else [order < _of_the_one(after, order)]
    columns = VERSIONS.c if data else _LIGHT
    query = select(*columns).where(*which, *beyond).order_by(order.desc()).limit(limit).offset(offset)
    found = [version_of(row) for row in await rows(session, query)]
    count = (await first(session, select(func.count()).select_from(VERSIONS).where(*which)))[0] if total else None
    return VersionPage(found, count)


async def data_of(session: PlanarSession, config_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The data of several versions."""
    wanted = list(config_ids)
    if not wanted:
        return {}
    query = select(VERSIONS.c.id, VERSIONS.c.data).where(VERSIONS.c.id.in_(wanted))
    return {row.id: row.data for row in await rows(session, query)}


async def list_promotions(
    session: PlanarSession, object_type: str, object_name: str, *, limit: int, after: UUID | None = None, total: bool = True
) -> tuple[Sequence[Any], int | None]:
    """*limit* changes of which version of an object is used, newest first, before the one named *after*; and how many there are."""
    mine = (PROMOTIONS.c.object_type == object_type, PROMOTIONS.c.object_name == object_name)
    beyond = () if after is None else (PROMOTIONS.c.number < _of_the_one(after, PROMOTIONS.c.number),)
    query = select(*PROMOTIONS.c).where(*mine, *beyond).order_by(PROMOTIONS.c.number.desc()).limit(limit)
    found = await rows(session, query)
    count = (await first(session, select(func.count()).select_from(PROMOTIONS).where(*mine)))[0] if total else None
    return found, count


def _of_the_one(row_id: UUID, column: Column[Any]) -> Any:
    table = column.table.alias()
    return select(table.c[column.name]).where(table.c.id == row_id).scalar_subquery()
