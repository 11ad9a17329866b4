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

from sqlalchemy import Boolean, Column, Dialect, Index, Integer, String, Table, Text, Uuid, text
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field

from planar.db.base import PLANAR_FRAMEWORK_METADATA, PlanarInternalBase
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


# What only one dialect knows of a table stands in its `info`: SQLAlchemy would load that dialect for every program that imports this.
PARTIAL = "partial"
"""The condition of an index that holds some rows only."""
NOT_ON_SQLITE = "not_on_sqlite"
"""An index that SQLite does without."""
WITHOUT_ROWID = "without_rowid"
"""On SQLite: the rows lie in the order of the primary key."""
AUTOINCREMENT = "autoincrement"
"""On SQLite: a number is never given twice, also after the newest row was deleted."""

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


WORKFLOW_RUN = Table(
    "workflow_run",
    PLANAR_FRAMEWORK_METADATA,
    Column("id", Uuid, primary_key=True),
    Column("function_name", String, nullable=False),
    Column("parent_id", Uuid),
    Column("status", EnumText(RunStatus), nullable=False),
    Column("args", JSONText),
    Column("kwargs", JSONText),
    Column("result", JSONText),
    Column("error", JSONText),
    Column("principal", JSONText),
    Column("idempotency_key", String),
    Column("created_at", UTCDateTime, nullable=False),
    Column("updated_at", UTCDateTime, nullable=False),
    Index("ix_planar_workflow_run_function_name", "function_name", "id"),
    Index("ix_planar_workflow_run_status", "function_name", "status", info={NOT_ON_SQLITE: True}),
    Index("ix_planar_workflow_run_parent_id", "parent_id", info={PARTIAL: "parent_id is not null"}),
    Index(
        "uq_planar_workflow_run_idempotency_key",
        "function_name",
        "idempotency_key",
        unique=True,
        info={PARTIAL: "idempotency_key is not null"},
    ),
)
"""What was started and how it ended. Written when a run starts and when it ends."""

WORKFLOW_CLAIM = Table(
    "workflow_claim",
    PLANAR_FRAMEWORK_METADATA,
    Column("run_id", Uuid, primary_key=True),
    Column("function_name", String, nullable=False),
    Column("queue", String, nullable=False, server_default="default"),
    Column("priority", Integer, nullable=False, server_default=text("0")),
    Column("due_at", UTCDateTime),
    Column("worker_id", Uuid),
    Column("epoch", Integer, nullable=False),
    Column("reason", String, nullable=False),
    Column("waiting_for_event", String),
    Column("cancel_reason", String),
    Column("recoveries", Integer, nullable=False, server_default=text("0")),
    Column("crashed", Integer, nullable=False, server_default=text("0")),
    Column("awaited", Integer, nullable=False, server_default=text("0")),
    Index("ix_planar_workflow_claim_due", "due_at", info={PARTIAL: "worker_id is null and due_at is not null"}),
    Index("ix_planar_workflow_claim_worker_id", "worker_id", info={PARTIAL: "worker_id is not null"}),
    info={WITHOUT_ROWID: True},
)
"""What there is to run: one narrow row for each run that has not ended."""

WORKFLOW_WAIT = Table(
    "workflow_wait",
    PLANAR_FRAMEWORK_METADATA,
    Column("key", String, primary_key=True),
    Column("run_id", Uuid, primary_key=True),
    Index("ix_planar_workflow_wait_run_id", "run_id"),
    info={WITHOUT_ROWID: True},
)
"""Which runs sleep on which key: ``event:<key>`` or ``run:<id>``."""


class WorkflowStep(PlanarInternalBase, table=True):
    """One recorded step of a run. ``path`` is its identity in the journal, ``step_id`` its number for people."""

    __table_args__: ClassVar[Any] = ({"info": {WITHOUT_ROWID: True}},)

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
        Index("ix_planar_workflow_event_event_key", "event_key", "workflow_id", "seq"),
        Index("uq_planar_workflow_event_id", "id", unique=True),
        Index(
            "uq_planar_workflow_event_idempotency_key",
            "event_key",
            "idempotency_key",
            unique=True,
            info={PARTIAL: "idempotency_key is not null"},
        ),
        {"info": {AUTOINCREMENT: True}},
    )

    seq: int | None = Field(default=None, sa_column=Column(Integer, primary_key=True, autoincrement=True))
    id: UUID
    event_key: str
    workflow_id: UUID | None = None
    payload: Any = Field(default=None, sa_type=JSONText, nullable=True)
    timestamp: datetime = Field(sa_type=UTCDateTime)
    idempotency_key: str | None = None


WORKFLOW_WORKER = Table(
    "workflow_worker",
    PLANAR_FRAMEWORK_METADATA,
    Column("id", Uuid, primary_key=True),
    Column("host", String, nullable=False),
    Column("boot_id", String, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("lock_file", String),
    Column("alive", Boolean, nullable=False),
    Column("started_at", UTCDateTime, nullable=False),
    Column("beat_at", UTCDateTime, nullable=False),
    Column("version", String),
)
"""One process that executes runs, with what tells whether it lives."""

WORKFLOW_BATCH = Table(
    "workflow_batch",
    PLANAR_FRAMEWORK_METADATA,
    Column("lane", Uuid, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("answer", String, nullable=False),
    Column("written_at", UTCDateTime, nullable=False),
    info={WITHOUT_ROWID: True},
)
"""Used on PostgreSQL: the batches that a lane committed lately, so that one whose answer was lost is not written twice."""


class LockedResource(PlanarInternalBase, table=True):
    """A lease on a name of the user's choice."""

    lock_key: str = Field(primary_key=True)
    lock_until: datetime = Field(sa_type=UTCDateTime, index=True)
    version_id: int = 0
