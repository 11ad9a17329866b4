"""The runs that one worker executes, or keeps asleep: from their claim to their end, or until it lets go of them."""

from __future__ import annotations

import asyncio
import contextvars
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from planar.engine.config import WorkerConfig
from planar.engine.core.model import Claim, RunStatus, StepRecord
from planar.engine.events import NoticeKind
from planar.engine.execution.driver import drive
from planar.engine.execution.parts import Host, Parts
from planar.engine.execution.recording import cancelled_error
from planar.engine.execution.run import LiveRun
from planar.engine.loading import load_readable
from planar.engine.lookout import Lookout
from planar.engine.store.port import EndRun, Holder, News
from planar.engine.tracing import is_traced, trace
from planar.engine.unheld import Unheld
from planar.logging import get_logger

logger = get_logger(__name__)

ABANDON_SECONDS = 1.0
LAST_SECONDS = 1.0
"""For what was cancelled at the end of the drain time."""


class LiveRuns:
    """The runs of one worker; their `Host`.

    Args:
        make_parts: the surroundings of the worker, given who hosts its runs.
        config: its limits.
        lookout: who is told when there is room, and when a branch is due.
        is_torn_down: whether the event loop ends without a stop.
    """

    def __init__(
        self, make_parts: Callable[[Host], Parts], config: WorkerConfig, lookout: Lookout, is_torn_down: Callable[[], bool]
    ) -> None:
        self.parts = make_parts(self)
        self.config = config
        self.is_torn_down = is_torn_down
        self.when_asleep: Callable[[LiveRun], None] | None = None
        """Who else is told that a run sleeps now."""
        self.when_lost: Callable[[], None] | None = None
        """Who else is told that another worker has a run that was executed here."""
        self.watched: dict[LiveRun, None] = {}
        """Those that are executed here, and in which some branch waits."""
        self.asked: dict[UUID, str] = {}
        """Which were to be cancelled since the last claim: a run may have been claimed, but not begun."""
        self._expected: dict[UUID, str | None] = {}
        """Those that begin while their insert is on its way; and why they are to be cancelled, if that was asked for."""
        self.tasks: set[asyncio.Task[None]] = set()
        self._lookout = lookout
        self._unheld = Unheld(self.parts.store, self.parts.worker_id)
        self._live: dict[UUID, LiveRun] = {}
        self._sleeping: OrderedDict[UUID, LiveRun] = OrderedDict()
        self._context = contextvars.copy_context()
        self._leaving = False
        """The worker stops: no run begins here any more."""

    @property
    def executing(self) -> int:
        """How many use a slot now."""
        return len(self._live) + len(self._expected) - len(self._sleeping)

    @property
    def has_room(self) -> bool:
        """Whether one more may begin."""
        return self.executing < self.config.max_concurrent_runs

    def find(self, run_id: UUID) -> LiveRun | None:
        """The run, if it is here."""
        return self._live.get(run_id)

    def take_context(self) -> None:
        """Runs begin in the context of the caller from now on."""
        self._context = contextvars.copy_context()

    # -- beginning ----------------------------------------------------------------------------------------------------

    async def begin_all(self, claims: Sequence[Claim]) -> dict[UUID, Exception]:
        """Go on with runs that were claimed: one that sleeps here in its place, any other from its record.

        Returns:
            Those whose history cannot be read, and why. They are set aside.
        """
        # While the histories are loaded this worker may be taken for dead, and hear of it: then they are others' claims.
        term = self.parts.lease.term
        fresh = [claim for claim in claims if not self._resume(claim)]
        if not fresh:
            return {}
        begun = 0
        try:
            records, unreadable = await load_readable(self.parts.store, [claim.run.id for claim in fresh])
            if self._leaving:
                self.give_back(fresh)
                return {}
            for claim in fresh:
                if claim.run.id in unreadable:
                    self._unheld.set_aside(claim, unreadable[claim.run.id])
                else:
                    self.begin(claim, records[claim.run.id], term)
                begun += 1
        except (Exception, asyncio.CancelledError) as error:
            # They are this worker's, and nobody executes them.
            self.give_back(fresh[begun:], later=isinstance(error, Exception) and not self._leaving)
            raise
        return unreadable

    def give_back(self, claims: Sequence[Claim], *, later: bool = False) -> None:
        """They were claimed and will not be executed here: anybody may, *later* after a moment."""
        for claim in claims:
            self._unheld.hand_back(self._unheld.holder(claim), later=later)

    def adopt(self, claim: Claim, starting: asyncio.Future[object]) -> None:
        """Begin a run that is being inserted under *claim*, while that is on its way."""
        self._expected[claim.run.id] = None
        self.parts.store.meanwhile(partial(self._begin_expected, claim, starting))

    def _begin_expected(self, claim: Claim, starting: asyncio.Future[object]) -> None:
        if claim.run.id not in self._expected:
            # The worker has stopped meanwhile, and handed it back.
            return
        reason = self._expected.pop(claim.run.id)
        try:
            live = self.begin(claim if reason is None else claim._replace(cancel_reason=reason), [])
        except Exception:
            logger.exception("a run could not begin; it will be tried again", workflow_id=claim.run.id)
            self._unheld.hand_back(self._unheld.holder(claim), later=True)
            live = None
        if live is not None:
            live.depend_on(starting)
        else:
            self._lookout.note_room()

    def begin(self, claim: Claim, records: list[StepRecord], term: int | None = None) -> LiveRun | None:
        """Execute a run from its record; None if that is not for this worker to do.

        Args:
            claim: how this worker holds the run.
            records: its history.
            term: that of the worker's lease in which it was claimed; the present one if it is not given.
        """
        definition = self.parts.registry.find(claim.run.workflow)
        if definition is None:
            # Known when it was claimed, and not any more: it waits for somebody who knows it.
            self._unheld.hand_back(self._unheld.holder(claim))
            return None
        if self.asked and claim.cancel_reason is None and claim.run.id in self.asked:
            claim = claim._replace(cancel_reason=self.asked[claim.run.id])
        if claim.recoveries > self.config.max_recoveries:
            self._unheld.give_up(claim)
            return None
        live = LiveRun(self.parts, claim, definition, records, self.parts.lease.term if term is None else term)
        previous = self._live.get(live.id)
        self._live[live.id] = live
        if records:
            self.parts.notices.publish(NoticeKind.WORKFLOW_RESUMED, live.run)
        # A strong reference to the task: the loop itself keeps none, and a run that is collected is silently gone.
        # By the loop itself: `asyncio.create_task` sets the name by one more call.
        loop = asyncio.get_running_loop()
        task = loop.create_task(self._execute(live, previous), name=f"run {live.id}", context=self._context.copy())
        live.task = task
        self.tasks.add(task)
        task.add_done_callback(partial(self._finished, live), context=self._context)
        if claim.cancel_reason is not None:
            asyncio.get_running_loop().call_later(self.config.cancel_seconds, self._insist, live)
        return live

    def _resume(self, claim: Claim) -> bool:
        live = self._live.get(claim.run.id)
        if live is None:
            return False
        if live.parking.resume(claim):
            return True
        # Somebody else has had the run meanwhile: this copy is history, and no more among those asleep here.
        self.woke(live)
        live.detach()
        return False

    async def _execute(self, live: LiveRun, previous: LiveRun | None) -> None:
        if previous is not None and previous.task is not None:
            await asyncio.wait([previous.task], timeout=1.0)
        if is_traced():
            await trace("run claimed", run_id=live.id, epoch=live.epoch)
        await drive(live)

    def _finished(self, live: LiveRun, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        self.watched.pop(live, None)
        if self._live.get(live.id) is live:
            del self._live[live.id]
        if self._sleeping:
            self.woke(live)
        self._lookout.note_room()
        if task.cancelled():
            # Before its code had begun.
            self.hand_back(live.holder)
        elif task.exception() is not None:
            logger.error("a run's task failed; the run will be tried again", workflow_id=live.id, error=repr(task.exception()))
            self.hand_back(live.holder, later=True)
        live.close()

    # -- as their host ------------------------------------------------------------------------------------------------

    def slept(self, live: LiveRun) -> None:
        if self.when_asleep is not None:
            self.when_asleep(live)
        self._sleeping[live.id] = live
        while len(self._sleeping) > self.config.max_parked_runs:
            _, oldest = self._sleeping.popitem(last=False)
            oldest.detach()
        self._lookout.note_room()

    def woke(self, live: LiveRun) -> None:
        if self._sleeping.get(live.id) is live:
            del self._sleeping[live.id]

    def watch(self, live: LiveRun) -> None:
        self.watched[live] = None
        self._lookout.note_watched(live.parking.next_due)

    def hand_back(self, holder: Holder, *, later: bool = False) -> None:
        self._unheld.hand_back(holder, later=later)

    def lost(self) -> None:
        if self.when_lost is not None:
            self.when_lost()

    # -- news ---------------------------------------------------------------------------------------------------------

    def hear(self, news: News) -> None:
        """Something was committed that may concern them."""
        self.asked.update(news.cancel)
        for run_id, reason in news.cancel.items():
            self.cancel(run_id, reason)
        for run_id in news.ended:
            live = self._live.get(run_id)
            if live is not None and live.parking.is_parking:
                live.detach()
        if news.foreign or news.emitted or news.ended:
            self.tell_watched(news)

    def tell_watched(self, news: News) -> None:
        """Branches that wait look whether that was for them."""
        for live in self.watched:
            live.parking.hear(news)

    def wake_watched(self) -> None:
        """Go on with branches whose time has come, beside others of their run."""
        due = self._lookout.next_watched
        if due is None or due > self.parts.store.now():
            return
        for live in list(self.watched):
            live.parking.wake_due()
            if live.parking.next_due is None and live.task is not None and live.task.done():
                self.watched.pop(live, None)
        self._lookout.next_watched = min((due for live in self.watched if (due := live.parking.next_due) is not None), default=None)

    # -- ending -------------------------------------------------------------------------------------------------------

    def cancel(self, run_id: UUID, reason: str) -> None:
        """Somebody asked for the end of a run: its code may clean up, for as long as the settings say."""
        if run_id in self._expected:
            self._expected[run_id] = reason
        live = self._live.get(run_id)
        if live is not None and live.cancellation is None:
            live.request_cancel(reason)
        if live is not None:
            asyncio.get_running_loop().call_later(self.config.cancel_seconds, self._insist, live)

    def _insist(self, live: LiveRun) -> None:
        """The time for cleaning up is over: no step runs any more, and whatever the code awaits is cancelled."""
        if live.task is not None and not live.task.done() and self._live.get(live.id) is live:
            logger.warning("a cancelled run used up its time for cleaning up", workflow_id=live.id, seconds=self.config.cancel_seconds)
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
            self._unheld.settle(EndRun(live.holder, RunStatus.CANCELLED, None, cancelled_error(reason)))
            self._lookout.note_room()

    async def let_go(self, beside: asyncio.Task[Any] | None = None) -> None:
        """Begin nothing more, let steps in progress end within the drain time, and hand everything over.

        Args:
            beside: ends within the same time, or is waited for no longer.
        """
        self._leave()
        await self._drained(beside, self.config.drain_seconds)
        for live in list(self._live.values()):
            live.detach()
            if live.task is not None:
                live.task.cancel()
        await self._drained(beside, LAST_SECONDS)
        self.parts.marks.close()

    def _leave(self) -> None:
        self._leaving = True
        for run_id in self._expected:
            # Behind their inserts, which are on their way.
            self.hand_back(Holder(run_id, self.parts.worker_id, epoch=1))
        self._expected.clear()
        for live in list(self._live.values()):
            live.leave()

    async def _drained(self, beside: asyncio.Task[Any] | None, seconds: float) -> None:
        tasks = self.tasks if beside is None else {*self.tasks, beside}
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)

    def leave_behind(self) -> None:
        """The event loop is torn down: they stop where they are, and nothing of that is theirs."""
        self._expected.clear()
        for live in self._live.values():
            live.detached = True
