"""Where does a test get its databases? On SQLite or on PostgreSQL, with the framework's tables, and the test's alone."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID

from planar.config import PlanarConfig, connection_string_config, sqlite_config
from planar.db.manager import DatabaseManager
from planar.engine.store.port import Store
from planar.engine.store.postgres import PostgresStore
from planar.engine.store.sqlite import SqliteStore
from tests import stores
from tests.postgres_server import connect, migrated_database

_kept: list[TemporaryDirectory[str]] = []


@cache
def sqlite_template() -> Path:
    """An SQLite file with the framework's tables: to copy it takes a hundredth of the time of making it."""
    _kept.append(TemporaryDirectory(prefix="planar-template-"))
    path = Path(_kept[-1].name) / "template.db"
    # In a thread: whoever asks may be in an event loop already.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(_migrate(f"sqlite:///{path}"))).result()
    return path


async def _migrate(url: str) -> None:
    manager = DatabaseManager(url)
    await manager.connect()
    await manager.migrate(application=[])
    await manager.disconnect()


class Databases:
    """The databases of one test, by names of its choice. The same name is the same database.

    Args:
        store: ``sqlite`` or ``postgresql``.
        folder: where files are.
        stack: what gives them back.
    """

    def __init__(self, store: str, folder: Path, stack: AsyncExitStack) -> None:
        self.store = store
        self._folder = folder
        self._stack = stack
        self._urls: dict[str, str] = {}

    @property
    def is_sqlite(self) -> bool:
        """Whether they are files."""
        return self.store == stores.SQLITE

    async def url(self, name: str = "app") -> str:
        """The address of the database *name*, with the framework's tables."""
        if name not in self._urls:
            self._urls[name] = await self._make(name)
        return self._urls[name]

    async def config(self, name: str = "app", **limits: Any) -> PlanarConfig:
        """The settings of an app on the database *name*; *limits* are settings of its worker."""
        url = await self.url(name)
        config = sqlite_config(str(self._path(name))) if self.is_sqlite else connection_string_config(url)
        return config.model_copy(update={"workflows": config.workflows.model_copy(update=limits)})

    async def ask(self, statement: str, name: str = "app") -> Sequence[Sequence[Any]]:
        """Execute *statement* from outside, and commit; its rows. ``{planar}`` in it goes before the name of an engine's table."""
        url = await self.url(name)
        if self.is_sqlite:
            with closing(sqlite3.connect(self._path(name), timeout=10)) as file, file:
                return file.execute(statement.format(planar="")).fetchall()
        connection = await connect(url)
        try:
            return await connection.fetch(statement.format(planar="planar."))
        finally:
            await connection.close()

    def ask_at_once(self, statement: str, name: str = "app") -> Sequence[Sequence[Any]]:
        """The same, for code that cannot wait; the event loop stands still meanwhile."""
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(self.ask(statement, name))).result()

    async def kill(self, store: Store, worker_id: UUID) -> None:
        """The process of *store*, where *worker_id* works, ends without a word: as far as others can see."""
        if isinstance(store, SqliteStore):
            assert store._alive is not None
            # The system closes a dead process's files, and nothing else happens.
            store._alive.forget()
            return
        assert isinstance(store, PostgresStore)
        assert store._parts is not None
        # Its heart beats no more, and its lease is over: the time in between is left out.
        store._parts.heart.release(worker_id)
        await self.ask(f"update planar.workflow_worker set beat_at = beat_at - interval '1 hour' where id = '{worker_id}' returning id")

    async def _make(self, name: str) -> str:
        if not self.is_sqlite:
            return await self._stack.enter_async_context(migrated_database())
        shutil.copy(sqlite_template(), self._path(name))
        return f"sqlite:///{self._path(name)}"

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.db"


@asynccontextmanager
async def databases_of(store: str, folder: Path) -> AsyncGenerator[Databases]:
    """Databases of *store* for the block; files are in *folder*."""
    async with AsyncExitStack() as stack:
        yield Databases(store, folder, stack)
