"""Where am I? The run and step that the current task executes, for code that wants to know."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from planar.engine.current import Frame, find_frame, in_run
from planar.workflows.models import Workflow
from planar.workflows.rows import workflow_of

__all__ = ["ExecutionContext", "get_context", "in_context"]


@dataclass(frozen=True, slots=True)
class ExecutionContext:
    """The run that executes, and the numbers of the steps that are open in it, outermost first."""

    workflow: Workflow
    step_stack: tuple[int, ...]

    @property
    def workflow_id(self) -> UUID:
        """The run's id."""
        return self.workflow.id

    @property
    def current_step_id(self) -> int | None:
        """The innermost open step; None in the workflow's own code."""
        return self.step_stack[-1] if self.step_stack else None


def in_context() -> bool:
    """Whether the current task belongs to a run."""
    return in_run()


def get_context() -> ExecutionContext:
    """Where the current task is.

    Raises:
        RuntimeError: it belongs to no run.
    """
    frame = find_frame()
    if frame is None:
        raise RuntimeError("No execution context: this code is not called from a workflow.")
    return ExecutionContext(workflow_of(frame.run.run), tuple(_open_steps(frame)))


def _open_steps(frame: Frame) -> list[int]:
    found: list[int] = []
    place: Frame | None = frame
    while place is not None:
        if place.step_id is not None:
            found.append(place.step_id)
        place = place.outer
    return found[::-1]
