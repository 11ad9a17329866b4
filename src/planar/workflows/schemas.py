"""Which shapes have the bodies of workflow routes? What is sent, and what is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from planar.workflows.models import StepStatus, StepType, WorkflowStatus
from planar.workflows.queries import Durations, Record, RunStats

MAX_DEPTH = 100
"""How deeply a payload may be nested."""

_SQL = "\n[SQL:"
"""From here on, the message of a database error is the statement and its values."""


class Shape(BaseModel):
    """An answer. Pydantic builds it when it is first needed, not when this module is imported.

    Bodies of requests are built at once: FastAPI wraps them in fields of its own, which pydantic would take for theirs later.
    """

    model_config = ConfigDict(defer_build=True)


class RunReason(StrEnum):
    """Why a run that has not ended is where it is."""

    RUNNING = "running"
    READY = "ready"
    TIMER = "timer"
    EVENT = "event"
    CHILD = "child"
    RETRY = "retry"
    UNKNOWN_WORKFLOW = "unknown_workflow"


class Included(StrEnum):
    """What a list leaves out unless it is asked for."""

    PAYLOAD = "payload"


def _is_storable(value: JsonValue, depth: int = 0) -> JsonValue:
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, list):
        for item in value:
            _is_storable(item, depth + 1)
    elif isinstance(value, dict):
        for key, item in value.items():
            _encodable(key)
            _is_storable(item, depth + 1)
    elif isinstance(value, str):
        _encodable(value)
    elif isinstance(value, float | int):
        json.dumps(value, allow_nan=False)
    return value


def _encodable(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("a text holds half a character (a lone surrogate)") from None
    return text


def _without_nul(text: str) -> str:
    if "\0" in text:
        raise ValueError("it holds a NUL character, which databases cannot store")
    return _encodable(text)


StorableJson = Annotated[JsonValue, AfterValidator(_is_storable)]
"""JSON that can be stored and shown again."""

StorableText = Annotated[str, AfterValidator(_without_nul)]
"""Text that can be stored and compared in every database."""

EventKey = Annotated[StorableText, Field(min_length=1, max_length=500, examples=["invoice-paid:42"])]


class WorkflowStartResponse(Shape):
    """The run that was started."""

    id: UUID


class DurationStats(Shape):
    """Seconds from the start to the end of runs that succeeded or failed."""

    min_seconds: float
    avg_seconds: float
    max_seconds: float

    @classmethod
    def of(cls, durations: Durations) -> Self:
        """To the millisecond."""
        least, mean, most = (max(0.0, round(value, 3)) for value in (durations.least, durations.mean, durations.most))
        return cls(min_seconds=least, avg_seconds=mean, max_seconds=most)


class WorkflowRunStatusCounts(Shape):
    """How many runs are in each status."""

    pending: int = 0
    running: int = 0
    suspended: int = 0
    succeeded: int = 0
    failed: int = 0
    cancelled: int = 0


class WorkflowDefinition(Shape):
    """A workflow that the app serves: what it takes and gives, and how its runs fare."""

    fully_qualified_name: str
    name: str
    description: str | None = None
    input_schema: dict[str, Any] | None = None
    output_schema: dict[str, Any] | None = None
    total_runs: int
    run_statuses: WorkflowRunStatusCounts
    durations: DurationStats | None = None

    @classmethod
    def of(cls, name: str, description: str, input_schema: dict[str, Any], output_schema: dict[str, Any], stats: RunStats) -> Self:
        """A workflow by its parts."""
        return cls(
            fully_qualified_name=name,
            name=name.rpartition(".")[2],
            description=description,
            input_schema=input_schema,
            output_schema=output_schema,
            total_runs=stats.total,
            run_statuses=WorkflowRunStatusCounts(**{status.value: count for status, count in stats.counts.items()}),
            durations=None if stats.durations is None else DurationStats.of(stats.durations),
        )


class RunError(Shape):
    """What went wrong, without anything about the inside: tracebacks are in the log."""

    type: str
    message: str
    traceback: None = None

    @classmethod
    def of(cls, stored: Mapping[str, Any] | None) -> Self | None:
        """The error as it is stored; statements and their values are cut off a database error's message."""
        if stored is None:
            return None
        return cls(type=str(stored.get("type", "Error")), message=str(stored.get("message", "")).partition(_SQL)[0], traceback=None)


class WorkflowRun(Shape):
    """One execution of a workflow. Lists leave ``args``, ``kwargs``, ``result`` and ``error`` out unless they are asked for."""

    id: UUID
    function_name: str
    parent_id: UUID | None = None
    status: WorkflowStatus
    reason: RunReason | None = Field(None, description="Why a run that has not ended is where it is; null once it has ended.")
    wakeup_at: datetime | None = Field(None, description="When it will go on by itself; null if it waits for something else, or has ended.")
    waiting_for_event: str | None = None
    cancel_reason: str | None = Field(None, description="Somebody asked for its end, and it is cleaning up.")
    recoveries: int = Field(0, description="How often it was taken over from a worker that had died.")
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    result: Any = None
    error: RunError | None = None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, run: Record) -> Self:
        """A run by its row."""
        return cls.model_validate(_with_error(run))


class WorkflowStatusResponse(Shape):
    """One run, whatever its workflow is."""

    workflow: WorkflowRun


class WorkflowStepInfo(Shape):
    """One recorded step. Lists leave ``args``, ``kwargs``, ``result`` and ``error`` out unless they are asked for."""

    step_id: int
    parent_step_id: int | None = None
    workflow_id: UUID
    path: str = Field(description="Its place in the journal.")
    is_internal_step: bool = Field(description="Whether it is one of Planar's own, as a sleep is.")
    function_name: str
    display_name: str
    description: str | None = None
    step_type: StepType
    status: StepStatus
    retry_count: int
    wakeup_at: datetime | None = Field(None, description="When it will be tried again.")
    child_id: UUID | None = Field(None, description="The run that it started.")
    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None
    result: Any = None
    error: RunError | None = None
    created_at: datetime
    updated_at: datetime
    meta: dict[str, Any] | None = Field(None, description="What its kind has to say beyond this; compute steps have nothing.")

    @classmethod
    def of(cls, step: Record) -> Self:
        """A step by its row."""
        name = str(step["function_name"])
        told = {
            "display_name": step["display_name"] or name.rpartition(".")[2],
            "is_internal_step": name.startswith("planar."),
            "description": None,
        }
        return cls.model_validate({**_with_error(step), **told})


class WorkflowList(Shape):
    """Part of the workflows that the app serves, by name."""

    items: list[WorkflowDefinition]
    total: int | None
    offset: int | None = None
    limit: int | None = None


class WorkflowRunList(Shape):
    """Part of the runs of a workflow, newest first."""

    items: list[WorkflowRun]
    total: int | None
    offset: int | None = None
    limit: int | None = None


class WorkflowStepList(Shape):
    """Part of the steps of a run, in the order of their numbers."""

    items: list[WorkflowStepInfo]
    total: int | None
    offset: int | None = None
    limit: int | None = None


class CancelRequest(BaseModel):
    """Why a run is to end."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[StorableText, Field(min_length=1, max_length=1000)] = "cancelled"


class CancelResponse(Shape):
    """What the request left the run in: ``cancelled``, or ``running`` until it has cleaned up."""

    id: UUID
    status: WorkflowStatus


class EventEmitRequest(BaseModel):
    """Something to announce: to the run ``workflow_id``, or to every run that waits for the key and to those that will."""

    model_config = ConfigDict(extra="forbid")

    event_key: EventKey
    payload: StorableJson = None
    workflow_id: UUID | None = None
    idempotency_key: Annotated[StorableText, Field(min_length=1, max_length=255)] | None = None


class EventResponse(Shape):
    """Something that was announced. Lists leave ``payload`` out unless it is asked for. ``seq`` is the order of all events."""

    id: UUID
    seq: int
    event_key: str
    timestamp: datetime
    payload: Any = None
    workflow_id: UUID | None = None

    @classmethod
    def of(cls, event: Record) -> Self:
        """An event by its row."""
        return cls.model_validate(event)


class EmittedEvent(EventResponse):
    """The event as it is stored, and how many runs it woke; none if it had been emitted before."""

    woken: int


def _with_error(record: Record) -> dict[str, Any]:
    return {**record, "error": RunError.of(record["error"])} if "error" in record else dict(record)
