"""Who is told how a run ended? The listeners of the process that wrote the end, whoever asked for it there.

It is told from the store's news, so once, never before it is durable, and also of a run that nobody executes: one that is
cancelled while it sleeps, or given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import Run, RunStatus
from planar.engine.events import NoticeKind, Notices
from planar.engine.store.port import News, Store
from planar.logging import get_logger

logger = get_logger(__name__)

FindRun = Callable[[UUID], Run | None]

_KINDS = {
    RunStatus.SUCCEEDED: NoticeKind.WORKFLOW_SUCCEEDED,
    RunStatus.FAILED: NoticeKind.WORKFLOW_FAILED,
    RunStatus.CANCELLED: NoticeKind.WORKFLOW_CANCELLED,
}


class Endings:
    """Publishes to *notices* what *store* says of ends."""

    def __init__(self, store: Store, notices: Notices) -> None:
        self._store = store
        self._notices = notices
        self._finders: list[FindRun] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._unsubscribe = store.subscribe(self._hear)

    def ask(self, find: FindRun) -> Callable[[], None]:
        """Ask *find* for the runs that it knows, which then need not be read; the answer ends that."""
        self._finders.append(find)
        return lambda: self._finders.remove(find) if find in self._finders else None

    def close(self) -> None:
        """Hear no more news."""
        self._unsubscribe()
        for task in self._tasks:
            task.cancel()

    def _hear(self, news: News) -> None:
        if not news.endings or not self._notices.listeners:
            return
        known = {run_id: run for run_id in news.endings if (run := self._find(run_id)) is not None}
        # After whoever waits for records of the same commit: steps are told before the end of their run.
        asyncio.get_running_loop().call_soon(self._tell, known, news.endings)
        unknown = {run_id: ending for run_id, ending in news.endings.items() if run_id not in known}
        if unknown:
            task = asyncio.create_task(self._read_and_tell(unknown))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _find(self, run_id: UUID) -> Run | None:
        return next((run for find in self._finders if (run := find(run_id)) is not None), None)

    async def _read_and_tell(self, endings: dict[UUID, Ending]) -> None:
        try:
            self._tell(await self._store.load_runs(endings), endings)
        except Exception:
            logger.exception("the end of runs could not be told", runs=len(endings))

    def _tell(self, runs: dict[UUID, Run], endings: dict[UUID, Ending]) -> None:
        for run_id, run in runs.items():
            status, result, error = endings[run_id]
            self._notices.publish(_KINDS[status], run._replace(status=status, result=result, error=error))
