"""How is a lock taken, kept and given back? By a lease that is renewed while the block runs, and a block that ends with its lease."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from planar.context import Services
from planar.db.conflicts import is_conflict
from planar.db.session import PlanarSession, current_scope
from planar.engine.current import find_frame
from planar.engine.errors import ForeignTaskError
from planar.logging import get_logger
from planar.workflows.leases import Leases, Taken, after_transaction
from planar.workflows.lock_errors import LockLost, LockResourceFailed
from planar.workflows.lock_queue import LockQueues, Turn
from planar.workflows.tracing import trace

logger = get_logger(__name__)

T = TypeVar("T")

LOOK_SECONDS = 0.05
"""How often to look again whether the holder's own transaction, which keeps everybody else out, is over."""

SHORTEST_PAUSE = 0.01

CLOSING_SECONDS = 1.0


class Locks:
    """The locks of one app; one of its services."""

    def __init__(self, services: Services) -> None:
        self.leases = Leases(services)
        self.queues = LockQueues()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def acquire(self, key: str, duration: timedelta, retries: int, interval: float) -> Hold:
        """Take the lock, waiting for it as long as *retries* retries, *interval* seconds apart, would last.

        Raises:
            LockResourceFailed: it was not free in time.
        """
        loop = asyncio.get_running_loop()
        patience = retries * interval
        deadline = loop.time() + patience
        turn = await self.queues.enter(key, patience)
        try:
            while True:
                taken = await self._take(key, duration)
                if taken is not None:
                    return Hold(self, turn, key, taken, duration)
                left = deadline - loop.time()
                if left <= 0:
                    raise LockResourceFailed(f"The lock '{key}' was held by somebody else for the {patience:g} s that were waited.")
                await trace("lock is busy", key=key)
                await asyncio.sleep(min(interval, left))
        except BaseException:
            turn.leave()
            raise

    async def close(self) -> None:
        """Wait for what is still being given back, but not for ever."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + CLOSING_SECONDS
        # A lock that is taken when its taker is gone is given back by a further task.
        while self._tasks and loop.time() < deadline:
            await asyncio.wait(self._tasks, timeout=deadline - loop.time())
        late = list(self._tasks)
        for task in late:
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=CLOSING_SECONDS)

    async def _take(self, key: str, duration: timedelta) -> Taken | None:
        taking = self.spawn(self.leases.take(key, duration))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # It may be taken all the same, and then nobody would know that it is theirs.
            taking.add_done_callback(lambda done: self._give_up(key, done))
            raise
        except Exception as error:
            if not is_conflict(error):
                raise
            return None

    def _give_up(self, key: str, taking: asyncio.Task[Taken | None]) -> None:
        taken = None if taking.cancelled() or taking.exception() is not None else taking.result()
        if taken is not None:
            self.spawn(self.give_back(key, taken.number))

    async def give_back(self, key: str, number: int) -> bool:
        """End a hold; False if it was not the newest one any more. What cannot be written now ends with its lease."""
        try:
            return await self.leases.give_back(key, number)
        except Exception as error:
            logger.warning("a lock could not be given back; it is free when its lease has run out", lock=key, error=repr(error))
            return True

    def spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do *work* to its end, whatever becomes of the caller."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            # Whoever waits for it has the error too; nobody else is to be told that nobody did.
            task.exception()


def locks_of(services: Services) -> Locks:
    """The locks of an app, made at the first use."""
    return services.find(Locks) or services.add(Locks, Locks(services))


class Hold:
    """A lock that is held, by the task that made this."""

    def __init__(self, locks: Locks, turn: Turn, key: str, taken: Taken, duration: timedelta) -> None:
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a lock needs a task that holds it")
        self.number = taken.number
        self.lost = False
        self._locks = locks
        self._turn = turn
        self._key = key
        self._duration = duration
        self._loop = asyncio.get_running_loop()
        self._pause = duration.total_seconds() / 3
        self._deadline = taken.since + duration.total_seconds()
        self._owner = task
        self._cancelling = task.cancelling()
        self._cancelled = False
        self._scope = current_scope()
        self._run = _current_run()
        self._heart: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Renew the lease from now on; when it is lost, cancel the owner."""
        self._heart = self._locks.spawn(self._beat())

    def loss(self) -> LockLost:
        """The error that says so."""
        return LockLost(
            f"The lock '{self._key}' (hold {self.number}) was lost: its lease could not be renewed in time, or somebody else has taken"
            " it over. What the block did since then may have met with the work of the next holder."
        )

    def take_back_cancellation(self) -> bool:
        """Take back the request with which the owner was cancelled. False if nobody asked here, or if others ask as well."""
        if not self._cancelled:
            return False
        self._cancelled = False
        return self._owner.uncancel() <= self._cancelling

    # -- keeping ------------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while self._left() > 0:
            # Sooner, when an attempt has failed and the end of the lease is near.
            await asyncio.sleep(min(self._pause, max(self._left() / 2, SHORTEST_PAUSE)))
            if not await self._is_ours_still():
                break
        self._lose()
        await trace("lock lost", key=self._key, number=self.number)

    def _left(self) -> float:
        """How many seconds the lease lasts, as far as is known here."""
        return self._deadline - self._loop.time()

    async def _is_ours_still(self) -> bool:
        """Renew the lease. False if it is somebody else's; what could not be known in time is tried again."""
        if self._run is not None and self._run.parking.is_asleep:
            # Whoever executes the run next may be another process, which would wait for this one for ever.
            return True
        renewing = self._locks.spawn(self._locks.leases.renew(self._key, self.number, self._duration))
        while not renewing.done() and self._left() > 0:
            await asyncio.wait({renewing}, timeout=min(self._left(), LOOK_SECONDS))
            if self._keeps_everybody_out():
                # The renewal is done right after that transaction, and tells whether somebody was faster.
                self._deadline = max(self._deadline, self._loop.time() + self._pause)
        if not renewing.done():
            # It is left to itself: a statement that is cut off costs its connection, and this one does no harm when it comes late.
            return True
        error = renewing.exception()
        if error is not None:
            logger.warning("a lock could not be renewed", lock=self._key, error=repr(error))
            return True
        since = renewing.result()
        if since is not None:
            self._deadline = max(self._deadline, since + self._duration.total_seconds())
        return since is not None

    def _keeps_everybody_out(self) -> bool:
        """On SQLite the holder's own open transaction delays its heartbeat, and everybody who could take the lock as well."""
        session = self._scope.session if self._scope is not None else None
        return session is not None and session.wrote and session.dialect.name == "sqlite"

    def _lose(self) -> None:
        logger.warning("a lock was lost; the block that it protects is cancelled", lock=self._key, number=self.number)
        self.lost = self._cancelled = True
        self._owner.cancel("the lock was lost")
        self._turn.leave()

    # -- giving back --------------------------------------------------------------------------------------------------

    async def end(self, *, failed: bool) -> None:
        """The block has ended: give the lock back, together with what the block wrote if that is not committed yet.

        Args:
            failed: it raised. Whether what it wrote is undone is not known yet; the lock is given back when that is settled.
        """
        if self._heart is not None:
            # From here on it cancels nobody.
            self._heart.cancel()
        session = self._scope.session if self._scope is not None else None
        if session is None:
            await self._give_back(failed)
        elif failed or self.lost:
            await self._give_back_after(session, failed)
        else:
            await self._give_back_with(session)

    async def _give_back_with(self, session: PlanarSession) -> None:
        """What the session has not written yet belongs to the block as well."""
        given = False
        try:
            if self._scope is not None and await self._scope.flush():
                self.lost = not await self._locks.leases.give_back_in(session, self._key, self.number)
                # What was done within a savepoint may be undone alone.
                given = not self.lost and not session.in_nested_transaction()
        finally:
            await self._give_back_after(session, failed=False, given=given)

    async def _give_back_after(self, session: PlanarSession, failed: bool, given: bool = False) -> None:
        """Not before the session's transaction is over, if it has written; unless it was *given* back with that."""
        if session.wrote:
            after_transaction(session, lambda committed: self._settle(given=committed and given))
        else:
            await self._give_back(failed)

    def _settle(self, *, given: bool) -> None:
        if given:
            self._turn.leave()
        else:
            self._locks.spawn(self._give_back_now())

    async def _give_back(self, failed: bool) -> None:
        was_ours = await asyncio.shield(self._locks.spawn(self._give_back_now()))
        self.lost = self.lost or not (was_ours or failed)

    async def _give_back_now(self) -> bool:
        try:
            was_ours = await self._locks.give_back(self._key, self.number)
            await trace("lock released", key=self._key, number=self.number)
            return was_ours
        finally:
            self._turn.leave()


def _current_run() -> Any:
    """The run whose code takes the lock, if one does."""
    try:
        frame = find_frame()
    except ForeignTaskError:
        return None
    return frame.run if frame is not None else None
