"""How does a batch become durable? As one statement if it can, else as a transaction, on the one connection that writes.

Nothing is lost and nothing happens twice: when the server is gone in the middle, it is asked what became of the batch, never guessed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import uuid4

from planar.clock import SYSTEM_CLOCK
from planar.engine.store.port import ClaimDue, News
from planar.engine.store.postgres import batch_statements
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.claiming import find_nothing_due
from planar.engine.store.postgres.connection import Connection, Connector, close_quietly, is_conflict, is_lost, is_repeated
from planar.engine.store.postgres.entries import apply
from planar.engine.store.postgres.heart import Heart
from planar.engine.store.postgres.locks import LaneEntry, locks_of
from planar.engine.store.postgres.single import granted, single
from planar.engine.store.postgres.transaction import EVER, Looks, Transaction
from planar.engine.store.postgres.whole import Answer, Whole, as_whole, note_news, read_answer, statement_of
from planar.engine.store.postgres.windows import earlier_start
from planar.errors import InternalError
from planar.logging import get_logger
from planar.utils import exponential_backoff_with_jitter

logger = get_logger(__name__)

T = TypeVar("T")

PATIENCE_SECONDS = 5.0
"""How long a committer that is to close waits for a server that is gone."""


class Written(NamedTuple):
    """What became of the first entries of a batch: as many as there are outcomes."""

    outcomes: list[Any]
    news: News
    since: datetime | None = None
    """When it was written, which is long before it was committed if somebody had locked what it needs, or the server was slow."""


class _Lost(Exception):
    """The connection was lost, and nothing of the transaction happened, or it can be tried again without harm."""


class Committer:
    """The connection that writes, and how it is used.

    Args:
        connector: who opens the connection.
        now: the store's clock.
        looks: what is to be looked for.
        heart: that of the workers in whose name something is written.
    """

    def __init__(
        self,
        connector: Connector,
        now: Callable[[], datetime],
        looks: Looks,
        heart: Heart,
    ) -> None:
        self._connector = connector
        self._now = now
        self._connection: Connection | None = None
        self._closed_at: float | None = None
        self._looks = looks
        self._heart = heart
        self._lane = uuid4()
        self._number = 0
        """Of the newest batch that was written as one statement."""

    async def open(self) -> None:
        """Connect."""
        self._connection = await self._connector.connect()
        await self._connection.execute(batch_statements.FORGET_OLD)

    def hurry(self) -> None:
        """From now on a server that is gone is not waited for much longer."""
        if self._closed_at is None:
            self._closed_at = SYSTEM_CLOCK.monotonic()

    async def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection = self._connection, None
        if connection is not None and not connection.is_closed():
            with suppress(Exception):
                await connection.fetch(batch_statements.FORGET, self._lane, self._number)
        await close_quietly(connection)

    async def write(self, entries: Sequence[LaneEntry]) -> Written:
        """Write the first of *entries*, at least one: as many as go together.

        Raises:
            Exception: one of *entries* cannot be stored; none of them was.
        """
        first = entries[0]
        if len(entries) == 1 and isinstance(first, ClaimDue) and first.doubtful:
            nothing = await self._insist(lambda connection: find_nothing_due(self._reading(connection), first), in_name=False)
            if nothing is not None:
                return Written([nothing], News())
        return await self._write_whole(entries) or await self._write_apart(entries)

    # -- as one statement ---------------------------------------------------------------------------------------------

    async def _write_whole(self, entries: Sequence[LaneEntry]) -> Written | None:
        """None: nothing was written, as it is more than one statement, or the worker is not there, or was taken for dead."""
        now, number = self._now(), self._number + 1
        batch: Whole | None = None
        said = single(entries, now, self._lane, number)
        if said is None:
            batch = as_whole(entries)
            if batch is None:
                return None
            said = statement_of(batch, now, self._lane, number)
        self._number = number
        statement, parameters = said
        text = await self._insist(
            lambda connection: self._ask_whole(connection, number, statement, parameters),
            in_name=batch is None or batch.worker_id is not None,
        )
        if text is None:
            return None
        if batch is None:
            if not text:
                return Written(*granted(entries))
            batch = as_whole(entries)
            assert batch is not None
        news = News()
        answer = read_answer(batch, text)
        note_news(batch, answer, news)
        if answer.old_starts or answer.again:
            await self._complete(answer, entries[: batch.length], news)
        return Written(answer.outcomes, news, now)

    async def _ask_whole(self, connection: Connection, number: int, statement: str, parameters: Sequence[Any]) -> str | None:
        try:
            rows = await connection.fetch(statement, *parameters)
        except Exception as error:
            if is_lost(error) or connection.is_closed():
                self._drop(connection)
                raise _Lost from error
            if not is_repeated(error):
                raise
            # It had been committed, and the answer got lost.
            rows = await self._ask(connection, batch_statements.ANSWER_OF, self._lane, number)
        return rows[0][0] if rows else None

    async def _complete(self, answer: Answer, entries: Sequence[LaneEntry], news: News) -> None:
        """What one statement could not say or do: which run it is that was there before, and an end that wakes somebody.

        The rest is durable: an error hurts these alone.
        """
        if answer.old_starts:
            old = [entries[place] for place in answer.old_starts]
            answer.fill(
                answer.old_starts, await _settled(self._insist(lambda connection: self._look_up(connection, old), in_name=False), len(old))
            )
        if answer.again:
            left = [entries[place] for place in answer.again]
            written = await _settled(self._write_apart(left), len(left))
            answer.fill(answer.again, written.outcomes if isinstance(written, Written) else written)
            if isinstance(written, Written):
                news.merge(written.news)

    async def _look_up(self, connection: Connection, entries: Sequence[Any]) -> list[Any]:
        return [await earlier_start(self._reading(connection), entry.run) for entry in entries]

    def _reading(self, connection: Connection) -> Transaction:
        """For questions of one statement each, in no transaction."""

        async def fetch(query: str, *args: Any) -> Sequence[Any]:
            return await self._ask(connection, query, *args)

        return Transaction(fetch, self._now(), SYSTEM_CLOCK.monotonic(), News(), self._looks, in_session=False)

    async def _ask(self, connection: Connection, query: str, *args: Any) -> Sequence[Any]:
        """The rows of *query*, which changes nothing."""
        try:
            return await connection.fetch(query, *args)
        except Exception as error:
            if not (is_lost(error) or connection.is_closed()):
                raise
            self._drop(connection)
            raise _Lost from error

    # -- as a transaction ---------------------------------------------------------------------------------------------

    async def _write_apart(self, entries: Sequence[LaneEntry]) -> Written:
        self._number += 1
        number = self._number
        written: list[Written] = []
        return await self._insist(
            lambda connection: self._transact(connection, entries, number, written), in_name=bool(locks_of(entries).shared)
        )

    async def _transact(self, connection: Connection, entries: Sequence[LaneEntry], number: int, written: list[Written]) -> Written:
        """One attempt; the last of *written* is what the one before was about to commit when its connection was lost."""
        try:
            await connection.execute("begin")
            news, now, moment = News(), self._now(), SYSTEM_CLOCK.monotonic()
            await connection.fetch(sql.LOCK, *locks_of(entries), self._lane, number, now)
            outcomes = await apply(Transaction(connection.fetch, now, moment, news, self._looks, in_session=False), entries)
            written.append(Written(outcomes, news, now))
            await connection.execute("commit")
        except Exception as error:
            if any(isinstance(entry, ClaimDue) for entry in entries):
                # What its look noted is not so, as far as is known.
                self._looks.go_back(EVER)
            if is_lost(error) or connection.is_closed():
                self._drop(connection)
                raise _Lost from error
            await self._undo(connection)
            if not is_repeated(error) or not written:
                raise
        except BaseException:
            self._drop(connection)
            raise
        return written[-1]

    async def _undo(self, connection: Connection) -> None:
        try:
            await connection.execute("rollback")
        except Exception:
            self._drop(connection)

    # -- the connection -----------------------------------------------------------------------------------------------

    async def _insist(self, attempt: Callable[[Connection], Awaitable[T]], *, in_name: bool) -> T:
        """What *attempt* gives, however often another transaction or a lost connection gets in the way.

        Args:
            attempt: what to do.
            in_name: whether it writes in the name of a worker, who must be known to live.
        """
        failures = 0
        while True:
            connection = await self._connected()
            try:
                return await (self._in_name(attempt, connection) if in_name else attempt(connection))
            except _Lost:
                logger.warning("the connection to the database was lost; what was not committed is written again")
            except Exception as error:
                # Lost: the worker could not say that it lives.
                if not is_conflict(error) and not is_lost(error):
                    raise
            await asyncio.sleep(exponential_backoff_with_jitter(failures, 0.005, 1.0, jitter_factor=0.5))
            failures += 1

    async def _in_name(self, attempt: Callable[[Connection], Awaitable[T]], connection: Connection) -> T:
        await self._heart.begin_writing()
        try:
            return await attempt(connection)
        finally:
            self._heart.end_writing()

    def _drop(self, connection: Connection) -> None:
        connection.terminate()
        self._connection = None

    async def _connected(self) -> Connection:
        """The connection, or a new one, however long the server is away.

        Raises:
            InternalError: the committer is to close, and the server does not come back.
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


async def _settled(attempt: Awaitable[T], count: int) -> T | list[Any]:
    """What *attempt* gives; if it fails, the error *count* times."""
    try:
        return await attempt
    except Exception as error:
        return [error] * count
