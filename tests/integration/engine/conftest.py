"""An app on a real database, opened and closed as often as a test likes: closing and opening is a restart."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlmodel import col, select

from planar import PlanarApp
from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.engine.client import Client
from planar.workflows import Workflow, WorkflowStatus, WorkflowStep, WorkflowWrapper
from tests.databases import Databases

Opener = Callable[..., AbstractAsyncContextManager[PlanarApp]]


@pytest.fixture
def open_app(databases: Databases) -> Opener:
    """`async with open_app(workflow, ..., max_parked_runs=0) as app:` in which code runs as in `run_standalone`."""

    @asynccontextmanager
    async def opener(
        *workflows: WorkflowWrapper[..., Any], database: str = "app", role: dict[str, Any] | None = None, **limits: Any
    ) -> AsyncGenerator[PlanarApp]:
        app = PlanarApp(config=await databases.config(database, **limits)).take_role(**(role or {}))
        for workflow in workflows:
            app.register_workflow(workflow)
        async with app._lifespan(app.fastapi):
            yield app

    return opener


async def status_of(run_id: UUID) -> WorkflowStatus:
    """The status, as everybody sees it."""
    return (await run_of(run_id)).status


async def run_of(run_id: UUID) -> Workflow:
    async with current_services().get(DatabaseManager).get_session() as session:
        return (await session.exec(select(Workflow).where(Workflow.id == run_id))).one()


async def steps_of(run_id: UUID) -> list[WorkflowStep]:
    async with current_services().get(DatabaseManager).get_session() as session:
        query = select(WorkflowStep).where(WorkflowStep.workflow_id == run_id).order_by(col(WorkflowStep.step_id))
        return list((await session.exec(query)).all())


async def until_status(run_id: UUID, *wanted: str, seconds: float = 10) -> Workflow:
    """Wait until the run has one of the statuses."""
    run: Workflow | None = None

    async def arrived() -> bool:
        nonlocal run
        run = await run_of(run_id)
        return run.status.value in wanted

    await until(arrived, seconds)
    assert run is not None
    return run


async def until(question: Callable[[], Awaitable[bool]], seconds: float = 10) -> None:
    """Ask until the answer is yes."""
    async with asyncio.timeout(seconds):
        while not await question():  # noqa: ASYNC110 - what is waited for happens in the database, which sets no event
            await asyncio.sleep(0.01)


def client() -> Client:
    return current_services().get(Client)
