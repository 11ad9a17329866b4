"""Who writes? One task with one connection: it takes everything that waits, commits it as one transaction, and begins again.

There is no timer: alone, an entry waits for nothing; under load hundreds share a commit. An entry is never lost and never applied
twice: when the server is gone in the middle, the lane connects again and asks whether its transaction was committed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from planar.clock import SYSTEM_CLOCK
from planar.engine.store.port import News
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.connection import Connection, Connector, close_quietly, is_conflict, is_lost
from planar.engine.store.postgres.entries import apply
from planar.engine.store.postgres.locks import LaneEntry, locks_of
from planar.engine.store.postgres.transaction import Transaction
from planar.engine.store.postgres.witness import Witness, find_witness
from planar.errors import InternalError
from planar.logging import get_logger
from planar.utils import exponential_backoff_with_jitter

logger = get_logger(__name__)

LARGEST_BATCH = 1000
PATIENCE_SECONDS = 5.0
"""How long a lane that is to close waits for a server that is gone."""

NO_SUCH_NUMBER = "22023"
"""A server that crashed has forgotten numbers of transactions of which nothing was on disk."""

Item = tuple[LaneEntry, "asyncio.Future[Any]"]
Publish = Callable[[Sequence[LaneEntry], Sequence[Any], News], None]


class _Written(NamedTuple):
    """What became of a batch."""

    outcomes: list[Any]
    news: News


class _Lost(Exception):
    """The connection was lost, and nothing of the transaction happened."""


class Lane:
    """The lane of one store.

    Args:
        connector: who opens the connection.
        now: the store's clock.
        publish: called after each commit with its entries, their outcomes and its news.
    """

    def __init__(self, connector: Connector, now: Callable[[], datetime], publish: Publish) -> None:
        self._connector = connector
        self._now = now
        self._publish = publish
        self._connection: Connection | None = None
        self._waiting: deque[Item] = deque()
        self._filled = asyncio.Event()
        self._closed_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Connect, and begin to write."""
        self._connection = await self._connector.connect()
        self._task = asyncio.create_task(self._work(), name="planar-lane")

    def submit(self, entry: LaneEntry) -> asyncio.Future[Any]:
        """Put *entry* in the lane.

        Raises:
            InternalError: the lane is closed.
        """
        if self._closed_at is not None:
            raise InternalError("The store is closed.")
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        self._filled.set()
        return future

    async def close(self) -> None:
        """Write what is waiting, then let go of the connection."""
        if self._closed_at is None:
            self._closed_at = SYSTEM_CLOCK.monotonic()
        self._filled.set()
        if self._task is not None:
            await asyncio.wait([self._task])
        connection, self._connection = self._connection, None
        await close_quietly(connection)

    async def _work(self) -> None:
        while self._waiting or self._closed_at is None:
            await self._filled.wait()
            self._filled.clear()
            while self._waiting:
                batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), LARGEST_BATCH))]
                await self._write(batch)
                # Those whose entries were just committed may want to write at once: in one batch.
                await asyncio.sleep(0)

    async def _write(self, batch: Sequence[Item]) -> None:
        entries = [entry for entry, _ in batch]
        try:
            written = await self._transact(entries)
        except Exception as error:
            if len(batch) > 1:
                # One bad entry must hurt its own run only: it is looked for by halving.
                middle = len(batch) // 2
                await self._write(batch[:middle])
                await self._write(batch[middle:])
                return
            written = _Written([error], News())
        for (_, future), outcome in zip(batch, written.outcomes, strict=True):
            _resolve(future, outcome)
        self._publish(entries, written.outcomes, written.news)

    async def _transact(self, entries: Sequence[LaneEntry]) -> _Written:
        """Apply *entries*, however often another transaction or a lost connection gets in the way."""
        attempt = 0
        while True:
            connection = await self._connected()
            try:
                return await self._attempt(connection, entries)
            except _Lost:
                logger.warning("the connection to the database was lost; what was not committed is written again")
            except Exception as error:
                if not is_conflict(error):
                    raise
            await asyncio.sleep(exponential_backoff_with_jitter(attempt, 0.005, 1.0, jitter_factor=0.5))
            attempt += 1

    async def _attempt(self, connection: Connection, entries: Sequence[LaneEntry]) -> _Written:
        written: _Written | None = None
        number: int | None = None
        try:
            await connection.execute("begin")
            number = (await connection.fetch(sql.LOCK, *locks_of(entries)))[0][0]
            news = News()
            outcomes = await apply(Transaction(connection.fetch, self._now(), news, in_session=False), entries)
            written = _Written(outcomes, news)
            await connection.execute("commit")
        except Exception as error:
            if not (is_lost(error) or connection.is_closed()):
                await self._undo(connection)
                raise
            self._drop(connection)
            if written is None or number is None or not await self._was_committed(number, find_witness(entries, written.outcomes)):
                raise _Lost from error
        except BaseException:
            self._drop(connection)
            raise
        return written

    async def _undo(self, connection: Connection) -> None:
        try:
            await connection.execute("rollback")
        except Exception:
            self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        connection.terminate()
        self._connection = None

    async def _was_committed(self, number: int, witness: Witness | None) -> bool:
        """Whether the transaction *number*, whose commit nobody acknowledged, is durable: asked, never guessed.

        If the server says so, and it may have crashed and given the number again, the *witness* decides.
        """
        while True:
            connection = await self._connected()
            try:
                status = (await connection.fetch(sql.COMMITTED, number))[0][0]
                if status == "committed":
                    return witness is not None and bool(await connection.fetch(witness.query, *witness.args))
            except Exception as error:
                if getattr(error, "sqlstate", None) == NO_SUCH_NUMBER:
                    return False
                if not (is_lost(error) or connection.is_closed()):
                    raise
                self._drop(connection)
                continue
            if status != "in progress":
                return False
            # The server has not noticed yet that nobody listens.
            await asyncio.sleep(0.02)

    async def _connected(self) -> Connection:
        """The connection, or a new one, however long the server is away.

        Raises:
            InternalError: the lane is to close, and the server does not come back.
        """
        attempt = 0
        while self._connection is None or self._connection.is_closed():
            try:
                self._connection = await self._connector.connect()
            except Exception as error:
                if self._closed_at is not None and SYSTEM_CLOCK.monotonic() - self._closed_at > PATIENCE_SECONDS:
                    raise InternalError("The store was closed while the database could not be reached.") from error
                logger.warning("the database cannot be reached", error=repr(error))
                await asyncio.sleep(exponential_backoff_with_jitter(attempt, 0.05, 1.0, jitter_factor=0.5))
                attempt += 1
        return self._connection


def _resolve(future: asyncio.Future[Any], outcome: Any) -> None:
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
        # Whoever does not wait for a record learns of its refusal at the run's next barrier.
        future.exception()
    else:
        future.set_result(outcome)
