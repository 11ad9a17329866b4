"""Which store belongs to this database? The one place that chooses an adapter."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from planar.clock import SYSTEM_CLOCK, Clock
from planar.db.manager import DatabaseManager
from planar.engine.config import DEFAULT_LEASE_SECONDS
from planar.engine.errors import StoreNotAvailable
from planar.engine.store.port import Store
from planar.engine.store.postgres import PostgresStore
from planar.engine.store.sqlite import SqliteStore


def open_store(manager: DatabaseManager, clock: Clock = SYSTEM_CLOCK, lease_seconds: float = DEFAULT_LEASE_SECONDS) -> Store:
    """The store for the database of *manager*. It is not opened yet: call its ``open()``.

    Args:
        manager: the application's connection.
        clock: the time; the host's stands for the database's own.
        lease_seconds: how long a worker on PostgreSQL is believed to live after its last sign of life. Nothing on SQLite, where a
            locked file tells.

    Raises:
        StoreNotAvailable: no store for this kind of database exists.
    """
    backend = manager.url.get_backend_name()
    if backend == "sqlite":
        return SqliteStore(manager, clock)
    if backend == "postgresql":
        return PostgresStore(manager, clock, lease_seconds)
    raise not_available(backend)


def not_available(backend: str) -> StoreNotAvailable:
    """The error of a database that no adapter is for."""
    return StoreNotAvailable(f"Durable workflows do not run on {backend}. Use SQLite or PostgreSQL: a URL like sqlite:///app.db.")


@dataclass(frozen=True, slots=True)
class StoreOpener:
    """How an app opens its store: one of its services if it is not to be `open_store`, as in tests that let a process die."""

    open: Callable[[DatabaseManager, Clock], Store] = open_store
