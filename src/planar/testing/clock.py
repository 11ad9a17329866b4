"""What time is it? The time that the test says: it stands still until it is moved, and whoever waits for a time is told."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol, TypeVar

from planar.testing.errors import NothingDue

T = TypeVar("T")

START = datetime(2026, 1, 1, tzinfo=UTC)
PATIENCE_SECONDS = 10.0
TEN_YEARS = timedelta(days=3653)

Condition = Callable[[], bool | Awaitable[bool]]
"""A question without arguments, plain or ``async``."""


class Engine(Protocol):
    """Whoever executes runs by a `ManualClock`."""

    async def settled(self, patience: float) -> datetime | None:
        """Wait until nothing can go on at the present time; when the next run is due, if any sleeps until a time.

        Raises:
            WaitTimeout: something still goes on after *patience* seconds of real time.
        """
        ...

    async def unfinished(self) -> list[str]:
        """Each run that has not ended and what it waits for, for people."""
        ...


class ManualClock:
    """A clock that a test moves. Give it to `planar_test_client`, and the app's runs sleep, wake, retry and time out by it.

    `advance` walks: it stops at each moment at which a run is due, lets everything happen that happens then, and goes on. So a
    run that sleeps for a day, and then again, wakes twice in two days. `move_to` jumps and waits for nothing.

    What users' own code measures (``asyncio.sleep``, a timeout around a step) takes real time. Use it on one event loop.

    Args:
        start: the time at first, aware. By default the beginning of 2026, so that a test sees the same times whenever it runs.
        patience: how many seconds of real time a step may take while the clock waits for it.

    Raises:
        ValueError: *start* has no time zone.
    """

    def __init__(self, start: datetime = START, *, patience: float = PATIENCE_SECONDS) -> None:
        self._start = self._now = _in_utc(start)
        self._patience = patience
        self._listeners: dict[object, Callable[[], None]] = {}
        self._engines: dict[object, Engine] = {}

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return self._now

    def monotonic(self) -> float:
        """Seconds since the start, by this clock."""
        return (self._now - self._start).total_seconds()

    # -- moving -------------------------------------------------------------------------------------------------------

    def move_to(self, moment: datetime) -> None:
        """Jump to *moment*, and tell whoever runs on this clock. What is due then has not happened yet: see `settle`.

        Raises:
            ValueError: *moment* is past, or has no time zone.
        """
        moment = _in_utc(moment)
        if moment < self._now:
            raise ValueError(f"Time does not go back: it is {self._now.isoformat()}, later than {moment.isoformat()}.")
        self._now = moment
        for listener in list(self._listeners.values()):
            listener()

    async def advance(
        self,
        by: timedelta | float = 0,
        /,
        *,
        weeks: float = 0,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
    ) -> None:
        """Let time pass, and everything happen that happens meanwhile.

        Args:
            by: how much: a timedelta, or seconds; *weeks* and the others are added to it.

        Raises:
            ValueError: it is less than nothing.
            WaitTimeout: a run does not come to rest; the message names it.
        """
        given = by if isinstance(by, timedelta) else timedelta(seconds=by)
        await self.advance_to(self._now + given + timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds))

    async def advance_to(self, moment: datetime) -> None:
        """Let time pass until *moment*, and everything happen that happens meanwhile.

        Raises:
            ValueError: *moment* is past, or has no time zone.
            WaitTimeout: a run does not come to rest; the message names it.
        """
        moment = _in_utc(moment)
        due = await self.settle()
        while due is not None and due <= moment:
            self.move_to(due)
            due = await self.settle()
        self.move_to(moment)
        await self.settle()

    async def advance_until(self, condition: Condition, *, within: timedelta = TEN_YEARS) -> None:
        """Let time pass from one due run to the next, until *condition* holds. The clock then shows when that was.

        Args:
            condition: asked at first, and after everything that is due at one moment has happened.
            within: how far to go at most.

        Raises:
            NothingDue: no run sleeps until a time within that; the message says what runs wait for instead.
            WaitTimeout: a run does not come to rest; the message names it.
        """
        last = self._now + within
        due = await self.settle()
        while not await _holds(condition):
            if due is None or due > last:
                raise NothingDue(await self._nothing_due(due, last))
            self.move_to(due)
            due = await self.settle()

    async def settle(self) -> datetime | None:
        """Wait, in real time, until everything has happened that happens at the present time.

        Returns:
            When the next run is due; None if none sleeps until a time.

        Raises:
            WaitTimeout: a run does not come to rest; the message names it.
        """
        dues = [await engine.settled(self._patience) for engine in list(self._engines.values())]
        return min((due for due in dues if due is not None), default=None)

    async def _nothing_due(self, due: datetime | None, last: datetime) -> str:
        when = f"before {last.isoformat()}; the next at {due.isoformat()}" if due is not None else "any more"
        runs = [line for engine in self._engines.values() for line in await engine.unfinished()]
        return f"The condition does not hold at {self._now.isoformat()}, and no run is due {when}. Runs that have not ended: " + (
            "; ".join(runs) or "none"
        )

    # -- whoever runs on it -------------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call *listener* after each move; the answer ends that."""
        return _kept(self._listeners, listener)

    def attach(self, engine: Engine) -> Callable[[], None]:
        """From now on wait for *engine* to come to rest before time goes on; the answer ends that."""
        return _kept(self._engines, engine)


def _kept(among: dict[object, T], value: T) -> Callable[[], None]:
    key = object()
    among[key] = value

    def forget() -> None:
        among.pop(key, None)

    return forget


async def _holds(condition: Condition) -> bool:
    answer = condition()
    return await answer if inspect.isawaitable(answer) else answer


def _in_utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError("A time needs a time zone: which clock does it mean? For UTC, datetime(..., tzinfo=UTC).")
    return moment.astimezone(UTC)
