"""Which run is this task executing, and where in it?"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planar.engine.errors import ForeignTaskError

if TYPE_CHECKING:
    from planar.db.session import SessionScope


@dataclass(slots=True, eq=False)
class Frame:
    """A place from which steps are called: the workflow's own code (path ``""``), or the body of a step."""

    run: Any
    """The run in this worker, an `planar.engine.execution.run.LiveRun`; typed there."""
    task: asyncio.Task[Any]
    path: str = ""
    step_id: int | None = None
    outer: Frame | None = None
    scope: SessionScope | None = None
    calls: int = 0

    def next_path(self) -> str:
        """The path of the next call made here."""
        self.calls += 1
        return f"{self.path}.{self.calls}" if self.path else str(self.calls)


_frame: ContextVar[Frame | None] = ContextVar("planar_run", default=None)


def find_frame() -> Frame | None:
    """The place in a run from which this task calls; None outside a run.

    Raises:
        ForeignTaskError: this task was made inside a run, by something that the engine does not know. A step called here would
            have no place in the record.
    """
    frame = _frame.get()
    if frame is None:
        return None
    task = asyncio.current_task()
    if task is not frame.task:
        raise ForeignTaskError(
            "A step or workflow was called in a task that was made inside a run (by asyncio.gather, create_task, a TaskGroup, or"
            " asyncio.wait_for on Python 3.11), where its place in the run's record is not known. Await it in the workflow itself."
            " For several at once start child runs with `start_step` and wait for them; for a time limit use asyncio.timeout."
        )
    return frame


def in_run() -> bool:
    """Whether this task belongs to a run."""
    return _frame.get() is not None


@contextmanager
def bind_frame(frame: Frame) -> Generator[Frame]:
    """Make *frame* the place from which this task calls, until the block ends."""
    token = _frame.set(frame)
    try:
        yield frame
    finally:
        _frame.reset(token)


@contextmanager
def outside_run() -> Generator[None]:
    """What this block calls belongs to no run, though the task that opened it may."""
    token = _frame.set(None)
    try:
        yield
    finally:
        _frame.reset(token)
