"""What if the process dies just now? A store that numbers the durable writes of a process, and lets it die at one of them.

`planar.testing.crashes` has the processes: event loops, each of which is stopped where it stands.
"""

from __future__ import annotations

import asyncio
from asyncio import Future
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import Connection, event
from sqlalchemy.util import await_only

from planar.db.gate import WriteGate, WriteTurn, holder_of
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession
from planar.engine.core.model import Run, StepRecord
from planar.engine.errors import StaleEpoch
from planar.engine.store.lease import WorkerLease
from planar.engine.store.port import Entry, Found, News, Store, Wait
from planar.errors import InternalError


class ProcessDied(SystemExit):
    """A process came to the write at which it was to die. Raised by its event loop, outside of everything that runs in it."""


@dataclass(frozen=True, slots=True)
class Crash:
    """Where a process dies: at its durable write *number*, counted from 1."""

    number: int
    after: bool = False
    """Once that write is durable, but before anybody heard of it; otherwise before anything of it is written."""

    def __str__(self) -> str:
        return f"{'after' if self.after else 'before'} write {self.number}"


class Faults:
    """The durable writes of one process, and at which of them it dies, if at any.

    Args:
        crash: where it dies. None: it lives, and its writes are counted.
    """

    def __init__(self, crash: Crash | None = None) -> None:
        self.crash = crash
        self.writes: list[str] = []
        """What was written, in its order: the kind of each entry, and ``commit`` for a session's own transaction."""
        self.dead = False

    @property
    def fired(self) -> bool:
        """Whether there was a write of the number at which the process was to die."""
        return self.dead

    def cut(self, writes: Sequence[str]) -> tuple[int, bool]:
        """Give *writes*, which would become durable together, their numbers.

        Returns:
            How many of them are written, and whether the process dies then.
        """
        before = len(self.writes)
        self.writes += writes
        number = self.crash.number - before if self.crash is not None else 0
        if self.crash is None or not 0 < number <= len(writes):
            return len(writes), False
        return number - 1 + int(self.crash.after), True

    async def die(self) -> NoReturn:
        """End the process: stop its event loop, and never return."""
        self.dead = True
        # From the loop itself and not from here, where a `finally` of somebody's code would run first.
        asyncio.get_running_loop().call_soon(_stop_dead)
        await for_ever()


async def for_ever() -> NoReturn:
    """Wait for something that does not come."""
    await asyncio.get_running_loop().create_future()
    raise AssertionError("nobody ends this wait")


def _stop_dead() -> NoReturn:
    raise ProcessDied


class FaultyStore:
    """*inner*, with every durable write numbered. Those that would share a transaction are cut where the process dies.

    Lane and sessions write one after the other, so that numbers are the order in which writes became durable.

    Args:
        inner: the store that writes.
        faults: what is counted, and where it ends.
        manager: whose sessions write to the same database; their commits are numbered as well.
    """

    def __init__(self, inner: Store, faults: Faults, manager: DatabaseManager | None = None) -> None:
        self.inner = inner
        self._faults = faults
        self._manager = manager
        self._lane: list[tuple[Entry, Future[Any]]] = []
        self._pump: asyncio.Task[None] | None = None
        self._order = asyncio.Lock()
        self._held: list[News] | None = None
        self._listeners: list[Callable[[News], None]] = []
        self._is_open = False
        self._connections: set[Any] = set()
        self._writing = False
        self._gate: _Gate | None = None
        self._unanswered: set[Future[Any]] = set()

    @property
    def is_busy(self) -> bool:
        """Whether an entry is on its way to the database or back, so that a clock which jumps had better wait."""
        return not self._faults.dead and (self._writing or (self._gate is not None and self._gate.is_busy))

    async def open(self) -> None:
        await self.inner.open()
        self._is_open = True
        self.inner.subscribe(self._hear)
        if self._manager is not None:
            self._watch(self._manager)
            # The one that is open already is to be known as well.
            async with self._manager.get_engine().connect():
                pass

    async def close(self) -> None:
        await self._unless_dead()
        self._is_open = False
        while self._pump is not None:
            await asyncio.wait([self._pump])
        await self.inner.close()

    async def abandon(self) -> None:
        """What an operating system does for a process that died: its transactions end, its files are closed. For another loop."""
        for connection in self._connections:
            await _hang_up(connection)
        if self._gate is not None:
            self._gate.abandon()
        await self.inner.close()

    def refuse(self) -> None:
        """Answer nothing any more, and whoever still waits with a refusal, so that the dead process's code comes to its end."""
        self._is_open = False
        for future in self._unanswered:
            if not future.done():
                future.set_exception(StaleEpoch("The process is dead."))
                future.exception()
        self._unanswered.clear()

    async def clear_away(self) -> None:
        """Close what the dead process's code did not close when it was unwound."""
        if self._manager is not None and self._manager.is_connected:
            await self._manager.disconnect()

    def now(self) -> datetime:
        return self.inner.now()

    # -- what is numbered ---------------------------------------------------------------------------------------------

    def submit(self, entry: Entry) -> Future[Any]:
        loop = asyncio.get_running_loop()
        if not self._is_open:
            raise InternalError("The store is closed.")
        future: Future[Any] = loop.create_future()
        self._unanswered.add(future)
        if not self._faults.dead:
            self._lane.append((entry, future))
            self._pump = self._pump or loop.create_task(self._write_lane())
        return future

    def meanwhile(self, work: Callable[[], None]) -> None:
        work()

    async def submit_in(self, session: PlanarSession, entries: Sequence[Entry]) -> list[Any]:
        await self._unless_dead()
        kept, dies = self._faults.cut([type(entry).__name__ for entry in entries])
        outcomes = await self.inner.submit_in(session, entries[:kept]) if kept else []
        if dies:
            await self._faults.die()
        return outcomes

    async def enlist(self, worker_id: UUID, lease: WorkerLease | None = None) -> None:
        await self._alone("enlist", lambda: self.inner.enlist(worker_id, lease))

    async def discharge(self, worker_id: UUID) -> None:
        await self._alone("discharge", lambda: self.inner.discharge(worker_id))

    async def _write_lane(self) -> None:
        while self._lane:
            async with self._order:
                await self._unless_dead()
                batch, self._lane = self._lane, []
                await self._write(batch)
        self._pump = None

    async def _write(self, batch: Sequence[tuple[Entry, Future[Any]]]) -> None:
        kept, dies = self._faults.cut([type(entry).__name__ for entry, _ in batch])
        held: list[News] = []
        self._held = held
        self._writing = True
        written = [self.inner.submit(entry) for entry, _ in batch[:kept]]
        if written:
            await asyncio.wait(written)
        if dies:
            await self._faults.die()
        for (_, future), done in zip(batch, written, strict=True):
            self._unanswered.discard(future)
            _pass_on(done, future)
        self._held, self._writing = None, False
        for news in held:
            self._hear(news)

    async def _alone(self, what: str, write: Callable[[], Awaitable[None]]) -> None:
        async with self._order:
            await self._unless_dead()
            kept, dies = self._faults.cut([what])
            if kept:
                self._writing = True
                await write()
                self._writing = False
            if dies:
                await self._faults.die()

    # -- sessions -----------------------------------------------------------------------------------------------------

    def _watch(self, manager: DatabaseManager) -> None:
        if manager.write_gate is not None:
            manager.write_gate = self._gate = _Gate(manager.write_gate, self._order, self._unless_dead)
        engine = manager.get_engine().sync_engine
        event.listen(engine, "checkout", self._in_use)
        event.listen(engine, "before_cursor_execute", lambda *_: self._before_statement())
        event.listen(engine, "commit", self._before_commit)

    def _in_use(self, connection: Any, _record: Any, _proxy: Any) -> None:
        self._connections.add(connection.driver_connection)

    def _before_statement(self) -> None:
        if self._faults.dead:
            await_only(for_ever())

    def _before_commit(self, connection: Connection) -> None:
        self._before_statement()
        if not holder_of(connection).wrote:
            return
        kept, dies = self._faults.cut(["commit"])
        if dies and kept:
            connection.connection.commit()
        if dies:
            await_only(self._faults.die())

    # -- what is told and read ----------------------------------------------------------------------------------------

    def subscribe(self, listener: Callable[[News], None]) -> Callable[[], None]:
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _hear(self, news: News) -> None:
        if self._faults.dead:
            return
        if self._held is not None:
            # Nobody hears of a write before whoever wrote it: as in the store itself, the news come with the answer.
            self._held.append(news)
            return
        for listener in list(self._listeners):
            listener(news)

    async def load_run(self, run_id: UUID) -> Run | None:
        await self._unless_dead()
        return await self.inner.load_run(run_id)

    async def load_runs(self, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
        await self._unless_dead()
        return await self.inner.load_runs(run_ids)

    async def load_steps(self, run_ids: Iterable[UUID]) -> dict[UUID, list[StepRecord]]:
        await self._unless_dead()
        return await self.inner.load_steps(run_ids)

    async def look(self, waits: Sequence[Wait]) -> tuple[Found, ...]:
        await self._unless_dead()
        return await self.inner.look(waits)

    async def cancel_requests(self, worker_id: UUID) -> dict[UUID, str]:
        await self._unless_dead()
        return await self.inner.cancel_requests(worker_id)

    async def dead_workers(self, worker_id: UUID, among: Sequence[UUID] | None = None) -> list[UUID]:
        await self._unless_dead()
        return await self.inner.dead_workers(worker_id, among)

    async def other_workers(self, worker_id: UUID) -> list[UUID]:
        await self._unless_dead()
        return await self.inner.other_workers(worker_id)

    async def _unless_dead(self) -> None:
        if self._faults.dead:
            await for_ever()


async def _hang_up(connection: Any) -> None:
    """Close a driver's connection that was used in a loop which stands still."""
    terminate = getattr(connection, "terminate", None)
    if terminate is None:
        # SQLite's, which lives in a thread.
        await connection.close()
    else:
        terminate()


def _pass_on(done: Future[Any], future: Future[Any]) -> None:
    error = done.exception()
    if future.done():
        return
    if error is None:
        future.set_result(done.result())
        return
    future.set_exception(error)
    # Whoever does not wait for a record learns of its refusal at the run's next barrier.
    future.exception()


class _Turn:
    """A session's turn, during which nothing else is written."""

    def __init__(self, inner: WriteTurn, over: Callable[[_Turn], None]) -> None:
        self.abandon = inner.release
        self._over: Callable[[_Turn], None] | None = over

    def release(self) -> None:
        self.abandon()
        over, self._over = self._over, None
        if over is not None:
            over(self)


class _Gate:
    """*inner*, in one order with the lane."""

    def __init__(self, inner: WriteGate, order: asyncio.Lock, unless_dead: Callable[[], Awaitable[None]]) -> None:
        self._inner = inner
        self._order = order
        self._unless_dead = unless_dead
        self._entering: list[Coroutine[Any, Any, WriteTurn]] = []
        self._turns: list[_Turn] = []

    async def enter(self, holder: str) -> WriteTurn:
        await self._order.acquire()
        try:
            await self._unless_dead()
            turn = _Turn(await self._enter(self._inner.enter(holder)), self._end)
        except BaseException:
            self._order.release()
            raise
        self._turns.append(turn)
        return turn

    @property
    def is_busy(self) -> bool:
        """Whether somebody is being let in."""
        return bool(self._entering)

    async def _enter(self, entering: Coroutine[Any, Any, WriteTurn]) -> WriteTurn:
        self._entering.append(entering)
        turn = await entering
        self._entering.remove(entering)
        return turn

    def _end(self, turn: _Turn) -> None:
        self._turns.remove(turn)
        self._order.release()

    def abandon(self) -> None:
        """The process is dead: give back its turn, and the one that it waits for."""
        for entering in self._entering:
            entering.close()
        for turn in self._turns:
            turn.abandon()
