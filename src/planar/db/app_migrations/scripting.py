"""Which statements would an upgrade execute? For those whose database is changed by somebody else, by hand.

PostgreSQL: Alembic writes them without a database. SQLite: a table is rebuilt as it is found, so the revisions are applied to a database
in memory, and what it is told is written down.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection

from planar import lazy
from planar.db.app_migrations.connecting import sqlite_migration_engine
from planar.db.app_migrations.history import History, Revision

if TYPE_CHECKING:
    from planar.db.app_migrations.with_alembic import environment, steps
else:
    environment = lazy.at_first_use("planar.db.app_migrations.with_alembic.environment")
    steps = lazy.at_first_use("planar.db.app_migrations.with_alembic.steps")

_LOOKING = ("SELECT", "PRAGMA")


async def upgrade_sql(history: History, dialect: str, starting: str | None, target: str | None) -> str:
    """The statements that lead from the revision *starting* (None: an empty database) to *target*.

    Args:
        dialect: ``sqlite`` or ``postgresql``.

    Raises:
        RevisionFailed: a revision cannot be applied to a database without rows.
    """
    wanted = history.to_apply([starting] if starting else [], target)
    alembic = environment.Alembic(history.folder)
    if dialect != "sqlite":
        return alembic.sql(dialect, [alembic.step(revision.id, up=True) for revision in wanted], starting)
    before = history.to_apply([], starting)
    engine = sqlite_migration_engine(":memory:")
    try:
        async with engine.connect() as connection:
            await _apply(connection, alembic, before)
            return _as_script([(each, await _recorded(connection, alembic, each)) for each in wanted])
    finally:
        await engine.dispose()


async def _apply(connection: AsyncConnection, alembic: environment.Alembic, revisions: Sequence[Revision]) -> None:
    for revision in revisions:
        await connection.run_sync(steps.next_step, alembic, _only(revision), up=True)


def _only(revision: Revision) -> steps.Choose:
    return lambda _stored: [revision]


async def _recorded(connection: AsyncConnection, alembic: environment.Alembic, revision: Revision) -> list[str]:
    said: list[str] = []
    raw = (await connection.get_raw_connection()).driver_connection
    assert raw is not None
    await raw.set_trace_callback(said.append)
    try:
        await _apply(connection, alembic, [revision])
    finally:
        await raw.set_trace_callback(None)
    return [
        statement for statement in map(str.strip, said) if not statement.upper().startswith(_LOOKING) and not statement.startswith("--")
    ]


def _as_script(parts: Sequence[tuple[Revision, Sequence[str]]]) -> str:
    lines = ["-- A rebuilt table is dropped: foreign keys must not be enforced meanwhile.", "PRAGMA foreign_keys = OFF;", ""]
    for revision, statements in parts:
        lines += [f"-- Revision {revision.id}: {revision.message}", *(f"{statement.rstrip(';')};" for statement in statements), ""]
    return "\n".join([*lines, "PRAGMA foreign_key_check;", "PRAGMA foreign_keys = ON;", ""])
