"""Who writes? One task: it takes everything that waits, commits it together, and begins again.

There is no timer: alone, an entry waits for nothing; under load hundreds share a commit.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from planar.engine.store.port import News
from planar.engine.store.postgres.committing import Committer, Written
from planar.engine.store.postgres.locks import LaneEntry
from planar.errors import InternalError

LARGEST_BATCH = 1000
WORTH_HALVING = 16

Item = tuple[LaneEntry, "asyncio.Future[Any]"]
Publish = Callable[[Sequence[LaneEntry], Written], None]


class Lane:
    """The lane of one store.

    Args:
        committer: who writes.
        publish: called after each commit with its entries, and what became of the first of them.
    """

    def __init__(self, committer: Committer, publish: Publish) -> None:
        self._committer = committer
        self._publish = publish
        self._waiting: deque[Item] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and begin to write."""
        await self._committer.open()
        self._task = asyncio.create_task(self._work(), name="planar-lane")

    def submit(self, entry: LaneEntry) -> asyncio.Future[Any]:
        """Put *entry* in the lane.

        Raises:
            InternalError: the lane is closed.
        """
        if self._closed:
            raise InternalError("The store is closed.")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        self._filled.set()
        return future

    async def close(self) -> None:
        """Write what is waiting, then let go of the connection."""
        self._closed = True
        self._committer.hurry()
        self._filled.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        await self._committer.close()

    async def _work(self) -> None:
        while self._waiting or not self._closed:
            await self._filled.wait()
            self._filled.clear()
            # Many that have come together would for ever wait together, and the server while they go on: half of them first.
            share = 2 if len(self._waiting) >= WORTH_HALVING else 1
            while self._waiting:
                count = min(-(-len(self._waiting) // share), LARGEST_BATCH)
                share = 1
                await self._write([self._waiting.popleft() for _ in range(count)])

    async def _write(self, batch: Sequence[Item]) -> None:
        while batch:
            batch = batch[await self._write_first(batch) :]

    async def _write_first(self, batch: Sequence[Item]) -> int:
        """Write as many of *batch* as go together: how many that was."""
        entries = [entry for entry, _ in batch]
        try:
            written = await self._committer.write(entries)
        except Exception as error:
            if len(batch) > 1:
                # One bad entry must hurt its own run only: it is looked for by halving.
                middle = len(batch) // 2
                await self._write(batch[:middle])
                await self._write(batch[middle:])
                return len(batch)
            written = Written([error], News())
        for (_, future), outcome in zip(batch, written.outcomes, strict=False):
            _resolve(future, outcome)
        self._publish(entries, written)
        return len(written.outcomes)


def _resolve(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
        # Whoever does not wait for a record learns of its refusal at the run's next barrier.
        future.exception()
    else:
        future.set_result(outcome)
