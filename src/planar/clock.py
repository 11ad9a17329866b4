"""What time is it? A clock is given to whoever needs one, so that a test can move it.

This is the only module that asks the operating system for the time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, runtime_checkable


class Clock(Protocol):
    """Two questions: the wall clock for what is stored, the monotonic one for what is measured."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, never going back."""
        ...


@runtime_checkable
class MovedByHand(Protocol):
    """A clock that stands still until somebody moves it, as `planar.testing.ManualClock`: whoever waits for a time must be told."""

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call *listener* after each move; the answer ends that."""
        ...


class SystemClock:
    """The clock of the host."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


SYSTEM_CLOCK: Clock = SystemClock()


def when_moved(clock: Clock, listener: Callable[[], None]) -> Callable[[], None]:
    """Call *listener* whenever *clock* is moved by hand, which most clocks never are; the answer ends that."""
    return clock.subscribe(listener) if isinstance(clock, MovedByHand) else lambda: None


def utc_now() -> datetime:
    """The host's time, aware, in UTC. For what is not compared with stored times; the store has its own clock."""
    return SYSTEM_CLOCK.now()
