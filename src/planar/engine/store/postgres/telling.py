"""How do processes hear of each other's commits? By NOTIFY, after the commit and on another connection; each listens on one of its own.

Inside the writing transaction NOTIFY would make every commit of the server wait for every other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from enum import IntEnum
from typing import Any, NamedTuple
from uuid import uuid4

from planar.engine.store.port import Claims, EndRun, News, SaveStep, Standing, StartRun
from planar.engine.store.postgres.connection import Connection, Connector, ask, close_quietly
from planar.engine.store.postgres.locks import LaneEntry
from planar.engine.store.postgres.single import is_bare
from planar.engine.store.postgres.transaction import EVER
from planar.logging import get_logger
from planar.utils import exponential_backoff_with_jitter

logger = get_logger(__name__)

CHANNEL = "planar_news"
ENDS, SINCE = "ends", "since"
"""What is said beside the name if only ends of runs were written, or if something is due since a time that is said as well. Whoever does
not know a word takes it for anything."""
PAUSE_SECONDS = 0.05
"""Between two notifications: the first goes at once."""


class Audience(IntEnum):
    """Which other processes have a reason to look."""

    NOBODY = 0
    WAITING = 1
    """Those in which somebody waits for the end of a run."""
    EVERYBODY = 2


def audience_of(entries: Sequence[LaneEntry], outcomes: Sequence[Any], news: News, *, overdue: bool = False) -> Audience:
    """Who is to be told of *entries* with these *outcomes*. Looking is no reason to look, or two would wake each other for ever.

    Args:
        entries: what was committed.
        outcomes: what became of each.
        news: what it changed.
        overdue: whether the worker has not beaten for a lease: then others may not know that it can hold anything.
    """
    if news.due or news.next_due is not None:
        return Audience.EVERYBODY
    if overdue and any(isinstance(entry, StartRun) for entry in entries):
        return Audience.EVERYBODY
    return max(map(_audience, entries, outcomes), default=Audience.NOBODY)


def _audience(entry: LaneEntry, outcome: Any) -> Audience:
    if isinstance(outcome, Exception | Standing):
        return Audience.NOBODY
    if isinstance(entry, SaveStep):
        return Audience.NOBODY if is_bare(entry) else Audience.EVERYBODY
    if isinstance(entry, EndRun):
        return Audience.WAITING
    if isinstance(entry, StartRun) and entry.worker_id is not None:
        # Claimed by who inserts it: nothing is to be found.
        return Audience.NOBODY
    if isinstance(outcome, Claims) and not outcome.claims:
        return Audience.NOBODY
    return Audience.EVERYBODY


class Said(NamedTuple):
    """What one process says to the others."""

    audience: Audience
    since: datetime | None = None
    """When something became due that was committed late."""

    def merge(self, other: Said | None) -> Said:
        """What both say."""
        if other is None:
            return self
        moments = [moment for moment in (self.since, other.since) if moment is not None]
        return Said(max(self.audience, other.audience), min(moments, default=None))

    def write(self) -> str:
        """The text of it."""
        if self.since is not None:
            return f"{SINCE} {self.since.isoformat()}"
        return ENDS if self.audience is Audience.WAITING else ""

    @staticmethod
    def read(text: str) -> Said:
        """What *text* says, which may be of a newer version."""
        word, *rest = text.split(" ")
        if word == SINCE:
            return Said(Audience.EVERYBODY, _moment(rest[0] if rest else ""))
        return Said(Audience.WAITING if word == ENDS else Audience.EVERYBODY)


def _moment(text: str) -> datetime:
    """The time in *text*; the beginning of all times if there is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return EVER
    return EVER if moment.tzinfo is None else moment


class Telling:
    """Tells the other stores of the database that this one wrote, and calls *heard* when another did.

    Args:
        connector: who opens the connection that listens.
        pool: where to notify.
        heard: called on the event loop with what was said, also when something may have been missed.
    """

    def __init__(self, connector: Connector, pool: Any, heard: Callable[[Said], None]) -> None:
        self._connector = connector
        self._pool = pool
        self._heard = heard
        self.name = uuid4().hex
        """Whose notifications are one's own."""
        self._unsaid: Said | None = None
        """What is to be said."""
        self._telling: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._again: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Begin to listen."""
        await self._listen()

    def tell(self, audience: Audience, since: datetime | None = None) -> None:
        """Something was committed that concerns *audience*; late, if it is due since *since*."""
        self._unsaid = Said(audience, since).merge(self._unsaid)
        if self._telling is None or self._telling.done():
            self._telling = asyncio.create_task(self._tell(), name="planar-telling")

    async def close(self) -> None:
        """Tell what is not told yet, and stop listening."""
        self._closed = True
        if self._again is not None:
            self._again.cancel()
            await asyncio.wait([self._again])
        if self._telling is not None:
            await asyncio.wait([self._telling])
        connection, self._connection = self._connection, None
        await close_quietly(connection)

    async def _tell(self) -> None:
        while self._unsaid is not None:
            said, self._unsaid = self._unsaid, None
            try:
                await ask(self._pool, "select pg_notify($1, $2)", CHANNEL, f"{self.name} {said.write()}".strip())
            except Exception as error:
                # The others have lost their connections as well, and look around when they have new ones.
                logger.warning("other processes were not told of a commit; they find it when they look", error=repr(error))
            if self._closed:
                continue
            await asyncio.sleep(PAUSE_SECONDS)

    async def _listen(self) -> None:
        connection = await self._connector.connect()
        try:
            await connection.add_listener(CHANNEL, self._hear)
        except BaseException:
            connection.terminate()
            raise
        connection.add_termination_listener(self._lost)
        self._connection = connection

    def _hear(self, _connection: Any, _pid: int, _channel: str, said: str) -> None:
        name, _, text = said.partition(" ")
        if name != self.name:
            self._heard(Said.read(text))

    def _lost(self, connection: Any) -> None:
        if not self._closed and connection is self._connection:
            self._again = asyncio.create_task(self._listen_again(), name="planar-listening")

    async def _listen_again(self) -> None:
        attempt = 0
        while True:
            try:
                await self._listen()
            except Exception as error:
                logger.warning("cannot listen to other processes", error=repr(error))
            else:
                break
            await asyncio.sleep(exponential_backoff_with_jitter(attempt, 0.05, 1.0, jitter_factor=0.5))
            attempt += 1
        self._heard(Said(Audience.EVERYBODY, EVER))
