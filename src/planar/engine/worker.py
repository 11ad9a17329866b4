"""The loop: claim what is due, execute it, wait for the next. It begins runs, keeps those that sleep, and lets go in order."""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from planar.clock import SYSTEM_CLOCK, Clock
from planar.context import Actor
from planar.db.manager import DatabaseManager
from planar.engine.catalog import Registry
from planar.engine.codec import dump_failure
from planar.engine.config import WorkerConfig
from planar.engine.core.failure import Failure
from planar.engine.core.model import Claim, Run, RunStatus, StepRecord
from planar.engine.errors import StaleEpoch
from planar.engine.events import NoticeKind, Notices
from planar.engine.execution.driver import drive
from planar.engine.execution.marks import RunningMarks
from planar.engine.execution.parts import Parts
from planar.engine.execution.recording import cancelled_error
from planar.engine.execution.run import LiveRun
from planar.engine.loading import load_readable
from planar.engine.store.lease import WorkerLease
from planar.engine.store.port import ClaimDue, Claims, EndRun, Holder, News, Release, RetireWorker, Store
from planar.engine.tracing import is_traced, trace
from planar.errors import InternalError
from planar.logging import get_logger

logger = get_logger(__name__)

RUNNING_MARK_SECONDS = 0.25
LIVENESS_SECONDS = 0.5
BACKOFF_SECONDS = 1.0
ABANDON_SECONDS = 1.0
SET_ASIDE_SECONDS = 60.0
CLAIMS_AT_ONCE = 1000
"""How many runs are claimed in one go: their histories are read in one query."""


class Worker:
    """Executes the runs of one app in this process."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        notices: Notices,
        config: WorkerConfig,
        *,
        manager: DatabaseManager | None = None,
        load_actor: Callable[[str], Actor] | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.id: UUID = uuid7()
        self.last_look: datetime | None = None
        """When this worker last asked what is due, by the store's clock: its heartbeat for readiness checks."""
        self._store = store
        self._registry = registry
        self._config = config
        marks = RunningMarks(RUNNING_MARK_SECONDS, clock)
        self._lease = WorkerLease()
        self._parts = Parts(self.id, self._lease, store, registry, notices, marks, self, manager, load_actor)
        self._live: dict[UUID, LiveRun] = {}
        self._watched: dict[LiveRun, None] = {}
        """Runs that are executed here, and in which some branch waits."""
        self._next_watched: datetime | None = None
        self._sleeping: OrderedDict[UUID, LiveRun] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()
        self._news = asyncio.Event()
        self._next_due: datetime | None = None
        self._foreign = True
        self._due = True
        self._full = False
        self._others: list[UUID] = []
        self._clock = clock
        self._polled = 0.0
        """When it last asked what is due, by the local clock."""
        self._looked_around = 0.0
        """When it asked who died, by the local clock: news of other things must not put that off."""
        self._asked: dict[UUID, str] = {}
        """Who was to be cancelled since the last claim: a run may have been claimed, but not begun."""
        self._unknown: frozenset[str] = frozenset()
        self._stopping = False
        self._loop_task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._context = contextvars.copy_context()

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take over what dead workers left, then look for work until `stop`."""
        await self._store.enlist(self.id, self._lease)
        self._context = contextvars.copy_context()
        self._unsubscribe = self._store.subscribe(self._hear)
        self._loop_task = asyncio.create_task(self._work(), name="planar-worker")

    async def stop(self) -> None:
        """Begin nothing, let steps in progress end within the drain time, and hand everything over."""
        if self.is_torn_down():
            for live in self._live.values():
                live.detached = True
        self._stopping = True
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.wait([self._loop_task])
            self._loop_task = None
        for live in list(self._live.values()):
            live.leave()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self._config.drain_seconds)
        for live in list(self._live.values()):
            live.detach()
            if live.task is not None:
                live.task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=1.0)
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        self._parts.marks.close()
        await self._store.discharge(self.id)

    def is_alive(self) -> bool:
        """Whether the loop is running."""
        return self._loop_task is not None and not self._loop_task.done()

    @property
    def executing(self) -> int:
        """How many runs use a slot now."""
        return len(self._live) - len(self._sleeping)

    def find_run(self, run_id: UUID) -> Run | None:
        """The run as it was claimed, if it is executed here, or kept asleep."""
        live = self._live.get(run_id)
        return live.run if live is not None else None

    # -- what comes in ------------------------------------------------------------------------------------------------

    def reserve(self, name: str) -> UUID | None:
        """This worker's id if a new run of *name* may be claimed with its insert, else None: it will be found when there is room."""
        if self._stopping or not self.is_alive() or self.executing >= self._config.max_concurrent_runs:
            return None
        return self.id if self._registry.find(name) is not None else None

    def adopt(self, claim: Claim, starting: asyncio.Future[object]) -> None:
        """Begin a run that is being inserted under *claim*: its code runs at once, the body of its first step waits for *starting*."""
        live = self._begin(claim, [])
        if live is not None:
            live.depend_on(starting)

    def cancel(self, run_id: UUID, reason: str) -> None:
        """Tell a run that is executed here, while the request is still on its way to the database: the run's own step may hold it up."""
        live = self._live.get(run_id)
        if live is not None and not live.parking.is_asleep:
            self._cancel(run_id, reason)

    def slept(self, live: LiveRun) -> None:
        self._sleeping[live.id] = live
        while len(self._sleeping) > self._config.max_parked_runs:
            _, oldest = self._sleeping.popitem(last=False)
            oldest.detach()
        self._slot_freed()

    def woke(self, live: LiveRun) -> None:
        if self._sleeping.get(live.id) is live:
            del self._sleeping[live.id]

    def watch(self, live: LiveRun) -> None:
        self._watched[live] = None
        due = live.parking.next_due
        if due is not None and (self._next_watched is None or due < self._next_watched):
            self._next_watched = due
            self._news.set()

    def _wake_watched(self) -> None:
        """Runs that are executed here, and in which branches wait for a time beside others."""
        now = self._store.now()
        if self._next_watched is None or self._next_watched > now:
            return
        for live in list(self._watched):
            live.parking.wake_due()
            if live.parking.next_due is None and live.task is not None and live.task.done():
                self._watched.pop(live, None)
        self._next_watched = min((due for live in self._watched if (due := live.parking.next_due) is not None), default=None)

    def hand_back(self, holder: Holder, *, later: bool = False) -> None:
        if later:
            asyncio.get_running_loop().call_later(BACKOFF_SECONDS, self.hand_back, holder)
        else:
            self._settle(Release(holder))

    def is_torn_down(self) -> bool:
        loop_task = self._loop_task
        return loop_task is not None and not self._stopping and (loop_task.done() or loop_task.cancelling() > 0)

    def _settle(self, entry: Release | EndRun) -> None:
        """Write what becomes of a run that nobody executes here. Until that is durable, or the run is another's, nobody else would."""

        def settled(done: asyncio.Future[Any]) -> None:
            error = done.exception()
            if error is not None and not isinstance(error, StaleEpoch):
                logger.error("a run could not be handed back; that is tried again", workflow_id=entry.holder.run_id, error=repr(error))
                self.hand_back(entry.holder, later=True)

        try:
            self._store.submit(entry).add_done_callback(settled)
        except InternalError:
            logger.debug("the store was closed, after this worker had handed back everything")

    def _hear(self, news: News) -> None:
        self._asked.update(news.cancel)
        for run_id, reason in news.cancel.items():
            self._cancel(run_id, reason)
        for run_id in news.ended:
            live = self._live.get(run_id)
            if live is not None and live.parking.is_parking:
                live.detach()
        for live in self._watched if news.foreign or news.emitted or news.ended else ():
            live.parking.hear(news)
        self._foreign = self._foreign or news.foreign
        self._due = self._due or news.due or news.foreign
        self._note_due(news.next_due)
        if self._due or news.next_due is not None:
            self._news.set()

    def _note_due(self, due: datetime | None) -> None:
        if due is not None and (self._next_due is None or due < self._next_due):
            self._next_due = due

    def _slot_freed(self) -> None:
        """There is room again: if there was none before, more may be due."""
        if self._full:
            self._full = False
            self._due = True
            self._news.set()

    def _cancel(self, run_id: UUID, reason: str) -> None:
        live = self._live.get(run_id)
        if live is not None and live.cancellation is None:
            live.request_cancel(reason)
        if live is not None:
            asyncio.get_running_loop().call_later(self._config.cancel_seconds, self._insist, live)

    def _insist(self, live: LiveRun) -> None:
        """The time for cleaning up is over: no step runs any more, and whatever the code awaits is cancelled."""
        if live.task is not None and not live.task.done() and self._live.get(live.id) is live:
            logger.warning("a cancelled run used up its time for cleaning up", workflow_id=live.id, seconds=self._config.cancel_seconds)
            live.detach()
            if live.cancellation is not None:
                live.cancellation.delivered = True
            live.task.cancel()
            asyncio.get_running_loop().call_later(ABANDON_SECONDS, self._abandon, live)

    def _abandon(self, live: LiveRun) -> None:
        """Code that swallows every cancellation cannot be ended, but its run can."""
        if live.task is not None and not live.task.done() and self._live.get(live.id) is live:
            logger.error("a cancelled run does not let itself be ended; its code is left behind", workflow_id=live.id)
            del self._live[live.id]
            reason = live.cancellation.reason if live.cancellation is not None else ""
            self._settle(EndRun(live.holder, RunStatus.CANCELLED, None, cancelled_error(reason)))
            self._slot_freed()

    # -- the loop -----------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        while True:
            try:
                self._wake_watched()
                if self._foreign:
                    await self._look_around()
                elif self._seconds_to_look_around() <= 0:
                    await self._look_for_dead()
                if self._due:
                    self._polled = self._clock.monotonic()
                    await self._claim_due()
            except Exception:
                # Whatever failed hurts this look only: the next comes.
                logger.exception("looking for due runs failed")
                self._foreign = self._due = True
                await asyncio.sleep(BACKOFF_SECONDS)
            else:
                await self._wait()

    async def _look_around(self) -> None:
        """Another process wrote, or this one has just begun: who is there, who of them died, and who was cancelled from there."""
        self._foreign = False
        self._others = await self._store.other_workers(self.id)
        await self._look_for_dead()
        for run_id, reason in (await self._store.cancel_requests(self.id)).items():
            self._cancel(run_id, reason)

    async def _look_for_dead(self) -> None:
        """Take over from workers that are gone. Those who come and go are heard of, so it is known whom to look for."""
        self._looked_around = self._clock.monotonic()
        dead = await self._store.dead_workers(self.id, self._others)
        if not dead:
            return
        # One that has stopped in order meanwhile is not there any more, and left nothing.
        self._others = await self._store.other_workers(self.id)
        for worker in [worker for worker in dead if worker in self._others]:
            freed = await self._store.submit(RetireWorker(worker, died=True))
            self._others.remove(worker)
            logger.info("took over from a worker that died", worker=worker, runs=freed)

    async def _claim_due(self) -> None:
        self._due = False
        self._asked.clear()
        limit = min(self._config.max_concurrent_runs - self.executing, CLAIMS_AT_ONCE)
        self.last_look = self._store.now()
        self._full = limit <= 0
        if self._full:
            return
        # Forgotten before the question, not after the answer: a run may go to sleep in between, and its time must not be lost.
        self._next_due = None
        found: Claims = await self._store.submit(ClaimDue(self.id, limit, self._registry.names()))
        self._note_due(found.next_due)
        self._report_unknown(found.unknown)
        fresh = [claim for claim in found.claims if not self._resume(claim)]
        if fresh:
            await self._begin_all(fresh)
        if len(found.claims) == limit:
            # There may be more: at once if there is room for it, else when a slot is free.
            self._full = self.executing >= self._config.max_concurrent_runs
            self._due = self._due or not self._full

    async def _begin_all(self, claims: list[Claim]) -> None:
        begun = 0
        try:
            records, unreadable = await load_readable(self._store, [claim.run.id for claim in claims])
            for claim in claims:
                if claim.run.id in unreadable:
                    self._set_aside(claim, unreadable[claim.run.id])
                else:
                    self._begin(claim, records[claim.run.id])
                begun += 1
        except Exception:
            # They are this worker's, and nobody executes them.
            for claim in claims[begun:]:
                self.hand_back(Holder(claim.run.id, self.id, claim.epoch), later=True)
            raise

    def _set_aside(self, claim: Claim, error: Exception) -> None:
        """Nobody executes the run for a while; then whoever can read its history may, a newer worker for one."""
        logger.error("the history of a run cannot be read here; it is set aside", workflow_id=claim.run.id, error=repr(error))
        holder = Holder(claim.run.id, self.id, claim.epoch)
        asyncio.get_running_loop().call_later(SET_ASIDE_SECONDS, self.hand_back, holder)

    async def _wait(self) -> None:
        """Until there is news, something is due, or the others must be looked at; the poll is a net under all that."""
        if self._due or self._foreign:
            return
        poll = max(0.0, self._polled + self._config.poll_seconds - self._clock.monotonic())
        seconds = poll
        for due in (self._next_due if not self._full else None, self._next_watched):
            if due is not None:
                seconds = min(seconds, max(0.0, (due - self._store.now()).total_seconds()))
        look_around = self._seconds_to_look_around()
        self._news.clear()
        if await self._hear_within(min(seconds, look_around)) or look_around < seconds:
            return
        self._due = True
        if seconds == poll:
            self._miss_nothing()

    async def _hear_within(self, seconds: float) -> bool:
        """Wait for news; whether there was any before the time was over.

        Without a timeout, which cancels this task for a moment: a run that looked just then would take the event loop for torn down.
        """
        is_over = False

        def end() -> None:
            nonlocal is_over
            is_over = True
            self._news.set()

        timer = asyncio.get_running_loop().call_later(seconds, end)
        try:
            await self._news.wait()
        finally:
            timer.cancel()
        return not is_over

    def _miss_nothing(self) -> None:
        """The net: whatever was to be heard may have been lost."""
        self._foreign = True
        for live in self._watched:
            live.parking.hear(News(foreign=True))

    def _seconds_to_look_around(self) -> float:
        """How long until the other workers must be looked at again; for ever while there are none."""
        return max(0.0, self._looked_around + LIVENESS_SECONDS - self._clock.monotonic()) if self._others else float("inf")

    def _report_unknown(self, names: frozenset[str]) -> None:
        for name in sorted(names - self._unknown):
            logger.warning("runs wait for a worker that knows their workflow; this one does not", workflow=name)
        self._unknown = names

    def _resume(self, claim: Claim) -> bool:
        live = self._live.get(claim.run.id)
        if live is None:
            return False
        if live.parking.resume(claim):
            return True
        # Somebody else has had the run meanwhile: this copy is history.
        live.detach()
        return False

    def _begin(self, claim: Claim, records: list[StepRecord]) -> LiveRun | None:
        definition = self._registry.find(claim.run.workflow)
        if definition is None:
            # Known when it was claimed, and not any more: it waits for somebody who knows it.
            self.hand_back(Holder(claim.run.id, self.id, claim.epoch))
            return None
        if claim.cancel_reason is None and claim.run.id in self._asked:
            claim = replace(claim, cancel_reason=self._asked[claim.run.id])
        if claim.recoveries > self._config.max_recoveries:
            self._give_up(claim)
            return None
        live = LiveRun(self._parts, claim, definition, records)
        previous = self._live.get(live.id)
        self._live[live.id] = live
        if records:
            self._parts.notices.publish(NoticeKind.WORKFLOW_RESUMED, live.run)
        # A strong reference to the task: the loop itself keeps none, and a run that is collected is silently gone.
        task = asyncio.create_task(self._execute(live, previous), name=f"run {live.id}", context=self._context.copy())
        live.task = task
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._finished(done, live))
        if claim.cancel_reason is not None:
            asyncio.get_running_loop().call_later(self._config.cancel_seconds, self._insist, live)
        return live

    async def _execute(self, live: LiveRun, previous: LiveRun | None) -> None:
        if previous is not None and previous.task is not None:
            await asyncio.wait([previous.task], timeout=1.0)
        if is_traced():
            await trace("run claimed", run_id=live.id, epoch=live.epoch)
        await drive(live)

    def _finished(self, task: asyncio.Task[None], live: LiveRun) -> None:
        self._tasks.discard(task)
        self._watched.pop(live, None)
        if self._live.get(live.id) is live:
            del self._live[live.id]
        self.woke(live)
        self._slot_freed()
        if task.cancelled():
            # Before its code had begun.
            self.hand_back(live.holder)
        elif task.exception() is not None:
            logger.error("a run's task failed; the run will be tried again", workflow_id=live.id, error=repr(task.exception()))
            self.hand_back(live.holder, later=True)

    def _give_up(self, claim: Claim) -> None:
        message = f"The worker of this run died {claim.recoveries} times while it executed the run."
        error = dump_failure(Failure("TooManyRecoveries", message))
        self._settle(EndRun(Holder(claim.run.id, self.id, claim.epoch), RunStatus.FAILED, None, error))
        logger.error("a run was given up", workflow_id=claim.run.id, recoveries=claim.recoveries)
