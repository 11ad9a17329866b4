"""Where is this run, here and now? Its journal, its fence, what is still on the way to the database, and whether it must stop."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID

from planar.engine.catalog import Definition
from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import Claim, Reason, StepRecord, StepStatus
from planar.engine.core.replay import Decision, Diverged, Journal, NotYet, StepIdentity, decide
from planar.engine.current import Cancellation, Frame, Strand, outside_run
from planar.engine.errors import NonDeterministicStepCallError, RunDetached, StaleEpoch
from planar.engine.events import NoticeKind
from planar.engine.execution.parking import Parking, Waiting
from planar.engine.execution.parts import Parts
from planar.engine.execution.settling import outlast, settled
from planar.engine.execution.taken import TakenEvents
from planar.engine.execution.turns import PATIENCE_IN_TURNS, Turns
from planar.engine.store.port import EndRun, Found, Holder, SaveStep, Wait
from planar.logging import get_logger

logger = get_logger(__name__)

T = TypeVar("T")

TURNS_BEFORE_OWED = PATIENCE_IN_TURNS // 2
"""For how many turns of the event loop code may go on before it is told that it was to end."""

MOST_NAMED = 16
"""How many records an end, or a sleep, may rest on while they are still on their way; for more it waits."""

_STEP_NOTICES = {
    StepStatus.RUNNING: NoticeKind.STEP_RUNNING,
    StepStatus.SUCCEEDED: NoticeKind.STEP_SUCCEEDED,
    StepStatus.FAILED: NoticeKind.STEP_FAILED,
    StepStatus.CANCELLED: NoticeKind.STEP_CANCELLED,
}


class LiveRun:
    """One run in this worker, from claim to end, hand-over or eviction."""

    def __init__(self, parts: Parts, claim: Claim, definition: Definition, records: Iterable[StepRecord], term: int) -> None:
        self.parts = parts
        self.run = claim.run
        self.id: UUID = claim.run.id
        self.definition = definition
        self.holder = Holder(self.run.id, parts.worker_id, claim.epoch)
        """The fence of what this run writes."""
        self._term = term
        """That of the worker's lease in which the run was claimed."""
        self.journal = Journal(records)
        self.task: asyncio.Task[None] | None = None
        self.strand: Strand | None = None
        """That of the workflow's own code, once it runs."""
        self.detached = False
        """Nothing that this run does here counts any more."""
        self.leaving = False
        """The worker stops: a step in progress may end, no other begins."""
        self.refused: BaseException | None = None
        """What the database said when it refused a record of this run."""
        self.diverged: NonDeterministicStepCallError | None = None
        self.cancellation = Cancellation(claim.cancel_reason) if claim.cancel_reason is not None else None
        self.crashed = claim.crashed
        self.taken = TakenEvents(self.journal)
        self.turns = Turns(self.journal, self._idle)
        self.parking = Parking(self)
        self._seq = self.journal.last_seq
        self._step_id = self.journal.last_step_id
        # The smallest containers while they are empty: as many runs as the settings allow are kept asleep.
        self._pending: list[asyncio.Future[Any]] = []
        self._unfinished: dict[asyncio.Future[Any], str] = {}
        """The records of ended steps that may not be on disk yet, and their paths."""
        self._helpers: dict[asyncio.Task[Any], None] = {}

    @property
    def epoch(self) -> int:
        """Under which this worker holds the run: the number of its claim."""
        return self.holder.epoch

    @epoch.setter
    def epoch(self, epoch: int) -> None:
        self.holder = Holder(self.run.id, self.parts.worker_id, epoch)
        self._term = self.parts.lease.term

    def close(self) -> None:
        """Its task has ended, and what it was made of lets go of it.

        Else only the garbage collector would free it, after many thousands of runs that had ended, or were let go asleep.
        """
        self.strand = None
        self.turns.close()
        self.parking.close()

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

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do *work* beside the run's own code; nothing that a step or a branch is in."""
        with outside_run():
            task = asyncio.ensure_future(work)
        self._helpers[task] = None
        task.add_done_callback(self._helpers.pop)
        return task

    # -- replay -------------------------------------------------------------------------------------------------------

    async def decide(self, frame: Frame, path: str, identity: StepIdentity, args: str | None, kwargs: str | None) -> Decision:
        """What the record says of this call, when its turn has come.

        Raises:
            NonDeterministicStepCallError: the code took another way than the record says.
            RunDetached: this worker has let go of the run.
        """
        self.check(frame.strand)
        if self.turns.several:
            heard = self.has_heard(frame.strand)
            frame.strand.missed = await self.turns.come(frame.strand, path) is not None
            if frame.strand.missed and not heard:
                self.owe(frame.strand)
        decision = decide(self.journal, path, identity, args, kwargs)
        match decision:
            case Diverged(step_id, what, previous, current):
                raise self.diverge(step_id, f"its {what} was {previous!r} and is now {current!r}")
            case NotYet(record):
                raise self.diverge(record.step_id, f"it was a call of {record.name!r} and is now a call of {identity.name!r}")
            case _:
                return decision

    def check_leftover(self) -> None:
        """The function has ended: was everything that is recorded asked for?

        Raises:
            NonDeterministicStepCallError: a recorded step was not called.
        """
        record = self.journal.leftover()
        if record is not None:
            raise self.diverge(record.step_id, f"it was a call of {record.name!r}, and now the workflow ended without it")

    def diverge(self, step_id: int, what: str) -> NonDeterministicStepCallError:
        """The code does not match its record; the error says where, and all that this run does from here on raises it."""
        self.diverged = NonDeterministicStepCallError(
            f"Non-deterministic step call detected at step ID {step_id}. On replay of run {self.id} {what}."
            " Workflow code must call the same steps in the same order; the recorded steps are kept."
        )
        self.turns.abort(self.diverged)
        return self.diverged

    def _idle(self) -> None:
        """No strand goes on by itself."""
        if self.detached:
            return
        record = self.journal.next()
        if record is None or not self.turns.is_stuck:
            self.parking.fall_asleep()
        elif self.cancellation is not None and not self.cancellation.delivered:
            # The end was asked for before any of these calls was made.
            self.cancellation.delivered = True
            self.tell_to_end(self.cancellation.reason)
            asyncio.get_running_loop().call_soon(self.turns.look_again)
        elif not self.turns.drop_lost():
            self.diverge(record.step_id, f"it was a call of {record.name!r}, and now every branch calls something else first")

    def check(self, strand: Strand) -> None:
        """May this strand go on here?

        Raises:
            RunDetached: this worker has let go of the run, or the worker stops and this strand begins nothing more.
            NonDeterministicStepCallError: it has diverged before; catching that does not mend it.
        """
        if self.detached:
            raise RunDetached
        if self.leaving:
            self.let_go_of(strand)
            raise RunDetached
        if self.diverged is not None:
            raise self.diverged

    def is_held(self) -> bool:
        """Whether nobody else can have ended the run, as far as is known: it does not sleep, and the worker's lease of it is good."""
        return self.parking.is_awake and not self.detached and self.refused is None and not self.doubts_lease()

    def doubts_lease(self) -> bool:
        """Whether this worker's lease has run out by its own clock, or was lost since it claimed the run."""
        lease = self.parts.lease
        return lease.term != self._term or lease.has_run_out()

    async def keep_lease(self) -> None:
        """The lease of this worker is in doubt: wait until it is known whether the run is still this worker's.

        Raises:
            RunDetached: it is not.
        """
        logger.info("the worker's lease has run out: a step waits until it is known who holds its run", workflow_id=self.id)
        if not await self.parts.lease.holds(self._term):
            raise self.lose(StaleEpoch("the worker was taken for dead, and this run was taken over"))

    def let_go_of(self, strand: Strand) -> None:
        """Whatever the code of *strand* makes of it: nothing that it does from here on counts. Other branches may end their steps."""
        strand.left = True
        self.detached = self.detached or not self.turns.several or strand.task is self.task

    def let_go(self) -> bool:
        """Whether nothing that this run does here counts any more; also because the whole event loop is being torn down."""
        self.detached = self.detached or self.parts.host.is_torn_down()
        return self.detached

    def heard(self) -> Cancellation | None:
        """The request to end the run, once the function has been told."""
        return self.cancellation if self.cancellation is not None and self.cancellation.delivered else None

    def has_heard(self, strand: Strand) -> bool:
        """Whether *strand* was told that it is to end."""
        ending = self.cancellation if strand.task is self.task else strand.loss
        return ending is not None and ending.delivered

    def owe(self, strand: Strand) -> None:
        """A cancellation came when it was too late for the step that *strand* is in: it is delivered at the next call, or soon."""
        ending = self.cancellation if strand.task is self.task else strand.loss
        if ending is not None:
            ending.delivered, ending.owed = False, True

    def remind(self, frame: Frame) -> None:
        """The code at *frame* has what its step gave. If it is owed a cancellation and makes no call soon, it gets that where it is.

        It may wait for something of its own that never comes: a lock, or a branch that was told to end as well. The turns are fewer
        than those after which the next record is handed out, so that it happens at the same place of the history on replay.
        """
        strand = frame.strand
        ending = self.cancellation if strand.task is self.task else strand.loss
        if ending is not None and ending.owed and not ending.delivered:
            self._tell_owed(strand, ending, frame, frame.calls, TURNS_BEFORE_OWED)

    def _tell_owed(self, strand: Strand, ending: Cancellation, frame: Frame, calls: int, turns: int) -> None:
        if ending.delivered or frame.calls != calls or self.detached:
            return
        if turns > 0:
            asyncio.get_running_loop().call_soon(self._tell_owed, strand, ending, frame, calls, turns - 1)
        else:
            ending.delivered = True
            strand.task.cancel(ending.reason)

    # -- records ------------------------------------------------------------------------------------------------------

    def save(self, record: StepRecord, **joined: Any) -> asyncio.Future[Any]:
        """Put *record* in the lane. Workflow code may go on at once; `durable` waits for it."""
        future = self.parts.store.submit(SaveStep(self.holder, record, **joined))
        self._pending.append(future)
        if record.seq is not None:
            self._unfinished[future] = record.path
        if self.parts.notices.listeners:
            future.add_done_callback(lambda done: self._tell(done, record))
        return future

    def depend_on(self, starting: asyncio.Future[Any]) -> None:
        """Nothing that this run does may be seen before *starting*, its own insert, is durable."""
        self._pending.append(starting)

    def mark(self, record: StepRecord) -> None:
        """Put a mark in the lane. Nobody waits for it, and it may be refused: the step may have ended meanwhile."""
        future = self.parts.store.submit(SaveStep(self.holder, record))
        if self.parts.notices.listeners:
            future.add_done_callback(lambda done: self._tell(done, record))

    def tell(self, record: StepRecord) -> None:
        """Tell listeners of a record that is durable."""
        self.parts.notices.publish(_STEP_NOTICES[record.status], self.run, record)

    def _tell(self, done: asyncio.Future[Any], record: StepRecord) -> None:
        if not done.cancelled() and done.exception() is None:
            self.tell(record)

    def unfinished(self) -> asyncio.Future[Any] | None:
        """The last record that is not on disk yet: the lane is in order, so once it is all are."""
        last = self._pending[-1] if self._pending else None
        return last if last is not None and not last.done() else None

    def before(self) -> tuple[str, ...] | None:
        """The paths of the records that are still on their way; None if they are too many to be named."""
        written = 0
        for future in self._pending:
            if not future.done() or future.exception() is not None:
                break
            self._unfinished.pop(future, None)
            written += 1
        del self._pending[:written]
        return tuple(self._unfinished.values()) if len(self._unfinished) <= MOST_NAMED else None

    def is_sound(self) -> bool:
        """Whether nothing that was recorded, and is decided, was refused; if something was, the run stops here."""
        decided = 0
        error: BaseException | None = None
        for future in self._pending:
            if error is not None or not future.done():
                break
            self._unfinished.pop(future, None)
            error = future.exception()
            decided += 1
        del self._pending[:decided]
        if error is not None:
            self.stop(error)
            return False
        return self.refused is None

    async def durable(self) -> None:
        """Wait until everything that this run recorded is on disk.

        Raises:
            RunDetached: a record was refused, because another worker holds the run.
        """
        unfinished = self.unfinished() if self._pending else None
        if unfinished is not None:
            # The record goes its way even if this run is cancelled meanwhile.
            await settled(unfinished)
        if self._pending and not self.is_sound():
            raise RunDetached

    async def end(self, ending: Ending) -> None:
        """Write the end of the run, with the records before it; a cancellation that comes meanwhile is too late.

        Raises:
            RunDetached: it was refused, or something before it.
        """
        before = self.before()
        unfinished = self.unfinished()
        if before is None and unfinished is not None:
            await outlast(unfinished)
            before = ()
        if not self.is_sound():
            raise RunDetached
        written = self.parts.store.submit(EndRun(self.holder, ending.status, ending.result, ending.error, before or ()))
        await outlast(written)
        error = written.exception()
        if error is not None:
            # What was refused before it says why.
            raise RunDetached if not self.is_sound() else self.stop(error) from None

    def stop(self, error: BaseException) -> RunDetached:
        """Not the user's to catch: what the run recorded is not on disk, so its code may not go on."""
        if isinstance(error, StaleEpoch):
            return self.lose(error)
        self.refused = error
        self.detach()
        return RunDetached()

    def forget_refused(self) -> None:
        """What was refused is given up; something else is written in its place."""
        self.refused = None
        self._pending.clear()
        self._unfinished.clear()

    def lose(self, refusal: StaleEpoch) -> RunDetached:
        """Another worker holds the run: stop here, without another word to the database."""
        logger.warning("a stale write was refused, the run goes on elsewhere", workflow_id=self.id, detail=str(refusal))
        self.detach()
        self.parts.host.lost()
        return RunDetached()

    def detach(self) -> None:
        """Nothing that this run does here counts any more: whoever waits in it is unwound, and no step that it calls runs."""
        self.detached = True
        self.turns.abort(RunDetached())
        self.parking.reject(RunDetached())

    # -- sleep --------------------------------------------------------------------------------------------------------

    async def park(self, step: Waiting, strand: Strand, reason: Reason, due: datetime | None = None, wait: Wait | None = None) -> Found:
        """Wait until *due*, or until *wait* has come, which is the answer; None when it is worth looking again.

        Raises:
            RunDetached: the run is evicted and will be replayed.
            CancelledError: the run or the branch is being cancelled, or something in the user's code gave up waiting.
        """
        self.check(strand)
        ending = self.cancellation or strand.loss
        if ending is not None:
            # Cleaning up may record, but not wait.
            ending.delivered = True
            raise asyncio.CancelledError(ending.reason)
        return await self.parking.sit(step, strand, reason, due, wait)

    async def look_for_request(self) -> bool:
        """Does somebody want the end of this run, perhaps in another process? If so its code is told."""
        if self.cancellation is None:
            try:
                reason = (await self.parts.store.cancel_requests(self.parts.worker_id)).get(self.id)
            except Exception:
                logger.warning("could not look who wants the end of a run", workflow_id=self.id, exc_info=True)
                return False
            if reason is not None:
                self.request_cancel(reason)
        return self.cancellation is not None

    def leave(self) -> None:
        """Go on no further than the steps in progress."""
        self.leaving = True
        if self.parking.is_asleep:
            self.detach()
        else:
            # Nothing that they wait for comes here any more. Who is in a step's body may end that.
            left = self.turns.abort_calls(RunDetached())
            if not self.parking.is_parking:
                left += self.parking.reject(RunDetached())
            for strand in left:
                self.let_go_of(strand)

    # -- the end ------------------------------------------------------------------------------------------------------

    def request_cancel(self, reason: str) -> None:
        """Deliver a CancelledError at the function's next await."""
        if self.cancellation is None:
            self.cancellation = Cancellation(reason, delivered=True)
            self.tell_to_end(reason)

    def tell_to_end(self, reason: str) -> None:
        """Deliver a CancelledError to the workflow's code, and at the same moment to all of its branches."""
        if self.strand is not None and self.strand.joined is not None:
            self.strand.joined.end_all(reason, by_decision=False)
        if self.task is not None:
            self.task.cancel(reason)
