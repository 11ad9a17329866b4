"""How do processes hear of each other's commits? By NOTIFY, after the commit and on another connection; each listens on one of its own.

Inside the writing transaction NOTIFY would make every commit of the server wait for every other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from planar.engine.store.postgres.connection import Connection, Connector, ask, close_quietly
from planar.logging import get_logger
from planar.utils import exponential_backoff_with_jitter

logger = get_logger(__name__)

CHANNEL = "planar_news"
PAUSE_SECONDS = 0.05
"""Between two notifications: the first goes at once."""


class Telling:
    """Tells the other stores of the database that this one wrote, and calls *heard* when another did.

    Args:
        connector: who opens the connection that listens.
        pool: where to notify.
        heard: called on the event loop, also when something may have been missed.
    """

    def __init__(self, connector: Connector, pool: Any, heard: Callable[[], None]) -> None:
        self._connector = connector
        self._pool = pool
        self._heard = heard
        self.name = uuid4().hex
        """Whose notifications are one's own."""
        self._told = True
        self._telling: asyncio.Task[None] | None = None
        self._connection: Connection | None = None
        self._again: asyncio.Task[None] | None = None
        self._closed = False

    async def open(self) -> None:
        """Begin to listen."""
        await self._listen()

    def tell(self) -> None:
        """Something was committed."""
        self._told = False
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
        while not self._told:
            self._told = True
            try:
                await ask(self._pool, "select pg_notify($1, $2)", CHANNEL, self.name)
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

    def _hear(self, _connection: Any, _pid: int, _channel: str, name: str) -> None:
        if name != self.name:
            self._heard()

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
        self._heard()
