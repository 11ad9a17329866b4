"""What did a flush change? Objects that were added, changed and deleted, also by cascades.

Rows that a flush will change are read and locked before it: the object may have been loaded long ago, or not at all, and what it
remembers need not be what the row held. What a row holds after it is in the object.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, cast

from sqlalchemy import Connection
from sqlalchemy.orm import Mapper, Session, object_mapper, object_session
from sqlalchemy.orm.attributes import get_history, instance_dict, instance_state
from sqlalchemy.orm.base import PASSIVE_NO_INITIALIZE

from planar.db.history.recording import Change, record
from planar.db.history.rows import Row, read_rows
from planar.db.history.tracking import Key, Tracked, tracked_mapper
from planar.db.history.values import as_stored

_KEY: Final = "planar_history"


class Flush:
    """What is known of a flush that is under way."""

    def __init__(self) -> None:
        self.before: dict[tuple[Tracked, Key], Row | None] = {}
        self.created: list[Any] = []
        self.updated: list[Any] = []
        self.deleted: list[Any] = []

    def read(self, connection: Connection, tracked: Tracked, keys: set[Key]) -> None:
        """Learn what rows hold before they change."""
        found = read_rows(connection, tracked, keys, lock=True)
        self.before.update({(tracked, key): found.get(key) for key in keys})


def begin(session: Session, _context: Any, _instances: Any) -> None:
    """Before a flush: read the rows that it will change, with a statement a table."""
    flush = session.info[_KEY] = Flush()
    wanted: dict[Tracked, set[Key]] = {}
    changing = (instance for instance in session.dirty if session.is_modified(instance))
    for instance in chain(changing, session.deleted):
        tracked = tracked_mapper(object_mapper(instance))
        if tracked is not None:
            wanted.setdefault(tracked, set()).add(_identity(instance))
    for tracked in sorted(wanted, key=lambda each: each.table_name):
        flush.read(session.connection(), tracked, wanted[tracked])


def end(session: Session, _context: Any) -> None:
    """After a flush: write what it changed."""
    flush = session.info.pop(_KEY, None)
    if isinstance(flush, Flush) and (flush.created or flush.updated or flush.deleted):
        connection = session.connection()
        record(connection, _changes(connection, flush), label_of(session))


def before_change(mapper: Mapper[Any], connection: Connection, instance: Any) -> None:
    """Before a row is updated or deleted: one that only a cascade reached was not read yet."""
    tracked, flush = tracked_mapper(mapper), _flush_of(instance)
    if tracked is not None and flush is not None and (tracked, _identity(instance)) not in flush.before:
        flush.read(connection, tracked, {_identity(instance)})


def created(mapper: Mapper[Any], _connection: Connection, instance: Any) -> None:
    """After a row was inserted."""
    if tracked_mapper(mapper) is not None and (flush := _flush_of(instance)) is not None:
        flush.created.append(instance)


def updated(mapper: Mapper[Any], _connection: Connection, instance: Any) -> None:
    """After a row was updated, or would have been if anything had changed."""
    if tracked_mapper(mapper) is not None and (flush := _flush_of(instance)) is not None:
        flush.updated.append(instance)


def deleted(mapper: Mapper[Any], _connection: Connection, instance: Any) -> None:
    """After a row was deleted."""
    if tracked_mapper(mapper) is not None and (flush := _flush_of(instance)) is not None:
        flush.deleted.append(instance)


def label_of(session: Session) -> str | None:
    """What a session is for."""
    return getattr(getattr(session, "holder", None), "label", None)


def _flush_of(instance: Any) -> Flush | None:
    session = object_session(instance)
    return None if session is None else session.info.get(_KEY)


def _identity(instance: Any) -> Key:
    return cast("Any", instance_state(instance).key)[1]


def _changes(connection: Connection, flush: Flush) -> Iterator[Change]:
    for instance in flush.created:
        tracked = _tracked(instance)
        after = _values(connection, instance, tracked, set(tracked.columns))
        yield Change(tracked, _key(instance, tracked), None, after)
    for instance in flush.updated:
        tracked = _tracked(instance)
        before = flush.before.get((tracked, _identity(instance)))
        if before is not None:
            yield Change(tracked, _key(instance, tracked), before, _values(connection, instance, tracked, _touched(instance, tracked)))
    for instance in flush.deleted:
        tracked, key = _tracked(instance), _identity(instance)
        before = flush.before.get((tracked, key))
        if before is not None:
            yield Change(tracked, key, before, None)


def _tracked(instance: Any) -> Tracked:
    return cast("Tracked", tracked_mapper(object_mapper(instance)))


def _key(instance: Any, tracked: Tracked) -> Key:
    values = instance_dict(instance)
    return tuple(values[name] for name in tracked.key_names)


def _touched(instance: Any, tracked: Tracked) -> set[str]:
    """The attributes that the flush has written, or may have: an object that is not fresh knows nothing of the others."""
    values = instance_dict(instance)
    return {
        name
        for name in tracked.columns
        if name not in values or name in tracked.automatic or get_history(instance, name, PASSIVE_NO_INITIALIZE).has_changes()
    }


def _values(connection: Connection, instance: Any, tracked: Tracked, names: set[str]) -> Row:
    """What the row holds now. What the database calculated is not in the object, and is read."""
    values = instance_dict(instance)
    found = {name: as_stored(column, values[name]) for name, column in tracked.columns.items() if name in names and name in values}
    if len(found) < len(names):
        key = _key(instance, tracked)
        row = read_rows(connection, tracked, [key], lock=False).get(key, {})
        found.update({name: row[name] for name in names if name not in found and name in row})
    return found
