"""Are the framework's tables what this version needs, and if not, who brings them there?

Several processes may start at once: one takes the lock, the others wait and then find nothing to do.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from planar import lazy
from planar.clock import SYSTEM_CLOCK
from planar.db import migrations
from planar.db.base import PLANAR_SCHEMA
from planar.db.errors import DatabaseBusy, UnknownRevision
from planar.db.gate import HOLDER_OPTION, WriteHolder
from planar.logging import get_logger

logger = get_logger(__name__)

PATIENCE_SECONDS = 300.0
"""How long to wait for another process that is migrating."""

LOCK_TIMEOUT = "5s"
"""How long one statement of a migration may wait for PostgreSQL's workers, whom it stops meanwhile."""

ADVISORY_LOCK = 0x706C616E6172
"""The bytes of "planar": PostgreSQL's advisory locks have numbers, not names."""


@dataclass(frozen=True)
class MigrationStatus:
    """The revision of the framework's tables (None before the first migration), and the one that this version needs."""

    current: str | None
    head: str

    @property
    def is_current(self) -> bool:
        """Whether nothing has to be done."""
        return self.current == self.head


async def read_status(engine: AsyncEngine) -> MigrationStatus:
    """Which revision is there, and which is needed."""
    async with engine.connect() as connection:
        return MigrationStatus(await connection.run_sync(_stored_revision), migrations.HEAD)


async def migrate_framework(engine: AsyncEngine) -> None:
    """Apply the framework's migrations that are missing. Does next to nothing when none is.

    Raises:
        UnknownRevision: the tables were made by a newer version.
    """
    if (await read_status(engine)).is_current:
        return
    lazy.load_alembic()  # half a second, in which nobody else could write
    async with schema_lock(engine, "the framework's migration") as connection:
        stored = await connection.run_sync(_stored_revision)
        if stored == migrations.HEAD:
            return
        if stored is not None and stored > migrations.HEAD:
            raise UnknownRevision(
                f"The framework's tables have revision {stored}, this version of Planar knows them up to {migrations.HEAD}. "
                "Start the version that made them, or a newer one, or use another database."
            )
        logger.info("migrating the framework's tables", current=stored, head=migrations.HEAD)
        await connection.run_sync(_upgrade)


@asynccontextmanager
async def schema_lock(engine: AsyncEngine, label: str) -> AsyncGenerator[AsyncConnection]:
    """A connection whose transaction alone may change tables; committed at the end of the block, undone after an error."""
    async with engine.connect() as connection:
        await connection.execution_options(**{HOLDER_OPTION: WriteHolder(label, immediate=True, unlimited=True)})
        await _lock(connection)
        yield connection
        await connection.commit()


async def _lock(connection: AsyncConnection) -> None:
    if connection.dialect.name != "sqlite":
        await connection.execute(text(f"SELECT pg_advisory_xact_lock({ADVISORY_LOCK})"))
        await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"))
        return
    deadline = SYSTEM_CLOCK.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await connection.execute(text("SELECT 1"))
        except DatabaseBusy:
            if SYSTEM_CLOCK.monotonic() > deadline:
                raise
            logger.info("waiting for another process that is changing tables")
        else:
            return


def _stored_revision(connection: Connection) -> str | None:
    schema, table = _version_table(connection)
    if not connection.dialect.has_table(connection, table, schema):
        return None
    name = f"{schema}.{table}" if schema else table
    return connection.execute(text(f"SELECT max(version_num) FROM {name}")).scalar()


def _version_table(connection: Connection) -> tuple[str | None, str]:
    if connection.dialect.name == "sqlite":
        return None, migrations.SQLITE_VERSION_TABLE
    return PLANAR_SCHEMA, migrations.VERSION_TABLE


def _upgrade(connection: Connection) -> None:
    schema, table = _version_table(connection)
    if schema is not None:
        connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {schema}"))
    attributes = {"connection": connection, "version_table": table, "version_table_schema": schema}
    lazy.upgrade_with_alembic(str(Path(migrations.__file__).parent), attributes, migrations.HEAD)
