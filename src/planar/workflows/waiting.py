"""Sleep, wait for an event, announce one, ask again until it is so: what takes time in a workflow."""

from __future__ import annotations

import functools
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, ParamSpec, TypeVar
from uuid import UUID, uuid5

from planar.context import current_services
from planar.engine.client import Client
from planar.engine.codec import CallCodec
from planar.engine.core.model import Event, RunStatus
from planar.engine.core.replay import StepIdentity
from planar.engine.current import Frame, find_frame
from planar.engine.errors import ArgumentNotStorable, EventTimeout
from planar.engine.execution.driver import BAD_RECORD
from planar.engine.execution.steps import OpenStep, StepCall, perform
from planar.engine.execution.waits import poll, sleep_until, take_event
from planar.errors import PlanarError
from planar.workflows.arguments import check_event_key, check_function, check_interval, check_run_id, check_seconds, moment_in_utc
from planar.workflows.decorators import step
from planar.workflows.errors import check_not_reserved
from planar.workflows.models import WorkflowEvent
from planar.workflows.rows import event_of

P = ParamSpec("P")
T = TypeVar("T")


async def _call(
    frame: Frame,
    function: Callable[..., Any],
    args: tuple[Any, ...],
    body: Callable[[OpenStep], Awaitable[T]],
    title: str,
    name: str | None = None,
) -> T:
    """Call a step of ours: *function* says its name (that of the public one, which it stands for) and its types, *body* what it does."""
    name = name or function.__name__.lstrip("_")
    identity = StepIdentity(f"planar.workflows.{name}", name, display_name=title)
    codec = _codec(function)
    args_text, kwargs_text = codec.dump_call(args, {})
    return await perform(frame, StepCall(identity, args_text, kwargs_text, body, codec))


@functools.cache
def _codec(function: Callable[..., Any]) -> CallCodec:
    return CallCodec(function)


def _frame_for(what: str) -> Frame:
    frame = find_frame()
    if frame is None:
        raise RuntimeError(f"{what} is for workflow code; it was called outside a run.")
    return frame


async def suspend(*, interval: timedelta | None = None, wakeup_at: datetime | None = None) -> None:
    """Sleep for *interval*, or until *wakeup_at*: for seconds or for months, across restarts. Never shorter.

    Raises:
        ValueError: both or neither are given, *wakeup_at* has no time zone, or *interval* is more than a thousand years.
    """
    frame = _frame_for("suspend")
    if (interval is None) == (wakeup_at is None):
        raise ValueError("Give suspend either interval= or wakeup_at=.")
    if interval is not None:
        check_interval(interval)
    wakeup = None if wakeup_at is None else moment_in_utc(wakeup_at, "wakeup_at")

    async def body(step: OpenStep) -> None:
        await sleep_until(step, wakeup or step.created_at + (interval or timedelta()))

    await _call(frame, _suspend, (interval, wakeup_at), body, "Suspend")


async def _suspend(interval: timedelta | None, wakeup_at: datetime | None) -> None:
    """The recorded form of `suspend`."""


@step(display_name="Get deadline")
async def get_deadline(max_wait_time: float) -> datetime:
    """The time *max_wait_time* seconds from now; recorded, so that a replay keeps it."""
    check_seconds(max_wait_time, "max_wait_time", negative="lies in the past")
    return current_services().get(Client).now() + timedelta(seconds=max_wait_time)


async def wait_for_event(event_key: str, max_wait_time: float = -1, *, since: datetime | None = None) -> Any:
    """Wait for the oldest event of *event_key* that this run has not taken, and take it.

    Events emitted since the run was started count, and with *since* older ones too; those targeted at another run never do.

    Args:
        event_key: the key under which the event is emitted.
        max_wait_time: seconds to wait; negative waits for ever.
        since: look at events from this time on.

    Returns:
        The event's payload.

    Raises:
        EventTimeout: nothing came in time.
        ArgumentNotStorable: there can be no event of that key.
        ValueError: *max_wait_time* is not a number of seconds.
    """
    frame = _frame_for("wait_for_event")
    check_event_key(event_key)
    check_seconds(max_wait_time, "max_wait_time", negative="waits for ever")

    async def body(step: OpenStep) -> Any:
        deadline = await get_deadline(max_wait_time) if max_wait_time >= 0 else None
        event = await take_event(step, event_key, since, deadline)
        if event is None:
            raise EventTimeout(f"Timeout waiting for event {event_key}: nothing came within {max_wait_time:g} seconds.")
        return json.loads(event.payload)

    return await _call(frame, _wait_for_event, (event_key, max_wait_time, since), body, "Wait for event")


async def _wait_for_event(event_key: str, max_wait_time: float, since: datetime | None):
    """The recorded form of `wait_for_event`."""


async def wait_for_event_until(event_key: str, until: datetime | None) -> bool:
    """Wait for the next event of *event_key*, at most until a time that stands already; whether one came. For features that wait.

    Recorded as `wait_for_event` is, and without its payload: what an event says is for those who announce it under a key of their own.
    """
    frame = _frame_for("wait_for_event_until")

    async def body(step: OpenStep) -> bool:
        return await take_event(step, event_key, None, until) is not None

    # The key comes first and `since` third, as in every record of a wait: what a run has taken is read from there.
    return await _call(frame, _wait_until, (event_key, until, None), body, "Wait for event", "wait_for_event")


async def _wait_until(event_key: str, until: datetime | None, since: datetime | None) -> bool:
    """The recorded form of `wait_for_event_until`."""
    raise NotImplementedError


def wait(
    poll_interval: float = 60.0, max_wait_time: float = 3600.0
) -> Callable[[Callable[P, Awaitable[bool]]], Callable[P, Awaitable[None]]]:
    """Make an ``async def`` that answers yes or no a step that ends when the answer is yes.

    Args:
        poll_interval: seconds between two questions; the run sleeps meanwhile.
        max_wait_time: seconds until it gives up; negative never does.

    Raises:
        EventTimeout: (from the step) the answer was still no at the deadline; also a ValueError.
        TypeError, ValueError: an argument is not a number of seconds, or the function is not a coroutine function.
    """
    check_seconds(poll_interval, "poll_interval")
    check_seconds(max_wait_time, "max_wait_time", negative="waits for ever")

    def decorate(question: Callable[P, Awaitable[bool]]) -> Callable[P, Awaitable[None]]:
        check_function(getattr(question, "original_fn", question), "Wait")
        codec = CallCodec(question, return_type=type(None))
        name = f"{question.__module__}.{question.__qualname__}"
        identity = StepIdentity(name, question.__qualname__, display_name=f"Wait for {question.__name__}")

        @functools.wraps(question)
        async def waiting(*args: P.args, **kwargs: P.kwargs) -> None:
            frame = _frame_for(question.__name__)

            async def body(step: OpenStep) -> None:
                deadline = await get_deadline(max_wait_time) if max_wait_time >= 0 else None
                interval = timedelta(seconds=poll_interval)
                if not await poll(step, lambda: question(*args, **kwargs), lambda: step.live.now() + interval, deadline):
                    raise EventTimeout("Timeout waiting for condition to be met")

            args_text, kwargs_text = codec.dump_call(args, kwargs)
            await perform(frame, StepCall(identity, args_text, kwargs_text, body, codec))

        return waiting

    return decorate


async def emit_event(
    event_key: str,
    payload: Any = None,
    workflow_id: UUID | None = None,
    *,
    idempotency_key: str | None = None,
) -> tuple[WorkflowEvent, int]:
    """Announce something: to the run *workflow_id*, or to every run that waits for *event_key* and to those that will.

    In a run it happens once, however often the code is replayed. With *idempotency_key* a second call is the first one's event.

    Returns:
        The event, and how many runs it woke.

    Raises:
        ArgumentNotStorable: the payload is not JSON, or the key is empty.
        ReservedEventKey: events of that key are Planar's own.
        TypeError: *workflow_id* is not a UUID.
    """
    check_event_key(event_key)
    check_not_reserved(event_key)
    if workflow_id is not None:
        check_run_id(workflow_id, "workflow_id")
    frame = find_frame()
    client = current_services().get(Client)
    text = _payload_text(payload)
    event = client.new_event(event_key, text, workflow_id, idempotency_key)
    if frame is None:
        emitted = await client.emit(event)
        return event_of(emitted.event), emitted.woken
    if frame.step_id is not None:
        emitted = await client.emit(_placed(event, frame.run.id, frame.next_path()))
        return event_of(emitted.event), emitted.woken

    async def body(step: OpenStep) -> dict[str, Any]:
        try:
            emitted = await client.emit(_placed(event, step.live.id, step.path))
        except (PlanarError, *BAD_RECORD):
            raise
        except Exception as error:
            # The database cannot be asked now: that is not how this step ends. The run is tried again.
            raise step.live.stop(error) from None
        return {**event_of(emitted.event).model_dump(mode="json"), "woken": emitted.woken}

    stored = dict(await _call(frame, _emit_event, (event_key, payload, workflow_id), body, "Emit event"))
    woken = int(stored.pop("woken"))
    return WorkflowEvent.model_validate(stored), woken


async def _emit_event(event_key: str, payload: Any, workflow_id: UUID | None) -> dict[str, Any]:
    """The recorded form of `emit_event`."""
    raise NotImplementedError


def _payload_text(payload: Any) -> str:
    try:
        text = json.dumps({} if payload is None else payload, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        text.encode()  # half a character (a lone surrogate) could be stored escaped, but never be shown again
        return text
    except (TypeError, ValueError) as error:
        raise ArgumentNotStorable(f"The payload of an event must be JSON: {error}. Convert it to plain JSON values first.") from error


def _placed(event: Event, run_id: UUID, path: str) -> Event:
    """*event* with an id that its place in the run gives, so that a body that runs again emits nothing again."""
    return Event(uuid5(run_id, path), event.key, event.payload, event.run_id, event.timestamp, idempotency_key=event.idempotency_key)


async def cancel(run_id: UUID, reason: str = "cancelled") -> RunStatus:
    """Ask for the end of a run and of its children.

    One that sleeps or waits ends at once. One that executes gets a ``CancelledError`` at its next await and some time for
    cleaning up, in which its steps still record.

    Returns:
        The status that this leaves the run in: ``cancelled``, or ``running`` until it has cleaned up.

    Raises:
        RunNotFound: there is no such run.
        RunAlreadyEnded: it has ended.
        TypeError: *run_id* is not a UUID.
    """
    check_run_id(run_id, "run_id")
    if find_frame() is not None:
        return await _cancel_step(run_id, reason)
    return await current_services().get(Client).cancel(run_id, reason)


@step(display_name="Cancel run")
async def _cancel_step(run_id: UUID, reason: str) -> RunStatus:
    return await current_services().get(Client).cancel(run_id, reason)
