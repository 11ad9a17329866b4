"""The database of one test, seen from outside: whoever starts runs, looks at them, and compares what is left with the promises."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from sqlalchemy import URL
from uuid_utils.compat import uuid7

from planar.clock import SYSTEM_CLOCK
from planar.db.manager import DatabaseManager
from planar.engine.core.model import Event, Run
from planar.engine.store.opening import open_store
from planar.engine.store.port import Emit, StartRun, Store
from tests.postgres_server import connect
from tests.scenario.faults.program import SLOTS

LOST = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.TooManyConnectionsError,
    asyncpg.OperatorInterventionError,
)
"""The server is away, as it is meant to be here now and then."""

TABLES = (
    "create table effect (run text not null, path text not null, pid int not null, epoch int not null)",
    "create table tally (slot int primary key, total int not null)",
    *(f"insert into tally (slot, total) values ({slot}, 0)" for slot in range(SLOTS)),
)
"""What the steps write, on both databases. Nothing here keeps an effect from happening twice."""

AUDIT = """
create schema audit;
create table audit.written (at float8, application text, run uuid, path text, ended boolean, was_ended boolean, worker uuid, epoch int);
create function audit.note() returns trigger language plpgsql as $$ begin
    insert into audit.written select extract(epoch from clock_timestamp()), current_setting('application_name'),
        new.workflow_id, new.path, new.seq is not null, tg_op = 'UPDATE' and old.seq is not null, c.worker_id, c.epoch
    from (select 1) one left join planar.workflow_claim c on c.run_id = new.workflow_id;
    return new;
end $$;
create trigger note before insert or update on planar.workflow_step for each row execute function audit.note();
"""
"""Who wrote each record, and who held the run at that moment: told by the server, not by the engine. Before the row is written: the same
statement may end the run and take its claim away."""


class Held(NamedTuple):
    """A run that a worker holds."""

    run: UUID
    epoch: int


class World:
    """A database with an audit, and a driver that executes nothing itself.

    Args:
        url: the database, reached directly.
        folder: where the workers leave their ledger.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self._manager = DatabaseManager(url)
        self._store: Store = open_store(self._manager)
        self._connection: Any = None
        self.started: dict[UUID, Any] = {}
        """The runs, and what each is to return."""

    async def open(self) -> None:
        await self._manager.connect()
        await self._store.open()

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        await self._store.close()
        await self._manager.disconnect()

    # -- doing ------------------------------------------------------------------------------------------------------------

    async def start(self, workflow: str, *arguments: Any, result: Any) -> UUID:
        """Start a run; it is durable on return, whatever happens to the server meanwhile."""
        run = Run(uuid7(), workflow, json.dumps(arguments), "{}", self._store.now())
        self.started[run.id] = result
        await self._store.submit(StartRun(run))
        return run.id

    async def emit(self, key: str, payload: Any) -> None:
        await self._store.submit(Emit(Event(uuid7(), key, json.dumps(payload), None, self._store.now(), idempotency_key=key)))

    def ask_to_stop(self, place: str) -> None:
        """Whoever comes to *place* first stops there."""
        (self.folder / f"stop-{place}").touch()

    def stopped_at(self, place: str) -> int | None:
        """The process that stopped there."""
        found = self.folder / f"stopped-{place}"
        return int(found.read_text() or 0) or None if found.exists() else None

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    # -- looking ----------------------------------------------------------------------------------------------------------

    async def ask(self, query: str, *arguments: Any) -> list[Any]:
        """The rows of *query*, however long the server is away."""
        while True:
            try:
                if self._connection is None or self._connection.is_closed():
                    self._connection = await connect(self.url)
                return await self._connection.fetch(query, *arguments)
            except LOST:
                if self._connection is not None:
                    self._connection.terminate()
                self._connection = None
                await asyncio.sleep(0.05)

    async def claims(self) -> dict[UUID, tuple[UUID | None, int]]:
        """The runs that have not ended: who holds them, and the epoch."""
        rows = await self.ask("select run_id, worker_id, epoch from planar.workflow_claim")
        return {_uuid(row[0]): (_uuid(row[1]) if row[1] is not None else None, row[2]) for row in rows}

    async def held_by(self, worker: UUID) -> list[Held]:
        return [Held(run, epoch) for run, (holder, epoch) in (await self.claims()).items() if holder == worker]

    async def ends(self) -> dict[UUID, tuple[str, Any, Any]]:
        """How each run that was started here has ended: status, result and error."""
        rows = await self.ask("select id, status, result, error from planar.workflow_run")
        return {run: (row[1], json.loads(row[2] or "null"), row[3]) for row in rows if (run := _uuid(row[0])) in self.started}

    async def recorded(self) -> dict[tuple[UUID, str], float]:
        """When the end of each step was written, by the clock of this host."""
        return {(_uuid(row[0]), row[1]): row[2] for row in await self.ask("select run, path, at from audit.written where ended")}

    async def until_moved(self, held: Sequence[Held], *, within: float) -> float:
        """Wait until other workers have claimed all of *held*, or they have ended; how long that took."""
        began = SYSTEM_CLOCK.monotonic()

        async def moved() -> bool:
            claims = await self.claims()
            return not any(run in claims and claims[run][1] == epoch for run, epoch in held)

        await until(moved, f"{len(held)} runs to be claimed elsewhere", within)
        return SYSTEM_CLOCK.monotonic() - began

    async def until_ended(self, within: float) -> float:
        """Wait until all runs have ended; how long that took."""
        began = SYSTEM_CLOCK.monotonic()
        left: dict[UUID, Any] = {}

        async def ended() -> bool:
            left.clear()
            left.update(await self.claims())
            return not left

        try:
            await until(ended, "the runs to end", within)
        except AssertionError as error:
            raise AssertionError(f"{error}: {len(left)} have not, as {await self._why(next(iter(left)))}") from None
        return SYSTEM_CLOCK.monotonic() - began

    async def _why(self, run: UUID) -> dict[str, Any]:
        """What keeps a run from going on."""
        claims = await self.ask("select * from planar.workflow_claim where run_id = $1", run)
        waits = await self.ask("select key from planar.workflow_wait where run_id = $1", run)
        steps = await self.ask("select path, status, seq from planar.workflow_step where workflow_id = $1 order by path", run)
        events = await self.ask("select seq, event_key, timestamp from planar.workflow_event")
        due = await self.ask("select count(*) from planar.workflow_claim where worker_id is null and due_at < clock_timestamp()")
        waited = {row[0].removeprefix("event:") for row in waits}
        return {
            "claim": [dict(row) for row in claims],
            "waits": [tuple(row) for row in waits],
            "steps": [tuple(row) for row in steps],
            "events": [tuple(row) for row in events if row[1] in waited],
            "due": due[0][0],
        }


class SqliteWorld(World):
    """The same over an SQLite file, which has no audit."""

    async def open(self) -> None:
        await super().open()
        await self._manager.migrate(application=[])
        self._connection = sqlite3.connect(self._manager.sqlite_path or "", timeout=30, isolation_level=None)
        for statement in TABLES:
            self._connection.execute(statement)

    async def close(self) -> None:
        self._connection.close()
        self._connection = None
        await super().close()

    async def ask(self, query: str, *arguments: Any) -> list[Any]:
        return self._connection.execute(query.replace("planar.", ""), arguments).fetchall()

    async def _why(self, run: UUID) -> dict[str, Any]:
        return {"claim": await self.ask("select * from workflow_claim where run_id = ?", run.hex)}

    async def recorded(self) -> dict[tuple[UUID, str], float]:
        rows = await self.ask("select workflow_id, path, updated_at from workflow_step where seq is not null")
        return {(_uuid(row[0]), row[1]): datetime.fromisoformat(row[2]).replace(tzinfo=UTC).timestamp() for row in rows}


def _uuid(value: Any) -> UUID:
    return UUID(value) if isinstance(value, str) else UUID(bytes=value.bytes)


async def until(question: Callable[[], Awaitable[bool]], what: str, within: float = 20.0) -> None:
    """Ask until the answer is yes."""
    deadline = SYSTEM_CLOCK.monotonic() + within
    while not await question():
        assert SYSTEM_CLOCK.monotonic() < deadline, f"waited {within} s for {what}, in vain"
        await asyncio.sleep(0.02)


async def make_template(server: URL) -> str:
    """A database with all tables, to be copied. Its name."""
    await tell(server, "create database template_faults")
    manager = DatabaseManager(server.set(database="template_faults").render_as_string(hide_password=False))
    await manager.connect()
    await manager.migrate(application=[])
    await manager.disconnect()
    connection = await connect(server.set(database="template_faults"))
    try:
        for statement in (*TABLES, AUDIT):
            await connection.execute(statement)
    finally:
        await connection.close()
    return "template_faults"


async def tell(server: URL, statement: str) -> None:
    """Execute *statement* in the server's own database."""
    connection = await connect(server)
    try:
        await connection.execute(statement)
    finally:
        with contextlib.suppress(OSError):
            await connection.close()
