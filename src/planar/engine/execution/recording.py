"""How did a step end? Its result or error is written here, in one place, and what the caller gets is what a replay will give it."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Coroutine
from typing import Any

from planar.db.session import SessionScope
from planar.engine.codec import capture_failure, dump_failure, restore_failure
from planar.engine.core.failure import Failure
from planar.engine.core.model import StepRecord, StepStatus
from planar.engine.core.retry import next_attempt
from planar.engine.current import Strand
from planar.engine.errors import ResultNotStorable, RunDetached, StaleEpoch, StepInterrupted
from planar.engine.execution.run import LiveRun
from planar.engine.execution.step import OpenStep, steps_around
from planar.engine.store.port import Cancel, SaveStep
from planar.logging import get_logger

logger = get_logger(__name__)

CANCELLED_BY_REQUEST = "planar:cancel"
"""Somebody asked for the end of the run."""
CANCELLED_BY_DECISION = "planar:lost"
"""The branch lost: the workflow's own code decides that again on replay."""


def cancelled_error(reason: str) -> str:
    """How the end of a run by a request is kept."""
    return dump_failure(Failure("RunCancelled", reason))


class TryAgain(Exception):
    """The attempt failed and there will be another."""


async def succeed(step: OpenStep, value: Any) -> Any:
    """The body returned *value*: record it. The answer is the restored one."""
    live, scope = step.live, step.scope
    text, restored = step.call.codec.roundtrip_result(value)
    if live.detached or step.caller.strand.left:
        raise RunDetached
    if live.diverged is not None:
        # What the body made of that is not how the step ended.
        raise live.diverged
    wrote = scope is not None and scope.session is not None and await scope.flush()
    live.parts.marks.discard(step)
    if not wrote and not live.turns.several:
        _save(step, step.record(StepStatus.SUCCEEDED, seq=live.next_seq(), result=text))
        return restored
    async with in_turn(step):
        record = step.record(StepStatus.SUCCEEDED, seq=live.next_seq(), result=text)
        if wrote and scope is not None:
            await undisturbed(live, step.caller.strand, _commit_with(live, scope, SaveStep(live.holder, record)))
            keep_for_retry(step, record)
        else:
            _save(step, record)
    return restored


def _save(step: OpenStep, record: StepRecord, **joined: Any) -> None:
    step.live.save(record, **joined)
    if step.caller.step_id is not None:
        keep_for_retry(step, record)


class _Turn:
    """The block in which the end of *step* is given its number and handed out, while no other strand's is."""

    __slots__ = ("_step",)

    def __init__(self, step: OpenStep) -> None:
        self._step = step

    async def __aenter__(self) -> None:
        live, strand = self._step.live, self._step.caller.strand
        heard = live.has_heard(strand)
        if await live.turns.end() and not heard:
            live.owe(strand)
        if live.detached:
            self._hand_out()
            raise RunDetached

    async def __aexit__(self, *_: object) -> None:
        self._hand_out()

    def _hand_out(self) -> None:
        self._step.live.turns.handed_out(self._step.caller.strand, to_code=self._step.to_code)


class _AtOnce:
    """The turn of a run's only strand: it is always its own."""

    async def __aenter__(self) -> None: ...
    async def __aexit__(self, *_: object) -> None: ...


_AT_ONCE = _AtOnce()


def in_turn(step: OpenStep) -> Any:
    """The block gives the end of *step* its number and hands it out, while no other strand's is."""
    return _Turn(step) if step.live.turns.several else _AT_ONCE


async def _commit_with(live: LiveRun, scope: SessionScope, entry: SaveStep) -> None:
    """The record and the step's own writes become durable together, or not at all.

    What this step stands on is durable already: it was waited for before the body began, and nested steps wait for theirs. What
    other branches recorded since may still be on its way, and cannot come first: the writer rests while this session writes.
    """
    if not live.is_sound():
        raise RunDetached
    try:
        await live.parts.store.submit_in(scope.get(), [entry])
    except StaleEpoch as refusal:
        await scope.rollback()
        raise live.lose(refusal) from None
    try:
        await scope.commit()
    except Exception:
        if not await _is_recorded(live, entry.record):
            raise
        logger.warning("the answer to a step's commit was lost, and its record is there", workflow_id=live.id)
    live.tell(entry.record)


async def _is_recorded(live: LiveRun, record: StepRecord) -> bool:
    """Whether *record*, whose commit failed, is durable all the same: the answer may have been lost, and the body must not begin again."""
    try:
        records = (await live.parts.store.load_steps([live.id]))[live.id]
    except Exception:
        logger.warning("could not look whether a step was recorded", workflow_id=live.id, exc_info=True)
        return False
    return any(each.path == record.path and each.seq == record.seq for each in records)


async def undisturbed(live: LiveRun, strand: Strand, committing: Coroutine[Any, Any, None]) -> None:
    """Never half a record: a cancellation that comes during the commit is too late for this step, which has ended.

    A timeout of the user's code that expires meanwhile has no effect; a request for an end is delivered at the next call.
    """
    heard = live.has_heard(strand)
    task = asyncio.ensure_future(committing)
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            if not heard:
                live.owe(strand)
    task.result()


async def fail(step: OpenStep, error: BaseException) -> Any:
    """The body raised *error*: record it and raise the restored one, or say that there will be another attempt.

    Raises:
        TryAgain: there will be another attempt, at the step's ``wakeup_at``.
        RunDetached: the run is another worker's by now.
        Exception: the restored error.
    """
    live = step.live
    if live.let_go() or step.caller.strand.left:
        # What the body made of being let go is not how the step ended.
        raise RunDetached
    if live.diverged is not None:
        raise live.diverged
    if live.doubts_lease():
        # It may have failed because its transaction was ended by whoever takes this run over.
        await undisturbed(live, step.caller.strand, live.keep_lease())
    failure = capture_failure(error)
    text = dump_failure(failure)
    again = None
    if not isinstance(error, ResultNotStorable | StepInterrupted):
        began, now = step.created_at, live.now()
        again = next_attempt(step.call.retry, step.retries, error, began=began, now=now, chance=random.random())
    if again is not None:
        logger.info("step failed, it will be tried again", step=step.call.identity.name, error=failure.type, retry=step.retries + 1)
        step.retries += 1
        step.wakeup_at, step.failure = again, text
        raise TryAgain from None
    logger.info("step failed", step=step.call.identity.name, error=failure.type)
    step.wakeup_at = None
    async with in_turn(step):
        _save(step, step.record(StepStatus.FAILED, seq=live.next_seq(), error=text))
    raise restore_failure(failure) from error


def keep_for_retry(step: OpenStep, record: StepRecord) -> None:
    """A step around this one may be tried again: its body will call this one again, which must not run again."""
    if any(outer.call.retry.max_retries != 0 for outer in steps_around(step.caller)):
        step.live.journal.keep(record)


async def give_up(step: OpenStep, cancelled: asyncio.CancelledError) -> BaseException:
    """The body was cancelled: by this worker letting go, by a request for an end, or by the user's own code. What to raise.

    A child that it waited for ends with it: nobody is left who wants its result.
    """
    live, strand = step.live, step.caller.strand
    if live.let_go() or strand.left:
        return RunDetached()
    if live.diverged is not None:
        # Nothing is recorded any more, and nobody's turn comes.
        return live.diverged
    reason, path = _cause(live, strand, str(cancelled))
    text = dump_failure(Failure("CancelledError", reason, path))
    joined = {} if step.child_id is None else {"cancel": Cancel(step.child_id, reason, cancelled_error(reason))}
    async with in_turn(step):
        _save(step, step.record(StepStatus.CANCELLED, seq=live.next_seq(), error=text), **joined)
    return asyncio.CancelledError(reason)


def _cause(live: LiveRun, strand: Strand, message: str) -> tuple[str, str | None]:
    """Why a step is given up, and how a replay knows that it need not wait for the user's code to do so again.

    Code that was told of its end may clean up with timeouts of its own: the message says which of the two this is.
    """
    asked = live.heard()
    if asked is not None and message == asked.reason:
        return asked.reason, CANCELLED_BY_REQUEST
    loss = strand.loss
    if loss is not None and loss.delivered and message == loss.reason:
        return loss.reason, CANCELLED_BY_DECISION if strand.lost_by_decision else None
    return "cancelled from outside the step", None
