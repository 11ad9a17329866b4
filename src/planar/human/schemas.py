"""The shapes of the bodies of the routes of tasks for people."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from planar.human.lifecycle import HumanTaskStatus
from planar.human.models import HumanTask, HumanTaskActivity, HumanTaskAnswer, HumanTaskAttachment, HumanTaskComment
from planar.human.queries import PAYLOAD
from planar.workflows.schemas import Shape, StorableJson, StorableText

Name = Annotated[StorableText, Field(min_length=1, max_length=255)]
Text = Annotated[StorableText, Field(min_length=1, max_length=1000)]


class HumanTaskInfo(Shape):
    """A task for people. Lists leave schemas and data out unless they are asked for. ``reason``: why it was cancelled, or opened again."""

    id: UUID
    name: str
    title: str
    description: str | None = None
    status: HumanTaskStatus
    workflow_id: UUID
    workflow_name: str
    step_id: int = Field(description="The number of the step that asks, in the run `workflow_id`.")
    message: str | None = None
    assignee: str | None = None
    assigned_role: str | None = None
    claimed_by: str | None = Field(None, description="Who has it: the subject of an identity.")
    claimed_at: datetime | None = None
    priority: int
    due_at: datetime | None = None
    deadline: datetime | None = Field(None, description="When it expires.")
    escalated_at: datetime | None = None
    reminders: int = 0
    quorum: int | None = Field(None, description="How many approvals it needs, if several people answer.")
    quorum_rejections: int | None = None
    quorum_field: str | None = Field(None, description="The field of an answer that says yes or no.")
    approvals: int = 0
    rejections: int = 0
    completed_by: str | None = Field(None, description="Who ended it.")
    completed_at: datetime | None = Field(None, description="When it ended, however it did.")
    reason: str | None = None
    version: int
    created_by: str
    created_at: datetime
    updated_by: str
    updated_at: datetime
    input_schema: dict[str, Any] | None = None
    input_data: Any = None
    output_schema: dict[str, Any] | None = None
    output_data: Any = None
    suggested_data: Any = None

    @classmethod
    def of(cls, task: HumanTask, *, payload: bool = True) -> Self:
        """A task by its row."""
        names = [name for name in cls.model_fields if payload or name not in PAYLOAD]
        return cls.model_validate({name: getattr(task, name) for name in names})


class CompleteRequest(BaseModel):
    """An answer. Who answers is whoever sends the request; ``completed_by`` may be left out, and nobody else may be named."""

    model_config = ConfigDict(extra="forbid")

    output_data: dict[str, StorableJson]
    completed_by: Name | None = None


class TaskCancelRequest(BaseModel):
    """Why there will be no answer."""

    model_config = ConfigDict(extra="forbid")

    reason: Text = "cancelled"
    cancelled_by: Name | None = None


class DelegateRequest(BaseModel):
    """Whom a task is for from now on: a person, a role, or with neither everybody."""

    model_config = ConfigDict(extra="forbid")

    assignee: Name | None = None
    assigned_role: Name | None = None
    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)] | None = None


class DraftRequest(BaseModel):
    """An unfinished answer, which need not fit yet."""

    model_config = ConfigDict(extra="forbid")

    data: StorableJson


class DraftInfo(Shape):
    """An unfinished answer. Only who saved it sees it."""

    data: Any
    updated_at: datetime

    @classmethod
    def of(cls, draft: HumanTaskAnswer) -> Self:
        """A draft by its row."""
        return cls(data=draft.data, updated_at=draft.updated_at)


class AnswerInfo(Shape):
    """What one of several people answered; ``answered_by`` is the subject of their identity."""

    id: UUID
    answered_by: str
    approves: bool | None = None
    data: Any = None
    created_at: datetime

    @classmethod
    def of(cls, answer: HumanTaskAnswer) -> Self:
        """An answer by its row."""
        return cls(id=answer.id, answered_by=answer.answered_by, approves=answer.approves, data=answer.data, created_at=answer.created_at)


class ActivityInfo(Shape):
    """One thing that happened to a task. ``version`` is that of the task, which each change raises by one."""

    version: int
    change: str = Field(
        description="`create`, `claim`, `release`, `delegate`, `answer`, `complete`, `cancel`, `expire`, `remind`, `escalate` or `reopen`."
    )
    actor: str = Field(description="Who did it, as they sign; `system` is time itself, or the end of the run.")
    subject: str | None = Field(None, description="The subject of their identity.")
    at: datetime
    moment: datetime | None = Field(None, description="When it was due, of what time brought.")
    status: HumanTaskStatus = Field(description="What the task was then, as the next three.")
    assignee: str | None = None
    assigned_role: str | None = None
    claimed_by: str | None = None
    reason: str | None = None

    @classmethod
    def of(cls, activity: HumanTaskActivity) -> Self:
        """What happened, by its row."""
        return cls.model_validate({name: getattr(activity, name) for name in cls.model_fields})


class CommentRequest(BaseModel):
    """Something to say about a task."""

    model_config = ConfigDict(extra="forbid")

    text: Annotated[StorableText, Field(min_length=1, max_length=10_000)]


class CommentInfo(Shape):
    """Something that was said about a task."""

    id: UUID
    text: str
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, comment: HumanTaskComment) -> Self:
        """A comment by its row."""
        return cls(id=comment.id, text=comment.text, created_by=comment.created_by, created_at=comment.created_at)


class AttachRequest(BaseModel):
    """A file that belongs to a task: one that was uploaded before."""

    model_config = ConfigDict(extra="forbid")

    file_id: UUID


class AttachmentInfo(Shape):
    """A file that belongs to a task."""

    file_id: UUID
    created_by: str
    created_at: datetime

    @classmethod
    def of(cls, attachment: HumanTaskAttachment) -> Self:
        """An attachment by its row."""
        return cls(file_id=attachment.file_id, created_by=attachment.created_by, created_at=attachment.created_at)
