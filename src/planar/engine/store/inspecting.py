"""What does this database tell of itself? Apart from the opening of stores, so that an app that starts does not load it."""

from __future__ import annotations

from planar.db.manager import DatabaseManager
from planar.engine.store.facts import Facts
from planar.engine.store.opening import not_available
from planar.engine.store.postgres.facts import read_postgres_facts
from planar.engine.store.sqlite_facts import read_sqlite_facts


async def read_facts(manager: DatabaseManager, lease_seconds: float = 5.0) -> Facts:
    """What the database of *manager*, which is connected, tells about its runs, its workers and itself.

    Args:
        manager: the application's connection.
        lease_seconds: how long a worker on PostgreSQL is believed to live after its last sign of life.

    Raises:
        StoreNotAvailable: no store for this kind of database exists.
    """
    backend = manager.url.get_backend_name()
    if backend == "sqlite":
        return await read_sqlite_facts(manager, lease_seconds)
    if backend == "postgresql":
        return await read_postgres_facts(manager, lease_seconds)
    raise not_available(backend)
