"""How does a worker prove that it lives, and what time is it? A beat, three times in each lease, asks and tells both.

A worker that holds no run has nothing that others could take over: it rests, and beats now and then. Before anything is written in its
name it is roused. Leases are measured by the server's clock alone; the clocks of hosts are never compared. A process without a worker
needs the time as well, and asks for it now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID

from planar.clock import SYSTEM_CLOCK
from planar.engine.store.lease import REST_IN_LEASES, WorkerLease
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.connection import ask, ask_once
from planar.engine.store.postgres.rows import uuid
from planar.logging import get_logger

logger = get_logger(__name__)

BEATS_PER_LEASE = 3
RETRY_SECONDS = 0.2
SHORTEST_WAIT = 1.0
"""How many seconds an answer is waited for, however short a lease is."""
IDLE_SECONDS = 30.0
"""Between two questions for the time, while there is no worker here. Two clocks that run drift by less than a millisecond meanwhile."""

Asking = Callable[..., Awaitable[Sequence[Any]]]


class ServerTime:
    """The server's clock, as this process reads it between two beats."""

    def __init__(self) -> None:
        self._offset: float | None = None
        """From the monotonic clock to the server's time since 1970, in seconds."""

    def now(self) -> datetime:
        """The time, on the server. It goes on smoothly, whatever becomes of this host's clock."""
        if self._offset is None:
            return SYSTEM_CLOCK.now()
        return datetime.fromtimestamp(SYSTEM_CLOCK.monotonic() + self._offset, UTC)

    def learn(self, asked: float, told: datetime, answered: float) -> None:
        """The server said *told* between two moments of the monotonic clock.

        What was believed stays, if it can be true: an answer that was long on its way knows no better, and a time that went to and fro
        would put off what was due a moment ago.
        """
        least, most = told.timestamp() - answered, told.timestamp() - asked
        self._offset = (least + most) / 2 if self._offset is None else min(max(self._offset, least), most)


class Heart:
    """Beats for the workers of this process.

    Args:
        pool: where to ask.
        time: what learns the server's time.
        lease_seconds: how long a worker is believed to live after a beat.
        written_off: called with a worker that was taken for dead, though it lives.
        unseen: called when a session's event is left over from somebody who died.
        told: the channel on which other processes hear that a resting worker is roused, and what to say there.
    """

    def __init__(
        self,
        pool: Any,
        time: ServerTime,
        lease_seconds: float,
        written_off: Callable[[UUID], None],
        unseen: Callable[[], None],
        told: tuple[str, str],
    ) -> None:
        self._pool = pool
        self._time = time
        self._lease_seconds = lease_seconds
        self._seconds = lease_seconds / BEATS_PER_LEASE
        self._written_off = written_off
        self._unseen = unseen
        self._told = told
        self._resting = False
        self._roused = asyncio.Event()
        self._writing = 0
        self._written = float("-inf")
        """When something was last written in a worker's name."""
        self._workers: dict[UUID, WorkerLease] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Ask for the time now and then, until `close`; more often while there are workers to beat for."""
        self._task = asyncio.create_task(self._work(), name="planar-heart")

    def hold(self, worker_id: UUID, lease: WorkerLease, registered: float) -> None:
        """Beat for *worker_id* from now on, and tell *lease*; it had itself registered at the moment *registered* or later."""
        self._workers[worker_id] = lease
        lease.renew(registered + self._lease_seconds)
        self._resting = False
        self._roused.set()

    def note_return(self, worker_id: UUID, registered: float) -> None:
        """*worker_id* had been taken for dead, and registered again at the moment *registered* or later."""
        lease = self._workers.get(worker_id)
        if lease is not None:
            lease.renew(registered + self._lease_seconds)

    def release(self, worker_id: UUID) -> None:
        """*worker_id* has stopped."""
        lease = self._workers.pop(worker_id, None)
        if lease is not None:
            # Nobody need wait for its next beat.
            lease.lose()

    def is_overdue(self) -> bool:
        """Whether a lease has run out. Others may rely on an answer in which its worker was silent and held nothing."""
        return any(lease.has_run_out() for lease in self._workers.values())

    async def begin_writing(self) -> None:
        """What is written from now on is written in the name of workers that do not rest until it is done, and have beaten if they did."""
        self._writing += 1
        if self._resting:
            try:
                await self.beat(announced=True)
            except BaseException:
                self.end_writing()
                raise
            self._roused.set()

    def end_writing(self) -> None:
        """It is done, or was given up."""
        self._writing -= 1
        self._written = SYSTEM_CLOCK.monotonic()

    async def close(self) -> None:
        """Beat no more. Whoever has not been released is dead from now on, without a wait for the end of its lease."""
        left = list(self._workers)
        for worker_id in left:
            self.release(worker_id)
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
            self._task = None
        if left:
            try:
                await ask(self._pool, sql.END_LEASES, left)
            except Exception as error:
                logger.warning("workers that stopped without a word will be missed at the end of their lease only", error=repr(error))

    async def beat(self, asking: Asking = ask, *, announced: bool = False) -> None:
        """Say that the workers live; *announced*, so that others look at them again."""
        asked = SYSTEM_CLOCK.monotonic()
        workers = dict(self._workers)
        channel, name = self._told if announced else ("", "")
        ((told, gone, unseen, holding, _),) = await asking(self._pool, sql.BEAT, list(workers), channel, name)
        self._time.learn(asked, told, SYSTEM_CLOCK.monotonic())
        written_off = set(map(uuid, gone))
        for worker_id, lease in workers.items():
            if self._workers.get(worker_id) is not lease:
                continue
            if worker_id not in written_off:
                lease.renew(asked + self._lease_seconds)
            else:
                lease.lose()
                self._written_off(worker_id)
        # What is being written, or was since, the answer may not know of.
        may_rest = bool(workers) and not gone and not holding
        self._resting = may_rest and not self._writing and self._written < asked
        if unseen:
            self._unseen()

    async def _work(self) -> None:
        # Soon again rather than long: an answer that is too late for the lease is of no use.
        briefly = partial(ask_once, within=max(self._seconds, SHORTEST_WAIT))
        failed = False
        while True:
            await self._rest(failed)
            try:
                await self.beat(briefly)
            except Exception as error:
                failed = True
                logger.warning("workers could not say that they live; that is tried again", workers=len(self._workers), error=repr(error))
            else:
                failed = False

    async def _rest(self, failed: bool) -> None:
        """Until the next beat is due. A worker that was registered, or is roused, has just beaten."""
        if failed:
            await asyncio.sleep(RETRY_SECONDS)
            return
        if self._workers and not self._resting:
            await asyncio.sleep(self._seconds)
            return
        self._roused.clear()
        try:
            async with asyncio.timeout(REST_IN_LEASES * self._lease_seconds if self._workers else IDLE_SECONDS):
                await self._roused.wait()
        except TimeoutError:
            return
        await asyncio.sleep(self._seconds)
