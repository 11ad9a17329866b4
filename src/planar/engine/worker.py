"""The loop: claim what is due, execute it, wait for the next. It looks after other workers too, and lets go in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from planar.clock import SYSTEM_CLOCK, Clock
from planar.context import Actor
from planar.db.manager import DatabaseManager
from planar.engine.catalog import Registry
from planar.engine.config import WorkerConfig
from planar.engine.core.model import Claim, Run
from planar.engine.events import Notices
from planar.engine.execution.marks import RunningMarks
from planar.engine.execution.parts import Host, Parts
from planar.engine.execution.settling import settled
from planar.engine.live_runs import LiveRuns
from planar.engine.lookout import Lookout
from planar.engine.store.lease import WorkerLease
from planar.engine.store.port import ClaimDue, Claims, News, RetireWorker, Store
from planar.logging import get_logger

logger = get_logger(__name__)

RUNNING_MARK_SECONDS = 0.25
RETRY_SECONDS = 1.0
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
        self._lease = WorkerLease()
        marks = RunningMarks(RUNNING_MARK_SECONDS, clock)

        def parts(host: Host) -> Parts:
            return Parts(self.id, self._lease, store, registry, notices, marks, host, manager, load_actor)

        self._lookout = Lookout(store, clock, config.poll_seconds)
        self._runs = LiveRuns(parts, config, self._lookout, self.is_torn_down)
        self._unknown: frozenset[str] = frozenset()
        self._stopping = False
        self._loop_task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take over what dead workers left, then look for work until `stop`."""
        await self._store.enlist(self.id, self._lease)
        self._runs.take_context()
        self._unsubscribe = self._store.subscribe(self._hear)
        self._loop_task = asyncio.create_task(self._work(), name="planar-worker")

    async def stop(self) -> None:
        """Begin nothing, let steps in progress end within the drain time, and hand everything over."""
        if self.is_torn_down():
            self._runs.leave_behind()
        self._stopping = True
        if self._loop_task is not None:
            self._loop_task.cancel()
        # Together: how long it takes to give up a question to the database is not known, nor whether that swallows the cancellation.
        await self._runs.let_go(beside=self._loop_task)
        if self._loop_task is not None and not self._loop_task.done():
            logger.warning("the database has not let go of a question; it is left behind", worker=self.id)
        self._loop_task = None
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None
        await self._store.discharge(self.id)

    def is_alive(self) -> bool:
        """Whether the loop is running."""
        return self._loop_task is not None and not self._loop_task.done()

    def is_torn_down(self) -> bool:
        """Whether the event loop ends without a stop: whoever cancels the runs' tasks then does not mean the runs."""
        loop_task = self._loop_task
        return loop_task is not None and not self._stopping and (loop_task.done() or loop_task.cancelling() > 0)

    @property
    def executing(self) -> int:
        """How many runs use a slot now."""
        return self._runs.executing

    def find_run(self, run_id: UUID) -> Run | None:
        """The run as it was claimed, if it is executed here, or kept asleep."""
        live = self._runs.find(run_id)
        return live.run if live is not None else None

    def tell_of_losses(self, listener: Callable[[], None]) -> None:
        """Call *listener* whenever it turns out that another worker has a run that was executed here."""
        self._runs.when_lost = listener

    def holds(self, run_id: UUID) -> bool:
        """Whether the run is executed here, and nobody else can have ended it."""
        live = self._runs.find(run_id)
        return live is not None and live.is_held()

    # -- what comes in ------------------------------------------------------------------------------------------------

    def reserve(self, name: str) -> UUID | None:
        """This worker's id if a new run of *name* may be claimed with its insert, else None: it will be found when there is room."""
        if self._stopping or not self.is_alive() or not self._runs.has_room:
            return None
        return self.id if self._registry.find(name) is not None else None

    def adopt(self, claim: Claim, starting: asyncio.Future[object]) -> None:
        """Begin a run that is being inserted under *claim*, while that is on its way: the body of its first step waits for *starting*."""
        self._runs.adopt(claim, starting)

    def cancel(self, run_id: UUID, reason: str) -> None:
        """Tell a run that is executed here, while the request is still on its way to the database: the run's own step may hold it up."""
        live = self._runs.find(run_id)
        if live is None or not live.parking.is_asleep:
            self._runs.cancel(run_id, reason)

    def _hear(self, news: News) -> None:
        self._runs.hear(news)
        self._lookout.hear(news)

    # -- the loop -----------------------------------------------------------------------------------------------------

    async def _work(self) -> None:
        lookout = self._lookout
        while not self._stopping:
            try:
                self._runs.wake_watched()
                if lookout.foreign:
                    await self._look_around()
                elif lookout.seconds_to_look_around() <= 0:
                    await self._look_for_dead()
                if lookout.due and not self._stopping:
                    lookout.polls()
                    await self._claim_due()
            except Exception:
                # Whatever failed hurts this look only: the next comes, unless it failed because it was given up.
                if self._stopping:
                    return
                logger.exception("looking for due runs failed")
                lookout.look_again(foreign=True)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                if await lookout.wait():
                    # The net: whatever was to be heard may have been lost.
                    lookout.foreign = True
                    self._runs.tell_watched(News(foreign=True))

    async def _look_around(self) -> None:
        """Another process wrote, or this one has just begun: who is there, who of them died, and who was cancelled from there."""
        self._lookout.foreign = False
        self._lookout.others = await self._store.other_workers(self.id)
        await self._look_for_dead()
        # A run that sleeps is nobody's: whoever wants its end has it at once.
        if self._runs.executing:
            for run_id, reason in (await self._store.cancel_requests(self.id)).items():
                self._runs.cancel(run_id, reason)

    async def _look_for_dead(self) -> None:
        """Take over from workers that are gone. Those who come and go are heard of, so it is known whom to look for."""
        lookout = self._lookout
        lookout.looks_around()
        dead = await self._store.dead_workers(self.id, lookout.others)
        if not dead:
            return
        # One that has stopped in order meanwhile is not there any more, and left nothing.
        lookout.others = await self._store.other_workers(self.id)
        for worker in [worker for worker in dead if worker in lookout.others]:
            freed = await self._store.submit(RetireWorker(worker, died=True))
            lookout.others.remove(worker)
            logger.info("took over from a worker that died", worker=worker, runs=freed)

    async def _claim_due(self) -> None:
        lookout, runs = self._lookout, self._runs
        runs.asked.clear()
        limit = min(self._config.max_concurrent_runs - runs.executing, CLAIMS_AT_ONCE)
        self.last_look = self._store.now()
        lookout.full = limit <= 0
        if lookout.full:
            return
        # Forgotten before the question, not after the answer: a run may go to sleep in between, and its time must not be lost.
        lookout.next_due = None
        claiming = self._store.submit(ClaimDue(self.id, limit, self._registry.names(), lookout.doubtful))
        found: Claims = await self._outcome(claiming)
        lookout.note_due(found.next_due)
        self._report_unknown(found.unknown)
        await runs.begin_all(found.claims)
        if len(found.claims) == limit:
            # There may be more: at once if there is room for it, else when a slot is free.
            lookout.full = not runs.has_room
            if runs.has_room:
                lookout.look_again()

    async def _outcome(self, claiming: asyncio.Future[Claims]) -> Claims:
        """What was claimed. If nobody waits for that any more it is given back when it is known: the claim goes its way all the same."""
        try:
            await settled(claiming)
        except asyncio.CancelledError:
            claiming.add_done_callback(self._give_back)
            raise
        return claiming.result()

    def _give_back(self, claiming: asyncio.Future[Claims]) -> None:
        if not claiming.cancelled() and claiming.exception() is None:
            self._runs.give_back(claiming.result().claims)

    def _report_unknown(self, names: frozenset[str]) -> None:
        for name in sorted(names - self._unknown):
            logger.warning("runs wait for a worker that knows their workflow; this one does not", workflow=name)
        self._unknown = names
