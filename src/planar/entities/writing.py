"""How are rows made, changed and deleted, many at once or one? All or nothing, in the caller's transaction, which is not committed.

Whoever calls these and gets an error has to undo the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from sqlalchemy import inspect, select, update
from sqlalchemy.exc import StatementError
from sqlalchemy.orm import lazyload, undefer
from sqlalchemy.orm.attributes import set_attribute
from sqlmodel import SQLModel

from planar.clock import utc_now
from planar.db.conflicts import is_conflict
from planar.db.planar_session import PlanarSession
from planar.entities.asking import ask
from planar.entities.choices import choosing, refuse_unknown_choices
from planar.entities.errors import InstanceNotFound, StaleInstance
from planar.entities.etags import etag_of, matches
from planar.entities.referrers import refuse_referenced
from planar.entities.refusals import Row, bulk_refusal, find_refused, refusal_of
from planar.entities.registration import RegisteredEntity
from planar.entities.targets import Written, referring, refuse_deleted_targets, refuse_unknown_files
from planar.entities.validation import BadRows, Location, apply_changes, changes_of, entry, new_rows
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


async def create_many(
    session: PlanarSession, entity: RegisteredEntity, values: Sequence[Mapping[str, Any]], loc: Location = (), *, with_key: bool = False
) -> list[SQLModel]:
    """Make rows in the order of *values*, written but not committed: all of them, or an error and none.

    Args:
        session: its transaction holds the rows afterwards; after an error it holds none of them.
        entity: what the rows are of.
        values: for each row its fields by name, in Python's or in JSON's types, checked as the class says.
        loc: where *values* stands in the request. What is told of a row is at this place, followed by the row's index.
        with_key: whether a key may be given that the program would make otherwise.

    Returns:
        The rows as the database has them now.

    Raises:
        Misfits: some do not fit: nothing was written. Up to 100 rows are told of, each by its index.
        ConstraintViolated: the database refuses some; ``details["errors"]`` tells of up to 100 of them.
    """
    rows = new_rows(entity, values, loc, with_key=with_key)
    await insert_rows(session, entity, rows, loc)
    return await reload(session, entity, [key_of(entity, row) for row in rows])


async def insert_rows(session: PlanarSession, entity: RegisteredEntity, rows: Sequence[SQLModel], loc: Location = ()) -> None:
    """Write *rows*, which are validated and in no session yet; the rest as `create_many`."""
    names = _looked_at(entity)
    await _refuse_bad_targets(session, entity, [{name: getattr(row, name) for name in names} for row in rows] if names else (), loc)
    try:
        async with session.begin_nested():
            session.add_all(rows)
            await session.flush()
    except StatementError as error:
        if is_conflict(error):
            raise
        written = [_columns_of(entity, row) for row in rows]
        raise await _refused(session, entity, error, written, loc, _inserting(session, entity)) from None


async def update_many(session: PlanarSession, entity: RegisteredEntity, changes: Sequence[Change], loc: Location = ()) -> list[SQLModel]:
    """Change rows, written but not committed: all of them, or an error and none. The rows are locked first, in the order of their keys.

    Args:
        session: as for `create_many`.
        entity: what the rows are of.
        changes: what to set in which rows; no row twice.
        loc: as for `create_many`.

    Returns:
        The rows as the database has them now, in the order of *changes*.

    Raises:
        Misfits: some changes do not fit.
        InstanceNotFound: some rows do not exist.
        StaleInstance: some have changed since they were read.
        ConstraintViolated: the database refuses some.
    """
    _refuse_doubles(changes, loc)
    bad = BadRows(loc)
    read: list[dict[str, Any]] = []
    for index, change in enumerate(changes):
        with bad.at(index):
            read.append(changes_of(entity, change.values, whole=change.whole))
    bad.raise_if_any()
    rows = await change_rows(session, entity, list(zip(changes, read, strict=True)), loc)
    return await reload(session, entity, [key_of(entity, row) for row in rows])


async def change_rows(
    session: PlanarSession, entity: RegisteredEntity, changes: Sequence[tuple[Change, Written]], loc: Location = ()
) -> list[SQLModel]:
    """Set, in the row of each change, what `changes_of` read; the rest as `update_many`. The rows are as the program has them."""
    rows = await lock_rows(session, entity, [change for change, _ in changes], loc)
    await _refuse_bad_targets(session, entity, [_news(row, values) for row, (_, values) in zip(rows, changes, strict=True)], loc)

    def apply() -> None:
        bad = BadRows(loc)
        for index, (row, (_, values)) in enumerate(zip(rows, changes, strict=True)):
            with bad.at(index):
                apply_changes(entity, row, values)
        bad.raise_if_any()

    await _write_changes(session, entity, rows, apply, loc)
    return rows


async def delete_many(session: PlanarSession, entity: RegisteredEntity, changes: Sequence[Change], loc: Location = ()) -> None:
    """Delete rows, or mark them as deleted where the class asks for that; not committed: all of them, or an error and none.

    Args:
        session: as for `create_many`.
        entity: what the rows are of.
        changes: which rows; their values mean nothing.
        loc: as for `create_many`.

    Raises:
        InstanceNotFound: some rows do not exist.
        StaleInstance: some have changed since they were read.
        StillReferenced: other rows refer to some.
    """
    _refuse_doubles(changes, loc)
    rows = await lock_rows(session, entity, changes, loc)
    if entity.options.soft_delete:
        now = utc_now()
        await _write_changes(session, entity, rows, lambda: _mark(rows, now), loc)
        return
    await refuse_referenced(session, entity, rows, loc)
    try:
        async with session.begin_nested():
            for row in rows:
                await session.delete(row)
            await session.flush()
    except StatementError as error:
        raise await refusal_of(session, entity, error, None, loc) or error from None


async def restore_one(session: PlanarSession, entity: RegisteredEntity, change: Change) -> SQLModel:
    """Take back the deletion of a row that is only marked as deleted; not committed. One that is not deleted stays as it is.

    Raises:
        InstanceNotFound: there is no such row.
        StaleInstance: it has changed since it was read.
        ConstraintViolated: the database refuses it.
    """
    (row,) = await lock_rows(session, entity, [change], (), deleted=True)
    await _write_changes(session, entity, [row], lambda: _mark([row], None), ())
    (restored,) = await reload(session, entity, [change.key])
    return restored


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


async def reload(session: PlanarSession, entity: RegisteredEntity, keys: Sequence[Any]) -> list[SQLModel]:
    """The rows with those keys as the database has them, in that order; those that are not there are left out."""
    found = await _rows_by_key(session, entity, keys, deleted=True)
    return [found[key] for key in keys if key in found]


def key_of(entity: RegisteredEntity, row: SQLModel) -> Any:
    """The key of a row."""
    return getattr(row, entity.key)


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


def _looked_at(entity: RegisteredEntity) -> tuple[str, ...]:
    """The fields of new rows by which it is decided whether what they refer to is there."""
    chosen = choosing(entity)
    return (*referring(entity), *chosen, *((entity.key,) if entity in chosen.values() else ()))


async def _refuse_bad_targets(session: PlanarSession, entity: RegisteredEntity, rows: Sequence[Written], loc: Location) -> None:
    await refuse_unknown_files(session, entity, rows, loc)
    await refuse_deleted_targets(session, entity, rows, loc)
    await refuse_unknown_choices(session, entity, rows, loc)


def _news(row: SQLModel, values: Written) -> Written:
    """Those of *values* that the row does not have already."""
    return {name: value for name, value in values.items() if getattr(row, name) != value}


async def _write_changes(
    session: PlanarSession, entity: RegisteredEntity, rows: Sequence[SQLModel], apply: Callable[[], None], loc: Location
) -> None:
    """Let *apply* change *rows*, and write that."""
    changed: list[Row] = []
    try:
        # What is changed before a savepoint is written before it.
        async with session.begin_nested():
            with session.no_autoflush:
                apply()
                changed = [_changed_columns(entity, row) for row in rows]
            await session.flush()
    except StatementError as error:
        if is_conflict(error):
            raise
        raise await _refused(session, entity, error, changed, loc, _updating(session, entity)) from None


def _mark(rows: Sequence[SQLModel], moment: datetime | None) -> None:
    for row in rows:
        set_attribute(row, DELETED_AT, moment)


async def _refused(
    session: PlanarSession, entity: RegisteredEntity, error: StatementError, rows: Sequence[Row], loc: Location, attempt: Any
) -> Exception:
    """The error for rows that were refused together; the savepoint is undone already, and nothing is written here."""
    # Rows that pass alone are written while those that do not are looked for.
    async with session.begin_nested() as trial:
        try:
            return await _explained(session, entity, error, rows, loc, attempt)
        finally:
            await trial.rollback()


async def _explained(
    session: PlanarSession, entity: RegisteredEntity, error: StatementError, rows: Sequence[Row], loc: Location, attempt: Any
) -> Exception:
    refused = [(0, error)] if len(rows) == 1 else await find_refused(rows, attempt)
    found: list[PlanarError] = []
    for index, cause in refused:
        explained = await refusal_of(session, entity, cause, rows[index], (*loc, index))
        if explained is None:
            return cause
        found.append(explained)
    if not found:  # another transaction was in the way, and is no more
        return await refusal_of(session, entity, error, None, loc) or error
    return bulk_refusal(found)


def _inserting(session: PlanarSession, entity: RegisteredEntity) -> Any:
    async def attempt(rows: Sequence[Row]) -> None:
        async with session.begin_nested():
            await (await session.connection()).execute(entity.table.insert(), list(rows))

    return attempt


def _updating(session: PlanarSession, entity: RegisteredEntity) -> Any:
    key = entity.fields[entity.key].column

    async def attempt(rows: Sequence[Row]) -> None:
        async with session.begin_nested():
            connection = await session.connection()
            for row in rows:
                await connection.execute(update(entity.table).where(key == row[key.name]).values(row))

    return attempt


def _columns_of(entity: RegisteredEntity, row: SQLModel) -> Row:
    """What an INSERT of the row sets: a key that the database makes is left out."""
    values = {field.column.name: getattr(row, name) for name, field in entity.fields.items()}
    key = entity.fields[entity.key].column.name
    if values[key] is None:
        del values[key]
    return values


def _changed_columns(entity: RegisteredEntity, row: SQLModel) -> Row:
    """What an UPDATE of the row sets, and its key."""
    state = inspect(row)
    assert state is not None
    names = [name for name in entity.fields if name == entity.key or state.attrs[name].history.has_changes()]
    return {entity.fields[name].column.name: getattr(row, name) for name in names}


def _refuse_doubles(changes: Sequence[Change], loc: Location) -> None:
    seen: dict[Any, int] = {}
    entries = [
        entry("value_error", (*loc, index), f"This row is the same as that at {first}")
        for index, change in enumerate(changes)
        if (first := seen.setdefault(change.key, index)) != index
    ]
    if entries:
        raise Misfits(entries)
