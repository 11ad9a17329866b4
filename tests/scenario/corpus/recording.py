"""Make the histories: each workflow of the corpus runs once, and what it left in the database is taken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from planar.engine.core.model import ENDED
from planar.workflows import WorkflowWrapper
from tests.scenario.corpus import workflows
from tests.scenario.corpus.bench import Bench, on_bench
from tests.scenario.corpus.history import History
from tests.scenario.corpus.values import VALUES

CANCEL_REASON = "not needed any more"

Beside = Callable[[Bench, UUID], Awaitable[None]]
"""What happens while the run goes on."""


async def _nothing(bench: Bench, run_id: UUID) -> None:
    return


async def _emit(bench: Bench, run_id: UUID) -> None:
    await asyncio.sleep(1)
    await bench.client.emit(bench.client.new_event("global", '{"from":"outside"}'))
    await asyncio.sleep(1)
    await bench.client.emit(bench.client.new_event("targeted", "[1,2]", run_id))


async def _cancel(bench: Bench, run_id: UUID) -> None:
    await asyncio.sleep(1)
    await bench.client.cancel(run_id, CANCEL_REASON)


SCENARIOS: list[tuple[str, WorkflowWrapper[..., Any], tuple[Any, ...], Beside]] = [
    ("steps", workflows.steps, (1,), _nothing),
    ("nested steps", workflows.nested, (1,), _nothing),
    ("retries", workflows.retries, (), _nothing),
    ("errors", workflows.errors, (), _nothing),
    ("failure", workflows.failure, (), _nothing),
    ("timers", workflows.timers, (), _nothing),
    ("events", workflows.events, (), _emit),
    ("children", workflows.children, (), _nothing),
    ("cancellation", workflows.cancelled, (), _cancel),
    ("timeout around a step", workflows.gives_up, (), _nothing),
    ("values", workflows.values, ([name for name, _, _ in VALUES],), _nothing),
]


def record(version: str) -> list[History]:
    """The history of each scenario, as this code makes it."""
    return [on_bench(lambda bench, scenario=scenario: _record(bench, version, *scenario)) for scenario in SCENARIOS]


async def _record(
    bench: Bench, version: str, name: str, workflow: WorkflowWrapper[..., Any], args: tuple[Any, ...], beside: Beside
) -> History:
    run = bench.client.new_run(workflow.definition, args, {})
    await bench.client.start(run)
    await beside(bench, run.id)
    await bench.ended(run.id)
    database = bench.database
    runs = tuple(database.runs.values())
    assert all(run.status in ENDED for run in runs)
    return History(
        name=name,
        version=version,
        runs=runs,
        steps={run.id: tuple(database.steps.get(run.id, {}).values()) for run in runs},
        events=tuple(database.events),
        cancel_reasons={run.id: CANCEL_REASON for run in runs if run.status == "cancelled"},
    )
