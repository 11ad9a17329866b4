"""Where is this run, here and now? Its journal, its fence, what is still on the way to the database, and whether it must stop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from planar.engine.catalog import Definition
from planar.engine.core.model import Claim, StepRecord, StepStatus
from planar.engine.core.replay import Decision, Diverged, Journal, NotYet, StepIdentity, decide
from planar.engine.errors import NonDeterministicStepCallError, RunDetached, StaleEpoch
from planar.engine.events import NoticeKind
from planar.engine.execution.parts import Parts
from planar.engine.execution.taken import TakenEvents
from planar.engine.store.port import Entry, Holder, Reclaim, SaveStep, Sleep, Slept
from planar.logging import get_logger

logger = get_logger(__name__)

_STEP_NOTICES = {
    StepStatus.RUNNING: NoticeKind.STEP_RUNNING,
    StepStatus.SUCCEEDED: NoticeKind.STEP_SUCCEEDED,
    StepStatus.FAILED: NoticeKind.STEP_FAILED,
    StepStatus.CANCELLED: NoticeKind.STEP_CANCELLED,
}


@dataclass(slots=True)
class Cancellation:
    """Somebody asked for the run's end. *delivered* once the function has been told by a CancelledError."""

    reason: str
    delivered: bool = False


async def outlast(future: asyncio.Future[Any]) -> asyncio.CancelledError | None:
    """Wait until *future* is done, whatever is asked of this task meanwhile; a cancellation that came is for the caller to raise."""
    cancelled: asyncio.CancelledError | None = None
    while not future.done():
        try:
            await asyncio.wait([future])
        except asyncio.CancelledError as error:
            cancelled = error
    return cancelled


class LiveRun:
    """One run in this worker, from claim to end, hand-over or eviction."""

    def __init__(self, parts: Parts, claim: Claim, definition: Definition, records: Iterable[StepRecord]) -> None:
        self.parts = parts
        self.run = claim.run
        self.definition = definition
        self.epoch = claim.epoch
        self.journal = Journal(records)
        self.task: asyncio.Task[None] | None = None
        self.detached = False
        """Nothing that this run does here counts any more."""
        self.leaving = False
        """The worker stops: a step in progress may end, no other begins."""
        self.asleep = False
        self.refused: BaseException | None = None
        """What the database said when it refused a record of this run."""
        self.diverged: NonDeterministicStepCallError | None = None
        self.cancellation = Cancellation(claim.cancel_reason) if claim.cancel_reason is not None else None
        self.taken = TakenEvents(self.journal)
        self._seq = self.journal.last_seq
        self._step_id = self.journal.last_step_id
        self._pending: list[asyncio.Future[Any]] = []
        self._wake: asyncio.Future[Claim] | None = None

    @property
    def id(self) -> UUID:
        """The run's id."""
        return self.run.id

    @property
    def holder(self) -> Holder:
        """The fence of what this run writes."""
        return Holder(self.run.id, self.parts.worker_id, self.epoch)

    def now(self) -> datetime:
        """The store's time."""
        return self.parts.store.now()

    def next_seq(self) -> int:
        """The next place in the order of recording."""
        self._seq += 1
        return self._seq

    def next_step_id(self) -> int:
        """The next number that people see."""
        self._step_id += 1
        return self._step_id

    @property
    def last_step_id(self) -> int:
        """The newest number given."""
        return self._step_id

    # -- replay -------------------------------------------------------------------------------------------------------

    def decide(self, path: str, identity: StepIdentity, args: str | None, kwargs: str | None) -> Decision:
        """What the record says of this call.

        Raises:
            NonDeterministicStepCallError: the code took another way than the record says.
            RunDetached: this worker has let go of the run.
        """
        self.check()
        decision = decide(self.journal, path, identity, args, kwargs)
        match decision:
            case Diverged(step_id, what, previous, current):
                raise self._diverge(step_id, f"its {what} was {previous!r} and is now {current!r}")
            case NotYet(record):
                raise self._diverge(record.step_id, f"it was a call of {record.name!r} and is now a call of {identity.name!r}")
            case _:
                return decision

    def check_leftover(self) -> None:
        """The function has ended: was everything that is recorded asked for?

        Raises:
            NonDeterministicStepCallError: a recorded step was not called.
        """
        record = self.journal.leftover()
        if record is not None:
            raise self._diverge(record.step_id, f"it was a call of {record.name!r}, and now the workflow ended without it")

    def _diverge(self, step_id: int, what: str) -> NonDeterministicStepCallError:
        self.diverged = NonDeterministicStepCallError(
            f"Non-deterministic step call detected at step ID {step_id}. On replay of run {self.id} {what}."
            " Workflow code must call the same steps in the same order; the recorded steps are kept."
        )
        return self.diverged

    def check(self) -> None:
        """May this run go on here?

        Raises:
            RunDetached: this worker has let go of it.
            NonDeterministicStepCallError: it has diverged before; catching that does not mend it.
        """
        if self.detached or self.leaving:
            # Whatever the code makes of this: nothing that it does from here on counts.
            self.detached = True
            raise RunDetached
        if self.diverged is not None:
            raise self.diverged

    def let_go(self) -> bool:
        """Whether nothing that this run does here counts any more; also because the whole event loop is being torn down."""
        self.detached = self.detached or self.parts.host.is_torn_down()
        return self.detached

    def heard(self) -> Cancellation | None:
        """The request to end the run, once the function has been told."""
        return self.cancellation if self.cancellation is not None and self.cancellation.delivered else None

    # -- records ------------------------------------------------------------------------------------------------------

    def save(self, record: StepRecord, **joined: Any) -> asyncio.Future[Any]:
        """Put *record* in the lane. Workflow code may go on at once; `durable` waits for it."""
        future = self.parts.store.submit(SaveStep(self.holder, record, **joined))
        self._pending.append(future)
        if self.parts.notices:
            future.add_done_callback(lambda done: self._tell(done, record))
        return future

    def depend_on(self, starting: asyncio.Future[Any]) -> None:
        """Nothing that this run does may be seen before *starting*, its own insert, is durable."""
        self._pending.append(starting)

    def mark(self, record: StepRecord) -> None:
        """Put a mark in the lane. Nobody waits for it, and it may be refused: the step may have ended meanwhile."""
        future = self.parts.store.submit(SaveStep(self.holder, record))
        if self.parts.notices:
            future.add_done_callback(lambda done: self._tell(done, record))

    def tell(self, record: StepRecord) -> None:
        """Tell listeners of a record that is durable."""
        self.parts.notices.publish(_STEP_NOTICES[record.status], self.run, record)

    def _tell(self, done: asyncio.Future[Any], record: StepRecord) -> None:
        if not done.cancelled() and done.exception() is None:
            self.tell(record)

    async def durable(self) -> None:
        """Wait until everything that this run recorded is on disk.

        Raises:
            RunDetached: a record was refused, because another worker holds the run.
        """
        while self._pending:
            pending = self._pending[0]
            if not pending.done():
                # The record goes its way even if this run is cancelled meanwhile.
                await asyncio.wait([pending])
            self._outcome(pending)
            self._pending.remove(pending)

    async def commit(self, entry: Entry) -> Any:
        """Put *entry* in the lane after everything else, and wait for its outcome; a cancellation that comes meanwhile is too late.

        Raises:
            RunDetached: it was refused, or something before it.
        """
        for pending in self._pending:
            await outlast(pending)
        await self.durable()
        written = self.parts.store.submit(entry)
        await outlast(written)
        return self._outcome(written)

    def _outcome(self, written: asyncio.Future[Any]) -> Any:
        error = written.exception()
        if error is not None:
            raise self._stop(error) from None
        return written.result()

    def _stop(self, error: BaseException) -> RunDetached:
        """Not the user's to catch: what the run recorded is not on disk, so its code may not go on."""
        if isinstance(error, StaleEpoch):
            return self.lose(error)
        self.refused = error
        self.detached = True
        return RunDetached()

    def forget_refused(self) -> None:
        """What was refused is given up; something else is written in its place."""
        self.refused = None
        self._pending.clear()

    def lose(self, refusal: StaleEpoch) -> RunDetached:
        """Another worker holds the run: stop here, without another word to the database."""
        logger.warning("a stale write was refused, the run goes on elsewhere", workflow_id=self.id, detail=str(refusal))
        self.detached = True
        return RunDetached()

    # -- sleep --------------------------------------------------------------------------------------------------------

    async def park(self, sleep: Sleep) -> Slept:
        """Sleep as *sleep* says; return when this worker has claimed the run again, or at once if there is nothing to wait for.

        Raises:
            RunDetached: the run is evicted and will be replayed.
            CancelledError: the run is being cancelled, or something in the user's code gave up waiting.
        """
        self.check()
        if self.cancellation is not None:
            # Cleaning up may record, but not wait.
            self.cancellation.delivered = True
            raise asyncio.CancelledError(self.cancellation.reason)
        # A run must not sleep on a record that was refused: history would have a hole.
        await self.durable()
        # Made before the entry: a claim may come before the news that the run sleeps.
        wake = self._wake = asyncio.get_running_loop().create_future()
        try:
            going = self.parts.store.submit(sleep)
            cancelled = await outlast(going)
            slept: Slept = self._outcome(going)
            if slept.asleep:
                await self._asleep(sleep, wake, cancelled)
        finally:
            self._wake = None
        if cancelled is not None:
            raise cancelled
        if not slept.asleep:
            await self._hear_request(slept)
            return slept
        return Slept(asleep=True)

    async def _asleep(self, sleep: Sleep, wake: asyncio.Future[Claim], cancelled: asyncio.CancelledError | None) -> None:
        """The run is nobody's now. Return when it is this worker's again."""
        if self.leaving:
            # The worker was asked to stop while the run was going to sleep: nobody will wake it here.
            self.detached = True
            raise RunDetached
        if cancelled is not None:
            await self._take_back(wake)
            return
        self.asleep = True
        self.parts.host.slept(self)
        for mark in sleep.marks:
            self.tell(mark)
        self.parts.notices.publish(NoticeKind.WORKFLOW_SUSPENDED, self.run)
        try:
            await wake
        except asyncio.CancelledError:
            await self._take_back(wake)
            raise
        finally:
            self.asleep = False
            self.parts.host.woke(self)
        self.parts.notices.publish(NoticeKind.WORKFLOW_RESUMED, self.run)

    async def _take_back(self, wake: asyncio.Future[Claim]) -> None:
        """Something in the user's code (a timeout around a wait) woke the run, which is nobody's unless it was claimed just now."""
        if self.let_go():
            raise RunDetached
        if wake.done() and not wake.cancelled():
            return
        wake.cancel()
        taking = self.parts.store.submit(Reclaim(self.holder))
        # Whatever comes meanwhile: a claim whose epoch is not known here would be held by nobody who can write.
        await outlast(taking)
        self.epoch = self._outcome(taking)

    async def _hear_request(self, slept: Slept) -> None:
        """The run stays awake: because what it waits for has come, or because somebody wants its end, perhaps in another process."""
        if self.cancellation is None and not any(slept.found):
            try:
                reason = (await self.parts.store.cancel_requests(self.parts.worker_id)).get(self.id)
            except Exception:
                logger.warning("could not look who wants the end of a run", workflow_id=self.id, exc_info=True)
                return
            if reason is not None:
                self.cancellation = Cancellation(reason)
        if self.cancellation is not None and not self.cancellation.delivered:
            self.cancellation.delivered = True
            raise asyncio.CancelledError(self.cancellation.reason)

    def resume(self, claim: Claim) -> bool:
        """Go on under *claim*. False if this copy is not what was claimed: it is stale, or does not sleep."""
        if self._wake is None or self._wake.done() or claim.epoch != self.epoch + 1:
            return False
        self.epoch = claim.epoch
        self._wake.set_result(claim)
        return True

    def leave(self) -> None:
        """Go on no further than the step in progress."""
        self.leaving = True
        if self.asleep:
            self.evict()

    @property
    def is_parking(self) -> bool:
        """Whether it sleeps, or is on its way to sleep."""
        return self._wake is not None

    def evict(self) -> None:
        """Let go of a sleeping run: its code is unwound, and no step that it calls meanwhile runs."""
        self.detached = True
        if self._wake is not None and not self._wake.done():
            self._wake.set_exception(RunDetached())
            # Nobody may come to look at it: a run on its way to sleep may find that it does not.
            self._wake.exception()

    # -- the end ------------------------------------------------------------------------------------------------------

    def request_cancel(self, reason: str) -> None:
        """Deliver a CancelledError at the function's next await."""
        if self.cancellation is None:
            self.cancellation = Cancellation(reason, delivered=True)
            if self.task is not None:
                self.task.cancel(reason)
