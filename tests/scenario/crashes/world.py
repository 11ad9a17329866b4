"""A database, and the processes that one after the other live on it: in memory, and in an SQLite file. `postgres_world` has another."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import UUID

from planar.context import Services, bind_services
from planar.db.manager import DatabaseManager
from planar.db.session import SessionScope, bind_session
from planar.engine.catalog import Registry
from planar.engine.client import Client
from planar.engine.config import WorkerConfig
from planar.engine.events import Notices
from planar.engine.store.memory import MemoryDatabase, MemoryStore
from planar.engine.store.port import Store
from planar.engine.store.sqlite import SqliteStore
from planar.engine.worker import Worker
from planar.modeling.orm import PlanarBaseEntity
from planar.testing.crashes import Process
from planar.testing.faults import FaultyStore
from planar.workflows.holding import locks_of
from tests.scenario.crashes.ledger import Place
from tests.scenario.crashes.virtual_time import JumpingLoop, VirtualTime

T = TypeVar("T")


class CrashEntry(PlanarBaseEntity, table=True):
    """What steps and requests write through their sessions."""

    __tablename__ = "crash_entry"

    text: str


NEVER = 1e6
"""Seconds between two polls: whatever only the net would catch is stuck, and a scenario finds that out."""


TASK = """title || ' ' || status || ' ' || coalesce(reason, '') || coalesce(output_data, '') || ' ' || approvals || ' answers, '
    || reminders || ' reminders, ' || version || ' changes, '
    || (select count(*) from {planar}human_task_activity a where a.task_id = t.id) || ' told'
    || case when exists (select 1 from {planar}human_task_answer d where d.task_id = t.id and d.is_draft) then ', a draft' else '' end"""
"""What a task has come to, without what differs in every telling; of each change there is one record."""


@dataclass(frozen=True)
class StoredStep:
    name: str
    status: str
    seq: int | None
    retry_count: int


@dataclass(frozen=True)
class StoredRun:
    call: str
    """The workflow and its arguments: who this run is in every telling of a story, whatever its id."""
    status: str
    has_parent: bool


@dataclass(frozen=True)
class Snapshot:
    """What is durable at one moment."""

    runs: dict[UUID, StoredRun]
    steps: dict[Place, StoredStep]
    open_claims: int
    waits: int
    workers: int
    events: list[str]
    rows: list[str]
    """What steps and requests wrote to the app's own table."""
    held_locks: list[str]
    tasks: list[str] = field(default_factory=list[str])
    """Each task for people: whose, and where it stands."""

    @property
    def recorded(self) -> set[Place]:
        """The steps that have ended."""
        return {place for place, step in self.steps.items() if step.seq is not None}

    def by_call(self, places: Mapping[Place, T]) -> dict[tuple[str, str], T]:
        """*places*, with the run's call instead of its id."""
        return {(self.runs[run].call, path): value for (run, path), value in places.items()}


class World(Protocol):
    """One database."""

    time: VirtualTime

    def app(self, process: Process) -> Any:
        """An app on this database, in *process*, while the block runs."""
        ...

    def make_loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of a process."""
        ...

    def snapshot(self) -> Snapshot: ...

    def close(self) -> None:
        """Nobody needs this database any more."""
        ...


@asynccontextmanager
async def _parts(world: World, store: FaultyStore, manager: DatabaseManager | None) -> AsyncGenerator[Services]:
    """As `planar.app.lifespan.running` does, without what has nothing to do with runs."""
    services, notices = Services(), Notices()
    registry = services.add(Registry, Registry())
    async with AsyncExitStack() as stack:
        if manager is not None:
            await manager.connect()
            stack.push_async_callback(manager.disconnect)
            services.add(DatabaseManager, manager)
        worker = services.add(Worker, Worker(store, registry, notices, WorkerConfig(poll_seconds=NEVER), manager=manager, clock=world.time))
        client = services.add(Client, Client(store, registry, notices, worker=worker))
        await store.open()
        stack.push_async_callback(store.close)
        stack.callback(client.close)
        stack.push_async_callback(locks_of(services).close)
        stack.enter_context(bind_services(services))
        await worker.start()
        stack.push_async_callback(worker.stop)
        yield services


@asynccontextmanager
async def app_with_sessions(world: World, store: FaultyStore, manager: DatabaseManager) -> AsyncGenerator[Services]:
    """An app whose caller has a session."""
    async with _parts(world, store, manager) as services:
        scope = SessionScope(manager, label="the caller")
        try:
            with bind_session(scope):
                yield services
        finally:
            await scope.close()


def _loop_of(process: Process, store: FaultyStore) -> None:
    assert isinstance(process.loop, JumpingLoop)
    process.loop.busy = lambda: store.is_busy


class MemoryWorld:
    """The engine's own tables, in memory. There are no sessions."""

    def __init__(self) -> None:
        self.time = VirtualTime()
        self.database = MemoryDatabase(self.time)

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return JumpingLoop(self.time)

    def close(self) -> None: ...

    @asynccontextmanager
    async def app(self, process: Process) -> AsyncGenerator[Services]:
        async with _parts(self, process.store(MemoryStore(self.database)), None) as services:
            yield services

    def snapshot(self) -> Snapshot:
        database = self.database
        return Snapshot(
            runs={
                run.id: StoredRun(f"{run.workflow}{run.args}", run.status.value, run.parent_id is not None)
                for run in database.runs.values()
            },
            steps={
                (run_id, path): StoredStep(record.qualname, record.status.value, record.seq, record.retry_count)
                for run_id, records in database.steps.items()
                for path, record in records.items()
            },
            open_claims=len(database.claims),
            waits=sum(len(claim.waits) for claim in database.claims.values()),
            workers=len(database.workers),
            events=sorted(f"{event.key} {event.payload}" for event in database.events),
            rows=[],
            held_locks=[],
        )


class _KilledStore(SqliteStore):
    """A store whose worker's file is closed without a word when the process dies, and stays where it is, as after ``kill -9``."""

    def __init__(self, process: Process, manager: DatabaseManager, clock: VirtualTime) -> None:
        super().__init__(manager, clock)
        self._process = process

    async def close(self) -> None:
        if self._process.faults.dead and self._alive is not None:
            self._alive.forget()
        await super().close()


class SqliteWorld:
    """A file that is a copy of *template*, where all tables stand already."""

    def __init__(self, folder: Path, template: Path) -> None:
        self.time = VirtualTime()
        self.path = folder / "app.db"
        shutil.copy(template, self.path)

    def make_loop(self) -> asyncio.AbstractEventLoop:
        return JumpingLoop(self.time)

    def close(self) -> None: ...

    @asynccontextmanager
    async def app(self, process: Process) -> AsyncGenerator[Services]:
        manager = DatabaseManager(f"sqlite:///{self.path}")
        store = process.store(_KilledStore(process, manager, self.time), manager)
        _loop_of(process, store)
        async with app_with_sessions(self, store, manager) as services:
            yield services

    def snapshot(self) -> Snapshot:
        with closing(sqlite3.connect(self.path)) as connection:
            ask = connection.execute
            return Snapshot(
                runs={
                    UUID(run): StoredRun(call, status, bool(has_parent))
                    for run, call, status, has_parent in ask(
                        "select id, function_name || args, status, parent_id is not null from workflow_run"
                    )
                },
                steps={
                    (UUID(run), path): StoredStep(name, status, seq, retries)
                    for run, path, name, status, seq, retries in ask(
                        "select workflow_id, path, qualname, status, seq, retry_count from workflow_step"
                    )
                },
                open_claims=ask("select count(*) from workflow_claim").fetchone()[0],
                waits=ask("select count(*) from workflow_wait").fetchone()[0],
                workers=ask("select count(*) from workflow_worker").fetchone()[0],
                events=sorted(f"{key} {payload}" for key, payload in ask("select event_key, payload from workflow_event")),
                rows=sorted(text for (text,) in ask("select text from crash_entry")),
                held_locks=[key for (key,) in ask("select lock_key from locked_resource where lock_until > '1970-01-02'")],
                tasks=sorted(text for (text,) in ask(f"select {TASK.format(planar='')} from human_task t")),
            )


async def make_template(path: Path) -> Path:
    """An SQLite file in which every table stands."""
    manager = DatabaseManager(f"sqlite:///{path}")
    await manager.connect()
    await manager.migrate()
    await manager.disconnect()
    return path


def store_of(services: Services) -> Store:
    return services.get(Client).store
