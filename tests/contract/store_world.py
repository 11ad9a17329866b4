"""A database and the processes over it, for tests of the store port: in memory, in an SQLite file, and on PostgreSQL."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from uuid_utils.compat import uuid7

from planar.db.manager import DatabaseManager
from planar.engine.core.model import Event, Reason, Run, RunStatus, StepKind, StepRecord, StepStatus
from planar.engine.store.memory import MemoryDatabase, MemoryStore
from planar.engine.store.port import ClaimDue, Claims, EndRun, EventWait, Holder, News, RegisterWorker, SaveStep, Sleep, StartRun, Store
from planar.engine.store.postgres import PostgresStore
from planar.engine.store.sqlite import SqliteStore
from tests.postgres_server import connect

ALL = frozenset({"orders"})


class HandClock:
    """A clock that a test moves. What is measured locally goes on as usual."""

    def __init__(self) -> None:
        self._now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return asyncio.get_running_loop().time()

    def move(self, **by: float) -> datetime:
        """Let time pass; the new time."""
        self._now += timedelta(**by)
        return self._now


class World(Protocol):
    """One database."""

    clock: HandClock

    async def store(self) -> Store:
        """A further process: an open store, closed with the world."""
        ...

    def kill(self, store: Store, worker_id: UUID) -> None:
        """The process of *store*, where *worker_id* works, ends without a word."""
        ...

    async def close(self) -> None: ...


class MemoryWorld:
    def __init__(self) -> None:
        self.clock = HandClock()
        self.database = MemoryDatabase(self.clock)
        self._stores: list[MemoryStore] = []

    async def store(self) -> MemoryStore:
        store = MemoryStore(self.database)
        await store.open()
        self._stores.append(store)
        return store

    def kill(self, store: Store, worker_id: UUID) -> None:
        self.database.kill(worker_id)

    async def close(self) -> None:
        for store in self._stores:
            await store.close()


@dataclass
class Process:
    """What one process has of an SQLite file."""

    manager: DatabaseManager
    store: SqliteStore


class SqliteWorld:
    def __init__(self, folder: Path) -> None:
        self.clock = HandClock()
        self.path = folder / "app.db"
        self.processes: list[Process] = []

    async def process(self, timeout: float = 10) -> Process:
        manager = DatabaseManager(f"sqlite:///{self.path}?timeout={timeout}")
        await manager.connect()
        if not self.processes:
            await manager.migrate()
        store = SqliteStore(manager, self.clock)
        self.processes.append(Process(manager, store))
        await store.open()
        return self.processes[-1]

    async def store(self) -> SqliteStore:
        return (await self.process()).store

    def kill(self, store: Store, worker_id: UUID) -> None:
        assert isinstance(store, SqliteStore)
        assert store._alive is not None
        # The system closes a dead process's files, and nothing else happens.
        store._alive.forget()

    async def close(self) -> None:
        for process in self.processes:
            await process.store.close()
            await process.manager.disconnect()


class PostgresWorld:
    def __init__(self, url: str) -> None:
        self.clock = HandClock()
        self.url = url
        self.processes: list[tuple[DatabaseManager, PostgresStore]] = []

    async def process(self) -> tuple[DatabaseManager, PostgresStore]:
        manager = DatabaseManager(self.url)
        await manager.connect()
        store = PostgresStore(manager, self.clock)
        self.processes.append((manager, store))
        await store.open()
        return manager, store

    async def store(self) -> PostgresStore:
        return (await self.process())[1]

    def kill(self, store: Store, worker_id: UUID) -> None:
        """Its heart beats no more, and its lease is over: the time in between is left out."""
        assert isinstance(store, PostgresStore)
        assert store._parts is not None
        store._parts.heart.release(worker_id)
        thread = threading.Thread(target=lambda: asyncio.run(self._end_lease(worker_id)))
        thread.start()
        thread.join()

    async def _end_lease(self, worker_id: UUID) -> None:
        connection = await connect(self.url)
        await connection.execute("update planar.workflow_worker set beat_at = '-infinity' where id = $1", worker_id)
        await connection.close()

    async def close(self) -> None:
        for manager, store in self.processes:
            await store.close()
            await manager.disconnect()


class Heard:
    """The news that one store told."""

    def __init__(self, store: Store) -> None:
        self.news: list[News] = []
        self.stop = store.subscribe(self.news.append)

    @property
    def own(self) -> list[News]:
        """Without what other processes caused."""
        return [news for news in self.news if not news.foreign]

    @property
    def foreign(self) -> int:
        return sum(news.foreign for news in self.news)


async def until(condition: Callable[[], bool], what: str, seconds: float = 5.0) -> None:
    """Return once *condition* holds."""
    try:
        async with asyncio.timeout(seconds):
            while True:
                if condition():
                    return
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"did not happen within {seconds} s: {what}") from None


# -- values ---------------------------------------------------------------------------------------------------------------


def new_run(clock: HandClock, workflow: str = "orders", **fields: Any) -> Run:
    return Run(**{"id": uuid7(), "workflow": workflow, "args": "[1]", "kwargs": "{}", "created_at": clock.now(), **fields})


def mark(path: str = "1", **fields: Any) -> StepRecord:
    """A step that has begun."""
    name = fields.pop("name", "app.charge")
    number = int(path.split(".")[0])
    given = {"step_id": number, "name": name, "qualname": name.split(".")[-1], "kind": StepKind.COMPUTE, "status": StepStatus.RUNNING}
    return StepRecord(path=path, **{**given, **fields})


def done(path: str = "1", seq: int = 1, **fields: Any) -> StepRecord:
    """A step that has ended."""
    return mark(path, **{"seq": seq, "status": StepStatus.SUCCEEDED, "result": "7", **fields})


def new_event(clock: HandClock, key: str = "paid", **fields: Any) -> Event:
    return Event(**{"id": uuid7(), "key": key, "payload": "{}", "run_id": None, "timestamp": clock.now(), **fields})


def wait_for(run: Run, key: str = "paid", **fields: Any) -> EventWait:
    return EventWait(**{"key": key, "run_id": run.id, "since": run.created_at, **fields})


# -- what tests do again and again ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Held:
    """A run that a worker holds."""

    run: Run
    holder: Holder

    def save(self, record: StepRecord, **joined: Any) -> SaveStep:
        return SaveStep(self.holder, record, **joined)

    def sleep(self, reason: Reason = Reason.TIMER, due_at: datetime | None = None, **fields: Any) -> Sleep:
        return Sleep(self.holder, reason, due_at, **fields)

    def sleep_for_event(self, key: str = "paid", **fields: Any) -> Sleep:
        return Sleep(self.holder, Reason.EVENT, waits=(wait_for(self.run, key),), **fields)

    def end(self, status: RunStatus = RunStatus.SUCCEEDED, result: str | None = "7", error: str | None = None) -> EndRun:
        return EndRun(self.holder, status, result, error)

    def taken_by(self, worker_id: UUID, epoch: int) -> Held:
        return Held(self.run, Holder(self.run.id, worker_id, epoch))


async def begin(store: Store, clock: HandClock, worker_id: UUID | None = None, **fields: Any) -> Held:
    """A run that *worker_id* claimed with its insert."""
    run = new_run(clock, **fields)
    worker = worker_id or uuid7()
    if isinstance(store, PostgresStore):
        # One that is registered: most of its entries are written in another way.
        await store.submit(RegisterWorker(worker, "host", "", 1))
    started = await store.submit(StartRun(run, worker))
    assert started.created
    return Held(run, Holder(run.id, worker, started.epoch))


async def claim(store: Store, worker_id: UUID, limit: int = 100, names: frozenset[str] = ALL) -> Claims:
    return await store.submit(ClaimDue(worker_id, limit, names))


async def claimed(store: Store, worker_id: UUID | None = None) -> list[UUID]:
    """The runs that are due, which some worker has now."""
    return [each.run.id for each in (await claim(store, worker_id or uuid7())).claims]


async def steps(store: Store, run: Run) -> dict[str, StepRecord]:
    return {record.path: record for record in (await store.load_steps([run.id]))[run.id]}


async def status(store: Store, run: Run) -> RunStatus:
    loaded = await store.load_run(run.id)
    assert loaded is not None
    return loaded.status
