"""What happened to a task, by whom and when? One row for each version of it, in the transaction of the change."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlmodel import col

from planar.db.session import PlanarSession
from planar.human.lifecycle import Change, Who
from planar.human.models import HumanTask, HumanTaskActivity
from planar.human.putting import put
from planar.human.queries import first

CREATED: Final = "create"
"""The first thing that happens to a task; the others are `Change`."""

_REASONED: Final = (Change.CANCEL, Change.REOPEN)


async def note(session: PlanarSession, task: HumanTask, change: Change | None, who: Who, moment: datetime | None = None) -> None:
    """Keep what made *task* what it is now.

    Args:
        session: where the change was written.
        task: the task after it.
        change: what happened; None is its creation.
        who: who did it.
        moment: the due time of what time brought.
    """
    row = {
        "task_id": task.id,
        "version": task.version,
        "change": CREATED if change is None else change.value,
        "status": task.status,
        "actor": who.name,
        "subject": who.sub,
        "assignee": task.assignee,
        "assigned_role": task.assigned_role,
        "claimed_by": task.claimed_by,
        "reason": task.reason if change in _REASONED else None,
        "moment": moment,
        "at": task.updated_at,
    }
    # The database notes the end of a run itself, which it knows by the words of the reason only: who says it here knows better.
    key = ("task_id", "version")
    await put(session, HumanTaskActivity, row, key, replace=[name for name in row if name not in key])


async def done_at(session: PlanarSession, task_id: UUID, change: Change, moment: datetime) -> datetime | None:
    """When *change*, due at *moment*, was done to a task; None if it was not."""
    mine = (col(HumanTaskActivity.task_id) == task_id, col(HumanTaskActivity.change) == change.value)
    return await first(session, select(col(HumanTaskActivity.at)).where(*mine, col(HumanTaskActivity.moment) == moment))
