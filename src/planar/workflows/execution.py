"""How did a run end, and how is one brought there by hand? Its outcome from its row; one pass of it, executed for the caller."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from planar.context import current_services, find_services
from planar.db.manager import DatabaseManager
from planar.engine.catalog import Registry
from planar.engine.client import Client, outcome_of
from planar.engine.config import WorkerConfig
from planar.engine.core.model import ENDED, Run
from planar.engine.current import in_run
from planar.engine.driving import Driver
from planar.engine.store.port import Standing
from planar.security.auth_context import load_principal
from planar.workflows.lock_errors import LockResourceFailed
from planar.workflows.models import Workflow
from planar.workflows.step_core import Suspend

__all__ = ["execute", "lock_and_execute", "workflow_result"]

LOCK_DURATION: Final = timedelta(minutes=10)


async def execute(workflow: Workflow) -> Any:
    """`lock_and_execute` that does not wait for anybody.

    Raises:
        LockResourceFailed: somebody else executes the run at this moment.
        Exception: as for `lock_and_execute`.
    """
    return await _advance(workflow, LOCK_DURATION, 0.0, 0.0)


async def lock_and_execute(
    workflow: Workflow,
    lock_duration: timedelta = LOCK_DURATION,
    retry_count: int = 30,
    retry_interval_seconds: float = 5,
) -> Any:
    """Execute a run here, in the caller's app, until it ends or has to wait: for scripts and tests in which no worker does so.

    Nobody else executes the run meanwhile. One that sleeps goes on sleeping: nothing shortens a wait. While somebody else executes
    it, such as the app's own worker, the caller waits for that.

    Args:
        workflow: the run, as its row; what counts is where it is now.
        lock_duration: how long after this process's last sign of life others take the run over, where no file can tell (as one does
            on SQLite, at once).
        retry_count: how many times the caller would ask again while somebody else executes the run.
        retry_interval_seconds: how long it would wait before each; it hears at once when that is over.

    Returns:
        What the run returned; or a `Suspend`, if it waits: with ``wakeup_at``, ``event_key``, both, or (for a child) neither.

    Raises:
        LockResourceFailed: somebody else executed it all the time.
        RunNotFound: there is no such run.
        WorkflowNotRegistered: nobody here knows its workflow.
        RunCancelled: it was cancelled.
        Exception: what it raised.
        RuntimeError: called in a run.
        ValueError: a time or number is negative.
    """
    if lock_duration <= timedelta(0):
        raise ValueError(f"A run is held for a time above zero, not for {lock_duration}.")
    if retry_count < 0 or retry_interval_seconds < 0:
        raise ValueError(f"retry_count={retry_count} and retry_interval_seconds={retry_interval_seconds} cannot be negative.")
    return await _advance(workflow, lock_duration, retry_count * retry_interval_seconds, retry_interval_seconds)


async def _advance(workflow: Workflow, lease: timedelta, patience: float, interval: float) -> Any:
    if in_run():
        raise RuntimeError("A run is driven by hand from outside: in a workflow call the other one, or await `wait_for_completion`.")
    client = current_services().get(Client)
    await client.commit_first("a run was driven by hand")
    run = await client.load(workflow.id)
    if run.status not in ENDED:
        client.registry.get(run.workflow)
        standing = await _drive(_driver(client, lease), client, run.id, patience, interval)
        if standing.is_asleep:
            return Suspend(wakeup_at=standing.due_at, event_key=standing.event_key)
        if standing.is_held:
            raise LockResourceFailed(f"Run {run.id} was executed by somebody else for the {patience:g} s that were waited.")
        run = await client.load(workflow.id)
    return outcome_of(run, result_loader(client.registry, run.workflow))


def _driver(client: Client, lease: timedelta) -> Driver:
    # What sleeps is not kept: whoever drives it next, or a worker, replays it.
    config = WorkerConfig(max_parked_runs=0, lease_seconds=lease.total_seconds())
    manager = current_services().get(DatabaseManager)
    return Driver(client.store, client.registry, client.notices, config, manager=manager, load_actor=load_principal)


async def _drive(driver: Driver, client: Client, run_id: UUID, patience: float, interval: float) -> Standing:
    forget = client.endings.ask(driver.find_run)
    try:
        async with driver.at_work():
            return await driver.advance(run_id, patience, interval)
    finally:
        forget()


def workflow_result(workflow: Workflow) -> Any:
    """What the run *workflow* returned, as the type that its function says where that is known here, else as plain JSON values.

    Args:
        workflow: the row as it was read; what has happened since is not looked at.

    Raises:
        ValueError: when it was read the run had not ended.
        RunCancelled: the run was cancelled.
        Exception: what the run raised.
    """
    if workflow.status not in ENDED:
        raise ValueError(f"Run {workflow.id} had not ended when its row was read: it was {workflow.status.value}. Read it again.")
    run = Run(
        id=workflow.id,
        workflow=workflow.function_name,
        args="[]",
        kwargs="{}",
        created_at=workflow.created_at,
        status=workflow.status,
        result=json.dumps(workflow.result),
        error=json.dumps(workflow.error) if workflow.error is not None else None,
    )
    services = find_services()
    registry = services.find(Registry) if services is not None else None
    return outcome_of(run, result_loader(registry or Registry(), workflow.function_name))


def result_loader(registry: Registry, name: str) -> Callable[[str | None], Any]:
    """How a result of the workflow *name* is read from its JSON text."""
    definition = registry.find(name)
    return definition.codec.load_result if definition is not None else _plain


def _plain(text: str | None) -> Any:
    return None if text is None else json.loads(text)
