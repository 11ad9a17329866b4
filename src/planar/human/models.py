"""What is kept of a task for a person: the task, what people said about it, and what they answered."""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import Index
from sqlmodel import Field
from uuid_utils.compat import uuid7

from planar.db.base import PlanarInternalBase
from planar.db.types import JSONText, UTCDateTime
from planar.engine.store.tables import PARTIAL, EnumText
from planar.human.lifecycle import HumanTaskStatus
from planar.modeling.mixins.auditable import AuditableMixin, actor_name
from planar.modeling.mixins.timestamp import TimestampMixin, timestamp_column

__all__ = [
    "HumanTask",
    "HumanTaskActivity",
    "HumanTaskAnswer",
    "HumanTaskAttachment",
    "HumanTaskComment",
    "HumanTaskResult",
    "HumanTaskStatus",
]

T = TypeVar("T", bound=BaseModel)


class HumanTaskResult(BaseModel, Generic[T]):
    """What a workflow gets of a task: the answer, and whose it is."""

    task_id: UUID
    output: T
    completed_at: datetime
    completed_by: str | None = None


class HumanTask(TimestampMixin, AuditableMixin, PlanarInternalBase, table=True):
    """Something that a run asks people. There is one row for each place in a run at which it asks."""

    __table_args__: ClassVar[Any] = (
        Index("uq_planar_human_task_place", "workflow_id", "step_path", unique=True),
        Index("ix_planar_human_task_created", "created_at", "id"),
        Index("ix_planar_human_task_status", "status", "created_at"),
        Index("ix_planar_human_task_open", "created_at", "id", info={PARTIAL: "status in ('pending', 'claimed')"}),
        Index("ix_planar_human_task_name", "name", "created_at"),
        Index("ix_planar_human_task_workflow", "workflow_name", "created_at"),
        Index("ix_planar_human_task_due", "due_at", "id", info={PARTIAL: "due_at is not null"}),
        Index("ix_planar_human_task_priority", "priority", "created_at", "id"),
        Index("ix_planar_human_task_assignee", "assignee", "created_at", info={PARTIAL: "assignee is not null"}),
        Index("ix_planar_human_task_role", "assigned_role", "created_at", info={PARTIAL: "assigned_role is not null"}),
        Index("ix_planar_human_task_claimed", "claimed_by", "created_at", info={PARTIAL: "claimed_by is not null"}),
        Index("ix_planar_human_task_untold", "id", info={PARTIAL: "told_version < version"}),
    )

    id: UUID = Field(primary_key=True)
    name: str
    title: str
    description: str | None = None
    workflow_id: UUID
    """The run that asks."""
    workflow_name: str
    step_id: int
    """The number of the step that asks."""
    step_path: str
    """Its place in the run's journal."""
    input_schema: dict[str, Any] | None = Field(default=None, sa_type=JSONText)
    input_data: Any = Field(default=None, sa_type=JSONText, nullable=True)
    message: str | None = None
    output_schema: dict[str, Any] = Field(sa_type=JSONText)
    output_data: Any = Field(default=None, sa_type=JSONText, nullable=True)
    suggested_data: Any = Field(default=None, sa_type=JSONText, nullable=True)
    status: HumanTaskStatus = Field(default=HumanTaskStatus.PENDING, sa_type=EnumText(HumanTaskStatus))
    version: int = 1
    """Counts the changes: each one is made to the version that was looked at, or not at all."""
    told_version: int = 0
    """The version up to which notifications are on their way."""
    assignee: str | None = None
    assigned_role: str | None = None
    claimed_by: str | None = None
    """Who has it, by the subject of their identity."""
    claimed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    priority: int = 0
    due_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    deadline: datetime | None = Field(default=None, sa_type=UTCDateTime)
    """When it expires."""
    escalated_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    reminders: int = 0
    """How many reminders there were."""
    quorum: int | None = None
    """How many approvals it needs, if several people answer."""
    quorum_rejections: int | None = None
    quorum_field: str | None = None
    approvals: int = 0
    rejections: int = 0
    completed_by: str | None = None
    """Who ended it."""
    completed_at: datetime | None = Field(default=None, sa_type=UTCDateTime)
    """When it ended, however it did."""
    reason: str | None = None
    """Why it was cancelled, or is open again."""


class HumanTaskComment(PlanarInternalBase, table=True):
    """Something that somebody said about a task."""

    __table_args__: ClassVar[Any] = (Index("ix_planar_human_task_comment_task_id", "task_id", "id"),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    task_id: UUID
    text: str
    created_by: str = Field(default_factory=actor_name)
    created_at: datetime = timestamp_column()


class HumanTaskAttachment(PlanarInternalBase, table=True):
    """A file that belongs to a task."""

    __table_args__: ClassVar[Any] = (Index("ix_planar_human_task_attachment_file_id", "file_id"),)

    task_id: UUID = Field(primary_key=True)
    file_id: UUID = Field(primary_key=True)
    created_by: str = Field(default_factory=actor_name)
    created_at: datetime = timestamp_column()


class HumanTaskAnswer(PlanarInternalBase, table=True):
    """What one person answered where several do, or has saved and not sent yet (a draft)."""

    __table_args__: ClassVar[Any] = (Index("uq_planar_human_task_answer", "task_id", "answered_by", "is_draft", unique=True),)

    id: UUID = Field(default_factory=uuid7, primary_key=True)
    task_id: UUID
    answered_by: str
    """The subject of an identity: addresses change, and with them one person would be two."""
    is_draft: bool
    approves: bool | None = None
    data: Any = Field(default=None, sa_type=JSONText, nullable=True)
    created_at: datetime = timestamp_column()
    updated_at: datetime = timestamp_column()


class HumanTaskActivity(PlanarInternalBase, table=True):
    """One thing that happened to a task, written with it. Each version of a task has one: it tells what made it."""

    __table_args__: ClassVar[Any] = (
        Index("uq_planar_human_task_activity_moment", "task_id", "change", "moment", unique=True, info={PARTIAL: "moment is not null"}),
    )

    task_id: UUID = Field(primary_key=True)
    version: int = Field(primary_key=True)
    change: str
    """`planar.human.lifecycle.Change`, or ``create``."""
    status: HumanTaskStatus = Field(sa_type=EnumText(HumanTaskStatus))
    """What the task was then, as the next three."""
    actor: str
    """Who did it, as they sign."""
    subject: str | None = None
    """The subject of their identity, if they have one."""
    assignee: str | None = None
    assigned_role: str | None = None
    claimed_by: str | None = None
    reason: str | None = None
    moment: datetime | None = Field(default=None, sa_type=UTCDateTime)
    """The due time of what time brought: a change comes once at each."""
    at: datetime = Field(sa_type=UTCDateTime)
