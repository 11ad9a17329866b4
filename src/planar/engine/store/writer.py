"""Who writes? One thread that owns the connection, takes everything that is waiting and commits it as one transaction.

There is no timer: alone, an entry waits for nothing; under load hundreds share a commit. What is submitted in one turn of the event
loop is handed over at its end: a thread that is woken by the first entry would fight the loop for the interpreter's lock, lose for
five milliseconds, and commit half of what was about to come. A run that is alone is another matter: what it records is handed over
at once, since what it writes next usually comes before the loop lets go of the lock; and what can be done as well during the commit of its
start waits for that, when the thread does not need the lock. The queue is also the gate for the transactions of users: a
session that wants to write puts a pause in it, and the writer rests until the session is done, so that neither waits in SQLite's
sleeping busy handler.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from planar.clock import SYSTEM_CLOCK
from planar.engine.errors import StaleEpoch
from planar.engine.store.commit_work import CommitWork
from planar.engine.store.port import EndRun, Entry, News, SaveStep
from planar.errors import InternalError
from planar.logging import get_logger

logger = get_logger(__name__)

LOOK_SECONDS = 0.05
"""How often the writer looks whether another process wrote: when it idles, and between batches when it does not."""

LARGEST_BATCH = 1000

ENTRIES_OF_ONE = 2
"""So many entries a run of one strand has on their way: its last record and its end, or its start and a mark."""

Execute = Callable[[str, tuple[Any, ...]], Any]
Apply = Callable[[Execute, Entry, News], Any]
Item = tuple[Entry, "asyncio.Future[Any]"]


@dataclass(slots=True, eq=False)
class Turn:
    """A session's turn to write. While it lasts the writer rests."""

    holder: str
    granted: asyncio.Future[None]
    done: threading.Event = field(default_factory=threading.Event)

    def release(self) -> None:
        """The session is done. May be called twice."""
        self.done.set()


class Writer:
    """The lane. *apply* turns an entry into statements; *publish* is called on the event loop with the news of each commit."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], apply: Apply, publish: Callable[[News], None]) -> None:
        self._connect = connect
        self._apply = apply
        self._publish = publish
        self._queue: queue.SimpleQueue[Item | Turn | None] = queue.SimpleQueue()
        self._submitted: list[Item] = []
        self._unanswered = 0
        """How many were submitted and have no outcome yet."""
        self._was_alone = True
        """Whether the last batch was small enough to be that of one run."""
        self._turns: list[Turn] = []
        """Those that sessions asked for."""
        self._for_commit = CommitWork()
        self._loop = asyncio.get_running_loop()
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._closed = False
        self._version = 0
        self._looked = 0.0
        self._thread = threading.Thread(target=self._work, name="planar-writer", daemon=True)

    async def open(self) -> None:
        """Begin to write.

        Raises:
            sqlite3.Error: the file cannot be opened.
        """
        self._thread.start()
        await self._opened

    def submit(self, entry: Entry) -> asyncio.Future[Any]:
        """Put *entry* in the lane."""
        if self._closed:
            raise InternalError("The store is closed.")
        future: asyncio.Future[Any] = self._loop.create_future()
        self._unanswered += 1
        if self._is_alone() and isinstance(entry, SaveStep | EndRun):
            # Its run goes on until it waits for this, mostly without an await. The thread wakes meanwhile, and finds what comes next.
            self._queue.put((entry, future))
            return future
        if not self._submitted:
            self._loop.call_soon(self._hand_over)
        self._submitted.append((entry, future))
        return future

    def _is_alone(self) -> bool:
        """Whether one run has the lane for itself, as far as anybody can tell."""
        return self._was_alone and self._unanswered <= ENTRIES_OF_ONE and not self._submitted

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Do *work* during the commit of the entry that was submitted last, or at once if that entry is not alone."""
        if self._unanswered != 1 or not all(turn.done.is_set() for turn in self._turns):
            work()
            return
        self._for_commit.add(work)

    def _hand_over(self) -> None:
        """Let the thread have what was submitted. Called also before anything else goes into its queue, which keeps the order."""
        for item in self._submitted:
            self._queue.put(item)
        self._submitted.clear()

    async def enter(self, holder: str) -> Turn:
        """Wait for the turn of *holder* to write; the writer rests until it is released."""
        turn = Turn(holder, self._loop.create_future())
        if self._closed:
            # A session may have found this gate just before it closed. Nobody writes here any more, so it need not wait.
            turn.granted.set_result(None)
        else:
            self._hand_over()
            self._turns = [turn, *(each for each in self._turns if not each.done.is_set())]
            self._queue.put(turn)
        try:
            await turn.granted
        except BaseException:
            turn.release()
            raise
        return turn

    async def close(self) -> None:
        """Write what is waiting, then stop."""
        if not self._closed:
            self._closed = True
            self._hand_over()
            self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        try:
            connection = self._connect()
            self._version = _data_version(connection)
        except Exception as error:
            self._call(self._tell_opened, error)
            return
        self._call(self._tell_opened, None)
        try:
            self._serve(connection)
        finally:
            connection.close()

    def _tell_opened(self, error: Exception | None) -> None:
        if self._opened.done():
            return
        if error is not None:
            self._opened.set_exception(error)
        else:
            self._opened.set_result(None)

    def _serve(self, connection: sqlite3.Connection) -> None:
        while True:
            try:
                item = self._queue.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                self._look(connection)
                continue
            batch, last = self._drain(item)
            if batch:
                self._write(connection, batch)
                self._look(connection)
            if isinstance(last, Turn):
                self._rest(last)
            elif last is None:
                return

    def _drain(self, item: Item | Turn | None) -> tuple[list[Item], Item | Turn | None]:
        """Everything up to the next pause or stop, and that."""
        batch: list[Item] = []
        while isinstance(item, tuple):
            batch.append(item)
            if len(batch) >= LARGEST_BATCH:
                return batch, item
            if self._queue.empty():
                return batch, item
            item = self._queue.get()
        return batch, item

    def _rest(self, turn: Turn) -> None:
        self._call(lambda: turn.granted.done() or turn.granted.set_result(None))
        turn.done.wait()

    def _look(self, connection: sqlite3.Connection) -> None:
        """Did another process write? Asked now and then only, but also while there is much to do here."""
        now = SYSTEM_CLOCK.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return
        self._looked = now
        try:
            newest = _data_version(connection)
        except sqlite3.Error:
            logger.warning("could not look whether another process wrote", exc_info=True)
            return
        if newest != self._version:
            self._version = newest
            self._call(self._publish, News(foreign=True))

    def _write(self, connection: sqlite3.Connection, batch: Sequence[Item]) -> None:
        news = News()
        try:
            outcomes = self._transact(connection, [entry for entry, _ in batch], news)
        except Exception as error:
            if len(batch) == 1:
                outcomes, news = [error], News()
            else:
                # One bad entry must hurt its own run only: each gets a transaction of its own.
                for item in batch:
                    self._write(connection, [item])
                return
        futures = [future for _, future in batch]
        self._call(self._resolve, futures, outcomes, news)

    def _transact(self, connection: sqlite3.Connection, entries: Sequence[Entry], news: News) -> list[Any]:
        # One cursor for all: making one takes as long as a small statement.
        execute = connection.cursor().execute
        _begin(connection, execute)
        try:
            outcomes = [self._outcome(execute, entry, news) for entry in entries]
            if self._for_commit:
                self._call(self._for_commit.commit_begins)
            execute("commit")
        except BaseException:
            if connection.in_transaction:
                connection.execute("rollback")
            raise
        return outcomes

    def _outcome(self, execute: Execute, entry: Entry, news: News) -> Any:
        try:
            return self._apply(execute, entry, news)
        except StaleEpoch as refusal:
            # The fence is the first statement of an entry, so nothing of it was written.
            return refusal

    def _resolve(self, futures: Sequence[asyncio.Future[Any]], outcomes: Sequence[Any], news: News) -> None:
        self._unanswered -= len(futures)
        self._was_alone = len(futures) <= ENTRIES_OF_ONE
        if self._for_commit:
            self._for_commit.do()
        for future, outcome in zip(futures, outcomes, strict=True):
            if future.done():
                continue
            if isinstance(outcome, BaseException):
                future.set_exception(outcome)
                # Whoever does not wait for a record learns of its refusal at the run's next barrier.
                future.exception()
            else:
                future.set_result(outcome)
        if news:
            self._publish(news)

    def _call(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            self._loop.call_soon_threadsafe(function, *arguments)
        except RuntimeError:
            logger.debug("the event loop has ended before its writer")


def _begin(connection: sqlite3.Connection, execute: Callable[[str], Any]) -> None:
    """Begin, however long another process holds the lock: giving up would fail runs that did nothing wrong."""
    if connection.in_transaction:
        # What is left of a batch that could not even be rolled back must not stand in the way of the next.
        connection.execute("rollback")
    since = SYSTEM_CLOCK.monotonic()
    while True:
        try:
            execute("begin immediate")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
                raise
            logger.warning("another process holds the write lock", seconds=round(SYSTEM_CLOCK.monotonic() - since, 1))
        else:
            return


def _data_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("pragma data_version").fetchone()[0])
