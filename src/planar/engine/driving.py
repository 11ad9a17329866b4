"""How does one drive a run by hand? As a worker that takes this run only, executes one pass of it, and then stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from uuid import UUID

from planar.context import Actor
from planar.db.manager import DatabaseManager
from planar.engine.catalog import Registry
from planar.engine.config import WorkerConfig
from planar.engine.core.model import ENDED
from planar.engine.errors import UnreadableHistory
from planar.engine.events import Notices
from planar.engine.execution.run import LiveRun
from planar.engine.execution.settling import outlast
from planar.engine.store.port import ClaimRun, News, Standing, Store
from planar.engine.worker import Worker

SHORTEST_PAUSE = 0.05
"""Seconds between two questions, however much news comes."""


class Driver(Worker):
    """A worker for one run at a time. It has a name of its own among the workers: if its process dies, others take over from it."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        notices: Notices,
        config: WorkerConfig,
        *,
        manager: DatabaseManager | None = None,
        load_actor: Callable[[str], Actor] | None = None,
    ) -> None:
        super().__init__(store, registry, notices, config, manager=manager, load_actor=load_actor)
        self._runs.when_asleep = self._note_sleep
        self._asleep: Standing | None = None
        self._wanted: UUID | None = None
        self._worth_asking = asyncio.Event()

    @asynccontextmanager
    async def at_work(self) -> AsyncGenerator[None]:
        """Drive in the block. Whatever ends it, the run is then handed over, or has ended."""
        try:
            await self.start()
            yield
        finally:
            cancelled = await outlast(asyncio.ensure_future(self.stop()))
            if cancelled is not None:
                raise cancelled

    async def advance(self, run_id: UUID, patience: float, interval: float) -> Standing:
        """Execute a run until it ends or sleeps, if it is due; where it is then.

        Args:
            run_id: the run; its workflow is known here.
            patience: how many seconds to wait while somebody else executes it.
            interval: how many seconds to wait at most before asking again; news of it are heard at once.

        Returns:
            Its `Standing`: held if patience was at its end, asleep, or neither if it has ended, or does not exist.

        Raises:
            UnreadableHistory: this version cannot read what others recorded.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience
        self._wanted = run_id
        while True:
            self._worth_asking.clear()
            standing = await self._advance(run_id)
            left = deadline - loop.time()
            if not standing.is_held or left <= 0:
                return standing
            await asyncio.sleep(min(left, interval, SHORTEST_PAUSE))
            await self._until_worth_asking(min(interval, deadline - loop.time()))

    async def _advance(self, run_id: UUID) -> Standing:
        claimed = await self._store.submit(ClaimRun(self.id, run_id))
        if isinstance(claimed, Standing):
            return claimed
        unreadable = await self._runs.begin_all([claimed])
        if run_id in unreadable:
            raise UnreadableHistory(run_id) from unreadable[run_id]
        live = self._runs.find(run_id)
        if live is not None and live.task is not None:
            await asyncio.wait([live.task])
        if self._asleep is not None:
            return self._asleep
        run = await self._store.load_run(run_id)
        # One that was given back is somebody's next: its worker stops, or what it recorded was refused.
        return Standing(is_held=run is not None and run.status not in ENDED)

    async def _until_worth_asking(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._worth_asking.wait()
        except TimeoutError:
            return

    # -- as a worker --------------------------------------------------------------------------------------------------

    def _note_sleep(self, live: LiveRun) -> None:
        due_at, event_key = live.parking.sleeps_for()
        self._asleep = Standing(is_asleep=True, due_at=due_at, event_key=event_key)

    def _hear(self, news: News) -> None:
        super()._hear(news)
        if news.foreign or news.due or self._wanted in news.ended:
            self._worth_asking.set()

    async def _claim_due(self) -> None:
        """Nothing but the run that it is for."""
