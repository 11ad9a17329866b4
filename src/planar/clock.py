"""What time is it? A clock is given to whoever needs one, so that a test can move it.

This is the only module that asks the operating system for the time.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Two questions: the wall clock for what is stored, the monotonic one for what is measured."""

    def now(self) -> datetime:
        """The current time, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds since an arbitrary moment, never going back."""
        ...


class SystemClock:
    """The clock of the host."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


SYSTEM_CLOCK: Clock = SystemClock()


def utc_now() -> datetime:
    """The host's time, aware, in UTC. For what is not compared with stored times; the store has its own clock."""
    return SYSTEM_CLOCK.now()
