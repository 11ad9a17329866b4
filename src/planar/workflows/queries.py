"""What is there of runs, steps and events? The read side: lists, counts and durations, each in one statement.

A run's status comes from the view `Workflow` and from nowhere else, so that every answer agrees with every other.
Rows are read by column, never as objects of the session: what is read twice is read anew, and payloads only when they are wanted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Generic, TypeAlias, TypeVar, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Float, Result, Select, and_, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement
from sqlmodel import col

from planar.db.session import PlanarSession
from planar.engine.store.tables import WORKFLOW_CLAIM
from planar.workflows.models import StepStatus, StepType, Workflow, WorkflowEvent, WorkflowStatus, WorkflowStep

Record: TypeAlias = Mapping[str, Any]
"""A row, by the names of its columns."""
Condition: TypeAlias = ColumnElement[bool]
Query: TypeAlias = Select[*tuple[Any, ...]]
K = TypeVar("K")

_RUN: Final = (
    "id",
    "function_name",
    "parent_id",
    "status",
    "reason",
    "wakeup_at",
    "waiting_for_event",
    "cancel_reason",
    "recoveries",
    "created_at",
    "updated_at",
)
_STEP: Final = (
    "step_id",
    "parent_step_id",
    "workflow_id",
    "path",
    "function_name",
    "display_name",
    "step_type",
    "status",
    "retry_count",
    "wakeup_at",
    "child_id",
    "created_at",
    "updated_at",
)
_PAYLOAD: Final = ("args", "kwargs", "result", "error")
_EVENT: Final = ("seq", "id", "event_key", "workflow_id", "timestamp")


@dataclass(frozen=True, slots=True)
class PageRequest(Generic[K]):
    """Which part of a list: *limit* rows beyond the key *after*, leaving out *offset*; with a *total* and with *payload* or without."""

    limit: int = 10
    offset: int = 0
    after: K | None = None
    total: bool = True
    payload: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Part of a list. *total* counts the whole of it; None if nobody asked."""

    items: list[Record]
    total: int | None


@dataclass(frozen=True, slots=True)
class RunFilter:
    """Which runs of a workflow. Times are aware; *created_after* and *created_before* are left out themselves."""

    status: WorkflowStatus | None = None
    parent_id: UUID | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True)
class Durations:
    """Seconds from the start to the end of runs that succeeded or failed."""

    least: float
    mean: float
    most: float


@dataclass(frozen=True, slots=True)
class RunStats:
    """How many runs are in each status, and how long those took that ended by themselves."""

    counts: Mapping[WorkflowStatus, int]
    durations: Durations | None

    @property
    def total(self) -> int:
        return sum(self.counts.values())


class seconds_between(FunctionElement[float]):  # noqa: N801 - it is read as a function of SQL
    """The seconds from one moment to another."""

    type = Float()
    inherit_cache = True


@compiles(seconds_between)
def _extract_epoch(element: seconds_between, compiler: SQLCompiler, **kw: Any) -> str:
    start, end = element.clauses
    return f"extract(epoch from ({compiler.process(end, **kw)} - {compiler.process(start, **kw)}))"


@compiles(seconds_between, "sqlite")
def _difference_of_days(element: seconds_between, compiler: SQLCompiler, **kw: Any) -> str:
    start, end = element.clauses
    return f"((julianday({compiler.process(end, **kw)}) - julianday({compiler.process(start, **kw)})) * 86400.0)"


# -- runs -----------------------------------------------------------------------------------------------------------------


async def find_run(session: PlanarSession, run_id: UUID, *, payload: bool = True) -> Record | None:
    """The run of that id."""
    found = await _rows(session, _select(Workflow, _RUN, payload=payload).where(col(Workflow.id) == run_id))
    return found[0] if found else None


async def list_runs(session: PlanarSession, name: str, which: RunFilter, page: PageRequest[UUID]) -> Page:
    """Runs of the workflow *name*, newest first."""
    conditions = [col(Workflow.function_name) == name, *_run_conditions(which)]
    after = [] if page.after is None else [col(Workflow.id) < page.after]
    # An id holds the time of its making: the order of ids is the order of starts.
    rows = _select(Workflow, _RUN, payload=page.payload).where(*conditions, *after).order_by(col(Workflow.id).desc())
    total = await _count(session, Workflow, conditions) if page.total else None
    return Page(await _rows(session, rows.limit(page.limit).offset(page.offset)), total)


async def has_runs(session: PlanarSession, name: str) -> bool:
    """Whether a workflow of that name ever ran here."""
    return bool(await _rows(session, _labelled(id=col(Workflow.id)).where(col(Workflow.function_name) == name).limit(1)))


async def run_stats(session: PlanarSession, names: Iterable[str], conditions: Sequence[Condition] = ()) -> dict[str, RunStats]:
    """Counts and durations of the runs of each of *names*, in one statement; every name has an entry.

    Args:
        session: where to look.
        names: workflows.
        conditions: on columns of `Workflow`; only runs that meet all of them count.
    """
    wanted = list(dict.fromkeys(names))
    took = seconds_between(col(Workflow.created_at), col(Workflow.updated_at))
    grouped = (
        _labelled(
            name=col(Workflow.function_name),
            status=col(Workflow.status),
            runs=func.count(),
            least=func.min(took),
            mean=func.avg(took),
            most=func.max(took),
        )
        .where(col(Workflow.function_name).in_(wanted), *conditions)
        .group_by(col(Workflow.function_name), col(Workflow.status))
    )
    rows = await _rows(session, grouped) if wanted else []
    return {name: _stats_of([row for row in rows if row["name"] == name]) for name in wanted}


async def count_by_status(session: PlanarSession) -> dict[WorkflowStatus, int]:
    """How many runs of all workflows are in each status."""
    grouped = _labelled(status=col(Workflow.status), runs=func.count()).group_by(col(Workflow.status))
    return {row["status"]: row["runs"] for row in await _rows(session, grouped)}


async def oldest_due(session: PlanarSession, names: Iterable[str]) -> datetime | None:
    """Since when the run that waits longest for a worker is due, among the runs of *names*; it may lie ahead. None if none waits."""
    waiting = and_(WORKFLOW_CLAIM.c.worker_id.is_(None), WORKFLOW_CLAIM.c.due_at.is_not(None))
    query = (
        _labelled(due_at=WORKFLOW_CLAIM.c.due_at)
        .where(waiting, WORKFLOW_CLAIM.c.function_name.in_(list(names)))
        .order_by(WORKFLOW_CLAIM.c.due_at)
        .limit(1)
    )
    found = await _rows(session, query)
    return found[0]["due_at"] if found else None


# -- steps and events -----------------------------------------------------------------------------------------------------


async def list_steps(
    session: PlanarSession, run_id: UUID, status: StepStatus | None, step_type: StepType | None, page: PageRequest[int]
) -> Page:
    """Steps of a run, in the order of their numbers."""
    conditions = [col(WorkflowStep.workflow_id) == run_id]
    if status is not None:
        conditions.append(col(WorkflowStep.status) == status)
    if step_type is not None:
        conditions.append(col(WorkflowStep.step_type) == step_type)
    after = [] if page.after is None else [col(WorkflowStep.step_id) > page.after]
    rows = _select(WorkflowStep, _STEP, payload=page.payload).where(*conditions, *after).order_by(col(WorkflowStep.step_id))
    total = await _count(session, WorkflowStep, conditions) if page.total else None
    return Page(await _rows(session, rows.limit(page.limit).offset(page.offset)), total)


async def find_step(session: PlanarSession, run_id: UUID, step_id: int) -> Record | None:
    """One step of a run."""
    query = _select(WorkflowStep, _STEP, payload=True)
    found = await _rows(session, query.where(col(WorkflowStep.workflow_id) == run_id, col(WorkflowStep.step_id) == step_id))
    return found[0] if found else None


async def list_events(session: PlanarSession, event_key: str | None, page: PageRequest[int]) -> Page:
    """Events, newest first."""
    conditions = [] if event_key is None else [col(WorkflowEvent.event_key) == event_key]
    after = [] if page.after is None else [col(WorkflowEvent.seq) < page.after]
    columns = (*_EVENT, "payload") if page.payload else _EVENT
    rows = _select(WorkflowEvent, columns, payload=False).where(*conditions, *after).order_by(col(WorkflowEvent.seq).desc())
    total = await _count(session, WorkflowEvent, conditions) if page.total else None
    return Page(await _rows(session, rows.limit(page.limit).offset(page.offset)), total)


def started_since(moment: datetime | None) -> list[Condition]:
    """For `run_stats`: only runs that were started at *moment* or later."""
    return [] if moment is None else [col(Workflow.created_at) >= moment]


def _run_conditions(which: RunFilter) -> list[Condition]:
    conditions: list[Condition] = []
    if which.status is not None:
        conditions.append(col(Workflow.status) == which.status)
    if which.parent_id is not None:
        conditions.append(col(Workflow.parent_id) == which.parent_id)
    if which.created_after is not None:
        conditions.append(col(Workflow.created_at) > which.created_after)
    if which.created_before is not None:
        conditions.append(col(Workflow.created_at) < which.created_before)
    return conditions


def _stats_of(rows: Sequence[Record]) -> RunStats:
    counts = {WorkflowStatus(row["status"]): int(row["runs"]) for row in rows}
    ended = [row for row in rows if row["status"] in (WorkflowStatus.SUCCEEDED, WorkflowStatus.FAILED)]
    if not ended:
        return RunStats(counts, None)
    runs = sum(row["runs"] for row in ended)
    mean = sum(row["mean"] * row["runs"] for row in ended) / runs
    return RunStats(counts, Durations(min(row["least"] for row in ended), mean, max(row["most"] for row in ended)))


def _select(table: type[Any], columns: Iterable[str], *, payload: bool) -> Query:
    return _labelled(**{name: getattr(table, name) for name in (*columns, *(_PAYLOAD if payload else ()))})


def _labelled(**columns: Any) -> Query:
    """A query of *columns*, whose rows know them by these names."""
    return cast("Query", select(*(column.label(name) for name, column in columns.items())))


async def _rows(session: PlanarSession, query: Query) -> list[Record]:
    found = cast("Result[Any]", await session.exec(cast("Any", query)))
    return [dict(row) for row in found.mappings()]


async def _count(session: PlanarSession, table: type[Any], conditions: Sequence[Condition]) -> int:
    rows = await _rows(session, _labelled(rows=func.count()).select_from(table).where(*conditions))
    return int(rows[0]["rows"])
