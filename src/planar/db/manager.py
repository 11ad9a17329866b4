"""Where is the database, and is it open? One manager an app."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from uuid import uuid4

from sqlalchemy import URL, MetaData, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from planar.db.app_migrations.starting import StartPolicy, prepare_application
from planar.db.config import POSTGRESQL_DRIVER, SQLITE_DRIVER, PoolConfig, database_url
from planar.db.conflicts import MAX_CONFLICT_RETRIES
from planar.db.errors import DatabaseUnavailable, NotConnected, UnsupportedDatabase
from planar.db.gate import WriteGate
from planar.db.migrate import MigrationStatus, migrate_framework, read_status
from planar.db.planar_session import RETRIES_OPTION, PlanarSession
from planar.db.postgres import postgres_engine
from planar.db.sqlite import sqlite_engine
from planar.logging import get_logger
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA

logger = get_logger(__name__)

DEFAULT_BUSY_SECONDS = 10.0
_WITHOUT_REVISIONS = StartPolicy()


class DatabaseManager:
    """The connection to the app's database.

    Args:
        url: ``sqlite:///file.db``, ``sqlite://`` or ``:memory:`` for a private temporary file, or ``postgresql://…``. On SQLite
            ``?timeout=`` says in seconds how long to wait for the write lock and how long to keep it.
        pool: how many PostgreSQL connections to keep.
        max_conflict_retries: how often `PlanarSession.run_transaction` repeats a transaction; 0 is never, None the default of 10.

    Raises:
        UnsupportedDatabase: the URL is of another database, or none.
    """

    def __init__(self, url: str | URL, *, pool: PoolConfig | None = None, max_conflict_retries: int | None = None) -> None:
        self.url = _supported(url)
        self.client_id = uuid4().hex[:12]
        """By this the server's list of sessions tells those of this manager from others'."""
        self.pool = pool or PoolConfig()
        """How many PostgreSQL connections this process keeps."""
        self._retries = MAX_CONFLICT_RETRIES if max_conflict_retries is None else max_conflict_retries
        self._busy_seconds = _busy_seconds(self.url)
        self._engine: AsyncEngine | None = None
        self._temporary: Path | None = None
        self.write_gate: WriteGate | None = None
        """Who hands out the turns to write on SQLite; None while no engine runs."""
        self.sqlite_path: Path | None = None
        """The file, once connected to SQLite."""

    @property
    def is_connected(self) -> bool:
        """Whether `connect` has succeeded and `disconnect` was not called since."""
        return self._engine is not None

    async def connect(self) -> None:
        """Open the database and ask it something. A second call does nothing.

        Raises:
            DatabaseUnavailable: it cannot be opened; the message says why and never holds the password.
        """
        if self._engine is not None:
            logger.debug("the database is connected already")
            return
        engine = self._open()
        try:
            async with engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except (DBAPIError, sqlite3.Error, OSError) as error:
            await engine.dispose()
            await self._remove_temporary()
            cause = error.orig if isinstance(error, DBAPIError) else error
            raise DatabaseUnavailable(f"The database {self.url.render_as_string()} cannot be opened: {cause}") from error
        self._engine = engine

    async def disconnect(self) -> None:
        """Close every connection; a temporary file is removed. Does nothing when not connected."""
        engine, self._engine = self._engine, None
        if engine is None:
            logger.debug("the database is not connected")
            return
        await engine.dispose()
        self.sqlite_path = None
        await self._remove_temporary()

    def get_engine(self) -> AsyncEngine:
        """The engine.

        Raises:
            NotConnected: before `connect`.
        """
        if self._engine is None:
            raise NotConnected
        return self._engine

    def get_session(self, *, label: str = "session", on_overdue: Callable[[], object] | None = None) -> PlanarSession:
        """A new session, for the caller to use in ``async with``.

        Args:
            label: how logs and errors name it.
            on_overdue: called when the session held SQLite's write lock for too long and its transaction was undone.

        Raises:
            NotConnected: before `connect`.
        """
        return PlanarSession(self.get_engine(), label=label, on_overdue=on_overdue)

    async def migrate(
        self,
        use_alembic: bool = True,
        *,
        application: Sequence[MetaData] = (PLANAR_APPLICATION_METADATA,),
        policy: StartPolicy = _WITHOUT_REVISIONS,
    ) -> None:
        """Bring the tables to what this version needs. Safe when several processes start at once.

        The framework's tables follow its migrations. The application's are never altered: see `prepare_application`.

        Args:
            use_alembic: kept for older settings files; the framework's migrations are applied either way.
            application: whose tables the application's are.
            policy: where the application's revisions are, and how strict to be; without revisions missing tables are created.

        Raises:
            UnknownRevision: a newer Planar has been here.
            MigrationError: the application's tables do not fit; the message names the command that mends it.
        """
        engine = self.get_engine()
        await migrate_framework(engine)
        await prepare_application(engine, application, policy)

    async def migration_status(self) -> MigrationStatus:
        """Which revision the framework's tables have, and which they should have."""
        return await read_status(self.get_engine())

    def _open(self) -> AsyncEngine:
        options = {RETRIES_OPTION: self._retries}
        if self.url.drivername == POSTGRESQL_DRIVER:
            return postgres_engine(self.url, self.pool, options, self.client_id)
        self.sqlite_path = self._sqlite_file()
        return sqlite_engine(self.sqlite_path, busy_seconds=self._busy_seconds, gate=lambda: self.write_gate, options=options)

    def _sqlite_file(self) -> Path:
        if self.url.database in (None, "", ":memory:"):
            self._temporary = Path(tempfile.mkdtemp(prefix="planar-"))
            return self._temporary / "planar.db"
        path = Path(str(self.url.database)).absolute()
        if not path.parent.is_dir():
            raise DatabaseUnavailable(f"The folder {path.parent} of the database file does not exist. Create it, or correct the path.")
        return path

    async def _remove_temporary(self) -> None:
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            await asyncio.to_thread(shutil.rmtree, temporary, ignore_errors=True)


def _supported(url: str | URL) -> URL:
    try:
        known = database_url("sqlite://" if url == ":memory:" else url)
    except ValueError as error:
        raise UnsupportedDatabase(f"The database cannot be used: {error}") from None
    if known.drivername == SQLITE_DRIVER:
        unknown = set(known.query) - {"timeout"}
        if unknown or str(known.database).startswith("file:"):
            raise UnsupportedDatabase("A SQLite database is given by the path of its file; the one parameter is ?timeout=<seconds>.")
    return known


def _busy_seconds(url: URL) -> float:
    given = url.query.get("timeout") if url.drivername == SQLITE_DRIVER else None
    if given is None:
        return DEFAULT_BUSY_SECONDS
    try:
        seconds = float(str(given))
    except ValueError:
        seconds = 0
    if not 0 < seconds < float("inf"):
        raise UnsupportedDatabase(f"?timeout= of the database URL is {given!r}; give a number of seconds above 0.")
    return seconds
