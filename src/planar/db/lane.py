"""Who holds SQLite's write lock, since when, and what happens if that takes too long?

A lane is one connection to the file. Its `LaneConnection` lives on the driver's thread and is the only one to know when a
transaction has really ended: also when the task that wanted it was cancelled in the middle. So it is what gives the turn back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from planar.clock import SYSTEM_CLOCK
from planar.db.connection import BEGIN, UNDO, LaneConnection
from planar.db.errors import DatabaseBusy, DatabaseError, WriteHeldTooLong
from planar.db.gate import WriteGate, WriteHolder, WriteTurn
from planar.logging import get_logger

logger = get_logger(__name__)

LONG_SECONDS = 1.0
"""A write lock held for longer is worth a warning."""

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.025


@dataclass(slots=True, eq=False)
class OpenWrite:
    """A transaction that writes."""

    holder: WriteHolder
    turn: WriteTurn | None = None
    timers: list[asyncio.TimerHandle] = field(default_factory=list[asyncio.TimerHandle])
    overdue: bool = False
    undoing: asyncio.Future[Any] | None = None

    def free(self) -> None:
        """The lock is free again."""
        for timer in self.timers:
            timer.cancel()
        if self.turn is not None:
            self.turn.release()


class Lanes:
    """What the lanes of one engine share."""

    def __init__(self, busy_seconds: float, gate: Callable[[], WriteGate | None]) -> None:
        self.busy_seconds = busy_seconds
        self._gate = gate
        self._writing: OpenWrite | None = None

    async def turn(self, holder: WriteHolder) -> WriteTurn | None:
        """The next turn at the gate, if there is one. Given back if it comes after all when nobody waits for it any more."""
        gate = self._gate()
        if gate is None:
            return None
        entering = asyncio.ensure_future(gate.enter(holder.label))
        try:
            done, _ = await asyncio.wait({entering}, timeout=self.busy_seconds)
        except asyncio.CancelledError:
            _withdraw(entering)
            raise
        if not done:
            _withdraw(entering)
            raise self.busy()
        return entering.result()

    def busy(self) -> DatabaseBusy:
        """The error for whoever has waited long enough."""
        holder = "another process or connection" if self._writing is None else repr(self._writing.holder.label)
        return DatabaseBusy(f"The write lock was not free for {self.busy_seconds:g} s; it is held by {holder}. Try again later.")

    def started(self, write: OpenWrite) -> None:
        """*write* has the lock."""
        self._writing = write

    def freed(self, write: OpenWrite) -> None:
        """*write* no longer has the lock."""
        write.free()
        if self._writing is write:
            self._writing = None


def _withdraw(entering: asyncio.Future[WriteTurn]) -> None:
    def give_back(done: asyncio.Future[WriteTurn]) -> None:
        if not done.cancelled() and done.exception() is None:
            done.result().release()

    entering.cancel()
    entering.add_done_callback(give_back)


class Lane:
    """One connection to the file, seen from the event loop."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._loop = asyncio.get_running_loop()
        self._raw: LaneConnection | None = None
        self.write: OpenWrite | None = None
        """The transaction that writes here, until it has been committed or rolled back."""

    @property
    def busy_seconds(self) -> float:
        """How long to wait for the lock."""
        return self._lanes.busy_seconds

    def opened(self, raw: LaneConnection) -> None:
        """Called by *raw*, on its thread, once it is ready."""
        self._raw = raw

    async def begin(self, driver: Any, holder: WriteHolder) -> None:
        """Take the write lock for *holder*, waiting for the turn and for other processes.

        Raises:
            DatabaseBusy: it was not free in time.
        """
        write = OpenWrite(holder, await self._lanes.turn(holder))
        # From here on closing the connection gives the turn back; SQLAlchemy closes it if this task is cancelled.
        self.write = write
        try:
            await self._begin_immediate(driver)
        except Exception:
            self.over(write)
            raise
        self._lanes.started(write)
        holder.wrote = True
        write.timers.append(self._loop.call_later(LONG_SECONDS, self._warn, write))
        if not holder.unlimited:
            write.timers.append(self._loop.call_later(self.busy_seconds, self._end_by_force, driver, write))

    async def _begin_immediate(self, driver: Any) -> None:
        deadline = SYSTEM_CLOCK.monotonic() + self.busy_seconds
        pause = _FIRST_PAUSE
        while True:
            try:
                await driver.execute(BEGIN)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                    raise
                if SYSTEM_CLOCK.monotonic() >= deadline:
                    raise self._lanes.busy() from error
            else:
                return
            await asyncio.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def refuse_if_undone(self) -> None:
        """Raise if the open transaction was undone: by us because it took too long, or by SQLite after an error."""
        error = self.overdue_error()
        if error is not None:
            raise error
        if self._raw is not None and not self._raw.in_transaction:
            raise DatabaseError("An earlier error made SQLite undo the whole transaction. Call rollback() before going on.")

    def overdue_error(self) -> WriteHeldTooLong | None:
        """Why the open transaction was undone, if it took too long."""
        if self.write is None or not self.write.overdue:
            return None
        return WriteHeldTooLong(
            f"{self.write.holder.label!r} held SQLite's write lock for {self.busy_seconds:g} s, so its transaction was undone and nothing "
            "of it was written. Write last, after everything that takes time, or raise ?timeout= in the database URL."
        )

    def _warn(self, write: OpenWrite) -> None:
        logger.warning("the write lock has been held for long; nobody else can write", holder=write.holder.label, seconds=LONG_SECONDS)

    def _end_by_force(self, driver: Any, write: OpenWrite) -> None:
        write.undoing = asyncio.ensure_future(_run(driver, UNDO))

    def _undone(self, write: OpenWrite) -> None:
        self._lanes.freed(write)
        write.overdue = True
        logger.warning(
            "the write lock was held for too long; the transaction is undone", holder=write.holder.label, seconds=self.busy_seconds
        )
        if write.holder.on_overdue is not None:
            try:
                write.holder.on_overdue()
            except Exception:
                logger.exception("the holder of the write lock could not be told", holder=write.holder.label)

    def over(self, write: OpenWrite) -> None:
        """*write* was committed or rolled back."""
        self._lanes.freed(write)
        if self.write is write:
            self.write = None

    def tell(self, *, undone: bool = False) -> None:
        """Called on the driver's thread: the lock is free, because the session ended its transaction or because it took too long."""
        write = self.write
        if write is not None:
            with suppress(RuntimeError):  # the event loop has ended, and every turn with it
                self._loop.call_soon_threadsafe(self._undone if undone else self.over, write)


async def _run(driver: Any, command: str) -> None:
    with suppress(ValueError, sqlite3.Error):  # closed meanwhile, which undoes as well
        await driver.execute(command)
