"""Who tells of tasks that ended with their run? The database itself closes those, in the transaction of the run's end.

It cannot start a run there that tells of it; so such a task stands there as not told of, until somebody here has looked. That is
done after each end that this process hears of, when it starts, and now and then: none can be missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, cast

from sqlalchemy import CursorResult, select, text, update
from sqlmodel import col

from planar.context import Services, bind_services
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession, SessionScope, bind_session
from planar.engine.client import Client
from planar.engine.store.port import News
from planar.human import queries
from planar.human.announcing import HumanTaskHooks, announce
from planar.human.models import HumanTask
from planar.logging import get_logger

logger = get_logger(__name__)

BATCH: Final = 100
PAUSE_SECONDS: Final = 0.5
"""Between two looks: runs may end thousands of times a second."""
ANYWAY_SECONDS: Final = 300.0


class Sweeper:
    """Tells of the tasks that ended with their runs, while its app runs and somebody listens."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        """Begin. While nobody listens, nothing is kept for later."""
        hooks = self._services.get(HumanTaskHooks)
        if not hooks:
            await self._in_session(_forget)
            return
        self._news.set()
        self._unsubscribe = self._services.get(Client).store.subscribe(self._hear)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def _hear(self, news: News) -> None:
        if news.ended or news.foreign:
            self._news.set()

    async def _run(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ANYWAY_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                while await self._in_session(sweep):
                    pass
            except Exception:
                logger.exception("closed tasks could not be told of; that is tried again")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _in_session(self, work: Callable[[PlanarSession], Any]) -> int:
        scope = SessionScope(self._services.get(DatabaseManager), label="telling of closed tasks")
        try:
            with bind_services(self._services), bind_session(scope):
                done: int = await work(scope.get())
                if done:
                    await scope.commit()
                return done
        finally:
            await scope.close()


UNTOLD: Final = text("told_version < version")


async def sweep(session: PlanarSession) -> int:
    """Tell of some tasks that nobody was told of; of how many. Two processes at once tell of each once: the key says so."""
    untold = await queries.everything(session, select(HumanTask).where(UNTOLD).order_by(col(HumanTask.id)).limit(BATCH))
    for task in untold:
        await announce(session, task)
    return len(untold)


async def _forget(session: PlanarSession) -> int:
    # Asked first, because a write would wait for others who write.
    if await queries.first(session, select(HumanTask.id).where(UNTOLD).limit(1)) is None:  # type: ignore[call-overload]
        return 0
    statement = update(HumanTask).where(UNTOLD).values(told_version=HumanTask.version, updated_at=HumanTask.updated_at)
    return cast("CursorResult[Any]", await session.exec(statement.execution_options(synchronize_session=False))).rowcount
