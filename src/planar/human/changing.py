"""How does a task change? In one transaction with the waking of its run and the news, against the version that was looked at."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar, cast
from uuid import UUID, uuid5

from sqlalchemy import CursorResult, select, update
from sqlmodel import col

from planar.context import current_services
from planar.db.conflicts import MAX_CONFLICT_RETRIES, is_conflict, pause_before_retry
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession, SessionScope, bind_session, current_scope, get_session
from planar.engine.client import Client
from planar.engine.core.model import Event
from planar.engine.current import in_run
from planar.engine.store.port import Emit
from planar.engine.store.tables import WORKFLOW_CLAIM
from planar.errors import InternalError
from planar.human.activity import note
from planar.human.announcing import announce
from planar.human.errors import (
    HumanTaskClaimed,
    HumanTaskClosed,
    HumanTaskNeedsIdentity,
    HumanTaskNotAddressed,
    HumanTaskNotClaimable,
    HumanTaskNotFound,
)
from planar.human.lifecycle import OPEN, Change, HumanTaskStatus, Refusal, Standing, Who, next_status
from planar.human.models import HumanTask
from planar.human.people import who_acts
from planar.human.queries import get_task

T = TypeVar("T")

MAX_RACES: Final = 100
"""How often others may be faster at one task before something must be wrong."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a change writes: *values* into the task, and what *also* writes beside it in the same transaction."""

    values: Mapping[str, Any] = field(default_factory=dict[str, Any])
    also: Callable[[PlanarSession, HumanTask], Awaitable[None]] | None = None
    change: Change | None = None
    """What the change turned out to be, if that depends on the task: an answer may complete it."""
    moment: datetime | None = None
    """The due time of what time brings."""


Planner = Callable[[PlanarSession, HumanTask], Awaitable[Plan]]


def event_key(task_id: UUID) -> str:
    """The key of the event that wakes the run when the task has ended. Nobody else can emit it."""
    return f"human_task_completed:{task_id}"


async def in_transaction(work: Callable[[PlanarSession], Awaitable[T]]) -> T:
    """Await *work* in a session, and commit; after a conflict again.

    In a step, and in a session that has written, it becomes part of that transaction instead, and is committed with it.
    """
    scope = current_scope()
    if scope is not None and (in_run() or await scope.flush()):
        return await work(scope.get())
    conflicts = 0
    while True:
        own = SessionScope(current_services().get(DatabaseManager), label="a change to a human task")
        try:
            with bind_session(own):
                result = await work(own.get())
                await own.commit()
                return result
        except Exception as error:
            await own.rollback()
            if not is_conflict(error) or conflicts >= MAX_CONFLICT_RETRIES:
                raise
        finally:
            await own.close()
        await pause_before_retry(conflicts)
        conflicts += 1


async def change_task(task_id: UUID, change: Change, who: Who, plan: Planner) -> HumanTask:
    """Do *change* to a task, if it may be done: the task as it is then.

    Args:
        task_id: which task.
        change: what happens to it; decided by `planar.human.lifecycle`.
        who: by whom.
        plan: says what to write, given the task as it stands. Asked again if somebody else was faster.

    Raises:
        HumanTaskNotFound: there is none.
        HumanTaskClosed, HumanTaskClaimed, HumanTaskNotClaimable: it is too late.
        HumanTaskNotAddressed, HumanTaskNeedsIdentity: it is not for *who* to do.
    """

    async def work(session: PlanarSession) -> HumanTask:
        for _ in range(MAX_RACES):
            task = await find_task(session, task_id)
            after = decided(task, change, who)
            planned = await plan(session, task)
            if planned.change is not None:
                after = decided(task, planned.change, who)
            changed = await _write(session, task, after, planned)
            if changed is not None:
                await note(session, changed, planned.change or change, who, planned.moment)
                await announce(session, changed)
                return changed
        raise InternalError(f"Task {task_id} could not be changed: others changed it {MAX_RACES} times meanwhile.")

    return await in_transaction(work)


async def find_task(session: PlanarSession, task_id: UUID) -> HumanTask:
    """The task as it was committed last, or as this transaction has left it.

    Raises:
        HumanTaskNotFound: there is none.
    """
    task = await get_task(session, task_id)
    if task is None:
        raise HumanTaskNotFound(f"Human task {task_id} not found")
    return task


async def locked_task(session: PlanarSession, task_id: UUID) -> HumanTask:
    """The same; on PostgreSQL nobody else changes it before this transaction ends. On SQLite that is so once this one has written.

    Raises:
        HumanTaskNotFound: there is none.
    """
    if session.dialect.name == "postgresql":
        await session.exec(cast("Any", select(col(HumanTask.id)).where(col(HumanTask.id) == task_id).with_for_update(read=True)))
    return await find_task(session, task_id)


def standing_of(task: HumanTask) -> Standing:
    """What decides about changes to *task*."""
    return Standing(task.status, task.assignee, task.assigned_role, task.claimed_by, task.quorum is not None)


def decided(task: HumanTask, change: Change, who: Who) -> HumanTaskStatus:
    """What *change* makes of *task*; what may not be is an error."""
    after = next_status(standing_of(task), change, who)
    match after:
        case HumanTaskStatus():
            return after
        case Refusal.CLOSED:
            raise HumanTaskClosed(f"Human task {task.id} is not pending (status: {task.status.value})")
        case Refusal.NOT_ADDRESSED:
            raise HumanTaskNotAddressed(f"Human task {task.id} is for somebody else.")
        case Refusal.NEEDS_IDENTITY:
            raise HumanTaskNeedsIdentity(f"Who is it that takes human task {task.id}? The request does not say who sends it.")
        case Refusal.NOT_CLAIMABLE:
            raise HumanTaskNotClaimable(f"Human task {task.id} is answered by several people, so nobody can claim it.")
        case Refusal.CLAIMED:
            raise HumanTaskClaimed(f"Human task {task.id} was claimed by somebody else; it has to be released first.")


async def _write(session: PlanarSession, task: HumanTask, after: HumanTaskStatus, plan: Plan) -> HumanTask | None:
    """Write what was planned; None if somebody else has changed the task meanwhile, and nothing was written."""
    if after not in OPEN or task.status not in OPEN:
        await _lock_claim(session, task.workflow_id)
    client = current_services().get(Client)
    values = {**plan.values, "status": after, "version": task.version + 1, "updated_at": client.now()}
    is_unchanged = (col(HumanTask.id) == task.id, col(HumanTask.version) == task.version)
    statement = update(HumanTask).where(*is_unchanged).values(**values).execution_options(synchronize_session=False)
    if cast("CursorResult[Any]", await session.exec(statement)).rowcount == 0:
        return None
    changed = await find_task(session, task.id)
    if plan.also is not None:
        await plan.also(session, changed)
        await session.flush()
    if after not in OPEN and after is not HumanTaskStatus.EXPIRED:
        await client.store.submit_in(session, [Emit(_event(client, changed))])
    return changed


async def _lock_claim(session: PlanarSession, run_id: UUID) -> None:
    """On PostgreSQL: whoever ends the run locks its claim before its tasks, so whoever ends a task does as well; else both might wait."""
    if session.dialect.name == "postgresql":
        query = select(WORKFLOW_CLAIM.c.run_id).where(WORKFLOW_CLAIM.c.run_id == run_id).with_for_update()
        await session.exec(cast("Any", query))


def _event(client: Client, task: HumanTask) -> Event:
    """What wakes the run. The answer is not in it: the run reads that from the task, and events are for more people to see."""
    payload = {"task_id": str(task.id), "status": task.status.value}
    return Event(uuid5(task.id, f"ended:{task.version}"), event_key(task.id), json.dumps(payload), task.workflow_id, client.now())


async def add_task(task: HumanTask) -> None:
    """A new task, in the transaction of the step that asks."""
    session = get_session()
    session.add(task)
    await session.flush()
    await note(session, task, None, who_acts())
    await announce(session, task)
