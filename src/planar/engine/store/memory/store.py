"""How do entries come to be applied? In the order in which they were submitted, all that wait in one turn of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

from planar.clock import when_moved
from planar.engine.core.model import Run, StepRecord
from planar.engine.store.lease import WorkerLease
from planar.engine.store.memory.database import MemoryDatabase
from planar.engine.store.memory.entries import MemoryEntries
from planar.engine.store.port import Claims, Entry, Found, News, RegisterWorker, RetireWorker, Standing, Wait
from planar.errors import InternalError
from planar.logging import get_logger

if TYPE_CHECKING:
    from planar.db.session import PlanarSession

logger = get_logger(__name__)


class MemoryStore:
    """One process's connection to *database*: for tests and simulations, and to read what a store does.

    Several over one `MemoryDatabase` are several processes over one file; all of them live on one event loop.
    """

    def __init__(self, database: MemoryDatabase | None = None) -> None:
        self.database = database if database is not None else MemoryDatabase()
        self._entries = MemoryEntries(self.database)
        self._lane: list[tuple[Entry, asyncio.Future[Any]]] = []
        self._listeners: list[Callable[[News], None]] = []
        self._enlisted: set[UUID] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._foreign = False
        self._unsubscribe: Callable[[], None] = lambda: None

    async def open(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.database.others_wrote.append(self._others_wrote)
        self._unsubscribe = when_moved(self.database.clock, lambda: self._publish(News(due=True)))

    async def close(self) -> None:
        if self._loop is None:
            return
        self._unsubscribe()
        self._commit()
        self._loop = None
        self.database.others_wrote.remove(self._others_wrote)
        self.database.alive -= self._enlisted
        self._enlisted.clear()

    def now(self) -> datetime:
        return self.database.clock.now()

    # -- the lane -----------------------------------------------------------------------------------------------------

    def submit(self, entry: Entry) -> asyncio.Future[Any]:
        loop = self._running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        if not self._lane:
            loop.call_soon(self._commit)
        self._lane.append((entry, future))
        return future

    def meanwhile(self, work: Callable[[], None]) -> None:
        work()

    async def submit_in(self, session: PlanarSession | None, entries: Sequence[Entry]) -> list[Any]:
        """Apply *entries* at once, after what waits in the lane. All of them or, if one is refused, none.

        This database takes no part in the transactions of *session*: what is applied stays, whatever becomes of them.
        """
        self._running_loop()
        self._commit()
        news = News()
        with self.database.undone_on_error():
            outcomes = [self._entries.apply(entry, news) for entry in entries]
        self._announce(outcomes, news)
        return outcomes

    def _commit(self) -> None:
        """Apply everything that waits: the group that would share a transaction."""
        batch, self._lane = self._lane, []
        news = News()
        outcomes = [self._outcome(entry, news) for entry, _ in batch]
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
                # Whoever does not wait for a record learns of its refusal at the run's next barrier.
                future.exception()
            else:
                future.set_result(outcome)
        self._announce(outcomes, news)

    def _outcome(self, entry: Entry, news: News) -> Any:
        try:
            return self._entries.apply(entry, news)
        except Exception as refusal:
            return refusal

    # -- news ---------------------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[News], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _announce(self, outcomes: Sequence[Any], news: News) -> None:
        if news:
            self._publish(news)
        if any(_changed_something(outcome) for outcome in outcomes):
            for tell in list(self.database.others_wrote):
                if tell != self._others_wrote:
                    tell()

    def _others_wrote(self) -> None:
        if self._loop is not None and not self._foreign:
            self._foreign = True
            self._loop.call_soon(self._publish_foreign)

    def _publish_foreign(self) -> None:
        self._foreign = False
        if self._loop is not None:
            self._publish(News(foreign=True))

    def _publish(self, news: News) -> None:
        for listener in list(self._listeners):
            try:
                listener(news)
            except Exception:
                logger.exception("a listener to the store failed")

    # -- workers ------------------------------------------------------------------------------------------------------

    async def enlist(self, worker_id: UUID, lease: WorkerLease | None = None) -> None:
        self._enlisted.add(worker_id)
        self.database.alive.add(worker_id)
        await self.submit(RegisterWorker(worker_id, host="memory", boot_id="", pid=0))

    async def discharge(self, worker_id: UUID) -> None:
        await self.submit(RetireWorker(worker_id))
        self._enlisted.discard(worker_id)
        self.database.alive.discard(worker_id)

    async def dead_workers(self, worker_id: UUID, among: Sequence[UUID] | None = None) -> list[UUID]:
        others = await self.other_workers(worker_id) if among is None else among
        return [other for other in others if other not in self.database.alive]

    async def other_workers(self, worker_id: UUID) -> list[UUID]:
        await self._turn()
        holders = {claim.worker_id for claim in self.database.claims.values() if claim.worker_id is not None}
        return sorted((self.database.workers | holders) - {worker_id})

    # -- reads --------------------------------------------------------------------------------------------------------

    async def load_run(self, run_id: UUID) -> Run | None:
        await self._turn()
        return self.database.runs.get(run_id)

    async def load_runs(self, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
        await self._turn()
        return {run_id: self.database.runs[run_id] for run_id in run_ids if run_id in self.database.runs}

    async def load_steps(self, run_ids: Iterable[UUID]) -> dict[UUID, list[StepRecord]]:
        await self._turn()
        return {run_id: sorted(self.database.steps.get(run_id, {}).values(), key=lambda record: record.seq or 0) for run_id in run_ids}

    async def look(self, waits: Sequence[Wait]) -> tuple[Found, ...]:
        await self._turn()
        return self.database.look(waits)

    async def cancel_requests(self, worker_id: UUID) -> dict[UUID, str]:
        await self._turn()
        held = [claim for claim in self.database.claims.values() if claim.worker_id == worker_id]
        return {claim.run_id: claim.cancel_reason for claim in held if claim.cancel_reason is not None}

    async def _turn(self) -> None:
        """Others may go on while one reads, as with a real database."""
        self._running_loop()
        await asyncio.sleep(0)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise InternalError("The store is closed.")
        return self._loop


def _changed_something(outcome: Any) -> bool:
    """Whether others have a reason to look: looking itself must not be one, or two workers would wake each other for ever."""
    if isinstance(outcome, Exception | Standing):
        return False
    return not isinstance(outcome, Claims) or bool(outcome.claims)
