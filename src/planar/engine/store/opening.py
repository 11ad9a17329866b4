"""Which store belongs to this database? The one place that chooses an adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planar.clock import SYSTEM_CLOCK, Clock
from planar.db.manager import DatabaseManager
from planar.engine.errors import StoreNotAvailable
from planar.engine.store.port import Store
from planar.engine.store.sqlite import SqliteStore


def open_store(manager: DatabaseManager, clock: Clock = SYSTEM_CLOCK) -> Store:
    """The store for the database of *manager*, with *clock* as its time. It is not opened yet: call its ``open()``.

    Raises:
        StoreNotAvailable: no store for this kind of database exists.
    """
    backend = manager.url.get_backend_name()
    if backend == "sqlite":
        return SqliteStore(manager, clock)
    raise StoreNotAvailable(f"Durable workflows do not run on {backend} in this version yet. Use SQLite: a URL like sqlite:///app.db.")


@dataclass(frozen=True, slots=True)
class StoreOpener:
    """How an app opens its store: one of its services if it is not to be `open_store`, as in tests that let a process die."""

    open: Callable[[DatabaseManager, Clock], Store] = open_store
