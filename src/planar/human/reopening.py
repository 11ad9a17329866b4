"""What becomes of an answer that the code of the run cannot read? The task is open again, and whoever answered can correct it.

People are served by other processes than the one that works on the run, and these may have another version of the code.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel
from sqlalchemy import delete, func, select
from sqlmodel import col
from uuid_utils.compat import uuid7

from planar.db.session import PlanarSession
from planar.human.changing import Plan, change_task
from planar.human.forms import read
from planar.human.lifecycle import SYSTEM, Change
from planar.human.models import HumanTask, HumanTaskActivity, HumanTaskAnswer
from planar.human.putting import put
from planar.human.queries import first
from planar.logging import get_logger

logger = get_logger(__name__)

UNREADABLE: Final = "unreadable"
"""Why a task is open again."""


def can_read(output_type: type[BaseModel], task: HumanTask) -> bool:
    """Whether the answer to *task* is one to the code that asked."""
    try:
        read(output_type, task.output_data)
    except Exception as error:  # the validators of a model may raise whatever they like
        logger.warning("an answer cannot be read by the code that asked; its task is open again", task_id=task.id, error=str(error))
        return False
    return True


async def reopen(task: HumanTask, schema: dict[str, Any]) -> None:
    """Open *task* again, in the current transaction. Its form is *schema* from now on, as the code that asked has it.

    The answer becomes an unfinished one of whoever gave it. Of several answers only the last, which decided, is taken back.
    """

    async def plan(session: PlanarSession, task: HumanTask) -> Plan:
        key = await _who_answered(session, task)
        values: dict[str, Any] = {"output_schema": schema, "output_data": None, "completed_by": None, "completed_at": None}
        values |= {"claimed_by": None, "claimed_at": None, "reason": UNREADABLE, "updated_by": SYSTEM.name}
        if task.quorum is not None:
            approves = await first(session, select(col(HumanTaskAnswer.approves)).where(*_answer_of(task, key)))
            values |= {"approvals": task.approvals - 1} if approves else {"rejections": task.rejections - 1}
        answered = task.output_data

        async def take_back(session: PlanarSession, changed: HumanTask) -> None:
            await session.exec(delete(HumanTaskAnswer).where(*_answer_of(changed, key)).execution_options(synchronize_session=False))
            row = {"id": uuid7(), "task_id": changed.id, "answered_by": key, "is_draft": True, "data": answered}
            row |= {"created_at": changed.updated_at, "updated_at": changed.updated_at}
            await put(session, HumanTaskAnswer, row, ("task_id", "answered_by", "is_draft"), replace=("data", "updated_at"))

        return Plan(values, take_back)

    await change_task(task.id, Change.REOPEN, SYSTEM, plan)


async def _who_answered(session: PlanarSession, task: HumanTask) -> str:
    """The key of whoever completed *task*."""
    made = (col(HumanTaskActivity.task_id) == task.id, col(HumanTaskActivity.version) == task.version)
    return await first(session, select(func.coalesce(col(HumanTaskActivity.subject), col(HumanTaskActivity.actor))).where(*made)) or str(
        task.completed_by
    )


def _answer_of(task: HumanTask, key: str) -> tuple[Any, ...]:
    return col(HumanTaskAnswer.task_id) == task.id, col(HumanTaskAnswer.answered_by) == key, col(HumanTaskAnswer.is_draft).is_(False)
