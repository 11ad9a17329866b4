"""Which run is this task executing, and where in it?"""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from planar.engine.errors import ForeignTaskError

if TYPE_CHECKING:
    from planar.db.session import SessionScope


@dataclass(slots=True)
class Cancellation:
    """Somebody asked for an end: of the run, or of a branch. *delivered* once its code has been told by a CancelledError."""

    reason: str
    delivered: bool = False
    owed: bool = False
    """Whether it came when it was too late for a step that was ending, and is still to be delivered for that reason."""


@dataclass(slots=True, eq=False)
class Strand:
    """A line of execution in a run, the workflow's own or a branch. It is one asyncio task; steps are called in that and no other."""

    task: asyncio.Task[Any]
    in_code: bool = True
    """Whether it executes the workflow's own code at this moment, and not a step. Kept only where there are several strands."""
    loss: Cancellation | None = None
    """The branch is to end: the outcome was decided without it, or whoever waits for it was cancelled."""
    lost_by_decision: bool = False
    """Whether workflow code decides that again on replay: a race was won, another branch failed."""
    left: bool = False
    """Whether the worker stops and this strand began nothing more: what its code makes of that does not count."""
    missed: bool = False
    """Whether it was cancelled while it waited for its turn, by something that does not ask twice: a timeout of the user's code."""
    joined: Joined | None = None
    """The branches that it waits for."""

    def lose(self, reason: str, *, by_decision: bool, once_begun: bool = False) -> None:
        """Tell the branch's code once that it is to end, and that of all branches in it at the same moment.

        Args:
            once_begun: let it begin before; a task that is cancelled before its first line has no code that could be told.
        """
        if self.loss is None:
            self.loss = Cancellation(reason, delivered=not once_begun)
            self.lost_by_decision = by_decision
            if self.joined is not None:
                self.joined.end_all(reason, by_decision=by_decision)
            if once_begun:
                self.task.get_loop().call_soon(self._tell)
            else:
                self.task.cancel(reason)

    def _tell(self) -> None:
        if self.loss is not None and not self.loss.delivered:
            self.loss.delivered = True
            self.task.cancel(self.loss.reason)


class Joined(Protocol):
    """Branches that a strand waits for."""

    def end_all(self, reason: str, *, by_decision: bool) -> None:
        """Tell each of them that it is to end; no further one begins."""
        ...


@dataclass(slots=True, eq=False)
class Frame:
    """A place from which steps are called: the workflow's own code (path ``""``), a branch of it, or the body of a step."""

    run: Any
    """The run in this worker, an `planar.engine.execution.run.LiveRun`; typed there."""
    strand: Strand
    path: str = ""
    step_id: int | None = None
    outer: Frame | None = None
    scope: SessionScope | None = None
    calls: int = 0
    is_branch: bool = False

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
    if _current_task() is not frame.strand.task:
        raise ForeignTaskError(
            "A step or workflow was called in a task or thread that was made inside a run (by asyncio.gather, create_task, a TaskGroup,"
            " or asyncio.wait_for on Python 3.11), where its place in the run's record is not known. Await it in the workflow itself, or"
            " use gather, map or race of planar.workflows for several at once; for a time limit use timeout of planar.workflows,"
            " @step(timeout=...) or asyncio.timeout."
        )
    return frame


def _current_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:  # in a thread, where no event loop runs
        return None


def peek_frame() -> Frame | None:
    """The place in a run that this code belongs to, also in a task or thread from which no step could be called; None outside a run."""
    return _frame.get()


def in_run() -> bool:
    """Whether this task belongs to a run."""
    return _frame.get() is not None


class bind_frame:  # noqa: N801 - used as a function; a class and not a generator, because the engine enters one for every step
    """Make *frame* the place from which this task calls, until the block ends."""

    __slots__ = ("_frame", "_token")

    def __init__(self, frame: Frame) -> None:
        self._frame = frame

    def __enter__(self) -> Frame:
        self._token = _frame.set(self._frame)
        return self._frame

    def __exit__(self, *_: object) -> None:
        _frame.reset(self._token)


@contextmanager
def outside_run() -> Generator[None]:
    """What this block calls belongs to no run, though the task that opened it may."""
    token = _frame.set(None)
    try:
        yield
    finally:
        _frame.reset(token)
