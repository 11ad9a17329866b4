"""What can people do with a task? One function an intention; HTTP is the router's."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlmodel import col
from uuid_utils.compat import uuid7

from planar.context import current_services
from planar.db.session import PlanarSession, get_session
from planar.engine.client import Client
from planar.engine.current import find_frame
from planar.human import queries
from planar.human.answered_files import with_real_files
from planar.human.changing import Plan, change_task, decided, find_task, in_transaction, locked_task
from planar.human.errors import HumanTaskAnswered
from planar.human.forms import checked, lasting
from planar.human.lifecycle import Change, HumanTaskStatus, Tally, Who
from planar.human.models import HumanTask, HumanTaskActivity, HumanTaskAnswer
from planar.human.people import who_acts
from planar.human.putting import put
from planar.human.queries import TaskFilter, TaskPage
from planar.modeling.errors import Misfits
from planar.workflows.decorators import step


async def complete_human_task(task_id: UUID, output_data: dict[str, Any], completed_by: str | None = None) -> None:
    """Answer a task. The answer is checked first; if it fits, the task is completed and its run woken, both or neither.

    Who answered is whoever acts; in a request that is who sends it, known or not. A script for which nobody acts may say for whom it
    answers. In a workflow it is a step; in a session that has written it is committed with that session, else at once.

    Args:
        task_id: which task.
        output_data: the answer, as JSON values.
        completed_by: who answers, if nobody acts here; else the same name, or None.

    Raises:
        Misfits: (a ValueError) the answer does not fit, names a file that there is not, or *completed_by* is somebody else. The task
            stays open.
        HumanTaskNotFound, HumanTaskClosed, HumanTaskClaimed: (ValueErrors) there is no such task, or it is too late.
        HumanTaskNotAddressed: the task is for somebody else.
    """
    if _in_workflow_code():
        await _complete_step(task_id, output_data, completed_by)
    else:
        await complete(task_id, output_data, who_acts(completed_by))


async def cancel_human_task(task_id: UUID, reason: str = "cancelled", cancelled_by: str | None = None) -> None:
    """End a task without an answer: its run gets `HumanTaskCancelled`. As `complete_human_task` otherwise.

    Raises:
        HumanTaskNotFound, HumanTaskClosed: (ValueErrors) there is no such task, or it has ended.
    """
    if _in_workflow_code():
        await _cancel_step(task_id, reason, cancelled_by)
    else:
        await cancel(task_id, reason, who_acts(cancelled_by))


async def get_human_tasks(
    status: HumanTaskStatus | None = None, workflow_id: UUID | None = None, limit: int = 100, offset: int = 0
) -> list[HumanTask]:
    """Tasks, newest first, in the current session."""
    which = TaskFilter(statuses=() if status is None else (status,), workflow_id=workflow_id)
    return (await queries.list_tasks(get_session(), which, TaskPage(limit=limit, offset=offset, total=False))).items


async def get_human_task(task_id: UUID) -> HumanTask | None:
    """A task by its id, in the current session; None if there is none."""
    return await queries.get_task(get_session(), task_id)


@step(display_name="Complete human task")
async def _complete_step(task_id: UUID, output_data: dict[str, Any], completed_by: str | None) -> None:
    await complete(task_id, output_data, who_acts(completed_by))


@step(display_name="Cancel human task")
async def _cancel_step(task_id: UUID, reason: str, cancelled_by: str | None) -> None:
    await cancel(task_id, reason, who_acts(cancelled_by))


def _in_workflow_code() -> bool:
    frame = find_frame()
    return frame is not None and frame.step_id is None


# -- answers ----------------------------------------------------------------------------------------------------------------


async def complete(task_id: UUID, output_data: Any, who: Who) -> HumanTask:
    """Answer a task as *who*; of several answers that it needs, this is one."""
    approves: bool | None = None

    async def plan(session: PlanarSession, task: HumanTask) -> Plan:
        nonlocal approves
        answer, is_same = checked(task, output_data)
        kept = lasting(answer, await with_real_files(answer, output_data), None if is_same else task.output_schema)
        if task.quorum is None:
            return Plan(_ended(who, output_data=kept, reason=None))
        approves = bool(getattr(answer, task.quorum_field or ""))
        if await _find_answer(session, task_id, who.key, is_draft=False) is not None:
            raise HumanTaskAnswered(f"Human task {task_id} has an answer of {who.name} already; each person answers once.")
        return _counted(task, kept, approves, who)

    return await change_task(task_id, Change.COMPLETE, who, plan)


def _counted(task: HumanTask, output_data: Any, approves: bool, who: Who) -> Plan:
    """One answer more, and the end if it decides."""
    tally = Tally(task.approvals, task.rejections, task.quorum or 1, task.quorum_rejections or 1).with_answer(approves)
    counts = {"approvals": tally.approvals, "rejections": tally.rejections}

    async def keep(session: PlanarSession, changed: HumanTask) -> None:
        now = _now()
        answer = HumanTaskAnswer(
            task_id=changed.id, answered_by=who.key, is_draft=False, approves=approves, data=output_data, created_at=now, updated_at=now
        )
        session.add(answer)
        await _forget_draft(session, changed, who)

    if tally.is_decided:
        return Plan(counts | _ended(who, output_data=output_data, reason=None), keep)
    return Plan(counts, keep, Change.ANSWER)


def _ended(who: Who, **values: Any) -> dict[str, Any]:
    return {"completed_by": who.name, "completed_at": _now(), "updated_by": who.name, **values}


async def cancel(task_id: UUID, reason: str, who: Who) -> HumanTask:
    """End a task without an answer, as *who*."""

    async def plan(_: PlanarSession, task: HumanTask) -> Plan:
        return Plan(_ended(who, reason=reason, claimed_by=None, claimed_at=None))

    return await change_task(task_id, Change.CANCEL, who, plan)


# -- who has it -------------------------------------------------------------------------------------------------------------


async def claim(task_id: UUID, who: Who) -> HumanTask:
    """Take a task, so that nobody else answers it. Whoever has it already keeps it."""

    async def plan(_: PlanarSession, task: HumanTask) -> Plan:
        return Plan({"claimed_by": who.key, "claimed_at": task.claimed_at or _now(), "updated_by": who.name})

    return await change_task(task_id, Change.CLAIM, who, plan)


async def release(task_id: UUID, who: Who) -> HumanTask:
    """Give a task back that *who* has claimed."""

    async def plan(_: PlanarSession, task: HumanTask) -> Plan:
        return Plan({"claimed_by": None, "claimed_at": None, "updated_by": who.name})

    return await change_task(task_id, Change.RELEASE, who, plan)


async def delegate(task_id: UUID, who: Who, assignee: str | None, role: str | None, priority: int | None = None) -> HumanTask:
    """Say anew whom a task is for; a claim on it ends. With neither it is for everybody.

    Raises:
        Misfits: several people have to answer, and with *assignee* alone there would be too few.
    """

    async def plan(session: PlanarSession, task: HumanTask) -> Plan:
        if task.quorum is not None and assignee is not None and role is None:
            await _check_reach(session, task, assignee)
        values = {"assignee": assignee, "assigned_role": role, "claimed_by": None, "claimed_at": None, "updated_by": who.name}
        return Plan(values if priority is None else {**values, "priority": priority})

    return await change_task(task_id, Change.DELEGATE, who, plan)


async def _check_reach(session: PlanarSession, task: HumanTask, assignee: str) -> None:
    needed = max(task.quorum or 1, task.quorum_rejections or 1)
    are_missing = needed - task.approvals - task.rejections > 1
    if are_missing or assignee in await _names_of_those_who_answered(session, task.id):
        message = f"{needed} people have to answer, each once, and {assignee} alone is too few: name a role instead."
        raise Misfits([{"type": "too_few_people", "loc": ("body", "assignee"), "msg": message}])


async def _names_of_those_who_answered(session: PlanarSession, task_id: UUID) -> set[str]:
    """By subject, and as they signed: a task may be for either."""
    answers = (col(HumanTaskAnswer.task_id) == task_id, col(HumanTaskAnswer.is_draft).is_(False))
    signed = (col(HumanTaskActivity.task_id) == task_id, col(HumanTaskActivity.change) == Change.ANSWER.value)
    keys = await queries.everything(session, select(col(HumanTaskAnswer.answered_by)).where(*answers))
    return {*keys, *await queries.everything(session, select(col(HumanTaskActivity.actor)).where(*signed))}


# -- drafts -----------------------------------------------------------------------------------------------------------------


async def save_draft(task_id: UUID, data: Any, who: Who) -> HumanTaskAnswer:
    """Keep an unfinished answer of *who*; it need not fit yet. Of several at once the last one stays.

    The database removes it in the transaction in which the task ends, see the migration 0011.
    """

    async def work(session: PlanarSession) -> HumanTaskAnswer:
        decided(await locked_task(session, task_id), Change.COMPLETE, who)
        now = _now()
        row = {
            "id": uuid7(),
            "task_id": task_id,
            "answered_by": who.key,
            "is_draft": True,
            "data": data,
            "created_at": now,
            "updated_at": now,
        }
        await put(session, HumanTaskAnswer, row, ("task_id", "answered_by", "is_draft"), replace=("data", "updated_at"))
        # Looked at once more after the write: on SQLite nobody else ends the task from then on, and whoever does later finds the draft.
        decided(await find_task(session, task_id), Change.COMPLETE, who)
        return await _find_answer(session, task_id, who.key, is_draft=True)

    return await in_transaction(work)


async def find_draft(session: PlanarSession, task_id: UUID, who: Who) -> HumanTaskAnswer | None:
    """The unfinished answer of *who*, which nobody else sees."""
    return await _find_answer(session, task_id, who.key, is_draft=True)


async def _find_answer(session: PlanarSession, task_id: UUID, key: str, *, is_draft: bool) -> Any:
    mine = (col(HumanTaskAnswer.task_id) == task_id, col(HumanTaskAnswer.answered_by) == key, col(HumanTaskAnswer.is_draft) == is_draft)
    return await queries.first(session, select(HumanTaskAnswer).where(*mine))


async def _forget_draft(session: PlanarSession, task: HumanTask, who: Who) -> None:
    """The answer of *who* was sent: the draft of it is of no use."""
    mine = (col(HumanTaskAnswer.task_id) == task.id, col(HumanTaskAnswer.answered_by) == who.key, col(HumanTaskAnswer.is_draft).is_(True))
    await session.exec(delete(HumanTaskAnswer).where(*mine).execution_options(synchronize_session=False))


def _now() -> Any:
    return current_services().get(Client).now()
