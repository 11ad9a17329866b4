"""What happens when a step is called? Use what is recorded, or open the step, run its body, and record how it ended.

This is the only place where a step's body runs; how it ended is written in `planar.engine.execution.recording`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, NoReturn

from planar.db.session import SessionScope, bind_session
from planar.engine.codec import load_failure, restore_failure
from planar.engine.core.model import Reason, StepRecord, StepStatus
from planar.engine.core.replay import Execute, UseError, UseResult, is_inside
from planar.engine.core.retry import is_timed, survives, time_left
from planar.engine.current import Frame, bind_frame
from planar.engine.errors import NestedCallRefused, NonDeterministicStepCallError, RunDetached, StepInterrupted, StepTimeout
from planar.engine.execution.recording import (
    CANCELLED_BY_DECISION,
    CANCELLED_BY_REQUEST,
    TryAgain,
    fail,
    give_up,
    in_turn,
    succeed,
    undisturbed,
)
from planar.engine.execution.run import LiveRun
from planar.engine.execution.step import OpenStep, StepCall, StepFrame, steps_around
from planar.logging import bind_log_fields, get_logger

__all__ = [
    "OpenStep",
    "StepCall",
    "StepFrame",
    "check_place",
    "commit_point",
    "enter",
    "go_on",
    "leaving_a_record",
    "open_step",
    "perform",
    "raise_again",
    "record_at_once",
    "rest",
]

logger = get_logger(__name__)

PATIENCE = 5.0


async def perform(frame: Frame, call: StepCall) -> Any:
    """Call a step from *frame*; its result is always the restored one, its error always the restored error."""
    live: LiveRun = frame.run
    if live.turns.several:
        rest(live, frame)
    try:
        return await _perform(live, frame, call)
    finally:
        go_on(live, frame)


def rest(live: LiveRun, frame: Frame) -> None:
    """In a run with several strands the caller's code is at rest until this call hands something out."""
    if live.turns.several and frame.step_id is None:
        live.turns.leave_code(frame.strand)


def go_on(live: LiveRun, frame: Frame) -> None:
    """The caller's code executes again."""
    if live.turns.several and frame.step_id is None:
        live.turns.enter_code(frame.strand)
    if live.cancellation is not None or frame.strand.loss is not None:
        live.remind(frame)


async def _perform(live: LiveRun, frame: Frame, call: StepCall) -> Any:
    path = frame.next_path()
    if frame.step_id is not None:
        check_place(frame, call)
    decision = await live.decide(frame, path, call.identity, call.args, call.kwargs)
    match decision:
        case Execute(mark):
            try:
                return await _execute(live, frame, call, path, mark)
            finally:
                live.journal.close(path)
        case UseResult(record):
            return _hand_out(live, frame, call, record)
        case UseError(record):
            await raise_again(live, frame, record)
        case _:
            raise AssertionError(decision)


def check_place(frame: Frame, call: StepCall) -> None:
    """May *call* be made here?

    Raises:
        NestedCallRefused: not in the body of a step that happens at most once.
    """
    around = frame.step if isinstance(frame, StepFrame) else None
    if around is not None and around.call.at_most_once:
        raise NestedCallRefused(
            f"{around.call.identity.name} is declared at_most_once, so its body is never repeated, and what it calls could not be found"
            f" again: call {call.identity.name} before or after it."
        )


def _hand_out(live: LiveRun, frame: Frame, call: StepCall, record: StepRecord) -> Any:
    live.journal.close(record.path)
    try:
        return call.codec.load_result(record.result)
    finally:
        _handed_out(live, frame)


def _handed_out(live: LiveRun, frame: Frame) -> None:
    if live.turns.several:
        live.turns.handed_out(frame.strand, to_code=frame.step_id is None)


async def raise_again(live: LiveRun, frame: Frame, record: StepRecord) -> NoReturn:
    """Raise what is recorded, once more."""
    failure = load_failure(record.error or "")
    live.journal.close(record.path)
    if record.status is not StepStatus.CANCELLED:
        _handed_out(live, frame)
        raise restore_failure(failure)
    if failure.path in (CANCELLED_BY_REQUEST, CANCELLED_BY_DECISION):
        ending = frame.strand.loss or live.cancellation
        if ending is not None:
            ending.delivered = True
        _handed_out(live, frame)
        raise asyncio.CancelledError(failure.message)
    # A timeout of the user's code had given up this step. It does so again, by its own means; code that has lost the timeout
    # would wait for ever here, so the wait is bounded by what was recorded.
    lasted = (record.updated_at - record.created_at).total_seconds() if record.updated_at and record.created_at else 0.0
    try:
        _deliver_loss(frame)
        if frame.strand.missed:
            raise asyncio.CancelledError(failure.message)
        await asyncio.sleep(lasted + PATIENCE)
    finally:
        # Not before: what was recorded next came after the code around this step had gone on.
        _handed_out(live, frame)
    live.diverge(record.step_id, f"a timeout gave up the call of {record.name!r} after {lasted:.1f} s, and now nothing gave it up")
    raise live.diverged or NonDeterministicStepCallError


def _deliver_loss(frame: Frame) -> None:
    loss = frame.strand.loss
    if loss is not None and not loss.delivered:
        loss.delivered = True
        raise asyncio.CancelledError(loss.reason)


async def _execute(live: LiveRun, frame: Frame, call: StepCall, path: str, mark: StepRecord | None) -> Any:
    step = open_step(live, frame, call, path, mark)
    try:
        await enter(step)
        if mark is not None and mark.status is StepStatus.FAILED:
            step.failure = mark.error
            await _await_retry(step)
    except asyncio.CancelledError as cancelled:
        raise await give_up(step, cancelled) from None
    with bind_log_fields(step_id=step.step_id):
        if mark is not None and mark.status is StepStatus.RUNNING:
            interrupted = _interrupted(step)
            if interrupted is not None:
                return await fail(step, interrupted)
        return await _attempts(step)


def open_step(live: LiveRun, frame: Frame, call: StepCall, path: str, mark: StepRecord | None) -> OpenStep:
    """A step that begins, or with *mark* one that had begun before."""
    step = OpenStep(live, frame, call, path, number(live, frame, path, mark), (mark.created_at if mark else None) or live.now())
    if mark is not None:
        step.retries, step.wakeup_at, step.marked, step.child_id = mark.retry_count, mark.wakeup_at, True, mark.child_id
    if live.journal.inner(path, ".") is not None:
        step.nested = sum(1 for record in live.journal if is_inside(record.path, path))
    return step


def number(live: LiveRun, frame: Frame, path: str, mark: StepRecord | None) -> int:
    """The number that people see: the one that the step had, or the next, which counts for the steps around it."""
    earlier = mark.step_id if mark is not None else live.journal.step_id_around(path)
    if earlier is not None:
        return earlier
    for step in steps_around(frame) if frame.step_id is not None else ():
        step.nested += 1
    return live.next_step_id()


def _interrupted(step: OpenStep) -> StepInterrupted | None:
    """The last attempt ended with its process. Is that the end of the step?"""
    name = step.call.identity.name
    if step.call.at_most_once:
        return StepInterrupted(
            f"{name} is declared at_most_once, and its process ended while it was executing: whether it had its effect is not known."
        )
    if step.live.crashed and step.call.retry.max_retries > 0:
        step.retries += 1
        if not survives(step.call.retry, step.retries):
            return StepInterrupted(f"{name} is not tried again: the process died in the last of {step.retries} attempts.")
    return None


@asynccontextmanager
async def leaving_a_record(step: OpenStep) -> AsyncGenerator[None]:
    """A cancellation that comes while the body does not run is recorded all the same: history has no hole where user code went on."""
    try:
        yield
    except asyncio.CancelledError as cancelled:
        raise await give_up(step, cancelled) from None


async def enter(step: OpenStep) -> None:
    """Nothing of the step happens before everything that was recorded is durable: history would have a hole."""
    live, caller = step.live, step.caller
    if live.cancellation is not None or caller.strand.loss is not None:
        await _deliver_cancellation(step)
    await live.durable()
    if caller.step_id is not None:
        await commit_point(caller, step.call.identity.name)
    live.check(caller.strand)


async def record_at_once(frame: Frame, call: StepCall, prepare: Callable[[], tuple[Any, dict[str, Any]]]) -> Any:
    """Call a step that has no body, from workflow code. *prepare* says its result and what is written with its record (a start)."""
    live: LiveRun = frame.run
    if live.turns.several:
        rest(live, frame)
    try:
        path = frame.next_path()
        decision = await live.decide(frame, path, call.identity, call.args, call.kwargs)
        match decision:
            case UseResult(record):
                return _hand_out(live, frame, call, record)
            case UseError(record):
                await raise_again(live, frame, record)
            case _:
                return await _record_at_once(open_step(live, frame, call, path, None), prepare)
    finally:
        go_on(live, frame)


async def _record_at_once(step: OpenStep, prepare: Callable[[], tuple[Any, dict[str, Any]]]) -> Any:
    live = step.live
    async with leaving_a_record(step):
        await enter(step)
    try:
        value, joined = prepare()
        text, restored = step.call.codec.roundtrip_result(value)
    except Exception as error:
        return await fail(step, error)
    async with in_turn(step):
        live.save(step.record(StepStatus.SUCCEEDED, seq=live.next_seq(), result=text), **joined)
    return restored


async def _deliver_cancellation(step: OpenStep) -> None:
    """A request that came before this pass, or too late for the last step, is heard at the first new call."""
    live, strand = step.live, step.caller.strand
    asked = live.cancellation
    if asked is not None and not asked.delivered:
        asked.delivered = True
        if strand.task is not live.task and live.task is not None:
            # All hear it at once: the workflow's own code, and each of its branches.
            live.tell_to_end(asked.reason)
            await asyncio.get_running_loop().create_future()
        raise asyncio.CancelledError(asked.reason)
    _deliver_loss(step.caller)


async def _attempts(step: OpenStep) -> Any:
    while True:
        try:
            return await _attempt(step)
        except TryAgain:
            async with leaving_a_record(step):
                await _await_retry(step)
                await step.live.durable()
                step.live.check(step.caller.strand)


async def _await_retry(step: OpenStep) -> None:
    """Sleep until the next attempt; the failure that led to it is kept with the mark."""
    while step.wakeup_at is not None and step.live.now() < step.wakeup_at:
        await step.live.park(step, step.caller.strand, Reason.RETRY, step.wakeup_at)
    step.wakeup_at = step.failure = None


async def _attempt(step: OpenStep) -> Any:
    live = step.live
    strand, manager = step.caller.strand, live.parts.manager
    # A step that holds the write lock for too long is cancelled.
    scope = SessionScope(manager, label=step.call.identity.name, on_overdue=strand.task.cancel) if manager is not None else None
    step.scope = scope
    inner = StepFrame(run=live, strand=strand, path=step.path, step_id=step.step_id, outer=step.caller, scope=scope, step=step)
    live.parts.marks.add(step)
    try:
        if live.crashed or step.call.at_most_once:
            await _mark_first(step)
        if live.doubts_lease():
            await live.keep_lease()
            live.check(strand)
        with bind_frame(inner), bind_session(scope):
            value = await (_timed_body(step) if is_timed(step.call.retry) else step.call.body(step))
            return await succeed(step, value)
    except RunDetached:
        await _undo(step)
        raise
    except asyncio.CancelledError as cancelled:
        await _undo(step)
        overdue = scope.overdue_error() if scope is not None else None
        if overdue is not None:
            strand.task.uncancel()
            return await fail(step, overdue)
        raise await give_up(step, cancelled) from None
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # whatever class it is of: code that goes on without a record would have a hole in its history
        await _undo(step)
        return await fail(step, error)
    finally:
        live.parts.marks.discard(step)
        if scope is not None:
            scope.end()
            if scope.session is not None:
                await undisturbed(live, strand, _quietly(scope.close))


async def _mark_first(step: OpenStep) -> None:
    """What must not happen twice, or is counted, is on disk before it begins."""
    counted = step.live.crashed and step.call.retry.max_retries > 0
    if step.call.at_most_once or counted:
        step.set_marked()
        step.live.save(step.record(StepStatus.RUNNING))
        await step.live.durable()


async def _timed_body(step: OpenStep) -> Any:
    limit = time_left(step.call.retry, began=step.created_at, now=step.live.now())
    timer = asyncio.timeout(limit.total_seconds() if limit is not None else None)
    try:
        async with timer:
            return await step.call.body(step)
    except TimeoutError as error:
        if not timer.expired():
            raise
        seconds = limit.total_seconds() if limit is not None else 0.0
        raise StepTimeout(f"{step.call.identity.name} took longer than the {seconds:g} seconds that it may take.") from error


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
        # What is around a branch was committed when the branch began, and is not used until it has ended.
        outer = None if outer.is_branch else outer.outer


async def _undo(step: OpenStep) -> None:
    scope = step.scope
    if scope is not None and scope.session is not None:
        await undisturbed(step.live, step.caller.strand, _quietly(scope.rollback))


async def _quietly(end: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """How the step ended is decided: a session that cannot even be ended in order does not change it."""
    try:
        await end()
    except Exception:
        logger.exception("the session of a step did not end in order")
