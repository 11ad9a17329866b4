"""A database on a PostgreSQL server, and the processes that one after the other live on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from planar.context import Services
from planar.db.manager import DatabaseManager
from planar.engine.store.postgres import PostgresStore
from planar.testing.crashes import Process
from tests.postgres_server import END_OTHERS, connect, empty
from tests.scenario.crashes.socket_time import SocketLoop
from tests.scenario.crashes.virtual_time import VirtualTime
from tests.scenario.crashes.world import NEVER, TASK, Snapshot, StoredRun, StoredStep, app_with_sessions

T = TypeVar("T")

DIE = f"{END_OTHERS}; update planar.workflow_worker set beat_at = '-infinity'"
"""What the system does for a dead process: it hangs up. And its lease is over: the time in between is left out."""

LIVING = "select count(*) from planar.workflow_worker where alive and beat_at > '-infinity'"
"""One that was written off is remembered for an hour; one that died without a run is written off by whoever looks next."""


class _KilledStore(PostgresStore):
    """A store that hangs up without a word when the process dies, as after ``kill -9``."""

    def __init__(self, process: Process, manager: DatabaseManager, clock: VirtualTime) -> None:
        # Leases are measured by the server's clock, which does not jump: a beat would tell nothing.
        super().__init__(manager, clock, lease_seconds=NEVER)
        self._process = process

    async def close(self) -> None:
        if not self._process.faults.dead:
            await super().close()
            return
        # Its parts are kept: their tasks stand still like everything else, until the process is buried.
        if self._parts is not None:
            self._parts.telling._closed = True
            self._parts.pool.terminate()
        connection = await connect(self._manager.url)
        await connection.execute(DIE)
        await connection.close()


async def make_tables(url: str) -> None:
    """Make the scenarios' own tables in the database at *url*."""
    manager = DatabaseManager(url)
    await manager.connect()
    await manager.migrate()
    await manager.disconnect()


class PostgresWorld:
    """The database at *url*, in which all tables stand, and nothing else."""

    def __init__(self, url: str) -> None:
        self.time = VirtualTime()
        self.url = url

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return SocketLoop(self.time)

    @asynccontextmanager
    async def app(self, process: Process) -> AsyncGenerator[Services]:
        manager = DatabaseManager(self.url)
        store = process.store(_KilledStore(process, manager, self.time), manager)
        async with app_with_sessions(self, store, manager) as services:
            yield services

    def snapshot(self) -> Snapshot:
        return _now(_snapshot(self.url))

    def close(self) -> None:
        _now(empty(self.url))


async def _snapshot(url: str) -> Snapshot:
    connection = await connect(url)
    ask = connection.fetch
    try:
        return Snapshot(
            runs={
                row[0]: StoredRun(*row[1:])
                for row in await ask("select id, function_name || args, status, parent_id is not null from planar.workflow_run")
            },
            steps={
                (row[0], row[1]): StoredStep(*row[2:])
                for row in await ask("select workflow_id, path, qualname, status, seq, retry_count from planar.workflow_step")
            },
            open_claims=await connection.fetchval("select count(*) from planar.workflow_claim"),
            waits=await connection.fetchval("select count(*) from planar.workflow_wait"),
            workers=await connection.fetchval(LIVING),
            events=sorted(f"{row[0]} {row[1]}" for row in await ask("select event_key, payload from planar.workflow_event")),
            rows=sorted(row[0] for row in await ask("select text from crash_entry")),
            held_locks=[row[0] for row in await ask("select lock_key from planar.locked_resource where lock_until > '1970-01-02'")],
            tasks=sorted(row[0] for row in await ask(f"select {TASK.format(planar='planar.')} from planar.human_task t")),
        )
    finally:
        await connection.close()


def _now(work: Coroutine[Any, Any, T]) -> T:
    """The outcome of *work*, in an event loop in which time passes as usual."""
    return asyncio.run(work)
