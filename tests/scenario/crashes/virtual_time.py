"""Time that passes only while nobody does anything: an event loop that jumps to its next timer instead of sleeping."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

PATIENCE = 10.0
"""How many real seconds to wait for threads that are at work before time goes on without them."""


class VirtualTime:
    """The seconds since the beginning, for every process of a world."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class _JumpingSelector(selectors.DefaultSelector):
    def __init__(self, time: VirtualTime, is_busy: Callable[[], bool]) -> None:
        super().__init__()
        self._time = time
        self._is_busy = is_busy

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        events = super().select(PATIENCE if self._is_busy() else 0)
        if not events:
            self._time.seconds += timeout
        return events


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop on *time*. While *busy* answers yes, or a thread of an executor works, it waits for that."""

    def __init__(self, time: VirtualTime) -> None:
        self.virtual = time
        self.busy: Callable[[], bool] = lambda: False
        self._working = 0
        super().__init__(_JumpingSelector(time, lambda: self._working > 0 or self.busy()))

    def time(self) -> float:
        return self.virtual.seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        working = super().run_in_executor(executor, func, *args)
        self._working += 1
        working.add_done_callback(self._ended)
        return working

    def _ended(self, _: object) -> None:
        self._working -= 1
