"""A database is given by its URL, opened once, and closed completely."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import text

from planar.db import DatabaseManager, new_session
from planar.db.errors import DatabaseUnavailable, NotConnected, UnsupportedDatabase

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    "url", ["mysql://root@localhost/app", "nothing", "sqlite:///file:app?mode=memory&uri=true", "sqlite:///a.db?mode=ro"]
)
def test_a_database_that_is_not_supported_is_refused_before_it_is_opened(url: str) -> None:
    with pytest.raises(UnsupportedDatabase) as caught:
        DatabaseManager(url)
    assert isinstance(caught.value, NotImplementedError)


@pytest.mark.parametrize("timeout", ["soon", "0", "-1", "inf", "nan"])
def test_a_timeout_that_is_no_time_is_refused(timeout: str) -> None:
    with pytest.raises(UnsupportedDatabase, match="timeout"):
        DatabaseManager(f"sqlite:///a.db?timeout={timeout}")


def test_before_connect_there_is_neither_an_engine_nor_a_session() -> None:
    manager = DatabaseManager("sqlite:///a.db")
    for ask in (manager.get_engine, manager.get_session):
        with pytest.raises(NotConnected) as caught:
            ask()
        assert isinstance(caught.value, RuntimeError)


async def test_connecting_and_disconnecting_twice_is_once(tmp_path: Path) -> None:
    manager = DatabaseManager(f"sqlite:///{tmp_path}/app.db")
    await manager.connect()
    engine = manager.get_engine()
    await manager.connect()
    assert manager.get_engine() is engine
    assert manager.sqlite_path == tmp_path / "app.db"
    await manager.disconnect()
    await manager.disconnect()
    assert not manager.is_connected


async def test_a_manager_can_be_connected_again(tmp_path: Path) -> None:
    manager = DatabaseManager(f"sqlite:///{tmp_path}/app.db")
    for _ in range(2):
        await manager.connect()
        async with manager.get_session() as session:
            assert (await session.connection()) is not None
        await manager.disconnect()


@pytest.mark.parametrize("url", [":memory:", "sqlite://", "sqlite:///:memory:"])
async def test_memory_is_a_private_file_that_is_gone_afterwards(url: str) -> None:
    first, second = DatabaseManager(url), DatabaseManager(url)
    await first.connect()
    await second.connect()
    assert first.sqlite_path is not None
    assert first.sqlite_path != second.sqlite_path
    folder = first.sqlite_path.parent
    assert folder.is_dir()
    await first.disconnect()
    await second.disconnect()
    assert not folder.exists()


async def test_a_file_in_a_missing_folder_is_an_error_that_names_the_folder(tmp_path: Path) -> None:
    manager = DatabaseManager(f"sqlite:///{tmp_path}/nowhere/app.db")
    with pytest.raises(DatabaseUnavailable, match="nowhere"):
        await manager.connect()
    assert not manager.is_connected


async def test_a_file_that_is_no_database_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "app.db").write_text("this is a letter, not a database, and long enough to be sure " * 20)
    with pytest.raises(DatabaseUnavailable, match="not a database"):
        await DatabaseManager(f"sqlite:///{tmp_path}/app.db").connect()


async def test_an_unreachable_server_is_an_error_without_the_password() -> None:
    manager = DatabaseManager("postgresql://ada:secret@127.0.0.1:1/planar")
    with pytest.raises(DatabaseUnavailable) as caught:
        await manager.connect()
    assert "secret" not in str(caught.value)
    assert "ada" in str(caught.value)


async def test_every_connection_enforces_foreign_keys_and_writes_ahead(tmp_path: Path) -> None:
    manager = DatabaseManager(f"sqlite:///{tmp_path}/app.db?timeout=3")
    await manager.connect()
    engine = manager.get_engine()

    async def settings() -> list[object]:
        async with engine.connect() as connection:
            await together.wait()
            names = ("foreign_keys", "journal_mode", "synchronous", "busy_timeout")
            return [(await connection.execute(text(f"PRAGMA {name}"))).scalar() for name in names]

    together = asyncio.Barrier(4)
    assert await asyncio.gather(*(settings() for _ in range(4))) == [[1, "wal", 2, 3000]] * 4
    await manager.disconnect()


async def test_zero_retries_are_zero(tmp_path: Path) -> None:
    for given, meant in ((0, 0), (3, 3), (None, 10)):
        manager = DatabaseManager(":memory:", max_conflict_retries=given)
        await manager.connect()
        assert manager.get_session().max_conflict_retries == meant
        assert new_session(manager.get_engine()).max_conflict_retries == meant
        await manager.disconnect()
