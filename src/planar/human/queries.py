"""Which tasks are there? Lists in a stable order, with totals and next pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Result, and_, func, literal_column, or_, select
from sqlalchemy.orm import defer
from sqlmodel import col

from planar.db.session import PlanarSession
from planar.human.lifecycle import OPEN, HumanTaskStatus
from planar.human.models import HumanTask
from planar.modeling.errors import Misfits

Condition = ColumnElement[bool]

IS_OPEN: Final = cast("Condition", literal_column("(status in ('pending', 'claimed'))"))
"""As the partial index says it: SQLite uses one only for its own words."""

PAYLOAD = ("input_schema", "input_data", "output_schema", "output_data", "suggested_data")
"""What lists leave out."""


class View(StrEnum):
    """Whose tasks."""

    MINE = "mine"
    MY_ROLES = "my_roles"
    UNASSIGNED = "unassigned"


class Sort(StrEnum):
    """In which order: newest first; the soonest due first; or by priority, and then the oldest first."""

    CREATED = "created"
    DUE = "due"
    PRIORITY = "priority"


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks: all conditions hold. *names*, *key* and *roles* are those of whoever asks, for *view*; *overdue_at* is the time now."""

    statuses: tuple[HumanTaskStatus, ...] = ()
    workflow_id: UUID | None = None
    workflow_name: str | None = None
    name: str | None = None
    assignee: str | None = None
    role: str | None = None
    view: View | None = None
    names: frozenset[str] = field(default_factory=frozenset[str])
    roles: frozenset[str] = field(default_factory=frozenset[str])
    key: str | None = None
    overdue_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Which part: *limit* tasks after the one named *after*, leaving out *offset*."""

    limit: int = 100
    offset: int = 0
    after: UUID | None = None
    total: bool = True
    payload: bool = True
    sort: Sort = Sort.CREATED


@dataclass(frozen=True, slots=True)
class TaskList:
    """Part of the tasks; *total* counts all of them, None if nobody asked."""

    items: list[HumanTask]
    total: int | None


async def list_tasks(session: PlanarSession, which: TaskFilter, page: TaskPage) -> TaskList:
    """Part of the tasks.

    Raises:
        Misfits: there is no task ``page.after``.
    """
    conditions = _conditions(which)
    query = select(HumanTask).where(*conditions)
    if page.after is not None:
        query = query.where(await _beyond(session, page.after, page.sort))
    query = query.order_by(*_ORDER[page.sort]).limit(page.limit).offset(page.offset).execution_options(populate_existing=True)
    if not page.payload:
        query = query.options(*(defer(getattr(HumanTask, name), raiseload=True) for name in PAYLOAD))
    items = await everything(session, query)
    total = await first(session, select(func.count()).select_from(HumanTask).where(*conditions)) if page.total else None
    return TaskList(items, total)


async def get_task(session: PlanarSession, task_id: UUID) -> HumanTask | None:
    """One task, as it was committed last."""
    return await first(session, select(HumanTask).where(col(HumanTask.id) == task_id).execution_options(populate_existing=True))


async def count_open(session: PlanarSession) -> int:
    """How many tasks wait for somebody."""
    return await first(session, select(func.count()).select_from(HumanTask).where(IS_OPEN))


async def tasks_of_run(session: PlanarSession, run_id: UUID, step_ids: Sequence[int]) -> list[HumanTask]:
    """The tasks that these steps of a run ask."""
    mine = (col(HumanTask.workflow_id) == run_id, col(HumanTask.step_id).in_(step_ids))
    query = select(HumanTask).where(*mine).options(*(defer(getattr(HumanTask, name), raiseload=True) for name in PAYLOAD))
    return await everything(session, query)


async def first(session: PlanarSession, query: Any) -> Any:
    """The first column of the first row; None without a row."""
    return cast("Result[Any]", await session.exec(query)).scalars().first()


async def everything(session: PlanarSession, query: Any) -> list[Any]:
    """The first column of every row."""
    return list(cast("Result[Any]", await session.exec(query)).scalars().all())


# -- conditions -------------------------------------------------------------------------------------------------------------

_CREATED: Any = col(HumanTask.created_at)
_DUE: Any = col(HumanTask.due_at)
_PRIORITY: Any = col(HumanTask.priority)
_ID: Any = col(HumanTask.id)

_ORDER: dict[Sort, tuple[Any, ...]] = {
    Sort.CREATED: (_CREATED.desc(), _ID.desc()),
    Sort.DUE: (_DUE.is_(None), _DUE, _ID),
    Sort.PRIORITY: (_PRIORITY.desc(), _CREATED, _ID),
}


async def _beyond(session: PlanarSession, after: UUID, sort: Sort) -> Condition:
    """What comes after the task *after* in that order."""
    last = await get_task(session, after)
    if last is None:
        raise Misfits([{"type": "unknown_task", "loc": ("query", "after"), "msg": "There is no such task."}])
    if sort is Sort.CREATED:
        return or_(last.created_at > _CREATED, and_(last.created_at == _CREATED, last.id > _ID))
    if sort is Sort.PRIORITY:
        later = or_(last.created_at < _CREATED, and_(last.created_at == _CREATED, last.id < _ID))
        return or_(last.priority > _PRIORITY, and_(last.priority == _PRIORITY, later))
    if last.due_at is None:
        return and_(_DUE.is_(None), last.id < _ID)
    return or_(_DUE.is_(None), last.due_at < _DUE, and_(last.due_at == _DUE, last.id < _ID))


def _conditions(which: TaskFilter) -> list[Condition]:
    equal = {
        HumanTask.workflow_id: which.workflow_id,
        HumanTask.workflow_name: which.workflow_name,
        HumanTask.name: which.name,
        HumanTask.assignee: which.assignee,
        HumanTask.assigned_role: which.role,
    }
    conditions = [col(column) == value for column, value in equal.items() if value is not None]
    if which.statuses:
        conditions.append(IS_OPEN if frozenset(which.statuses) == OPEN else col(HumanTask.status).in_(which.statuses))
    if which.view is not None:
        conditions.append(_whose(which))
    if which.overdue_at is not None:
        conditions += [IS_OPEN, which.overdue_at > _DUE]
    return conditions


def _whose(which: TaskFilter) -> Condition:
    assignee, role, claimant = col(HumanTask.assignee), col(HumanTask.assigned_role), col(HumanTask.claimed_by)
    match which.view:
        case View.MINE:
            return or_(assignee.in_(which.names), and_(claimant.is_not(None), claimant == which.key))
        case View.MY_ROLES:
            return role.in_(which.roles)
        case _:
            return and_(assignee.is_(None), role.is_(None), claimant.is_(None))
