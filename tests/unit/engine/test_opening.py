"""Which store belongs to which database."""

from __future__ import annotations

import pytest

from planar.db.manager import DatabaseManager
from planar.engine.errors import StoreNotAvailable
from planar.engine.store.opening import open_store
from planar.engine.store.postgres import PostgresStore
from planar.engine.store.sqlite import SqliteStore
from planar.errors import PlanarError
from tests.contract.store_world import HandClock


@pytest.mark.parametrize("url", ["sqlite:///app.db", "sqlite://", ":memory:", "sqlite+aiosqlite:///app.db"])
def test_an_sqlite_file_has_the_sqlite_store_with_the_given_time(url: str) -> None:
    clock = HandClock()
    store = open_store(DatabaseManager(url), clock)
    assert isinstance(store, SqliteStore)
    assert store.now() == clock.now()


@pytest.mark.parametrize("url", ["postgresql://me@host/app", "postgres://host/app", "postgresql+asyncpg://host/app"])
def test_a_postgresql_database_has_the_postgresql_store_with_the_given_time(url: str) -> None:
    clock = HandClock()
    store = open_store(DatabaseManager(url), clock)
    assert isinstance(store, PostgresStore)
    assert store.now() == clock.now()


def test_another_database_is_refused_with_what_to_use_instead() -> None:
    manager = DatabaseManager("postgresql://me:secret@host/app")
    manager.url = manager.url.set(drivername="mysql")
    with pytest.raises(StoreNotAvailable, match=r"mysql\. Use SQLite or PostgreSQL: .*sqlite:///app\.db") as caught:
        open_store(manager)
    assert isinstance(caught.value, PlanarError)
    assert "secret" not in str(caught.value)
