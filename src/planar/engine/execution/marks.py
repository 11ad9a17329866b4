"""Which steps have been running for a while? They get a mark in the journal, so that people see them.

One timer for all of them: a step that ends within the moment costs a dictionary entry and no write.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

from planar.clock import SYSTEM_CLOCK, Clock


class Markable(Protocol):
    """A step that is being executed."""

    def mark_running(self) -> None:
        """Write the mark, unless that cannot be done now."""
        ...


class RunningMarks:
    """The steps that are executing in this worker and have no mark yet."""

    def __init__(self, after: float, clock: Clock = SYSTEM_CLOCK) -> None:
        self._after = after
        self._monotonic = clock.monotonic
        self._since: dict[Markable, float] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, step: Markable) -> None:
        """*step* begins."""
        self._since[step] = self._monotonic()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._after, self._tick)

    def discard(self, step: Markable) -> None:
        """*step* has ended, or has a mark."""
        self._since.pop(step, None)

    def close(self) -> None:
        """No more marks."""
        self._since.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self) -> None:
        now = self._monotonic()
        for step, since in list(self._since.items()):
            # Insertion order is age order: the first young one ends the round.
            if now - since < self._after:
                break
            del self._since[step]
            step.mark_running()
        self._timer = None
        if self._since:
            oldest = next(iter(self._since.values()))
            self._timer = asyncio.get_running_loop().call_later(max(0.01, oldest + self._after - now), self._tick)
