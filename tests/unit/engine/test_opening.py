"""Which store belongs to which database."""

from __future__ import annotations

import pytest

from planar.db.manager import DatabaseManager
from planar.engine.errors import StoreNotAvailable
from planar.engine.store.opening import open_store
from planar.engine.store.sqlite import SqliteStore
from planar.errors import PlanarError
from tests.contract.store_world import HandClock


@pytest.mark.parametrize("url", ["sqlite:///app.db", "sqlite://", ":memory:", "sqlite+aiosqlite:///app.db"])
def test_an_sqlite_file_has_the_sqlite_store_with_the_given_time(url: str) -> None:
    clock = HandClock()
    store = open_store(DatabaseManager(url), clock)
    assert isinstance(store, SqliteStore)
    assert store.now() == clock.now()


def test_postgresql_is_refused_with_what_to_use_instead() -> None:
    with pytest.raises(StoreNotAvailable, match=r"postgresql in this version yet\. Use SQLite: .*sqlite:///app\.db") as caught:
        open_store(DatabaseManager("postgresql://me:secret@host/app"))
    assert isinstance(caught.value, PlanarError)
    assert "secret" not in str(caught.value)
