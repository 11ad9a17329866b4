"""Who waits for a lock in this process? First come, first served, and only the first of them asks the database."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from planar.workflows.lock_errors import LockResourceFailed


@dataclass(slots=True, eq=False)
class _Queue:
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    people: int = 0
    holder: asyncio.Task[Any] | None = None


class LockQueues:
    """A queue for each name that somebody in this process holds or waits for."""

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}

    def __len__(self) -> int:
        return len(self._queues)

    async def enter(self, key: str, seconds: float) -> Turn:
        """Wait for the turn, which is given in the order of asking.

        Raises:
            LockResourceFailed: it did not come within *seconds*, or this task has it already.
        """
        queue = self._queues.setdefault(key, _Queue())
        if queue.holder is not None and queue.holder is asyncio.current_task():
            raise LockResourceFailed(f"This task holds the lock '{key}' already, and would wait for itself.")
        queue.people += 1
        try:
            async with asyncio.timeout(seconds):
                await queue.lock.acquire()
        except BaseException as error:
            self.forget(key, queue)
            if isinstance(error, TimeoutError):
                raise LockResourceFailed(f"The lock '{key}' was held in this process for the {seconds:g} s that were waited.") from None
            raise
        queue.holder = asyncio.current_task()
        return Turn(self, key, queue)

    def forget(self, key: str, queue: _Queue) -> None:
        """One less waits for *key*, or holds it."""
        queue.people -= 1
        if queue.people == 0:
            del self._queues[key]


class Turn:
    """The right to ask the database for a lock: one in this process has it."""

    def __init__(self, queues: LockQueues, key: str, queue: _Queue) -> None:
        self._queues = queues
        self._key = key
        self._queue: _Queue | None = queue

    def leave(self) -> None:
        """It is the next one's turn. May be called twice."""
        queue, self._queue = self._queue, None
        if queue is not None:
            queue.holder = None
            queue.lock.release()
            self._queues.forget(self._key, queue)
