"""Where does a step stand in the tree of its run's steps? One query for each question, for tests and tools.

The caller's own session is asked where there is one, so that what it has not committed is seen; else a session of its own.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from sqlmodel import col, select

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession, current_scope
from planar.workflows.models import WorkflowStep

__all__ = ["get_step_ancestors", "get_step_children", "get_step_descendants", "get_step_parent"]


async def get_step_parent(step: WorkflowStep) -> WorkflowStep | None:
    """The step in whose body *step* was called; None for one that the workflow itself called."""
    if step.parent_step_id is None:
        return None
    same_run = col(WorkflowStep.workflow_id) == step.workflow_id
    async with _session() as session:
        query = select(WorkflowStep).where(same_run, col(WorkflowStep.step_id) == step.parent_step_id)
        return (await session.exec(query)).first()


async def get_step_children(step: WorkflowStep) -> list[WorkflowStep]:
    """The steps that were called in the body of *step* itself, in the order of their numbers."""
    same_run = col(WorkflowStep.workflow_id) == step.workflow_id
    async with _session() as session:
        query = select(WorkflowStep).where(same_run, col(WorkflowStep.parent_step_id) == step.step_id)
        return list((await session.exec(query.order_by(col(WorkflowStep.step_id)))).all())


async def get_step_descendants(step: WorkflowStep) -> list[WorkflowStep]:
    """The steps that were called in the body of *step*, in the bodies of those, and so on, in the order of their numbers."""
    steps = await _steps_of_run(step)
    within = {step.step_id}
    found: list[WorkflowStep] = []
    for each in steps:
        # A step is numbered when it is called, so after the one that called it.
        if each.parent_step_id in within:
            within.add(each.step_id)
            found.append(each)
    return found


async def get_step_ancestors(step: WorkflowStep) -> list[WorkflowStep]:
    """The step that called *step*, the one that called that, and so on: nearest first."""
    if step.parent_step_id is None:
        return []
    by_id = {each.step_id: each for each in await _steps_of_run(step)}
    found: list[WorkflowStep] = []
    above = by_id.get(step.parent_step_id)
    while above is not None:
        found.append(above)
        above = by_id.get(above.parent_step_id) if above.parent_step_id is not None else None
    return found


async def _steps_of_run(step: WorkflowStep) -> list[WorkflowStep]:
    async with _session() as session:
        query = select(WorkflowStep).where(WorkflowStep.workflow_id == step.workflow_id)
        return list((await session.exec(query.order_by(col(WorkflowStep.step_id)))).all())


@asynccontextmanager
async def _session() -> AsyncGenerator[PlanarSession]:
    scope = current_scope()
    if scope is not None:
        yield scope.get()
    else:
        async with current_services().get(DatabaseManager).get_session() as session:
            yield session
