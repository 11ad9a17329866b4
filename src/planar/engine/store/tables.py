"""What does the database hold of the engine? History that is only appended to, apart from what is hot.

`Workflow`, `WorkflowStep` and `WorkflowEvent` are for everybody to select. Only the engine writes, by the statements of its
store adapters: `Workflow` is a view over ``workflow_run`` (what was started and how it ended) and ``workflow_claim`` (what there
is to run now), so that the status of a run is computed in one place.
"""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from typing import Any, ClassVar
from uuid import UUID

from sqlalchemy import Column, Dialect, Index, Integer, Text, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field

from planar.db.base import PlanarInternalBase
from planar.db.types import JSONText, UTCDateTime
from planar.engine.core.model import RunStatus, StepKind, StepStatus



class EnumText(TypeDecorator[Enum]):
    """An enum as the text of its value, so that the tables read well and a new member needs no migration."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """The member, or its value, as text."""
        return None if value is None else str(self.kind(value).value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Enum | None:
        """The member again."""
        return None if value is None else self.kind(value)


VIEW_COLUMNS = """
    r.id, r.function_name, r.parent_id,
    case when r.status <> 'pending' then r.status
         when c.worker_id is not null then 'running'
         when c.reason <> 'ready' then 'suspended'
         else 'pending' end as status,
    r.args, r.kwargs, r.result, r.error, r.principal, r.idempotency_key,
    case when r.status = 'pending' and c.worker_id is null then c.due_at end as wakeup_at,
    case when r.status = 'pending' and c.worker_id is null then c.waiting_for_event end as waiting_for_event,
    case when r.status = 'pending' then case when c.worker_id is not null then 'running' else c.reason end end as reason,
    c.cancel_reason, coalesce(c.recoveries, 0) as recoveries,
    r.created_at, r.updated_at
"""
"""The one place in which a run's status is computed."""


class Workflow(PlanarInternalBase, table=True):
    """One run: one execution of a workflow. A view; select from it, never write."""

    __table_args__: ClassVar[Any] = {"info": {"is_view": True}}

    id: UUID = Field(primary_key=True)
    function_name: str
    parent_id: UUID | None = None
    status: RunStatus = Field(sa_type=EnumText(RunStatus))
    args: list[Any] | None = Field(default=None, sa_type=JSONText)
    kwargs: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    result: Any = Field(default=None, sa_type=JSONText, nullable=True)
    error: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    principal: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    idempotency_key: str | None = None
    wakeup_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    waiting_for_event: str | None = None
    reason: str | None = None
    cancel_reason: str | None = None
    recoveries: int = 0
    created_at: datetime = Field(sa_type=UTCDateTime)
    updated_at: datetime = Field(sa_type=UTCDateTime)


class WorkflowRun(PlanarInternalBase, table=True):
    """What was started and how it ended. Written when a run starts and when it ends."""

    __table_args__: ClassVar[Any] = (
        Index("ix_planar_workflow_run_function_name", "function_name", "id"),
        Index("ix_planar_workflow_run_status", "function_name", "status"),
        Index(
            "ix_planar_workflow_run_parent_id",
            "parent_id",
            sqlite_where=text("parent_id is not null"),
            postgresql_where=text("parent_id is not null"),
        ),
        Index(
            "uq_planar_workflow_run_idempotency_key",
            "function_name",
            "idempotency_key",
            unique=True,
            sqlite_where=text("idempotency_key is not null"),
            postgresql_where=text("idempotency_key is not null"),
        ),
    )

    id: UUID = Field(primary_key=True)
    function_name: str
    parent_id: UUID | None = None
    status: RunStatus = Field(sa_type=EnumText(RunStatus))
    args: list[Any] | None = Field(default=None, sa_type=JSONText)
    kwargs: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    result: Any = Field(default=None, sa_type=JSONText, nullable=True)
    error: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    principal: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    idempotency_key: str | None = None
    created_at: datetime = Field(sa_type=UTCDateTime)
    updated_at: datetime = Field(sa_type=UTCDateTime)


class WorkflowClaim(PlanarInternalBase, table=True):
    """What there is to run: one narrow row for each run that has not ended."""

    __table_args__: ClassVar[Any] = (
        Index(
            "ix_planar_workflow_claim_due",
            "due_at",
            sqlite_where=text("worker_id is null and due_at is not null"),
            postgresql_where=text("worker_id is null and due_at is not null"),
        ),
        Index(
            "ix_planar_workflow_claim_worker_id",
            "worker_id",
            sqlite_where=text("worker_id is not null"),
            postgresql_where=text("worker_id is not null"),
        ),
        {"sqlite_with_rowid": False},
    )

    run_id: UUID = Field(primary_key=True)
    function_name: str
    queue: str = Field(default="default", sa_column_kwargs={"server_default": "default"})
    priority: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})
    due_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    worker_id: UUID | None = None
    epoch: int = 0
    reason: str = "ready"
    waiting_for_event: str | None = None
    cancel_reason: str | None = None
    recoveries: int = Field(default=0, sa_column_kwargs={"server_default": text("0")})


class WorkflowWait(PlanarInternalBase, table=True):
    """Which runs sleep on which key: ``event:<key>`` or ``run:<id>``."""

    __table_args__: ClassVar[Any] = (
        Index("ix_planar_workflow_wait_run_id", "run_id"),
        {"sqlite_with_rowid": False},
    )

    key: str = Field(primary_key=True)
    run_id: UUID = Field(primary_key=True)


class WorkflowStep(PlanarInternalBase, table=True):
    """One recorded step of a run. ``path`` is its identity in the journal, ``step_id`` its number for people."""

    __table_args__: ClassVar[Any] = ({"sqlite_with_rowid": False},)

    workflow_id: UUID = Field(primary_key=True)
    path: str = Field(primary_key=True)
    seq: int | None = None
    step_id: int
    parent_step_id: int | None = None
    function_name: str
    qualname: str
    display_name: str | None = None
    status: StepStatus = Field(sa_type=EnumText(StepStatus))
    step_type: StepKind = Field(sa_type=EnumText(StepKind))
    args: list[Any] | None = Field(default=None, sa_type=JSONText)
    kwargs: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    result: Any = Field(default=None, sa_type=JSONText, nullable=True)
    error: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    sub_step_count: int = 0
    retry_count: int = 0
    wakeup_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    child_id: UUID | None = None
    event_seq: int | None = None
    created_at: datetime = Field(sa_type=UTCDateTime)
    updated_at: datetime = Field(sa_type=UTCDateTime)


class WorkflowEvent(PlanarInternalBase, table=True):
    """Something that was announced under a key. Only appended to; ``seq`` is the total order."""

    __table_args__: ClassVar[Any] = (
        Index("ix_planar_workflow_event_event_key", "event_key", "seq"),
        Index("uq_planar_workflow_event_id", "id", unique=True),
        Index(
            "uq_planar_workflow_event_idempotency_key",
            "event_key",
            "idempotency_key",
            unique=True,
            sqlite_where=text("idempotency_key is not null"),
            postgresql_where=text("idempotency_key is not null"),
        ),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = Field(default=None, sa_column=Column(Integer, primary_key=True, autoincrement=True))
    id: UUID
    event_key: str
    workflow_id: UUID | None = None
    payload: Any = Field(default=None, sa_type=JSONText, nullable=True)
    timestamp: datetime = Field(sa_type=UTCDateTime)
    idempotency_key: str | None = None


class WorkflowWorker(PlanarInternalBase, table=True):
    """One process that executes runs, with what tells whether it lives."""

    id: UUID = Field(primary_key=True)
    host: str
    boot_id: str
    pid: int
    lock_file: str | None = None
    alive: bool = True
    started_at: datetime = Field(sa_type=UTCDateTime)
    beat_at: datetime = Field(sa_type=UTCDateTime)


class LockedResource(PlanarInternalBase, table=True):
    """A lease on a name of the user's choice."""

    lock_key: str = Field(primary_key=True)
    lock_until: datetime = Field(sa_type=UTCDateTime, index=True)
    version_id: int = 0
