"""What does a run wait for? A time, an event, another run: each is a step that ends when what it waits for has come."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TypeVar
from uuid import UUID

from planar.engine.core.model import ENDED, Event, Reason, Run
from planar.engine.execution.parking import LOOK_AGAIN_SECONDS
from planar.engine.execution.step import OpenStep
from planar.engine.store.port import RunWait
from planar.engine.tracing import is_traced, trace
from planar.errors import InternalError, PlanarError
from planar.logging import get_logger

logger = get_logger(__name__)

T = TypeVar("T")


async def sleep_until(step: OpenStep, due: datetime) -> None:
    """Return when *due* has come by the store's clock; the time stands in the step's mark, so that a restart keeps it."""
    due = step.wakeup_at = step.wakeup_at or due
    if is_traced():
        await trace("waiting for a time", run_id=step.live.id, step_id=step.step_id, until=due)
    while step.live.now() < due:
        await step.live.park(step, step.caller.strand, Reason.TIMER, due)


async def poll(
    step: OpenStep, question: Callable[[], Awaitable[bool]], interval: Callable[[], datetime], deadline: datetime | None
) -> bool:
    """Ask *question* until it says yes, sleeping until *interval* says; False once *deadline* has passed without a yes.

    What the question wrote is committed before the run sleeps: while its session holds the write lock no run can go to sleep.
    """
    while not await question():
        if step.scope is not None:
            await step.live.durable()
            await step.scope.commit()
        now = step.live.now()
        if deadline is not None and now >= deadline:
            return False
        due = interval() if deadline is None else min(interval(), deadline)
        await step.live.park(step, step.caller.strand, Reason.TIMER, due)
    return True


async def take_event(step: OpenStep, key: str, since: datetime | None, deadline: datetime | None) -> Event | None:
    """The oldest event of *key* that this run may see and has not taken; None once *deadline* has passed without one."""
    live = step.live
    while True:
        # Made anew each time: another branch of the run may have taken one meanwhile.
        wait = live.taken.wait(live.run, key, since)
        if is_traced():
            await trace("waiting for event", key=key, run_id=live.id, step_id=step.step_id, until=deadline)
        found = await live.park(step, step.caller.strand, Reason.EVENT, deadline, wait)
        is_late = deadline is not None and live.now() >= deadline
        if found is None and is_late:
            # Time is over, but what was waited for may have come before it was.
            (found,) = await patiently(step, partial(live.parts.store.look, [wait]))
        if isinstance(found, Event):
            if live.taken.take(key, found.seq, widened=since is not None):
                step.event_seq = found.seq
                if is_traced():
                    await trace("event found", key=key, run_id=live.id, step_id=step.step_id)
                return found
        elif is_late:
            if is_traced():
                await trace("event did not come in time", key=key, run_id=live.id, step_id=step.step_id)
            return None


async def patiently(step: OpenStep, question: Callable[[], Awaitable[T]]) -> T:
    """The answer to *question* of the store, asked until the database can be reached: that it cannot is no way for a wait to end.

    Raises:
        PlanarError: the answer is an error of ours.
        RunDetached: this worker let go of the run meanwhile.
    """
    while True:
        try:
            return await question()
        except PlanarError:
            raise
        except Exception:
            logger.warning("what a run waits for could not be looked for; that is tried again", workflow_id=step.live.id, exc_info=True)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
        step.live.check(step.caller.strand)


async def await_run(step: OpenStep, run_id: UUID) -> Run:
    """The run *run_id* once it has ended."""
    if is_traced():
        await trace("waiting for a run", run_id=step.live.id, step_id=step.step_id, awaited=run_id)
    while True:
        ended = await step.live.park(step, step.caller.strand, Reason.CHILD, wait=RunWait(run_id))
        if isinstance(ended, Run):
            if ended.status not in ENDED:
                raise InternalError(f"Run {run_id} was reported as ended and is {ended.status}.")
            return ended
