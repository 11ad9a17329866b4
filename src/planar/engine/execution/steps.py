"""What happens when a step is called? Use what is recorded, or open the step, run its body, and record how it ended.

This is the only place where a step's body runs and its result is written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn, Protocol
from uuid import UUID

from planar.db.session import SessionScope, bind_session
from planar.engine.codec import capture_failure, dump_failure, load_failure, restore_failure
from planar.engine.core.failure import Failure
from planar.engine.core.model import Reason, StepRecord, StepStatus
from planar.engine.core.replay import Execute, StepIdentity, UseError, UseResult
from planar.engine.core.retry import NO_RETRY, RetryPolicy, next_attempt
from planar.engine.current import Frame, bind_frame
from planar.engine.errors import NonDeterministicStepCallError, ResultNotStorable, RunDetached, StaleEpoch
from planar.engine.execution.run import LiveRun
from planar.engine.store.port import SaveStep, Sleep
from planar.logging import bind_log_fields, get_logger

logger = get_logger(__name__)

CANCELLED_BY_REQUEST = "planar:cancel"
PATIENCE = 5.0


class ResultCoding(Protocol):
    """How a step's result is written and read."""

    def roundtrip_result(self, value: Any) -> tuple[str, Any]: ...
    def load_result(self, text: str | None) -> Any: ...


@dataclass(frozen=True, slots=True)
class StepCall:
    """A call of a step: who it is, its arguments as JSON texts, its body, and how its result is written."""

    identity: StepIdentity
    args: str
    kwargs: str
    body: Callable[[OpenStep], Awaitable[Any]]
    codec: ResultCoding
    retry: RetryPolicy = NO_RETRY


@dataclass(slots=True, eq=False)
class OpenStep:
    """A step that is being executed."""

    live: LiveRun
    caller: Frame
    call: StepCall
    path: str
    step_id: int
    created_at: datetime
    retries: int = 0
    wakeup_at: datetime | None = None
    marked: bool = False
    child_id: UUID | None = None
    """The run that this step started and waits for."""
    event_seq: int | None = None
    """The event that this step took."""
    scope: SessionScope | None = None

    def record(self, status: StepStatus, *, seq: int | None = None, result: str | None = None, error: str | None = None) -> StepRecord:
        """What the journal keeps of this step now; with *seq* it has ended."""
        identity = self.call.identity
        return StepRecord(
            path=self.path,
            step_id=self.step_id,
            name=identity.name,
            qualname=identity.qualname,
            kind=identity.kind,
            status=status,
            seq=seq,
            parent_step_id=self.caller.step_id,
            display_name=identity.display_name,
            args=self.call.args,
            kwargs=self.call.kwargs,
            result=result,
            error=error,
            sub_step_count=self.live.last_step_id - self.step_id,
            retry_count=self.retries,
            wakeup_at=self.wakeup_at if seq is None else None,
            child_id=self.child_id,
            event_seq=self.event_seq,
            created_at=self.created_at,
        )

    def mark_running(self) -> None:
        """Show people that this step has been running for a while. Not once its session has written: the record comes with that."""
        session = self.scope.session if self.scope is not None else None
        if session is None or not session.wrote:
            self.marked = True
            self.live.mark(self.record(StepStatus.RUNNING))

    def marks(self, status: StepStatus = StepStatus.RUNNING, error: str | None = None) -> tuple[StepRecord, ...]:
        """The marks that a sleep inside this step leaves: this step's, and those around it that have none yet."""
        self.set_marked()
        return (self.record(status, error=error), *_unmarked_around(self.caller))

    def set_marked(self) -> None:
        """It has a mark now, and needs none for running long."""
        self.marked = True
        self.live.parts.marks.discard(self)


@dataclass(slots=True, eq=False)
class StepFrame(Frame):
    """A step's body as the place from which further steps are called."""

    step: OpenStep | None = None


def _unmarked_around(frame: Frame | None) -> list[StepRecord]:
    found: list[StepRecord] = []
    while frame is not None:
        step = frame.step if isinstance(frame, StepFrame) else None
        if step is not None and not step.marked:
            step.set_marked()
            found.append(step.record(StepStatus.RUNNING))
        frame = frame.outer
    return found


async def perform(frame: Frame, call: StepCall) -> Any:
    """Call a step from *frame*; its result is always the restored one, its error always the restored error."""
    live: LiveRun = frame.run
    path = frame.next_path()
    decision = live.decide(path, call.identity, call.args, call.kwargs)
    match decision:
        case UseResult(record):
            live.journal.close(path)
            return call.codec.load_result(record.result)
        case UseError(record):
            await _raise_again(live, record)
        case Execute(mark):
            try:
                return await _execute(live, frame, call, path, mark)
            finally:
                live.journal.close(path)
        case _:
            raise AssertionError(decision)


async def _raise_again(live: LiveRun, record: StepRecord) -> NoReturn:
    failure = load_failure(record.error or "")
    live.journal.close(record.path)
    if record.status is not StepStatus.CANCELLED:
        raise restore_failure(failure)
    if failure.path == CANCELLED_BY_REQUEST:
        if live.cancellation is not None:
            live.cancellation.delivered = True
        raise asyncio.CancelledError(failure.message)
    # A timeout of the user's code had given up this step. It does so again, by its own means; code that has lost the timeout
    # would wait for ever here, so the wait is bounded by what was recorded.
    lasted = (record.updated_at - record.created_at).total_seconds() if record.updated_at and record.created_at else 0.0
    await asyncio.sleep(lasted + PATIENCE)
    live.diverged = NonDeterministicStepCallError(
        f"Step {record.step_id} ({record.name}) was given up after {lasted:.1f} s by a timeout around it, and now nothing gave it up."
    )
    raise live.diverged


async def _execute(live: LiveRun, frame: Frame, call: StepCall, path: str, mark: StepRecord | None) -> Any:
    step = OpenStep(
        live=live,
        caller=frame,
        call=call,
        path=path,
        step_id=mark.step_id if mark else live.journal.step_id_around(path) or live.next_step_id(),
        created_at=(mark.created_at if mark else None) or live.now(),
        retries=mark.retry_count if mark else 0,
        wakeup_at=mark.wakeup_at if mark else None,
        marked=mark is not None,
        child_id=mark.child_id if mark else None,
    )
    with _leaving_a_record(step):
        await _enter(step)
        if mark is not None and mark.status is StepStatus.FAILED:
            await _await_retry(step, mark.error)
    with bind_log_fields(step_id=step.step_id):
        return await _attempts(step)


@contextmanager
def _leaving_a_record(step: OpenStep) -> Generator[None]:
    """A cancellation that comes while the body does not run is recorded all the same: history has no hole where user code went on."""
    try:
        yield
    except asyncio.CancelledError:
        raise _give_up(step) from None


async def _enter(step: OpenStep) -> None:
    """Nothing of the step happens before everything that was recorded is durable: history would have a hole."""
    _deliver_cancellation(step.live)
    await step.live.durable()
    await commit_point(step.caller, step.call.identity.name)
    step.live.check()


async def record_at_once(frame: Frame, call: StepCall, prepare: Callable[[], tuple[Any, dict[str, Any]]]) -> Any:
    """Call a step that has no body, from workflow code. *prepare* says its result and what is written with its record (a start)."""
    live: LiveRun = frame.run
    path = frame.next_path()
    decision = live.decide(path, call.identity, call.args, call.kwargs)
    match decision:
        case UseResult(record):
            live.journal.close(path)
            return call.codec.load_result(record.result)
        case UseError(record):
            await _raise_again(live, record)
        case _:
            step = OpenStep(live, frame, call, path, live.next_step_id(), live.now())
    with _leaving_a_record(step):
        await _enter(step)
    try:
        value, joined = prepare()
        text, restored = call.codec.roundtrip_result(value)
    except Exception as error:
        return await _fail(step, error)
    live.save(step.record(StepStatus.SUCCEEDED, seq=live.next_seq(), result=text), **joined)
    return restored


def _deliver_cancellation(live: LiveRun) -> None:
    """A request that came before this pass, or too late for the last step, is heard at the first new call."""
    if live.cancellation is not None and not live.cancellation.delivered:
        live.cancellation.delivered = True
        raise asyncio.CancelledError(live.cancellation.reason)


async def _attempts(step: OpenStep) -> Any:
    while True:
        try:
            return await _attempt(step)
        except _Again as again:
            with _leaving_a_record(step):
                await _await_retry(step, again.error)
                await step.live.durable()
                step.live.check()


class _Again(Exception):
    """The attempt failed and there will be another."""

    def __init__(self, error: str) -> None:
        super().__init__(error)
        self.error = error


async def _await_retry(step: OpenStep, error: str | None) -> None:
    """Sleep until the next attempt; the failure that led to it is kept with the mark."""
    while step.wakeup_at is not None and step.live.now() < step.wakeup_at:
        await step.live.park(Sleep(step.live.holder, Reason.RETRY, step.wakeup_at, marks=step.marks(StepStatus.FAILED, error)))
    step.wakeup_at = None


async def _attempt(step: OpenStep) -> Any:
    live = step.live
    scope = SessionScope(live.parts.manager, label=step.call.identity.name, on_overdue=_canceller()) if live.parts.manager else None
    step.scope = scope
    inner = StepFrame(run=live, task=step.caller.task, path=step.path, step_id=step.step_id, outer=step.caller, scope=scope, step=step)
    live.parts.marks.add(step)
    try:
        with bind_frame(inner), bind_session(scope):
            value = await step.call.body(step)
            return await _succeed(step, value)
    except RunDetached:
        await _undo(step)
        raise
    except asyncio.CancelledError:
        await _undo(step)
        overdue = scope.overdue_error() if scope is not None else None
        if overdue is not None:
            step.caller.task.uncancel()
            return await _fail(step, overdue)
        raise _give_up(step) from None
    except Exception as error:
        await _undo(step)
        return await _fail(step, error)
    finally:
        live.parts.marks.discard(step)
        if scope is not None and scope.session is not None:
            await _undisturbed(live, _quietly(scope.close()))


async def _succeed(step: OpenStep, value: Any) -> Any:
    live, scope = step.live, step.scope
    text, restored = step.call.codec.roundtrip_result(value)
    if live.detached:
        raise RunDetached
    wrote = scope is not None and await scope.flush()
    live.parts.marks.discard(step)
    record = step.record(StepStatus.SUCCEEDED, seq=live.next_seq(), result=text)
    if wrote and scope is not None:
        await _undisturbed(live, _commit_with(live, scope, SaveStep(live.holder, record)))
    else:
        live.save(record)
    _keep_for_retry(step, record)
    return restored


async def _commit_with(live: LiveRun, scope: SessionScope, entry: SaveStep) -> None:
    """The record and the step's own writes become durable together, or not at all.

    What the run recorded before is durable already: it was waited for before the body began, and nested steps wait for theirs.
    """
    await live.durable()
    try:
        await live.parts.store.submit_in(scope.get(), [entry])
    except StaleEpoch as refusal:
        await scope.rollback()
        raise live.lose(refusal) from None
    await scope.commit()
    live.tell(entry.record)


async def _undisturbed(live: LiveRun, committing: Coroutine[Any, Any, None]) -> None:
    """Never half a record: a cancellation that comes during the commit is too late for this step, which has ended.

    A timeout of the user's code that expires meanwhile has no effect; a request to end the run is delivered at the next call.
    """
    heard = live.heard()
    task = asyncio.ensure_future(committing)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if live.cancellation is not None and heard is None:
                live.cancellation.delivered = False
    task.result()


async def _fail(step: OpenStep, error: Exception) -> Any:
    live = step.live
    if live.let_go():
        # What the body made of being let go is not how the step ended.
        raise RunDetached
    if live.diverged is not None:
        raise live.diverged
    failure = capture_failure(error)
    text = dump_failure(failure)
    again = None if isinstance(error, ResultNotStorable) else next_attempt(step.call.retry, step.retries, live.now())
    if again is not None:
        logger.info("step failed, it will be tried again", step=step.call.identity.name, error=failure.type, retry=step.retries + 1)
        step.retries += 1
        step.wakeup_at = again
        raise _Again(text) from None
    logger.info("step failed", step=step.call.identity.name, error=failure.type)
    step.wakeup_at = None
    record = step.record(StepStatus.FAILED, seq=live.next_seq(), error=text)
    live.save(record)
    _keep_for_retry(step, record)
    raise restore_failure(failure) from error


def _keep_for_retry(step: OpenStep, record: StepRecord) -> None:
    """A step around this one may be tried again: its body will call this one again, which must not run again."""
    place: Frame | None = step.caller
    while place is not None:
        if isinstance(place, StepFrame) and place.step is not None and place.step.call.retry.max_retries != 0:
            step.live.journal.keep(record)
            return
        place = place.outer


def _give_up(step: OpenStep) -> BaseException:
    """The body was cancelled: by this worker letting go, by a request to end the run, or by the user's own code."""
    live = step.live
    if live.let_go():
        return RunDetached()
    asked = live.heard()
    reason = asked.reason if asked is not None else "cancelled from outside the step"
    path = CANCELLED_BY_REQUEST if asked is not None else None
    text = dump_failure(Failure("CancelledError", reason, path))
    record = step.record(StepStatus.CANCELLED, seq=live.next_seq(), error=text)
    live.save(record)
    _keep_for_retry(step, record)
    return asyncio.CancelledError(reason)


async def commit_point(frame: Frame, inner: str) -> None:
    """Before something that waits, or records, inside a step whose session has written: what it wrote is committed now.

    The writer could not record anything while that session holds the write lock. What was written before the nested call is then
    not part of the step's own transaction any more, so exactly once holds for steps without nested calls after a write only.
    """
    outer: Frame | None = frame
    while outer is not None:
        scope = outer.scope
        if scope is not None and scope.session is not None:
            if await scope.flush():
                logger.warning(
                    "a step that had written called another: what it wrote is committed before", step_id=outer.step_id, nested=inner
                )
            # Also without writes: the connection goes back, or nested steps would empty the pool.
            await scope.commit()
        outer = outer.outer


async def _undo(step: OpenStep) -> None:
    scope = step.scope
    if scope is not None and scope.session is not None:
        await _undisturbed(step.live, _quietly(scope.rollback()))


async def _quietly(ending: Coroutine[Any, Any, None]) -> None:
    """How the step ended is decided: a session that cannot even be ended in order does not change it."""
    try:
        await ending
    except Exception:
        logger.exception("the session of a step did not end in order")


def _canceller() -> Callable[[], None]:
    task = asyncio.current_task()

    def cancel() -> None:
        if task is not None:
            task.cancel("the step held the write lock too long")

    return cancel
