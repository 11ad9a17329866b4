"""What has happened to a run, and when will it? Waits for notifications: it neither sleeps nor polls, and forgets nothing."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

from sqlmodel import col, select

from planar.context import find_services
from planar.db.manager import DatabaseManager
from planar.engine.core.model import ENDED
from planar.testing.errors import WaitFailed, WaitTimeout
from planar.workflows.models import StepStatus, Workflow, WorkflowStatus, WorkflowStep
from planar.workflows.notifications import Notification, WorkflowNotification

T = TypeVar("T")

DEFAULT_SECONDS = 10.0


class WorkflowObserver:
    """Hears everything that happens to runs and steps, and lets a test wait for it. Any number may wait at once.

    `planar_test_client` connects it; elsewhere give `on_workflow_notification` to `PlanarApp` or `workflow_notification_context`.

    Args:
        timeout: how many seconds of real time to wait where a wait does not say.
    """

    def __init__(self, timeout: float = DEFAULT_SECONDS) -> None:
        self._timeout = timeout
        self._heard: defaultdict[UUID, list[WorkflowNotification]] = defaultdict(list)
        self._waiting: set[asyncio.Future[None]] = set()
        self._given: dict[tuple[Notification, UUID, int | None], int] = {}
        """Up to where the notifications of a run were given to waits of this kind."""

    def on_workflow_notification(self, notification: WorkflowNotification) -> None:
        """The callback for notifications."""
        self._heard[_run_of(notification)].append(notification)
        self._wake()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, set()
        for news in waiting:
            if not news.done():
                news.set_result(None)

    def heard(self, run: Workflow | UUID) -> list[WorkflowNotification]:
        """All that was told of *run* until now, the oldest first."""
        return list(self._heard.get(_id_of(run), ()))

    # -- waits --------------------------------------------------------------------------------------------------------

    async def wait(
        self, kind: Notification | str, workflow_id: Workflow | UUID, step_id: int | None = None, *, timeout: float | None = None
    ) -> WorkflowNotification:
        """The next notification of *kind*, whether it comes or has come: one that no earlier, equal wait was given.

        Two equal waits at the same time are both given the same one. Other notifications stay for other waits.

        Args:
            kind: what is to happen.
            workflow_id: the run to which it happens: its row or its id.
            step_id: the step to which it happens; None for any, or for the run itself.
            timeout: seconds of real time; by default the observer's.

        Raises:
            WaitTimeout: it did not happen in time; the message says what did.
        """
        run_id, kind = _id_of(workflow_id), Notification(kind)
        key = (kind, run_id, step_id)
        first = self._given.get(key, 0)

        def found() -> WorkflowNotification | None:
            for number, notification in enumerate(self._heard[run_id][first:], first):
                if notification.kind is kind and step_id in (None, _step_of(notification)):
                    self._given[key] = max(self._given.get(key, 0), number + 1)
                    return notification
            return None

        what = f"{kind.value} of run {run_id}" + (f", step {step_id}" if step_id is not None else "")
        return await self._until(found, what, run_id, timeout)

    async def wait_for_status(self, run: Workflow | UUID, *statuses: WorkflowStatus | str, timeout: float | None = None) -> Workflow:
        """The row of *run* once it has one of *statuses*; at once if it has one now.

        Args:
            run: the run: its row or its id.
            statuses: what to wait for: `WorkflowStatus`, or its value.
            timeout: seconds of real time; by default the observer's.

        Raises:
            WaitFailed: the run has ended with another status; the message says with which, and the error.
            WaitTimeout: it did not get there in time; the message says what happened instead.
        """
        run_id, wanted = _id_of(run), {WorkflowStatus(status) for status in statuses}
        what = f"{' or '.join(sorted(wanted))} of run {run_id}"
        async with self._deadline(what, run_id, timeout):
            seen = len(self._heard[run_id])
            row = await _stored_run(run_id) or _last_row(self._heard[run_id][:seen])
            while True:
                if row is not None and (row.status in wanted or row.status in ENDED):
                    row = await _newest(row)
                if row is not None and row.status in wanted:
                    return row
                if row is not None and row.status in ENDED:
                    raise WaitFailed(f"Waited for {what}, but it is {row.status.value} for good: {row.error or row.result!r}")
                if len(self._heard[run_id]) == seen:
                    await self._news()
                if len(self._heard[run_id]) > seen:
                    row = await _row_after(self._heard[run_id][seen], row, WorkflowStatus.RUNNING in wanted)
                    seen += 1

    async def wait_for_step(
        self,
        run: Workflow | UUID,
        step: str | int,
        status: StepStatus | str = StepStatus.SUCCEEDED,
        *,
        timeout: float | None = None,
    ) -> WorkflowStep:
        """The row of a step of *run* once it has *status*; at once if it has, or had while this observer heard.

        Args:
            run: the run: its row or its id.
            step: the name of the step's function (also with its module), the name that is shown, or its number.
            status: what to wait for: `StepStatus`, or its value.
            timeout: seconds of real time; by default the observer's.

        Raises:
            WaitFailed: the run has ended, and no such step got there.
            WaitTimeout: it did not get there in time; the message says what happened instead.
        """
        run_id, wanted = _id_of(run), StepStatus(status)
        what = f"step {step!r} of run {run_id} to be {wanted.value}"
        stored = [row for row in await _stored_steps(run_id) if row.status is wanted and _is_step(row, step)]

        def found() -> WorkflowStep | None:
            rows = [each.data for each in self._heard[run_id] if isinstance(each.data, WorkflowStep)] + stored
            row = next((row for row in rows if row.status is wanted and _is_step(row, step)), None)
            last = _last_row(self._heard[run_id])
            if row is None and last is not None and last.status in ENDED:
                raise WaitFailed(f"Waited for {what}, but the run has ended. {self._story(run_id)}")
            return row

        return await self._until(found, what, run_id, timeout)

    # -- how ----------------------------------------------------------------------------------------------------------

    async def _until(self, found: Callable[[], T | None], what: str, run_id: UUID, timeout: float | None) -> T:
        async with self._deadline(what, run_id, timeout):
            while (answer := found()) is None:
                await self._news()
            return answer

    @asynccontextmanager
    async def _deadline(self, what: str, run_id: UUID, timeout: float | None) -> AsyncGenerator[None]:
        seconds = self._timeout if timeout is None else timeout
        try:
            async with asyncio.timeout(seconds):
                yield
        except TimeoutError as error:
            if isinstance(error, WaitTimeout):
                raise
            raise WaitTimeout(f"Waited {seconds:g} seconds for {what}. {self._story(run_id)}") from None

    async def _news(self) -> None:
        news: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(news)
        try:
            await news
        finally:
            self._waiting.discard(news)

    def _story(self, run_id: UUID) -> str:
        heard = self._heard.get(run_id)
        if heard:
            return "Heard of it: " + ", ".join(map(_told, heard))
        return f"Nothing was heard of that run, only of {len([run for run in self._heard if self._heard[run]])} others."


def _id_of(run: Workflow | UUID) -> UUID:
    return run.id if isinstance(run, Workflow) else run


def _run_of(notification: WorkflowNotification) -> UUID:
    data = notification.data
    return data.id if isinstance(data, Workflow) else data.workflow_id


def _step_of(notification: WorkflowNotification) -> int | None:
    data = notification.data
    return data.step_id if isinstance(data, WorkflowStep) else None


def _is_step(row: WorkflowStep, step: str | int) -> bool:
    if isinstance(step, int):
        return row.step_id == step
    return step in (row.function_name, row.function_name.rpartition(".")[2], row.display_name)


def _told(notification: WorkflowNotification) -> str:
    data = notification.data
    return (
        f"{notification.kind.value} ({data.step_id}, {data.function_name})" if isinstance(data, WorkflowStep) else notification.kind.value
    )


def _last_row(heard: list[WorkflowNotification]) -> Workflow | None:
    return next((each.data for each in reversed(heard) if isinstance(each.data, Workflow)), None)


async def _row_after(notification: WorkflowNotification, row: Workflow | None, look: bool) -> Workflow | None:
    """The run's row after *notification*. That a pending run is running shows in its steps only: *look* then."""
    data = notification.data
    if isinstance(data, Workflow):
        return data
    return (await _stored_run(data.workflow_id) or row) if look else row


async def _newest(row: Workflow) -> Workflow:
    """The stored row of the run, which says more than what was told; if the run has gone on meanwhile, what was told."""
    stored = await _stored_run(row.id)
    return stored if stored is not None and stored.status is row.status else row


async def _stored_run(run_id: UUID) -> Workflow | None:
    """The run as this task's app has it in its database; None without an app."""
    manager = _database()
    if manager is None:
        return None
    async with manager.get_session(label="planar.testing") as session:
        return (await session.exec(select(Workflow).where(Workflow.id == run_id))).first()


async def _stored_steps(run_id: UUID) -> list[WorkflowStep]:
    manager = _database()
    if manager is None:
        return []
    wanted = select(WorkflowStep).where(WorkflowStep.workflow_id == run_id).order_by(col(WorkflowStep.step_id))
    async with manager.get_session(label="planar.testing") as session:
        return list((await session.exec(wanted)).all())


def _database() -> DatabaseManager | None:
    services = find_services()
    manager = services.find(DatabaseManager) if services is not None else None
    return manager if manager is not None and manager.is_connected else None
