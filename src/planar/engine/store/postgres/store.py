"""What does PostgreSQL do its own way? Connections of the engine's own, leases by the server's clock, and news by NOTIFY."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from planar.clock import SYSTEM_CLOCK, Clock, when_moved
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession
from planar.engine.config import DEFAULT_LEASE_SECONDS
from planar.engine.core.model import Run, StepRecord
from planar.engine.errors import StaleEpoch
from planar.engine.store.joining import publish_with_commit
from planar.engine.store.lease import WorkerLease
from planar.engine.store.port import Entry, Found, News, RegisterWorker, RetireWorker, SaveStep, Wait
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.committing import Committer, Written
from planar.engine.store.postgres.connection import Connector, ask, close_pool
from planar.engine.store.postgres.entries import apply
from planar.engine.store.postgres.heart import Heart, ServerTime
from planar.engine.store.postgres.lane import Lane
from planar.engine.store.postgres.locks import LaneEntry, Sweep, locks_of
from planar.engine.store.postgres.looking import load_run, load_runs, look
from planar.engine.store.postgres.others import Others
from planar.engine.store.postgres.rows import STEP_COLUMNS, step_from_row, unpack, uuid
from planar.engine.store.postgres.single import is_bare
from planar.engine.store.postgres.telling import CHANNEL, Audience, Said, Telling, audience_of
from planar.engine.store.postgres.transaction import Fetch, Looks, Transaction, is_late
from planar.errors import InternalError
from planar.logging import get_logger

logger = get_logger(__name__)

LOAD_STEPS = f"select {STEP_COLUMNS} from planar.workflow_step where workflow_id = any($1::uuid[]) order by workflow_id, seq nulls first"


@dataclass(frozen=True, slots=True)
class _Open:
    """The parts of a store that is open."""

    pool: Any
    lane: Lane
    telling: Telling
    heart: Heart
    unsubscribe: Callable[[], None]


class PostgresStore:
    """The engine's tables in the application's own PostgreSQL database.

    Args:
        manager: the application's connection. Its pool's settings say how many connections the engine has for itself.
        clock: the time, if it is not to be the server's.
        lease_seconds: how long after its last beat a worker is taken for dead; the same for all workers of one database.
    """

    def __init__(self, manager: DatabaseManager, clock: Clock = SYSTEM_CLOCK, lease_seconds: float = DEFAULT_LEASE_SECONDS) -> None:
        self._manager = manager
        self._clock = clock
        self._time = ServerTime()
        self._looks = Looks(always_complete=clock is not SYSTEM_CLOCK)
        self._lease_seconds = lease_seconds
        # Not before the transactions of a worker that stopped are ended, all at once: what waited for this one would have its locks then.
        self._idle_milliseconds = int(min(2 * lease_seconds, manager.pool.idle_in_transaction_seconds) * 1000)
        self._others = Others(self._ask, lease_seconds)
        self._listeners: list[Callable[[News], None]] = []
        self._parts: _Open | None = None
        self._sweeping: set[asyncio.Future[Any]] = set()
        """Sweeps of this process that are on their way: what its sessions committed is seen after them."""

    # -- life ---------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        engine = self._manager.get_engine()
        _, arguments = engine.dialect.create_connect_args(self._manager.url)
        connector = Connector(arguments, self._lease_seconds, self._manager.client_id, self._manager.pool.engine_size)
        pool = await connector.open_pool()
        telling = Telling(connector, pool, self._heard)
        heart = Heart(pool, self._time, self._lease_seconds, self._come_again, self._sweep_all, (CHANNEL, telling.name))
        lane = Lane(Committer(connector, self.now, self._looks, heart), self._committed)
        try:
            await heart.beat()
            # The first answer was long on its way, as the server had to prepare it: what it says of the time is vague.
            await heart.beat()
            await telling.open()
            await lane.open()
        except BaseException:
            await telling.close()
            await close_pool(pool)
            raise
        heart.start()
        unsubscribe = when_moved(self._clock, lambda: self._publish(News(due=True)))
        self._parts = _Open(pool, lane, telling, heart, unsubscribe)
        try:
            await self._sweep_left_over()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        parts = self._parts
        if parts is None:
            return
        parts.unsubscribe()
        self._parts = None
        await parts.lane.close()
        await parts.heart.close()
        await parts.telling.close()
        await close_pool(parts.pool)

    def now(self) -> datetime:
        return self._time.now() if self._clock is SYSTEM_CLOCK else self._clock.now()

    # -- writing ------------------------------------------------------------------------------------------------------

    def submit(self, entry: Entry) -> asyncio.Future[Any]:
        return self._open().lane.submit(entry)

    def meanwhile(self, work: Callable[[], None]) -> None:
        # In the turn in which the lane sends it, and after that.
        asyncio.get_running_loop().call_soon(work)

    async def submit_in(self, session: PlanarSession, entries: Sequence[Entry]) -> list[Any]:
        self._open()
        news = News()
        connection = await session.connection()
        transaction = Transaction(_driver(connection), self.now(), SYSTEM_CLOCK.monotonic(), news, self._looks, in_session=True)
        await _lock_in_session(transaction.fetch, entries, self._idle_milliseconds)
        if _is_bare_record(entries):
            outcomes = _none_refused(await apply(transaction, entries))
        else:
            async with connection.begin_nested():
                outcomes = _none_refused(await apply(transaction, entries))
        if news:
            publish_with_commit(session.sync_session, news, partial(self._session_committed, transaction.now))
        return outcomes

    def _committed(self, entries: Sequence[LaneEntry], written: Written) -> None:
        """The lane has committed a batch."""
        news = written.news
        if news:
            self._publish(news)
        if self._parts is None:
            return
        audience = audience_of(entries, written.outcomes, news, overdue=self._parts.heart.is_overdue())
        if audience is not Audience.NOBODY:
            self._parts.telling.tell(audience, self._late(written.since, news))

    def _late(self, since: datetime | None, news: News) -> datetime | None:
        """What others are told of when it was written: *since*, if by now their looks may miss something in *news* that is due."""
        has_due = news.due or news.next_due is not None
        return since if since is not None and has_due and is_late(since, self.now()) else None

    def _session_committed(self, since: datetime, news: News) -> None:
        late = self._late(since, news)
        if late is not None:
            # The session was open for a while.
            self._looks.go_back(late)
        keys = frozenset(news.emitted)
        if keys:
            # Nobody sees the events yet; the sweep that shows them is told when it is committed.
            news.emitted.clear()
            self._sweep(keys)
        if news:
            self._publish(news)
            if self._parts is not None:
                self._parts.telling.tell(Audience.EVERYBODY, late)

    def _sweep(self, keys: frozenset[str]) -> None:
        if self._parts is None:
            logger.warning("a session announced events after the store was closed; another process will show them")
            return
        sweeping = self._parts.lane.submit(Sweep(keys))
        self._sweeping.add(sweeping)
        sweeping.add_done_callback(self._sweeping.discard)

    def _sweep_all(self) -> None:
        if self._parts is None:
            # `open` does so in a moment.
            return
        task = asyncio.ensure_future(self._sweep_left_over())
        self._sweeping.add(task)
        task.add_done_callback(self._swept_all)

    def _swept_all(self, task: asyncio.Future[Any]) -> None:
        self._sweeping.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.warning("events that were left over could not be shown; that is tried again", error=repr(task.exception()))

    async def _sweep_left_over(self) -> None:
        """Show what a process that died between a session's commit and its sweep has left."""
        keys = frozenset(unpack(row[0]) for row in await self._ask(sql.UNSEEN_KEYS))
        if keys and self._parts is not None:
            await self._parts.lane.submit(Sweep(keys))

    # -- news ---------------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[News], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _heard(self, said: Said) -> None:
        if said.audience is Audience.EVERYBODY:
            self._others.changed()
        if said.since is not None:
            self._looks.go_back(said.since)
        self._publish(News(foreign=True, ends_alone=said.audience is Audience.WAITING))

    def _publish(self, news: News) -> None:
        for listener in list(self._listeners):
            try:
                listener(news)
            except Exception:
                # The news may come from a user's commit, which has succeeded.
                logger.exception("a listener to the store failed")

    # -- workers ------------------------------------------------------------------------------------------------------

    async def enlist(self, worker_id: UUID, lease: WorkerLease | None = None) -> None:
        parts, asked = self._open(), SYSTEM_CLOCK.monotonic()
        await parts.lane.submit(self._registration(worker_id))
        parts.heart.hold(worker_id, lease or WorkerLease(), asked)

    async def discharge(self, worker_id: UUID) -> None:
        parts = self._open()
        parts.heart.release(worker_id)
        await parts.lane.submit(RetireWorker(worker_id))

    def _registration(self, worker_id: UUID) -> RegisterWorker:
        return RegisterWorker(worker_id, socket.gethostname(), self._manager.client_id, os.getpid())

    def _come_again(self, worker_id: UUID) -> None:
        logger.warning("this worker was taken for dead, and its runs were taken over; it goes on without them", worker=worker_id)
        parts, asked = self._parts, SYSTEM_CLOCK.monotonic()
        # Runs that were held until now may have ended elsewhere.
        self._publish(News(foreign=True))
        if parts is not None:

            def registered(done: asyncio.Future[Any]) -> None:
                if done.exception() is None:
                    parts.heart.note_return(worker_id, asked)

            parts.lane.submit(self._registration(worker_id)).add_done_callback(registered)

    async def dead_workers(self, worker_id: UUID, among: Sequence[UUID] | None = None) -> list[UUID]:
        return await self._others.dead(worker_id, among)

    async def other_workers(self, worker_id: UUID) -> list[UUID]:
        return await self._others.there(worker_id)

    # -- reading ------------------------------------------------------------------------------------------------------

    async def load_run(self, run_id: UUID) -> Run | None:
        return await load_run(self._ask, run_id)

    async def load_runs(self, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
        return await load_runs(self._ask, list(run_ids))

    async def load_steps(self, run_ids: Iterable[UUID]) -> dict[UUID, list[StepRecord]]:
        found: dict[UUID, list[StepRecord]] = {run_id: [] for run_id in run_ids}
        for row in await self._ask(LOAD_STEPS, list(found)):
            found[row[0]].append(step_from_row(row))
        return found

    async def look(self, waits: Sequence[Wait]) -> tuple[Found, ...]:
        if self._sweeping:
            await asyncio.wait(self._sweeping)
        return await look(self._ask, waits)

    async def cancel_requests(self, worker_id: UUID) -> dict[UUID, str]:
        return {uuid(row[0]): unpack(row[1]) for row in await self._ask(sql.CANCEL_REQUESTS, worker_id)}

    async def _ask(self, query: str, *args: Any) -> Sequence[Any]:
        return await ask(self._open().pool, query, *args)

    def _open(self) -> _Open:
        if self._parts is None:
            raise InternalError("The store is closed.")
        return self._parts


def _driver(connection: AsyncConnection) -> Fetch:
    async def fetch(statement: str, *parameters: Any) -> Sequence[Any]:
        result = await connection.exec_driver_sql(statement, parameters)
        return result.fetchall() if result.returns_rows else ()

    return fetch


async def _lock_in_session(fetch: Fetch, entries: Sequence[Entry], idle_milliseconds: int) -> None:
    """Lock what *entries* need; after a bare record the transaction may idle for *idle_milliseconds* only."""
    if _is_bare_record(entries):
        ((isolation, *_),) = await fetch(sql.LOCK_FOR_RECORD, locks_of(entries).shared, str(idle_milliseconds))
    else:
        ((isolation, _),) = await fetch(sql.LOCK_IN_SESSION, locks_of(entries).shared)
    held = sorted({entry.holder.run_id for entry in entries if isinstance(entry, SaveStep)})
    if held and isolation != "read committed":
        await fetch(sql.LOCK_CLAIMS, held)


def _none_refused(outcomes: list[Any]) -> list[Any]:
    for outcome in outcomes:
        if isinstance(outcome, StaleEpoch):
            raise outcome
    return outcomes


def _is_bare_record(entries: Sequence[Entry]) -> bool:
    """Whether *entries* are one step's record alone: one statement, which is whole or not at all by itself."""
    only = entries[0] if len(entries) == 1 else None
    return isinstance(only, SaveStep) and is_bare(only)
