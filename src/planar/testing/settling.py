"""When has an app's engine nothing to do at the present time? When no run is held or due, and everybody has heard of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import Table, case, func, or_, select
from sqlmodel import col
from sqlmodel import select as select_rows

from planar.app import PlanarApp
from planar.db.manager import DatabaseManager
from planar.db.session import current_scope
from planar.engine.catalog import Registry
from planar.engine.client import Client
from planar.engine.core.model import ENDED
from planar.engine.store.tables import WORKFLOW_CLAIM, Workflow
from planar.engine.worker import Worker
from planar.testing.errors import WaitTimeout

LOOK_AGAIN_SECONDS = 0.05
"""News come with every change; this is the net under them."""
ALMOST_SECONDS = 0.001
"""A run's last record is written, and its task is about to end: there is no news of that."""
SHOWN_RUNS = 20

CLAIM: Table = WORKFLOW_CLAIM


class AppEngine:
    """The engine of a running app, as a `ManualClock` sees it."""

    def __init__(self, app: PlanarApp) -> None:
        services = app.services
        self._manager = services.get(DatabaseManager)
        self._registry = services.get(Registry)
        self._worker = services.get(Worker)
        self._store = services.get(Client).store
        self._news = asyncio.Event()
        self._unsubscribe: list[Callable[[], None]] = [
            self._store.subscribe(lambda _: self._news.set()),
            app.notices.listen(lambda _: self._news.set()),
        ]

    def close(self) -> None:
        """Hear no more news."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    async def settled(self, patience: float) -> datetime | None:
        """Wait until nothing can go on; when the next run is due. What this task's session has written is committed first.

        Raises:
            WaitTimeout: something still goes on after *patience* seconds of real time.
        """
        await _commit_written()
        try:
            async with asyncio.timeout(patience):
                while True:
                    self._news.clear()
                    going_on, due = await self._look()
                    if not going_on and not self._worker.executing:
                        return due
                    await self._hear(LOOK_AGAIN_SECONDS if going_on else ALMOST_SECONDS)
        except TimeoutError:
            raise WaitTimeout(
                f"After {patience:g} seconds the engine still has something to do, so time cannot go on. Is a step waiting for the"
                f" test? Runs that have not ended: {'; '.join(await self.unfinished()) or 'none'}"
            ) from None

    async def unfinished(self) -> list[str]:
        """Each run that has not ended and what it waits for, for people; the newest first."""
        wanted = select_rows(Workflow).where(col(Workflow.status).not_in(ENDED)).order_by(col(Workflow.id).desc())
        async with self._manager.get_session(label="planar.testing") as session:
            runs = (await session.exec(wanted.limit(SHOWN_RUNS))).all()
        return [_described(run) for run in runs]

    async def _look(self) -> tuple[bool, datetime | None]:
        """Whether a run of a workflow that is known here is held or due, and when the next one will be due."""
        held_or_due = or_(CLAIM.c.worker_id.is_not(None), CLAIM.c.due_at <= self._store.now())
        known = CLAIM.c.function_name.in_(sorted(self._registry.names()))
        question = select(func.max(case((held_or_due, 1), else_=0)), func.min(CLAIM.c.due_at)).where(known)
        # One query, and no session: it is asked several times for each moment at which something is due.
        async with self._manager.get_engine().connect() as connection:
            going_on, due = (await connection.execute(question)).one()
        return bool(going_on), due

    async def _hear(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            return


async def _commit_written() -> None:
    """While a session that has written is open, no run can be recorded."""
    scope = current_scope()
    if scope is not None and scope.session is not None and await scope.flush():
        await scope.commit()


def _described(run: Workflow) -> str:
    waits = f" for the event {run.waiting_for_event!r}" if run.waiting_for_event is not None else ""
    until = f" until {run.wakeup_at.isoformat()}" if run.wakeup_at is not None else ""
    return f"{run.function_name} {run.id} is {run.status.value} ({run.reason}{waits}{until})"
