"""How do many runs learn which version they use, when each is the first to ask? Those that wait together share a transaction.

Unless somebody has written the version of theirs down and does not commit, as a step may for long: those wait apart from all others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, TypeAlias
from uuid import UUID

from planar.db.manager import DatabaseManager
from planar.engine.current import outside_run
from planar.object_config.pinning import Asked, is_held, pinned_versions
from planar.object_config.reading import ActiveVersion
from planar.object_config.storing import ObjectKey
from planar.object_config.transacting import committed

AT_ONCE: Final = 500
"""How many share a transaction at most: each takes ten parameters of a statement."""
LOCK_MILLISECONDS: Final = 50
"""How long they wait together for somebody else's transaction."""
PAUSE_SECONDS: Final = 0.1
"""After which those try again that waited longer: without a connection, of which there are few."""

_Waiting: TypeAlias = tuple[Asked, asyncio.Future[ActiveVersion | None]]


class Pinner:
    """Takes all that ask at this moment, answers them in one transaction, and starts again at once. Whoever asks alone waits for nobody."""

    def __init__(self, manager: DatabaseManager) -> None:
        self._manager = manager
        self._waiting: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None
        self._held: dict[tuple[UUID, ObjectKey], list[_Waiting]] = {}
        self._trying: set[asyncio.Task[None]] = set()

    async def ask(self, asked: Asked) -> ActiveVersion | None:
        """The version to use, once that is durable."""
        answer: asyncio.Future[ActiveVersion | None] = asyncio.get_running_loop().create_future()
        held = self._held.get(asked.pin)
        if held is not None:
            held.append((asked, answer))
            return await answer
        self._waiting.append((asked, answer))
        if self._working is None or self._working.done():
            with outside_run():
                self._working = asyncio.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(AT_ONCE, len(self._waiting)))]
            batch = [each for each in batch if not each[1].done()]
            try:
                await self._answer(batch)
            except Exception as error:
                # What is wrong with one of them is no other's fault.
                await self._answer_apart(batch, error)

    async def _answer_apart(self, batch: list[_Waiting], error: Exception) -> None:
        by_pin: dict[tuple[UUID, ObjectKey], list[_Waiting]] = {}
        for each in batch:
            by_pin.setdefault(each[0].pin, []).append(each)
        for pin, group in by_pin.items():
            try:
                if len(by_pin) == 1:
                    raise error
                await self._answer(group)
            except Exception as own:
                if is_held(own):
                    self._hold(pin, group)
                else:
                    _fail(group, own)

    def _hold(self, pin: tuple[UUID, ObjectKey], group: list[_Waiting]) -> None:
        known = self._held.get(pin)
        if known is not None:
            known.extend(group)
            return
        self._held[pin] = group
        task = asyncio.create_task(self._try_again(pin))
        self._trying.add(task)
        task.add_done_callback(self._trying.discard)

    async def _try_again(self, pin: tuple[UUID, ObjectKey]) -> None:
        while group := [each for each in self._held[pin] if not each[1].done()]:
            self._held[pin] = group
            await asyncio.sleep(PAUSE_SECONDS)
            now = list(group)  # more may come meanwhile
            try:
                await self._answer(now)
            except Exception as error:
                if not is_held(error):
                    _fail(now, error)
        del self._held[pin]

    async def _answer(self, batch: list[_Waiting]) -> None:
        if not batch:
            return
        asked = [each for each, _ in batch]
        async with self._manager.get_session(label="versions of runs") as session:
            found = await committed(session, lambda: pinned_versions(session, asked, LOCK_MILLISECONDS))
        for (_, answer), version in zip(batch, found, strict=True):
            if not answer.done():
                answer.set_result(version)


def _fail(group: list[_Waiting], error: Exception) -> None:
    for _, answer in group:
        if not answer.done():
            answer.set_exception(error)
