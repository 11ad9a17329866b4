"""What does an SQLite file tell about its runs, its workers and itself? It is read only."""

from __future__ import annotations

import asyncio
from pathlib import Path

from sqlalchemy.exc import DatabaseError, OperationalError

from planar.clock import SYSTEM_CLOCK
from planar.db.manager import DatabaseManager
from planar.engine.store.facts import Facts, FileFacts
from planar.engine.store.liveness import LockFiles, lock_folder
from planar.engine.store.questions import Ask, Words, read_runs, read_workers
from planar.errors import InternalError


def _seconds_since(moment: str) -> str:
    return f"(julianday('now') - julianday({moment})) * 86400.0"


WORDS = Words(
    schema="",
    now="strftime('%Y-%m-%d %H:%M:%f', 'now')",
    seconds_since=_seconds_since,
    seconds_silent="null",
    awaited_run="substr(w.key, 5)",
)


async def read_sqlite_facts(manager: DatabaseManager, lease_seconds: float) -> Facts:
    """Everything that the file of *manager*, which is connected, tells."""
    path = manager.sqlite_path
    if path is None:
        raise InternalError("The database is not connected to an SQLite file.")
    migration = await manager.migration_status()
    locks = LockFiles(lock_folder(path))
    async with manager.get_engine().connect() as connection:

        async def ask(statement: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in await connection.exec_driver_sql(statement)]

        file = await _read_file(ask, path)
        # What a damaged file says of runs may be anything.
        readable = migration.current is not None and not file.problems
        return Facts(
            migration,
            SYSTEM_CLOCK.now(),
            lease_seconds,
            workers=await read_workers(ask, WORDS, migration.current, locks.is_held) if readable else (),
            runs=await read_runs(ask, WORDS) if readable else None,
            file=file,
        )


async def _read_file(ask: Ask, path: Path) -> FileFacts:
    ((page_size,),) = await ask("pragma page_size")
    ((pages,),) = await ask("pragma page_count")
    ((free,),) = await ask("pragma freelist_count")
    problems = await _check(ask)
    wal = await asyncio.to_thread(_size_of, path.with_name(f"{path.name}-wal"))
    return FileFacts(pages * page_size, free * page_size, wal, problems)


async def _check(ask: Ask) -> tuple[str, ...]:
    try:
        said = tuple([str(row[0]) for row in await ask("pragma quick_check(5)")])
    except OperationalError:
        raise
    except DatabaseError as error:
        # Damage of some kinds ends the check.
        return (str(error.orig),)
    return () if said == ("ok",) else said


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
