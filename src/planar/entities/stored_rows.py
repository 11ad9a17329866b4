"""Which rows are to be changed, and what are they now? Found by their keys, and held until the transaction ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import lazyload, undefer
from sqlmodel import SQLModel

from planar.db.planar_session import PlanarSession
from planar.entities.asking import ask
from planar.entities.errors import InstanceNotFound, StaleInstance
from planar.entities.etags import etag_of, matches
from planar.entities.refusals import bulk_refusal
from planar.entities.registration import RegisteredEntity
from planar.entities.validation import Location, entry
from planar.errors import PlanarError
from planar.modeling.errors import Misfits
from planar.modeling.mixins.soft_delete import DELETED_AT

CHUNK: Final = 500
"""How many rows one statement asks for by their keys."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one row.

    Args:
        key: which row, by its key.
        values: the fields to set, in Python's or in JSON's types.
        whole: whether they are the row's whole content.
        if_match: entity tags of which the row must have one, as `If-Match` lists them; None for any.
    """

    key: Any
    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    whole: bool = False
    if_match: str | None = None


async def lock_rows(
    session: PlanarSession, entity: RegisteredEntity, changes: Sequence[Change], loc: Location, *, deleted: bool = False
) -> list[SQLModel]:
    """The rows that *changes* are of, as they are now, and nobody else's until the transaction ends.

    Args:
        deleted: whether rows count that are marked as deleted.

    Raises:
        InstanceNotFound: some do not exist.
        StaleInstance: some have none of the tags that were asked for.
    """
    found = await _rows_by_key(session, entity, [change.key for change in changes], lock=True, deleted=deleted)
    errors: list[PlanarError] = []
    for index, change in enumerate(changes):
        row = found.get(change.key)
        if row is None:
            message = f"There is no {entity.name} {change.key}."
            errors.append(InstanceNotFound(message, errors=[entry(InstanceNotFound.code, (*loc, index), message)]))
        elif change.if_match is not None and not matches(change.if_match, etag_of(entity, row)):
            message = f"{entity.name} {change.key} has changed since it was read. Read it again, and repeat the change."
            errors.append(StaleInstance(message, errors=[entry(StaleInstance.code, (*loc, index), message)]))
    if errors:
        raise bulk_refusal(errors)
    return [found[change.key] for change in changes]


async def hold_rows(session: PlanarSession, entity: RegisteredEntity, keys: Sequence[Any]) -> dict[Any, SQLModel]:
    """The rows with those keys, by their keys, as they are now, and nobody else's until the transaction ends.

    Those that are not there, or are marked as deleted, are left out.
    """
    return await _rows_by_key(session, entity, keys, lock=True)


async def reload(session: PlanarSession, entity: RegisteredEntity, keys: Sequence[Any]) -> list[SQLModel]:
    """The rows with those keys as the database has them, in that order; those that are not there are left out."""
    found = await _rows_by_key(session, entity, keys, deleted=True)
    return [found[key] for key in keys if key in found]


def key_of(entity: RegisteredEntity, row: SQLModel) -> Any:
    """The key of a row."""
    return getattr(row, entity.key)


def refuse_doubles(changes: Sequence[Change], loc: Location) -> None:
    """See that no row is to be changed twice.

    Raises:
        Misfits: one is.
    """
    seen: dict[Any, int] = {}
    entries = [
        entry("value_error", (*loc, index), f"This row is the same as that at {first}")
        for index, change in enumerate(changes)
        if (first := seen.setdefault(change.key, index)) != index
    ]
    if entries:
        raise Misfits(entries)


async def _rows_by_key(
    session: PlanarSession, entity: RegisteredEntity, keys: Sequence[Any], *, lock: bool = False, deleted: bool = False
) -> dict[Any, SQLModel]:
    found: dict[Any, SQLModel] = {}
    key = getattr(entity.cls, entity.key)
    # One order for everybody who locks: otherwise two that want the same rows would wait for each other.
    in_order = sorted(set(keys))
    for start in range(0, len(in_order), CHUNK):
        query: Any = select(entity.cls).where(key.in_(in_order[start : start + CHUNK])).order_by(key)
        if entity.options.soft_delete and not deleted:
            query = query.where(getattr(entity.cls, DELETED_AT).is_(None))
        if lock:
            query = query.with_for_update(of=entity.cls)
        query = query.options(lazyload("*"), undefer("*")).execution_options(populate_existing=True)
        found.update((key_of(entity, row), row) for row in (await ask(session, query)).scalars())
    return found
