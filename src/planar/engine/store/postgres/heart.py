"""How does a worker prove that it lives, and what time is it? A beat, three times in each lease, asks and tells both.

Leases are measured by the server's clock alone; the clocks of hosts are never compared. A process without a worker needs the
time as well, and asks for it now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from planar.clock import SYSTEM_CLOCK
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.connection import ask
from planar.engine.store.postgres.rows import uuid
from planar.logging import get_logger

logger = get_logger(__name__)

BEATS_PER_LEASE = 3
RETRY_SECONDS = 0.2
IDLE_SECONDS = 30.0
"""Between two questions for the time, while there is no worker here. Two clocks that run drift by less than a millisecond meanwhile."""


class ServerTime:
    """The server's clock, as this process reads it between two beats."""

    def __init__(self) -> None:
        self._offset: timedelta | None = None
        self._origin = datetime(1970, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """The time, on the server. It goes on smoothly, whatever becomes of this host's clock."""
        if self._offset is None:
            return SYSTEM_CLOCK.now()
        return self._origin + timedelta(seconds=SYSTEM_CLOCK.monotonic()) + self._offset

    def learn(self, asked: float, told: datetime, answered: float) -> None:
        """The server said *told* between two moments of the monotonic clock."""
        self._offset = told - self._origin - timedelta(seconds=(asked + answered) / 2)


class Heart:
    """Beats for the workers of this process.

    Args:
        pool: where to ask.
        time: what learns the server's time.
        lease_seconds: how long a worker is believed to live after a beat.
        written_off: called with a worker that was taken for dead, though it lives.
        unseen: called when a session's event is left over from somebody who died.
    """

    def __init__(
        self, pool: Any, time: ServerTime, lease_seconds: float, written_off: Callable[[UUID], None], unseen: Callable[[], None]
    ) -> None:
        self._pool = pool
        self._time = time
        self._seconds = lease_seconds / BEATS_PER_LEASE
        self._written_off = written_off
        self._unseen = unseen
        self._workers: set[UUID] = set()
        self._held = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Ask for the time now and then, until `close`; more often while there are workers to beat for."""
        self._task = asyncio.create_task(self._work(), name="planar-heart")

    def hold(self, worker_id: UUID) -> None:
        """Beat for *worker_id* from now on."""
        self._workers.add(worker_id)
        self._held.set()

    def release(self, worker_id: UUID) -> None:
        """*worker_id* has stopped."""
        self._workers.discard(worker_id)

    async def close(self) -> None:
        """Beat no more. Whoever has not been released is dead from now on, without a wait for the end of its lease."""
        left = list(self._workers)
        self._workers.clear()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if left:
            try:
                await ask(self._pool, sql.END_LEASES, left)
            except Exception as error:
                logger.warning("workers that stopped without a word will be missed at the end of their lease only", error=repr(error))

    async def beat(self) -> None:
        """Say that the workers live."""
        asked = SYSTEM_CLOCK.monotonic()
        ((told, gone, unseen),) = await ask(self._pool, sql.BEAT, list(self._workers))
        self._time.learn(asked, told, SYSTEM_CLOCK.monotonic())
        for worker_id in map(uuid, gone):
            if worker_id in self._workers:
                self._written_off(worker_id)
        if unseen:
            self._unseen()

    async def _work(self) -> None:
        failed = False
        while True:
            await self._rest(failed)
            try:
                await self.beat()
            except Exception as error:
                failed = True
                logger.warning("workers could not say that they live; that is tried again", workers=len(self._workers), error=repr(error))
            else:
                failed = False

    async def _rest(self, failed: bool) -> None:
        """Until the next beat is due. The first one of a worker is due after it was held: its registration was a beat as well."""
        if not self._workers:
            self._held.clear()
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    await self._held.wait()
            except TimeoutError:
                return
        await asyncio.sleep(RETRY_SECONDS if failed else self._seconds)
