"""The read side of runs, on tables filled by hand."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession
from planar.workflows.models import Workflow, WorkflowStatus
from planar.workflows.queries import (
    Durations,
    PageRequest,
    RunFilter,
    count_by_status,
    find_run,
    has_runs,
    list_runs,
    oldest_due,
    run_stats,
    seconds_between,
    started_since,
)
from planar.workflows.query import (
    build_effective_status_case,
    calculate_bulk_workflow_duration_stats,
    calculate_effective_status,
    calculate_workflow_duration_stats,
    get_bulk_workflow_run_statuses,
    get_workflow_run_statuses,
)

pytestmark = pytest.mark.anyio

START = datetime(2026, 3, 1, 12, tzinfo=UTC)

# Number, workflow, status of the ended or "pending", seconds that it took, and the reason and worker of its claim.
RUNS = [
    (1, "bake", "succeeded", 2.0, None, None),
    (2, "bake", "failed", 5.0, None, None),
    (3, "bake", "cancelled", 900.0, None, None),
    (4, "bake", "pending", 0.0, "ready", None),
    (5, "bake", "pending", 0.0, "ready", "f" * 32),
    (6, "bake", "pending", 0.0, "timer", None),
    (7, "brew", "succeeded", 1.5, None, None),
]


def stored(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(" ", "microseconds")


def run_id(number: int) -> UUID:
    return UUID(int=number)


@asynccontextmanager
async def tables() -> AsyncGenerator[PlanarSession]:
    """A session of a database with `RUNS`, the later ones started a minute after the one before."""
    manager = DatabaseManager(":memory:")
    await manager.connect()
    try:
        await manager.migrate()
        async with manager.get_session() as session:
            for number, name, status, seconds, reason, worker in RUNS:
                begin = START + timedelta(minutes=number)
                await session.exec(
                    text(
                        "insert into workflow_run (id, function_name, status, args, kwargs, created_at, updated_at)"
                        " values (:id, :name, :status, '[]', '{}', :begin, :end)"
                    ),
                    params={
                        "id": run_id(number).hex,
                        "name": name,
                        "status": status,
                        "begin": stored(begin),
                        "end": stored(begin + timedelta(seconds=seconds)),
                    },
                )
                if reason is not None:
                    await session.exec(
                        text(
                            "insert into workflow_claim (run_id, function_name, due_at, worker_id, epoch, reason)"
                            " values (:id, :name, :due, :worker, 1, :reason)"
                        ),
                        params={
                            "id": run_id(number).hex,
                            "name": name,
                            "due": None if worker else stored(begin),
                            "worker": worker,
                            "reason": reason,
                        },
                    )
            await session.commit()
            yield session
    finally:
        await manager.disconnect()


async def test_counts_tell_live_states_apart_and_every_name_has_an_entry() -> None:
    async with tables() as session:
        stats = await run_stats(session, ["bake", "brew", "boil"])
        assert stats["bake"].counts == dict.fromkeys(WorkflowStatus, 1)
        assert (stats["bake"].total, stats["brew"].total, stats["boil"].total) == (6, 1, 0)
        assert stats["boil"].durations is None
        assert await run_stats(session, []) == {}


async def test_durations_are_those_of_runs_that_ended_by_themselves() -> None:
    async with tables() as session:
        durations = (await run_stats(session, ["bake"]))["bake"].durations
        assert durations is not None
        assert (durations.least, durations.mean, durations.most) == pytest.approx((2.0, 3.5, 5.0), abs=0.001)


async def test_conditions_limit_what_is_counted() -> None:
    async with tables() as session:
        since = await run_stats(session, ["bake"], started_since(START + timedelta(minutes=2)))
        assert since["bake"].total == 5
        assert since["bake"].durations == Durations(*[pytest.approx(5.0, abs=0.001)] * 3)
        assert started_since(None) == []


async def test_a_page_of_runs_is_newest_first_and_its_total_counts_the_whole_list() -> None:
    async with tables() as session:
        page = await list_runs(session, "bake", RunFilter(), PageRequest(limit=2, after=run_id(5)))
        assert [run["id"] for run in page.items] == [run_id(4), run_id(3)]
        assert page.total == 6
        assert "args" not in page.items[0]
        page = await list_runs(session, "bake", RunFilter(status=WorkflowStatus.SUSPENDED), PageRequest(total=False, payload=True))
        assert [(run["id"], run["reason"], run["args"]) for run in page.items] == [(run_id(6), "timer", [])]
        assert page.total is None


async def test_runs_are_found_between_two_times() -> None:
    async with tables() as session:
        which = RunFilter(created_after=START + timedelta(minutes=2), created_before=START + timedelta(minutes=4))
        page = await list_runs(session, "bake", which, PageRequest())
        assert [run["id"] for run in page.items] == [run_id(3)]
        assert page.items[0]["created_at"] == START + timedelta(minutes=3)


async def test_what_is_read_twice_is_read_anew() -> None:
    async with tables() as session:
        before = await find_run(session, run_id(4))
        await session.exec(
            text("update workflow_claim set worker_id = :worker where run_id = :id"), params={"worker": "e" * 32, "id": run_id(4).hex}
        )
        after = await find_run(session, run_id(4))
        assert before is not None
        assert after is not None
        assert (before["status"], after["status"]) == (WorkflowStatus.PENDING, WorkflowStatus.RUNNING)


async def test_only_due_runs_of_known_workflows_wait_for_a_worker() -> None:
    async with tables() as session:
        assert await oldest_due(session, ["bake", "brew"]) == START + timedelta(minutes=4)
        assert await oldest_due(session, ["brew"]) is None
        assert await oldest_due(session, []) is None
        assert await has_runs(session, "brew")
        assert not await has_runs(session, "boil")
        assert (await count_by_status(session))[WorkflowStatus.SUCCEEDED] == 2


async def test_the_names_that_applications_import_say_the_same() -> None:
    async with tables() as session:
        statuses = await get_workflow_run_statuses("bake", session)
        assert statuses == dict.fromkeys(WorkflowStatus, 1)
        recent = (Workflow.created_at, ">", START + timedelta(minutes=6))
        bulk = await get_bulk_workflow_run_statuses(["bake", "brew"], session, [recent])
        assert (sum(bulk["bake"].values()), sum(bulk["brew"].values())) == (0, 1)
        durations = await calculate_workflow_duration_stats(session, "brew")
        assert durations is not None
        assert durations.min_seconds == durations.avg_seconds == durations.max_seconds == 1.5
        none = await calculate_bulk_workflow_duration_stats(session, ["boil"], [col(Workflow.parent_id).is_(None)])
        assert none == {"boil": None}
        with pytest.raises(ValueError, match="compare by 'near'"):
            await get_workflow_run_statuses("bake", session, [(Workflow.created_at, "near", START)])


async def test_the_status_is_a_piece_of_sql_and_never_out_of_date() -> None:
    async with tables() as session:
        suspended = (await session.exec(select(Workflow).where(build_effective_status_case() == WorkflowStatus.SUSPENDED))).one()
        assert suspended.id == run_id(6)
        await session.exec(
            text("update workflow_claim set worker_id = :worker where run_id = :id"), params={"worker": "e" * 32, "id": run_id(6).hex}
        )
        assert await calculate_effective_status(session, suspended) is WorkflowStatus.RUNNING
        session.expunge(suspended)
        suspended.id = run_id(99)
        assert await calculate_effective_status(session, suspended) is WorkflowStatus.SUSPENDED


def test_the_difference_of_two_moments_has_a_form_in_each_database() -> None:
    took = seconds_between(col(Workflow.created_at), col(Workflow.updated_at))
    assert "extract(epoch from (planar.workflow.updated_at - planar.workflow.created_at))" in str(
        took.compile(dialect=postgresql.dialect())
    )
    assert "julianday(planar.workflow.updated_at)" in str(took.compile(dialect=sqlite.dialect()))
