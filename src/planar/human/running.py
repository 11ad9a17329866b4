"""What does a run do to its task? It creates it, looks at how it ended, and does what time brings: each in a step's transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid5

from pydantic import BaseModel

from planar.context import current_services
from planar.db.session import PlanarSession, get_session
from planar.engine.client import Client
from planar.engine.current import Frame, find_frame
from planar.errors import InternalError
from planar.human.activity import done_at
from planar.human.changing import Plan, add_task, change_task, find_task
from planar.human.errors import HumanTaskClosed
from planar.human.lifecycle import OPEN, SYSTEM, Change, HumanTaskStatus
from planar.human.models import HumanTask
from planar.human.options import Escalation
from planar.human.reopening import can_read, reopen

if TYPE_CHECKING:
    from planar.human.task import Human


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, and the kind of task that it is."""

    task: Human[Any]
    input_schema: dict[str, Any] | None
    input_data: Any
    message: str | None
    suggested_data: Any


class Outcome(BaseModel):
    """How a task ended."""

    status: HumanTaskStatus
    output: Any = None
    completed_by: str | None = None
    completed_at: datetime | None = None
    reason: str | None = None


async def create_task(asked: Asked, opened_at: datetime | None, timeout: timedelta | None) -> UUID:
    """The task of this place in the run, with the record of this step. Its id follows from the place, so there is no second one."""
    place = _asking_place()
    run = place.run.run
    task_id = uuid5(run.id, f"human_task:{place.path}")
    task = asked.task
    now = opened_at or current_services().get(Client).now()
    quorum = task.quorum
    await add_task(
        HumanTask(
            id=task_id,
            name=task.name,
            title=task.title,
            description=task.description,
            workflow_id=run.id,
            workflow_name=run.workflow,
            step_id=place.step_id or 0,
            step_path=place.path,
            input_schema=asked.input_schema,
            input_data=asked.input_data,
            message=asked.message,
            output_schema=task.output_schema,
            suggested_data=asked.suggested_data,
            assignee=task.assign_to,
            assigned_role=task.assign_role,
            priority=task.priority,
            due_at=None if task.due is None else now + task.due,
            deadline=None if timeout is None else now + timeout,
            quorum=None if quorum is None else quorum.approvals,
            quorum_rejections=None if quorum is None else quorum.rejections,
            quorum_field=None if quorum is None else quorum.field,
            created_at=now,
        )
    )
    return task_id


def _asking_place() -> Frame:
    """The place of the step that asks: this one is a part of it."""
    frame = find_frame()
    if frame is None or frame.outer is None:
        raise InternalError("A task for people is created in a step of its own.")
    return frame.outer


async def settle_task(task_id: UUID, task: Human[Any], *, is_over: bool) -> Outcome | None:
    """How the task ended. If it has not: with *is_over* it has now expired, else None. What the event said does not count.

    An answer that the code of this run cannot read was given where other code of it serves people: the task is open again.
    """
    while True:
        if is_over:
            now = current_services().get(Client).now()
            ended = {"completed_at": now, "completed_by": SYSTEM.name, "reason": None}
            await _act(task_id, Change.EXPIRE, {**ended, "claimed_by": None, "claimed_at": None})
        row = await find_task(get_session(), task_id)
        if row.status is not HumanTaskStatus.COMPLETED or can_read(task.output_type, row):
            break
        await reopen(row, task.output_schema)
    if row.status in OPEN:
        return None
    return Outcome(
        status=row.status, output=row.output_data, completed_by=row.completed_by, completed_at=row.completed_at, reason=row.reason
    )


async def withdraw(task_id: UUID) -> datetime | None:
    """Close a task whose answer nobody waits for any more; when that was."""
    now = current_services().get(Client).now()
    values = {"completed_at": now, "completed_by": SYSTEM.name, "reason": "withdrawn", "claimed_by": None, "claimed_at": None}
    changed = await _act(task_id, Change.CANCEL, values)
    return None if changed is None else changed.updated_at


async def remind(task_id: UUID, moment: datetime) -> datetime | None:
    """Tell whoever listens once more of a task that is still open; when that was. There is one reminder at each *moment*."""
    return await _due(task_id, Change.REMIND, moment, lambda task: {"reminders": task.reminders + 1})


async def escalate(task_id: UUID, escalation: Escalation | None, moment: datetime) -> datetime | None:
    """Give a task that is still open to others, once; when that was."""
    values: dict[str, Any] = {"escalated_at": current_services().get(Client).now(), "claimed_by": None, "claimed_at": None}
    if escalation is None:
        raise InternalError("A task without an Escalation was to be escalated.")
    if escalation.to is not None or escalation.to_role is not None:
        values |= {"assignee": escalation.to, "assigned_role": escalation.to_role}
    if escalation.priority is not None:
        values["priority"] = escalation.priority
    return await _due(task_id, Change.ESCALATE, moment, lambda _: values)


async def _act(task_id: UUID, change: Change, values: dict[str, Any]) -> HumanTask | None:
    """Do *change*, unless the task has ended meanwhile."""

    async def plan(_: PlanarSession, __: HumanTask) -> Plan:
        return Plan(values)

    try:
        return await change_task(task_id, change, SYSTEM, plan)
    except HumanTaskClosed:
        return None


class _Done(Exception):
    """What was due at a moment was done before."""

    def __init__(self, at: datetime) -> None:
        super().__init__(at)
        self.at = at


async def _due(task_id: UUID, change: Change, moment: datetime, values: Callable[[HumanTask], dict[str, Any]]) -> datetime | None:
    """Do *change*, due at *moment*, unless that was done or the task has ended; when it was done."""

    async def plan(session: PlanarSession, task: HumanTask) -> Plan:
        before = await done_at(session, task_id, change, moment)
        if before is not None:
            raise _Done(before)
        return Plan(values(task), moment=moment)

    try:
        return (await change_task(task_id, change, SYSTEM, plan)).updated_at
    except HumanTaskClosed:
        return None
    except _Done as done:
        return done.at
