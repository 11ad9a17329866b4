"""What may happen between a process and its database: time, loss, and death at the worst moment.

A `MemoryStore` whose lane is the one of a real store: one batch is on its way at a time, what is submitted meanwhile is the next
one, the database applies it at one moment, and the process hears of that at a later one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

from planar.engine.core.model import Run, StepRecord
from planar.engine.store.memory import MemoryStore
from planar.engine.store.port import Entry, Found, News, SaveStep, Wait
from planar.errors import PlanarError
from tests.scenario.simulation.program import POISON

if TYPE_CHECKING:
    from tests.scenario.simulation.process import Process

T = TypeVar("T")
Lane = list[tuple[Entry, asyncio.Future[Any]]]


class Unreachable(ConnectionError):
    """The database does not answer."""


class SimulatedStore(MemoryStore):
    """The store of *process*."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.world.database)
        self.process = process
        self.busy_since: float | None = None
        """Since when a batch has been on its way."""
        self._until_it_arrives: list[Callable[[], None]] = []
        """What is to be done once the batch is with the database."""

    def now(self) -> datetime:
        return self.process.world.clock.now()

    # -- the lane ---------------------------------------------------------------------------------------------------------

    def submit(self, entry: Entry) -> asyncio.Future[Any]:
        loop = self._running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._lane.append((entry, future))
        if self.busy_since is None:
            self._send(loop)
        return future

    def meanwhile(self, work: Callable[[], None]) -> None:
        if len(self._lane) == 1:
            self._until_it_arrives.append(work)
        else:
            work()

    def _do_meanwhile(self) -> None:
        waiting, self._until_it_arrives = self._until_it_arrives, []
        for work in waiting:
            work()

    def _send(self, loop: asyncio.AbstractEventLoop) -> None:
        self.busy_since = loop.time()
        loop.call_later(self.process.delay(), self._arrive)

    def _arrive(self) -> None:
        """The batch is with the database, which commits it; or the process dies just before, or just after."""
        process = self.process
        if process.doom == "before":
            process.world.kill(process, "before a commit")
            return
        self._do_meanwhile()
        batch, self._lane = self._lane, []
        if process.cut_off:
            self.acknowledge(batch, [Unreachable() for _ in batch], News())
            return
        outcomes, news = self.apply(batch)
        self._tell_others(outcomes)
        if process.doom == "after":
            process.world.kill(process, "after a commit")
        elif process.loses_ack:
            process.loses_ack = False
            process.world.note("lost ack", process.name)
            self._running_loop().call_later(0.2 + process.delay(), self.reconnected, batch, outcomes, news)
        else:
            self._running_loop().call_later(process.delay(), self.acknowledge, batch, outcomes, news)

    def apply(self, batch: Lane) -> tuple[list[Any], News]:
        """What the database makes of *batch*: each entry whole or not at all, and refused alone."""
        news = News()
        return [self._apply_one(entry, news) for entry, _ in batch], news

    def _apply_one(self, entry: Entry, news: News) -> Any:
        outcome = ValueError("this record cannot be stored") if is_bad(entry) else self._outcome(entry, news)
        if isinstance(outcome, Exception) and not isinstance(outcome, PlanarError | ValueError):
            self.process.world.break_down(outcome)
        self.process.world.watch.applied(self.process, entry, outcome)
        return outcome

    def reconnected(self, batch: Lane, outcomes: Sequence[Any], news: News) -> None:
        """The connection was lost after the commit, and the store has asked what became of it."""
        self.acknowledge(batch, outcomes, news)

    def acknowledge(self, batch: Lane, outcomes: Sequence[Any], news: News) -> None:
        """The process hears what became of *batch*."""
        self.busy_since = None
        for (_, future), outcome in zip(batch, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
                future.exception()
            else:
                future.set_result(outcome)
        if news:
            self._publish(news)
        if self._lane and self._loop is not None:
            self._send(self._loop)

    def _commit(self) -> None:
        """At once, for a store that is being closed."""
        self._do_meanwhile()
        batch, self._lane = self._lane, []
        outcomes, news = self.apply(batch)
        self._tell_others(outcomes)
        self.acknowledge(batch, outcomes, news)

    # -- news of others ---------------------------------------------------------------------------------------------------

    def _tell_others(self, outcomes: Sequence[Any]) -> None:
        # Without news of its own: those come with the acknowledgement.
        self._announce(outcomes, News())

    def _others_wrote(self) -> None:
        if self._loop is not None and not self._foreign and not self.process.dead:
            self._foreign = True
            self._loop.call_later(self.process.news_delay(), self._publish_foreign, context=self.process.context.copy())

    # -- liveness ---------------------------------------------------------------------------------------------------------

    async def dead_workers(self, worker_id: UUID, among: Sequence[UUID] | None = None) -> list[UUID]:
        others = await self.other_workers(worker_id) if among is None else among
        # Asked when the answer comes, which is later than what it is about.
        return [other for other in others if self.process.world.seems_dead(other)]

    # -- reads ------------------------------------------------------------------------------------------------------------

    async def load_run(self, run_id: UUID) -> Run | None:
        return await self._read(partial(super().load_run, run_id))

    async def load_runs(self, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
        return await self._read(partial(super().load_runs, list(run_ids)))

    async def load_steps(self, run_ids: Iterable[UUID]) -> dict[UUID, list[StepRecord]]:
        return await self._read(partial(super().load_steps, list(run_ids)))

    async def look(self, waits: Sequence[Wait]) -> tuple[Found, ...]:
        return await self._read(partial(super().look, waits))

    async def cancel_requests(self, worker_id: UUID) -> dict[UUID, str]:
        return await self._read(partial(super().cancel_requests, worker_id))

    async def other_workers(self, worker_id: UUID) -> list[UUID]:
        return await self._read(partial(super().other_workers, worker_id))

    async def _read(self, reading: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The question takes time, or the answer does, which then is as old as its way is long."""
        if self.process.world.schedule.random() < 0.5:
            await asyncio.sleep(self.process.delay())
            self._reach()
            return await reading()
        self._reach()
        value = await reading()
        await asyncio.sleep(self.process.delay())
        return value

    def _reach(self) -> None:
        if self.process.cut_off:
            raise Unreachable

    async def _turn(self) -> None:
        self._running_loop()


def is_bad(entry: Entry) -> bool:
    """Whether *entry* has a text that this database cannot store."""
    return isinstance(entry, SaveStep) and entry.record.result is not None and POISON in entry.record.result
