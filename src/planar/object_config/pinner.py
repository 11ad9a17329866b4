"""How do many runs learn which version they use, when each is the first to ask? Those that wait together share a transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession
from planar.engine.current import outside_run
from planar.object_config.pinning import Asked, pinned_versions
from planar.object_config.reading import ActiveVersion
from planar.object_config.transacting import committed

AT_ONCE: Final = 500
"""How many share a transaction at most: each takes ten parameters of a statement."""


class Pinner:
    """Takes all that ask at this moment, answers them in one transaction, and starts again at once. Whoever asks alone waits for nobody."""

    def __init__(self, manager: DatabaseManager) -> None:
        self._manager = manager
        self._waiting: deque[tuple[Asked, asyncio.Future[ActiveVersion | None]]] = deque()
        self._working: asyncio.Task[None] | None = None

    async def ask(self, asked: Asked) -> ActiveVersion | None:
        """The version to use, once that is durable."""
        answer: asyncio.Future[ActiveVersion | None] = asyncio.get_running_loop().create_future()
        self._waiting.append((asked, answer))
        if self._working is None or self._working.done():
            with outside_run():
                self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            batch = [(asked, answer) for asked, answer in batch if not answer.done()]
            try:
                await self._answer(batch)
            except Exception as error:
                # What is wrong with one of them is no other's fault.
                await self._answer_each(batch, error)

    async def _answer_each(self, batch: list[tuple[Asked, asyncio.Future[ActiveVersion | None]]], error: Exception) -> None:
        for each in batch:
            try:
                if len(batch) == 1:
                    raise error
                await self._answer([each])
            except Exception as own:
                if not each[1].done():
                    each[1].set_exception(own)

    async def _answer(self, batch: list[tuple[Asked, asyncio.Future[ActiveVersion | None]]]) -> None:
        if not batch:
            return
        async with self._manager.get_session(label="versions of runs") as session:
            found = await committed(session, lambda: self._pinned(session, batch))
        for (_, answer), version in zip(batch, found, strict=True):
            if not answer.done():
                answer.set_result(version)

    async def _pinned(
        self, session: PlanarSession, batch: list[tuple[Asked, asyncio.Future[ActiveVersion | None]]]
    ) -> list[ActiveVersion | None]:
        return await pinned_versions(session, [asked for asked, _ in batch])
