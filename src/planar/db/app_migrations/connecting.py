"""On which connection are revisions applied? On one of their own, and one process at a time.

SQLite: every transaction begins by taking the write lock, so that the revision is read, applied and noted in one; DDL is undone with
it. Foreign keys are not enforced while tables are rebuilt, which drops the old ones; they are checked before the commit.
PostgreSQL: a second connection holds the lock that the framework's migrations take as well. It asks again and again rather than
waiting in the server, and keeps no snapshot: CREATE INDEX CONCURRENTLY waits for every transaction that has one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, NullPool, event, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from planar.clock import SYSTEM_CLOCK
from planar.db.config import SQLITE_DRIVER, database_url
from planar.db.errors import DatabaseBusy, DatabaseUnavailable, RevisionFailed
from planar.db.migrate import ADVISORY_LOCK, PATIENCE_SECONDS
from planar.logging import get_logger
from planar.modeling.column_types import PlanarSQLiteConnection

logger = get_logger(__name__)

LOCK_SECONDS = 5.0
"""How long one statement of a revision may wait for a lock on PostgreSQL, while everybody else waits behind it."""

_PAUSE_SECONDS = 0.1


@asynccontextmanager
async def migration_engine(url: URL, *, lock_seconds: float = LOCK_SECONDS, may_create: bool = False) -> AsyncGenerator[AsyncEngine]:
    """An engine for revisions; closed at the end of the block.

    Args:
        lock_seconds: as `LOCK_SECONDS`.
        may_create: whether an SQLite file that is not there may be made.

    Raises:
        DatabaseUnavailable: it cannot be opened.
    """
    engine = _sqlite_engine(url, may_create) if database_url(url).drivername == SQLITE_DRIVER else _postgres_engine(url, lock_seconds)
    try:
        try:
            async with engine.connect():
                pass
        except (DBAPIError, sqlite3.Error, OSError) as error:
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise DatabaseUnavailable(f"The database {url.render_as_string()} cannot be opened: {cause}") from error
        yield engine
    finally:
        await engine.dispose()


@asynccontextmanager
async def alone(engine: AsyncEngine) -> AsyncGenerator[AsyncConnection]:
    """A connection without a transaction, while no other process changes tables.

    Raises:
        DatabaseBusy: another process kept the lock for too long.
    """
    if engine.dialect.name == "sqlite":
        async with engine.connect() as connection:
            yield connection
        return
    async with engine.connect() as holder, engine.connect() as connection:
        await _take_lock(holder)
        yield connection


async def _take_lock(holder: AsyncConnection) -> None:
    deadline = SYSTEM_CLOCK.monotonic() + PATIENCE_SECONDS
    # The transaction that holds the lock does nothing else.
    await holder.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    told = False
    while not (await holder.execute(text(f"SELECT pg_try_advisory_xact_lock({ADVISORY_LOCK})"))).scalar():
        if SYSTEM_CLOCK.monotonic() > deadline:
            raise DatabaseBusy(f"Another process has been changing tables for more than {PATIENCE_SECONDS:.0f} s. Try again later.")
        if not told:
            logger.info("waiting for another process that is changing tables")
        told = True
        await _let_go_of_snapshot(holder)
        await asyncio.sleep(_PAUSE_SECONDS)
    await _let_go_of_snapshot(holder)


async def _let_go_of_snapshot(connection: AsyncConnection) -> None:
    """A statement of the driver's usual kind keeps its snapshot to the end of the transaction, or to the next of the simple kind."""
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    await raw.execute("SELECT 1")


def check_foreign_keys(connection: Connection) -> None:
    """See that no row of an SQLite file refers to nothing, before a transaction that did not enforce this commits.

    Raises:
        RevisionFailed: one does.
    """
    if connection.dialect.name != "sqlite":
        return
    broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
    if broken:
        table, _, parent, _ = broken[0]
        raise RevisionFailed(f"{len(broken)} rows would refer to nothing, the first in {table}, which refers to {parent}.")


def _postgres_engine(url: URL, lock_seconds: float) -> AsyncEngine:
    settings = {"application_name": "planar db", "lock_timeout": str(int(lock_seconds * 1000))}
    return create_async_engine(database_url(url), poolclass=NullPool, connect_args={"server_settings": settings})


def _sqlite_engine(url: URL, may_create: bool) -> AsyncEngine:
    file = database_url(url).database
    if file in (None, "", ":memory:"):
        raise DatabaseUnavailable("The database of these settings is in memory: it ends with its app, and has no revisions.")
    path = Path(str(file)).absolute()
    if not path.is_file() and not may_create:
        raise DatabaseUnavailable(f"There is no file {path}. Make it with `planar db upgrade`, or correct the path in the settings.")
    if not path.parent.is_dir():
        raise DatabaseUnavailable(f"The folder {path.parent} of the database file does not exist. Create it, or correct the path.")
    return sqlite_migration_engine(str(path))


def sqlite_migration_engine(database: str) -> AsyncEngine:
    """An engine for the file *database*, or ``:memory:``, whose transactions are what they say."""
    options = {"isolation_level": None, "timeout": PATIENCE_SECONDS, "factory": PlanarSQLiteConnection}
    engine = create_async_engine(URL.create(SQLITE_DRIVER, database=database), poolclass=NullPool, connect_args=options)
    event.listen(engine.sync_engine, "connect", _without_foreign_keys)
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _without_foreign_keys(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA foreign_keys = OFF")
    cursor.close()


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
