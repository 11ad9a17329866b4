"""How are rows made, changed and deleted, many at once or one? All or nothing, in the caller's transaction, which is not committed.

Whoever calls these and gets an error has to undo the transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from sqlalchemy.exc import StatementError
from sqlalchemy.orm.attributes import set_attribute
from sqlmodel import SQLModel

from planar.clock import utc_now
from planar.db.conflicts import is_conflict
from planar.db.planar_session import PlanarSession
from planar.entities.choices import choosing, refuse_unknown_choices
from planar.entities.referrers import refuse_referenced
from planar.entities.refusals import Row, refusal_of
from planar.entities.refused_rows import changed_columns, columns_of, inserting, refused, updating
from planar.entities.registration import RegisteredEntity
from planar.entities.stored_rows import Change, key_of, lock_rows, refuse_doubles, reload
from planar.entities.targets import Written, referring, refuse_deleted_targets, refuse_unknown_files
from planar.entities.validation import BadRows, Location, apply_changes, changes_of, new_rows
from planar.modeling.mixins.soft_delete import DELETED_AT

Apply: TypeAlias = Callable[[int, SQLModel], object]
"""Changes a row, which stands at that place of those that are changed."""


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
        written = [columns_of(entity, row) for row in rows]
        reason = await refused(session, entity, error, written, loc, inserting(session, entity))
        raise reason or await refusal_of(session, entity, error, None, loc) or error from None


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
    refuse_doubles(changes, loc)
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

    await _write_changes(session, entity, rows, lambda index, row: apply_changes(entity, row, changes[index][1]), loc)
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
    refuse_doubles(changes, loc)
    rows = await lock_rows(session, entity, changes, loc)
    if entity.options.soft_delete:
        now = utc_now()
        await _write_changes(session, entity, rows, lambda _, row: set_attribute(row, DELETED_AT, now), loc)
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
    await _write_changes(session, entity, [row], lambda _, row: set_attribute(row, DELETED_AT, None), ())
    (restored,) = await reload(session, entity, [change.key])
    return restored


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


async def _write_changes(session: PlanarSession, entity: RegisteredEntity, rows: Sequence[SQLModel], apply: Apply, loc: Location) -> None:
    """Let *apply* change *rows*, and write that."""
    keys = [key_of(entity, row) for row in rows]
    changed: list[Row] = []
    try:
        # What is changed before a savepoint is written before it.
        async with session.begin_nested():
            with session.no_autoflush:
                _apply(rows, apply, loc)
                changed = [changed_columns(entity, row) for row in rows]
            await session.flush()
    except StatementError as error:
        if is_conflict(error):
            raise
        reason = await refused(session, entity, error, changed, loc, updating(session, entity))
        if reason is not None:
            raise reason from None
        # The session has let go of what the rows were.
        await reload(session, entity, keys)
        await _write_in_order(session, entity, rows, apply, loc)


async def _write_in_order(session: PlanarSession, entity: RegisteredEntity, rows: Sequence[SQLModel], apply: Apply, loc: Location) -> None:
    """Write each row before the next: the ORM writes those of one flush in the order of their keys, where one may be in another's way."""
    try:
        async with session.begin_nested():
            for index, row in enumerate(rows):
                with session.no_autoflush:
                    apply(index, row)
                await session.flush()
    except StatementError as error:
        raise await refusal_of(session, entity, error, None, loc) or error from None


def _apply(rows: Sequence[SQLModel], apply: Apply, loc: Location) -> None:
    bad = BadRows(loc)
    for index, row in enumerate(rows):
        with bad.at(index):
            apply(index, row)
    bad.raise_if_any()
