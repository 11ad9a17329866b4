"""What happened to a run or a step, told to callbacks as the row that users know.

The engine's notices are slim; rows are made here, and only while somebody listens.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

from planar.context import current_services, find_services
from planar.engine.events import Notice, Notices
from planar.engine.events import NoticeKind as Notification
from planar.logging import get_logger
from planar.workflows.models import Workflow, WorkflowStatus, WorkflowStep
from planar.workflows.rows import step_of, workflow_of

__all__ = [
    "Notification",
    "Notifications",
    "WorkflowNotification",
    "WorkflowNotificationCallback",
    "step_notify",
    "workflow_notification_context",
]

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class WorkflowNotification:
    """One thing that happened: to the run ``data``, or to the step ``data``. The row belongs to no session.

    That of a run that has ended has its result or its error.
    """

    kind: Notification
    data: Workflow | WorkflowStep


WorkflowNotificationCallback: TypeAlias = Callable[[WorkflowNotification], None]
"""Called on the event loop, so it must be quick; what takes time goes into a queue or a task of the callback's own."""

_STATUS: Final = {
    Notification.WORKFLOW_STARTED: WorkflowStatus.PENDING,
    Notification.WORKFLOW_SUSPENDED: WorkflowStatus.SUSPENDED,
    Notification.WORKFLOW_RESUMED: WorkflowStatus.RUNNING,
    Notification.WORKFLOW_SUCCEEDED: WorkflowStatus.SUCCEEDED,
    Notification.WORKFLOW_FAILED: WorkflowStatus.FAILED,
    Notification.WORKFLOW_CANCELLED: WorkflowStatus.CANCELLED,
}


class Notifications:
    """The callbacks of one app; one of its services. While there are none, nothing is built."""

    def __init__(self, notices: Notices) -> None:
        self._notices = notices
        self._callbacks: dict[object, WorkflowNotificationCallback] = {}
        self._end: Callable[[], None] | None = None

    def listen(self, callback: WorkflowNotificationCallback) -> Callable[[], None]:
        """Call *callback* with everything that happens from now on; the answer ends that.

        Raises:
            TypeError: it is a coroutine function, or cannot be called.
        """
        if not callable(callback) or inspect.iscoroutinefunction(callback):
            raise TypeError(f"A callback for notifications is a plain function of one argument, not {callback!r}.")
        registration = object()
        self._callbacks[registration] = callback
        if self._end is None:
            self._end = self._notices.listen(self._hear)
        return lambda: self._forget(registration)

    def tell(self, kind: Notification, row: Callable[[], Workflow | WorkflowStep]) -> None:
        """Call every callback with what *row* makes for it. One that fails is logged and hurts nobody."""
        for callback in list(self._callbacks.values()):
            try:
                callback(WorkflowNotification(kind, row()))
            except Exception:
                logger.exception("a callback for notifications failed", notification=kind.value)

    def _hear(self, notice: Notice) -> None:
        self.tell(notice.kind, lambda: _row_of(notice))

    def _forget(self, registration: object) -> None:
        self._callbacks.pop(registration, None)
        if not self._callbacks and self._end is not None:
            self._end()
            self._end = None


def _row_of(notice: Notice) -> Workflow | WorkflowStep:
    if notice.step is not None:
        return step_of(notice.run.id, notice.step)
    return workflow_of(notice.run, status=_STATUS.get(notice.kind))


@asynccontextmanager
async def workflow_notification_context(callback: WorkflowNotificationCallback) -> AsyncGenerator[None]:
    """Call *callback* with what happens to runs of the current app in this process, until the block ends.

    It hears of every run, whoever started it, and it may be one of several callbacks.

    Raises:
        ServiceNotFound: no app is running here.
        TypeError: it is not a plain function.
    """
    end = current_services().get(Notifications).listen(callback)
    try:
        yield
    finally:
        end()


def step_notify(step: WorkflowStep, kind: Notification) -> None:
    """Tell the current app's callbacks that *kind* happened to *step*. Without an app nobody is told.

    The engine tells of every step by itself; this is for steps that something else than the engine executes.
    """
    services = find_services()
    notifications = services.find(Notifications) if services is not None else None
    if notifications is not None:
        notifications.tell(kind, lambda: step)
