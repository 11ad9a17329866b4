"""How does a run pause? `suspend`, and what applications import beside it."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from planar.context import current_services
from planar.engine.client import Client
from planar.engine.errors import EventTimeout
from planar.workflows.decorators import step
from planar.workflows.waiting import suspend, wait_for_event

__all__ = ["Suspend", "suspend", "suspend_workflow"]


@dataclass(frozen=True, slots=True)
class Suspend:
    """A pause of a run: until ``wakeup_at``, for ``interval``, or until an event of ``event_key`` comes.

    Driven by hand, a run answers with one when it sleeps. Workflow code that has one from `suspend_workflow` awaits it.
    """

    wakeup_at: datetime | None = None
    interval: timedelta | None = None
    event_key: str | None = None
    exception: Exception | None = None
    """What is raised when the pause is over."""

    def __await__(self) -> Generator[Any, Any, None]:
        return self._pause().__await__()

    async def _pause(self) -> None:
        if self.event_key is None:
            await suspend(interval=self.interval, wakeup_at=self.wakeup_at)
        else:
            await self._pause_for_event(self.event_key)
        if self.exception is not None:
            raise self.exception

    async def _pause_for_event(self, key: str) -> None:
        seconds = -1.0
        if self.interval is not None:
            seconds = max(0.0, self.interval.total_seconds())
        elif self.wakeup_at is not None:
            seconds = await seconds_until(self.wakeup_at)
        try:
            await wait_for_event(key, seconds)
        except EventTimeout:
            return  # the time was the other thing that it waited for


@step(display_name="Get time to wait")
async def seconds_until(moment: datetime) -> float:
    """How long it is until *moment*; recorded, so that a replay waits for the same."""
    return max(0.0, (moment - current_services().get(Client).now()).total_seconds())


def suspend_workflow(
    *,
    wakeup_at: datetime | None = None,
    interval: timedelta | None = None,
    event_key: str | None = None,
    exception: Exception | None = None,
) -> Suspend:
    """A pause of the run, for workflow code to await: ``await suspend_workflow(event_key="paid")``.

    `suspend` and `wait_for_event` say the same more plainly. An event that ends the pause counts as taken by this run.

    Args:
        wakeup_at: until when; aware.
        interval: for how long.
        event_key: until an event of this key comes; with a time as well, whichever is first.
        exception: raised when the pause is over.

    Raises:
        ValueError: nothing to wait for is given, two times are, or *wakeup_at* has no time zone.
    """
    if wakeup_at is not None and interval is not None:
        raise ValueError("Give suspend_workflow either wakeup_at= or interval=, not both.")
    if wakeup_at is None and interval is None and event_key is None:
        raise ValueError("Give suspend_workflow something to wait for: wakeup_at=, interval= or event_key=.")
    if wakeup_at is not None and wakeup_at.tzinfo is None:
        raise ValueError("wakeup_at needs a time zone: which clock does it mean? For UTC, datetime(..., tzinfo=UTC).")
    return Suspend(wakeup_at, interval, event_key, exception)
