"""What is a run, a step record, an event? Values that do not change, and nothing that acts.

Named tuples: each call of a workflow makes some of them, and a frozen dataclass of so many fields takes four times as long to make.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID


class RunStatus(StrEnum):
    """Where a run is. The first three are on the way, the last three are the end."""

    PENDING = "pending"
    RUNNING = "running"
    SUSPENDED = "suspended"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ENDED = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED})


class StepStatus(StrEnum):
    """Where a step is. ``failed`` with a due time in its record means that it will be tried again."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class StepKind(StrEnum):
    """What a step does; a feature may describe its own kind further."""

    COMPUTE = "compute"
    AGENT = "agent"
    RULE = "rule"
    HUMAN_IN_THE_LOOP = "human_in_the_loop"
    TOOL_CALL = "tool_call"


class Reason(StrEnum):
    """Why a run that has not ended is not being executed at this moment."""

    READY = "ready"
    TIMER = "timer"
    EVENT = "event"
    CHILD = "child"
    RETRY = "retry"


class Run(NamedTuple):
    """One execution of a workflow, as it was started. JSON texts are those of `planar.engine.codec`."""

    id: UUID
    workflow: str
    args: str
    kwargs: str
    created_at: datetime
    parent_id: UUID | None = None
    principal: str | None = None
    idempotency_key: str | None = None
    status: RunStatus = RunStatus.PENDING
    result: str | None = None
    error: str | None = None


class Claim(NamedTuple):
    """A worker's hold on a run, under an epoch that fences every write."""

    run: Run
    epoch: int
    recoveries: int = 0
    cancel_reason: str | None = None
    crashed: bool = False
    """Whether the worker that held it before died: a step that it was executing was interrupted."""


class StepRecord(NamedTuple):
    """What is known of one step call.

    ``seq`` is the place in the order of recording and is given when the step has ended; without it the record is a mark:
    the step has begun, waits, or failed and will be tried again at ``wakeup_at``.
    """

    path: str
    step_id: int
    name: str
    qualname: str
    kind: StepKind
    status: StepStatus
    seq: int | None = None
    parent_step_id: int | None = None
    display_name: str | None = None
    args: str | None = None
    kwargs: str | None = None
    result: str | None = None
    error: str | None = None
    sub_step_count: int = 0
    retry_count: int = 0
    wakeup_at: datetime | None = None
    child_id: UUID | None = None
    event_seq: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None


class Event(NamedTuple):
    """Something that was announced under a key; ``run_id`` limits it to one run. ``seq`` is the total order."""

    id: UUID
    key: str
    payload: str
    run_id: UUID | None
    timestamp: datetime
    seq: int = 0
    idempotency_key: str | None = None
