"""Which tasks have a file? Those to which it was attached, also after they have ended: it says what people decided by."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import load_only
from sqlmodel import col

from planar.db.session import PlanarSession
from planar.files.models import PlanarFileMetadata
from planar.files.statements import scalars
from planar.files.uses import MOST_REFERENCES, Permission, Reference, ReferenceKind
from planar.human.models import HumanTask, HumanTaskAttachment
from planar.human.people import resource_of
from planar.security.actions import HumanTaskAction


async def uses_by_tasks(session: PlanarSession, file: PlanarFileMetadata) -> list[Reference]:
    """The tasks that *file* is attached to, the newest first."""
    shown = load_only(*(getattr(HumanTask, name) for name in ("id", "name", "assignee", "assigned_role", "workflow_name")), raiseload=True)
    query = (
        select(HumanTask)
        .join(HumanTaskAttachment, col(HumanTaskAttachment.task_id) == col(HumanTask.id))
        .where(col(HumanTaskAttachment.file_id) == file.id)
        .order_by(col(HumanTask.created_at).desc(), col(HumanTask.id))
        .limit(MOST_REFERENCES)
        .options(shown)
    )
    return [
        Reference(ReferenceKind.HUMAN_TASK, task.name, str(task.id), "attachment", True, _to_see(task))
        for task in await scalars(session, query)
    ]


def _to_see(task: HumanTask) -> Permission:
    return Permission(resource_of(task), HumanTaskAction.VIEW_DETAILS)
