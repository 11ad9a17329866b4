"""What does SQLite do its own way? One writer thread, one reading thread, and locked files that prove that workers live."""

from __future__ import annotations

import asyncio
import os
import socket
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection as SyncConnection

from planar.clock import SYSTEM_CLOCK, Clock, when_moved
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession
from planar.engine.core.model import Run, StepRecord
from planar.engine.store.joining import publish_with_commit
from planar.engine.store.lease import WorkerLease
from planar.engine.store.liveness import LockFiles, lock_folder
from planar.engine.store.port import Entry, Found, News, RegisterWorker, RetireWorker, SaveStep, Wait
from planar.engine.store.rows import STEP_COLUMNS, step_from_row
from planar.engine.store.sql import SqlEntries
from planar.engine.store.writer import Writer
from planar.errors import InternalError
from planar.logging import get_logger

logger = get_logger(__name__)

T = TypeVar("T")

BUSY_SECONDS = 1.0

WORKERS = """
select id from workflow_worker where alive = 1 and id <> ?
union select worker_id from workflow_claim where worker_id is not null and worker_id <> ?
order by 1
"""


class SqliteStore:
    """The engine's tables in the application's own SQLite file."""

    def __init__(self, manager: DatabaseManager, clock: Clock = SYSTEM_CLOCK) -> None:
        self._manager = manager
        self._clock = clock
        self._entries = SqlEntries(clock.now)
        """The writer thread's. What is written in a session's transaction, or only read, has one of its own."""
        self._listeners: list[Callable[[News], None]] = []
        self._writer: Writer | None = None
        self._reader: ThreadPoolExecutor | None = None
        self._reading: sqlite3.Connection | None = None
        self._alive: LockFiles | None = None
        self._unsubscribe: Callable[[], None] | None = None

    async def open(self) -> None:
        path = self._manager.sqlite_path
        if path is None:
            raise InternalError("The database is not connected to an SQLite file.")
        self._alive = LockFiles(lock_folder(path))
        writer = Writer(lambda: _connect(path), self._entries.apply, self._publish)
        await writer.open()
        self._writer = self._manager.write_gate = writer
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="planar-reader")
        try:
            self._reading = await self._read(lambda: _connect(path))
        except BaseException:
            await self.close()
            raise
        self._unsubscribe = when_moved(self._clock, lambda: self._publish(News(due=True)))

    async def close(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        if self._writer is not None:
            writer, self._writer = self._writer, None
            self._manager.write_gate = None
            await writer.close()
        if self._reader is not None:
            reader, self._reader = self._reader, None
            reading, self._reading = self._reading, None
            if reading is not None:
                await asyncio.get_running_loop().run_in_executor(reader, reading.close)
            reader.shutdown()
        if self._alive is not None:
            alive, self._alive = self._alive, None
            alive.release_all()

    def now(self) -> datetime:
        return self._clock.now()

    def submit(self, entry: Entry) -> asyncio.Future[Any]:
        if self._writer is None:
            raise InternalError("The store is closed.")
        return self._writer.submit(entry)

    def meanwhile(self, work: Callable[[], None]) -> None:
        if self._writer is None:
            raise InternalError("The store is closed.")
        self._writer.meanwhile(work)

    async def submit_in(self, session: PlanarSession, entries: Sequence[Entry]) -> list[Any]:
        news = News()
        connection = await session.connection()
        outcomes = await connection.run_sync(self._apply_in, entries, news, one_statement=session.wrote and _is_bare_record(entries))
        if news:
            publish_with_commit(session.sync_session, news, self._publish)
        return outcomes

    def _apply_in(self, connection: SyncConnection, entries: Sequence[Entry], news: News, one_statement: bool) -> list[Any]:
        """All or none: what was refused must leave nothing in a transaction that its user may still commit."""
        execute = _driver(connection)
        apply = SqlEntries(self._clock.now).apply
        if one_statement:
            return [apply(execute, entry, news) for entry in entries]
        with connection.begin_nested():
            return [apply(execute, entry, news) for entry in entries]

    def subscribe(self, listener: Callable[[News], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    async def enlist(self, worker_id: UUID, lease: WorkerLease | None = None) -> None:
        if self._alive is None:
            raise InternalError("The store is closed.")
        self._alive.hold(worker_id)
        await self.submit(RegisterWorker(worker_id, socket.gethostname(), "", os.getpid()))

    async def discharge(self, worker_id: UUID) -> None:
        await self.submit(RetireWorker(worker_id))
        if self._alive is not None:
            self._alive.release(worker_id)

    async def dead_workers(self, worker_id: UUID, among: Sequence[UUID] | None = None) -> list[UUID]:
        others = await self.other_workers(worker_id) if among is None else among
        return [other for other in others if self._alive is not None and self._alive.is_dead(other)]

    async def other_workers(self, worker_id: UUID) -> list[UUID]:
        rows = await self._query(WORKERS, (worker_id.hex, worker_id.hex))
        return [UUID(row[0]) for row in rows]

    async def load_run(self, run_id: UUID) -> Run | None:
        return await self._read(lambda: self._entries.load_run(self._reading_connection().execute, run_id))

    async def load_runs(self, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
        wanted = list(run_ids)
        return await self._read(lambda: self._entries.load_runs(self._reading_connection().execute, wanted))

    async def load_steps(self, run_ids: Iterable[UUID]) -> dict[UUID, list[StepRecord]]:
        wanted = list(run_ids)
        return await self._read(lambda: _read_steps(self._reading_connection(), wanted))

    async def look(self, waits: Sequence[Wait]) -> tuple[Found, ...]:
        return await self._read(lambda: self._entries.look(self._reading_connection().execute, waits))

    async def cancel_requests(self, worker_id: UUID) -> dict[UUID, str]:
        rows = await self._query(
            "select run_id, cancel_reason from workflow_claim where worker_id = ? and cancel_reason is not null", (worker_id.hex,)
        )
        return {UUID(row[0]): row[1] for row in rows}

    def _publish(self, news: News) -> None:
        for listener in list(self._listeners):
            try:
                listener(news)
            except Exception:
                # The news may come from a user's commit, which has succeeded.
                logger.exception("a listener to the store failed")

    async def _query(self, statement: str, parameters: Sequence[Any]) -> list[Any]:
        return await self._read(lambda: self._reading_connection().execute(statement, tuple(parameters)).fetchall())

    async def _read(self, question: Callable[[], T]) -> T:
        if self._reader is None:
            raise InternalError("The store is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._reader, question)

    def _reading_connection(self) -> sqlite3.Connection:
        if self._reading is None:
            raise InternalError("The store is closed.")
        return self._reading


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("pragma foreign_keys = on")
    return connection


def _read_steps(connection: sqlite3.Connection, run_ids: Sequence[UUID]) -> dict[UUID, list[StepRecord]]:
    """Made into values in the reading thread: a long history must not stop the event loop."""
    marks = ", ".join("?" * len(run_ids))
    statement = f"select {STEP_COLUMNS} from workflow_step where workflow_id in ({marks}) order by workflow_id, seq"
    found: dict[str, list[StepRecord]] = {run_id.hex: [] for run_id in run_ids}
    for row in connection.execute(statement, tuple(found)):
        found[row[0]].append(step_from_row(row))
    return {run_id: found[run_id.hex] for run_id in run_ids}


def _is_bare_record(entries: Sequence[Entry]) -> bool:
    """Whether *entries* are one step's record alone: one statement, which is whole or not at all by itself."""
    only = entries[0] if len(entries) == 1 else None
    return isinstance(only, SaveStep) and only.start is None and only.emit is None and only.cancel is None


def _driver(connection: SyncConnection) -> Callable[[str, tuple[Any, ...]], Any]:
    return lambda statement, parameters: connection.exec_driver_sql(statement, parameters)
