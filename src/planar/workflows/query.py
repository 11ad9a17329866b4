"""Counts, durations and statuses of runs, under the names that applications import. Thin: `planar.workflows.queries` asks.

Filters are pieces of SQL on columns of `Workflow`, or triples of column, operator and value.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias, cast

from sqlalchemy import ColumnElement
from sqlmodel import col

from planar.db.session import PlanarSession
from planar.workflows.models import Workflow, WorkflowStatus
from planar.workflows.queries import Condition, RunStats, find_run, run_stats
from planar.workflows.schemas import DurationStats

__all__ = [
    "build_effective_status_case",
    "calculate_bulk_workflow_duration_stats",
    "calculate_effective_status",
    "calculate_workflow_duration_stats",
    "get_bulk_workflow_run_statuses",
    "get_workflow_run_statuses",
]

Filter: TypeAlias = Condition | tuple[Any, str, Any]

_OPERATORS: Final[Mapping[str, Callable[[Any, Any], Any]]] = {
    "=": operator.eq,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "in": lambda column, values: column.in_(values),
    "not_in": lambda column, values: column.not_in(values),
    "like": lambda column, pattern: column.like(pattern),
    "ilike": lambda column, pattern: column.ilike(pattern),
}


def build_effective_status_case() -> ColumnElement[WorkflowStatus]:
    """The status of a run as a piece of SQL, for queries on `Workflow`."""
    return cast("ColumnElement[WorkflowStatus]", col(Workflow.status))


async def calculate_effective_status(session: PlanarSession, workflow: Workflow) -> WorkflowStatus:
    """The status of a run as it is now, which may be another than when *workflow* was read. A run that is not stored keeps its own."""
    found = await find_run(session, workflow.id, payload=False)
    return workflow.status if found is None else found["status"]


async def get_workflow_run_statuses(name: str, session: PlanarSession, filters: Iterable[Filter] = ()) -> dict[WorkflowStatus, int]:
    """How many runs of the workflow *name* are in each status; every status has an entry.

    Raises:
        ValueError: a filter has an unknown operator.
    """
    return (await get_bulk_workflow_run_statuses([name], session, filters))[name]


async def get_bulk_workflow_run_statuses(
    names: Sequence[str], session: PlanarSession, filters: Iterable[Filter] = ()
) -> dict[str, dict[WorkflowStatus, int]]:
    """The same for several workflows in one statement.

    Raises:
        ValueError: a filter has an unknown operator.
    """
    found = await run_stats(session, names, _conditions(filters))
    return {name: {status: stats.counts.get(status, 0) for status in WorkflowStatus} for name, stats in found.items()}


async def calculate_workflow_duration_stats(session: PlanarSession, name: str, filters: Iterable[Filter] = ()) -> DurationStats | None:
    """How long runs of the workflow *name* took that succeeded or failed; None if none has.

    Raises:
        ValueError: a filter has an unknown operator.
    """
    return (await calculate_bulk_workflow_duration_stats(session, [name], filters))[name]


async def calculate_bulk_workflow_duration_stats(
    session: PlanarSession, names: Sequence[str], filters: Iterable[Filter] = ()
) -> dict[str, DurationStats | None]:
    """The same for several workflows in one statement.

    Raises:
        ValueError: a filter has an unknown operator.
    """
    found = await run_stats(session, names, _conditions(filters))
    return {name: _durations_of(stats) for name, stats in found.items()}


def _durations_of(stats: RunStats) -> DurationStats | None:
    return None if stats.durations is None else DurationStats.of(stats.durations)


def _conditions(filters: Iterable[Filter]) -> list[Condition]:
    return [_triple(*given) if isinstance(given, tuple) else given for given in filters]


def _triple(column: Any, sign: str, value: Any) -> Condition:
    compare = _OPERATORS.get(sign)
    if compare is None:
        raise ValueError(f"A filter cannot compare by {sign!r}: use one of {', '.join(_OPERATORS)}.")
    return compare(column, value)
