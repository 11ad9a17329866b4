"""An orchestrator shows the app's worker, and brings one where there is no app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest

from planar.context import ServiceNotFound, find_services
from planar.db.manager import DatabaseManager
from planar.db.session import SessionScope, bind_session, get_session
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import WorkflowWrapper, cancel, emit_event, step, suspend, wait_for_event, workflow
from planar.workflows.exceptions import RunCancelled, RunNotFound, WorkflowNameTaken
from planar.workflows.execution import workflow_result
from planar.workflows.lock import lock_resource
from planar.workflows.notifications import Notification, WorkflowNotification
from planar.workflows.orchestrator import WorkflowOrchestrator, orchestrator_context
from tests.databases import Databases
from tests.integration.engine.conftest import Opener, run_of, status_of, until_status

pytestmark = pytest.mark.anyio


class OrchestratorNote(PlanarBaseEntity, table=True):
    text: str


@asynccontextmanager
async def database(databases: Databases) -> AsyncGenerator[DatabaseManager]:
    """A database with its tables, and no app."""
    manager = DatabaseManager(await databases.url("alone"))
    await manager.connect()
    try:
        await manager.migrate()
        yield manager
    finally:
        await manager.disconnect()


@step()
async def half(amount: Decimal) -> Decimal:
    get_session().add(OrchestratorNote(text=str(amount)))
    return amount / 2


@workflow()
async def halving(amount: Decimal) -> Decimal:
    await suspend(interval=timedelta(milliseconds=10))
    return await half(amount)


@workflow()
async def failing() -> None:
    raise LookupError("nothing there")


@workflow()
async def waiting() -> str:
    return str(await wait_for_event("go"))


async def test_an_app_has_its_worker_for_an_orchestrator(open_app: Opener) -> None:
    async with open_app(halving) as app:
        assert WorkflowOrchestrator.is_set()
        orchestrator = WorkflowOrchestrator.get()
        assert orchestrator.is_running
        assert orchestrator.engine is app.db_manager.get_engine()
        run = await halving.start(Decimal(3))
        orchestrator.poll_soon()
        assert await orchestrator.wait_for_completion(run.id) == Decimal("1.5")
        with pytest.raises(RuntimeError, match="runs already"):
            await orchestrator.run()
        async with WorkflowOrchestrator.ensure_started() as same:
            assert same.services is app.services


async def test_without_an_app_one_is_made_for_the_session_s_database(databases: Databases) -> None:
    async with database(databases) as manager:
        scope = SessionScope(manager, label="script")
        with bind_session(scope):
            async with WorkflowOrchestrator.ensure_started(poll_interval=1, max_concurrent_workflows=4) as orchestrator:
                orchestrator.register_workflow(halving)
                runs = [await halving.start(Decimal(number)) for number in range(10)]
                results = [await orchestrator.wait_for_completion(run.id) for run in runs]
                assert results == [Decimal(number) / 2 for number in range(10)]
                assert await halving(Decimal(8)) == 4
                assert WorkflowOrchestrator.get() is orchestrator
                async with lock_resource("till", timedelta(hours=1)) as number:
                    assert number == 1
        await scope.close()
        assert find_services() is None


async def test_it_can_be_a_task_beside_the_code_that_starts_workflows(databases: Databases) -> None:
    heard: list[WorkflowNotification] = []
    async with database(databases) as manager:
        orchestrator = WorkflowOrchestrator(manager.get_engine()).register_workflow(halving)
        async with orchestrator_context(orchestrator):
            run = await halving.start(Decimal(1))
            assert await status_of(run.id) == "pending"
            task = asyncio.create_task(orchestrator.run(notification_callback=heard.append))
            assert await halving.wait_for_completion(run.id) == Decimal("0.5")
            with pytest.raises(RuntimeError, match="runs already"):
                await orchestrator.run()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert not orchestrator.is_running
            late = await halving.start(Decimal(1))
            assert await status_of(late.id) == "pending"
        assert Notification.WORKFLOW_SUCCEEDED in [each.kind for each in heard]


async def test_what_one_began_the_next_one_ends(databases: Databases) -> None:
    async with database(databases) as manager:
        orchestrator = WorkflowOrchestrator(manager.get_engine()).register_workflow(waiting)
        async with orchestrator_context(orchestrator):
            async with WorkflowOrchestrator.ensure_started() as started:
                assert started is orchestrator
                run = await waiting.start()
                await until_status(run.id, "suspended")
            assert not orchestrator.is_running
            async with WorkflowOrchestrator.ensure_started():
                await emit_event("go", 1)
                assert await waiting.wait_for_completion(run.id) == "1"


async def test_of_two_workflows_of_one_name_the_registered_one_is_served(databases: Databases) -> None:
    def make(answer: str) -> WorkflowWrapper[..., Any]:
        async def answering() -> str:
            return answer

        answering.__qualname__ = f"answering_{answer}"
        return workflow(name="answering")(answering)

    mine, yours = make("mine"), make("yours")
    async with database(databases) as manager:
        orchestrator = WorkflowOrchestrator(manager.get_engine())
        async with orchestrator_context(orchestrator), WorkflowOrchestrator.ensure_started():
            with pytest.raises(WorkflowNameTaken, match="register"):
                await mine.start()
            orchestrator.register_workflow(mine)
            assert await mine() == "mine"
            with pytest.raises(WorkflowNameTaken):
                orchestrator.register_workflow(yours)


async def test_set_and_reset_bind_one_for_a_task(databases: Databases) -> None:
    async with database(databases) as manager:
        orchestrator = WorkflowOrchestrator(manager.get_engine())
        assert not WorkflowOrchestrator.is_set()
        token = WorkflowOrchestrator.set(orchestrator)
        assert WorkflowOrchestrator.get() is orchestrator
        WorkflowOrchestrator.reset(token)
        with pytest.raises(ServiceNotFound, match="orchestrator_context"):
            WorkflowOrchestrator.get()
        with pytest.raises(LookupError):
            async with WorkflowOrchestrator.ensure_started():
                raise AssertionError("for which database?")


async def test_waiting_raises_what_the_run_raised(open_app: Opener) -> None:
    async with open_app(failing, waiting):
        orchestrator = WorkflowOrchestrator.get()
        failed = await failing.start()
        with pytest.raises(LookupError, match="nothing there"):
            await orchestrator.wait_for_completion(failed.id)
        cancelled = await waiting.start()
        await until_status(cancelled.id, "suspended")
        await cancel(cancelled.id)
        with pytest.raises(RunCancelled):
            await orchestrator.wait_for_completion(cancelled.id)
        with pytest.raises(RunNotFound):
            await orchestrator.wait_for_completion(uuid4())


async def test_workflow_code_does_not_wait_undurably(open_app: Opener) -> None:
    async with open_app(asking):
        with pytest.raises(RuntimeError, match="recorded"):
            await asking()


@workflow()
async def asking() -> None:
    await WorkflowOrchestrator.get().wait_for_completion(uuid4())


@pytest.mark.parametrize("options", [{"poll_interval": 0}, {"max_concurrent_workflows": 0}, {"lock_duration": timedelta(0)}])
async def test_senseless_numbers_are_refused(databases: Databases, options: dict[str, object]) -> None:
    async with database(databases) as manager:
        with pytest.raises(ValueError, match=r"greater than|at least 1 second"):
            await WorkflowOrchestrator(manager.get_engine()).run(**options)  # type: ignore[arg-type]


async def test_a_row_of_an_ended_run_holds_its_outcome(open_app: Opener) -> None:
    async with open_app(halving, failing, waiting):
        run = await halving.start(Decimal(5))
        with pytest.raises(ValueError, match="Read it again"):
            workflow_result(run)
        await halving.wait_for_completion(run.id)
        result = workflow_result(await run_of(run.id))
        assert (result, type(result)) == (Decimal("2.5"), Decimal)
        failed = await failing.start()
        await until_status(failed.id, "failed")
        with pytest.raises(LookupError, match="nothing there"):
            workflow_result(await run_of(failed.id))
        cancelled = await waiting.start()
        await until_status(cancelled.id, "suspended")
        await cancel(cancelled.id)
        row = await run_of(cancelled.id)
    with pytest.raises(RunCancelled):
        workflow_result(row)
