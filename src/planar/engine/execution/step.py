"""A step that is called, and one that is being executed: what the journal keeps of it at any moment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from planar.db.session import SessionScope
from planar.engine.core.model import StepRecord, StepStatus
from planar.engine.core.replay import StepIdentity
from planar.engine.core.retry import NO_RETRY, RetryPolicy
from planar.engine.current import Frame
from planar.engine.execution.run import LiveRun


class ResultCoding(Protocol):
    """How a step's result is written and read."""

    def roundtrip_result(self, value: Any) -> tuple[str, Any]: ...
    def load_result(self, text: str | None) -> Any: ...


class StepCall(NamedTuple):
    """A call of a step: who it is, its arguments as JSON texts, its body, and how its result is written."""

    identity: StepIdentity
    args: str
    kwargs: str
    body: Callable[[OpenStep], Awaitable[Any]]
    codec: ResultCoding
    retry: RetryPolicy = NO_RETRY
    at_most_once: bool = False


@dataclass(slots=True, eq=False)
class OpenStep:
    """A step that is being executed."""

    live: LiveRun
    caller: Frame
    call: StepCall
    path: str
    step_id: int
    created_at: datetime
    retries: int = 0
    nested: int = 0
    """How many steps its body called, and those theirs."""
    wakeup_at: datetime | None = None
    failure: str | None = None
    """The error of the last attempt while the next is waited for."""
    marked: bool = False
    child_id: UUID | None = None
    """The run that this step started and waits for."""
    event_seq: int | None = None
    """The event that this step took."""
    scope: SessionScope | None = None

    def record(self, status: StepStatus, *, seq: int | None = None, result: str | None = None, error: str | None = None) -> StepRecord:
        """What the journal keeps of this step now; with *seq* it has ended."""
        identity = self.call.identity
        return StepRecord(
            path=self.path,
            step_id=self.step_id,
            name=identity.name,
            qualname=identity.qualname,
            kind=identity.kind,
            status=status,
            seq=seq,
            parent_step_id=self.caller.step_id,
            display_name=identity.display_name,
            args=self.call.args,
            kwargs=self.call.kwargs,
            result=result,
            error=error,
            sub_step_count=self.nested,
            retry_count=self.retries,
            wakeup_at=self.wakeup_at if seq is None else None,
            child_id=self.child_id,
            event_seq=self.event_seq,
            created_at=self.created_at,
        )

    def mark_running(self) -> None:
        """Show people that this step has been running for a while. Not once its session has written: the record comes with that."""
        session = self.scope.session if self.scope is not None else None
        if session is None or not session.wrote:
            self.marked = True
            self.live.mark(self.record(StepStatus.RUNNING))

    def marks(self) -> tuple[StepRecord, ...]:
        """The marks that a wait inside this step leaves: this step's, and those around it that have none yet."""
        self.set_marked()
        status = StepStatus.RUNNING if self.failure is None else StepStatus.FAILED
        return (self.record(status, error=self.failure), *_unmarked_around(self.caller))

    def set_marked(self) -> None:
        """It has a mark now, and needs none for running long."""
        self.marked = True
        self.live.parts.marks.discard(self)

    @property
    def to_code(self) -> bool:
        """Whether its result goes to workflow code, and not to the body of a step around it."""
        return self.caller.step_id is None


@dataclass(slots=True, eq=False)
class StepFrame(Frame):
    """A step's body as the place from which further steps are called."""

    step: OpenStep | None = None


def steps_around(frame: Frame | None) -> list[OpenStep]:
    """The open steps in whose bodies *frame* is, innermost first."""
    found: list[OpenStep] = []
    while frame is not None:
        if isinstance(frame, StepFrame) and frame.step is not None:
            found.append(frame.step)
        frame = frame.outer
    return found


def _unmarked_around(frame: Frame | None) -> list[StepRecord]:
    records: list[StepRecord] = []
    for step in steps_around(frame):
        if not step.marked:
            step.set_marked()
            records.append(step.record(StepStatus.RUNNING))
    return records
