"""What happened to a run, told to whoever listens. Always after the commit, never in its way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from planar.engine.core.model import Run, StepRecord
from planar.logging import get_logger

logger = get_logger(__name__)


class NoticeKind(StrEnum):
    """What may happen."""

    WORKFLOW_STARTED = "workflow-started"
    WORKFLOW_SUSPENDED = "workflow-suspended"
    WORKFLOW_RESUMED = "workflow-resumed"
    WORKFLOW_SUCCEEDED = "workflow-succeeded"
    WORKFLOW_FAILED = "workflow-failed"
    WORKFLOW_CANCELLED = "workflow-cancelled"
    STEP_RUNNING = "step-running"
    STEP_SUCCEEDED = "step-succeeded"
    STEP_FAILED = "step-failed"
    STEP_CANCELLED = "step-cancelled"


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing that happened: to *run*, or to the step that *step* records."""

    kind: NoticeKind
    run: Run
    step: StepRecord | None = None


Listener = Callable[[Notice], None]


class Notices:
    """The listeners of one app. Slim values go out; whoever needs rows builds them."""

    def __init__(self) -> None:
        self.listeners: list[Listener] = []
        """Who listens. Without anybody nothing is built."""

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call *listener* with each notice; the answer ends that."""
        self.listeners.append(listener)
        return lambda: self.listeners.remove(listener) if listener in self.listeners else None

    def publish(self, kind: NoticeKind, run: Run, step: StepRecord | None = None) -> None:
        """Tell everybody. A listener that fails is logged and hurts nobody."""
        if not self.listeners:
            return
        notice = Notice(kind, run, step)
        for listener in list(self.listeners):
            try:
                listener(notice)
            except Exception:
                logger.exception("a listener failed", notice=kind.value, workflow_id=run.id)
