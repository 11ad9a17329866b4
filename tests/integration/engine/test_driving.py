"""A run that is driven by hand: executed here, by nobody else meanwhile, and never before its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.db.session import SessionScope, bind_session, get_session
from planar.engine.catalog import Registry
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import Workflow, cancel, emit_event, execute, gather, step, suspend, wait_for_event, workflow
from planar.workflows.exceptions import LockResourceFailed, RunCancelled, RunNotFound, WorkflowNotRegistered
from planar.workflows.execution import lock_and_execute
from planar.workflows.orchestrator import WorkflowOrchestrator, orchestrator_context
from planar.workflows.step_core import Suspend
from tests.databases import Databases
from tests.integration.engine.conftest import Opener, client, run_of, status_of, steps_of, until

pytestmark = pytest.mark.anyio

DONE: list[str] = []


class Gate:
    """Where the body of `toil` is."""

    def __init__(self) -> None:
        self.at_work = asyncio.Event()
        self.may_end = asyncio.Event()


GATE = Gate()


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()
    GATE.__init__()


class DrivingNote(PlanarBaseEntity, table=True):
    text: str


@step()
async def note(what: str) -> str:
    DONE.append(what)
    get_session().add(DrivingNote(text=what))
    return what


@step()
async def toil() -> str:
    DONE.append("toil")
    GATE.at_work.set()
    await GATE.may_end.wait()
    return "toiled"


@step()
async def break_down() -> None:
    raise LookupError("nothing there")


@workflow()
async def halving(amount: Decimal) -> Decimal:
    await note("halving")
    return amount / 2


@workflow()
async def failing() -> None:
    await break_down()


@workflow()
async def toiling() -> str:
    return await toil()


@workflow()
async def toiling_on() -> str:
    await toil()
    return await note("after")


@workflow()
async def sleeping(seconds: float) -> str:
    await note("before")
    await suspend(interval=timedelta(seconds=seconds))
    return await note("after")


@workflow()
async def waiting() -> Any:
    return await wait_for_event("go", 3600)


@workflow()
async def parent() -> Decimal:
    return await halving(Decimal(3))


@workflow()
async def side_by_side() -> list[str]:
    async def sleeper() -> str:
        await suspend(interval=timedelta(seconds=0.05))
        GATE.may_end.set()
        return "slept"

    return list(await gather(sleeper(), toil()))


@workflow()
async def driving_another() -> str:
    run = await halving.start(Decimal(1))
    return str(await lock_and_execute(run))


@asynccontextmanager
async def nobody_executes(databases: Databases) -> AsyncGenerator[DatabaseManager]:
    """Workflows can be started, and there is no worker."""
    manager = DatabaseManager(await databases.url())
    await manager.connect()
    try:
        await manager.migrate()
        orchestrator = WorkflowOrchestrator(manager.get_engine())
        for each in (halving, failing, toiling, toiling_on, sleeping, waiting, parent, side_by_side):
            orchestrator.register_workflow(each)
        async with orchestrator_context(orchestrator):
            yield orchestrator.services.get(DatabaseManager)
    finally:
        await manager.disconnect()


async def at_work() -> None:
    await asyncio.wait_for(GATE.at_work.wait(), 5)


async def workers() -> list[UUID]:
    return await client().store.other_workers(uuid4())


async def test_a_run_is_executed_for_its_caller_and_gives_its_result_as_what_it_is(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await halving.start(Decimal(3))
        assert await status_of(run.id) == "pending"
        assert await lock_and_execute(run) == Decimal("1.5")
        assert (await run_of(run.id)).status == "succeeded"
        assert await workers() == []
        # An ended run's outcome is answered, and nothing is executed.
        assert await lock_and_execute(run) == await execute(run) == Decimal("1.5")
        assert DONE == ["halving"]


async def test_what_a_run_raised_is_raised_now_and_ever_after(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await failing.start()
        for _ in range(2):
            with pytest.raises(LookupError, match="nothing there"):
                await lock_and_execute(run)
        assert (await run_of(run.id)).status == "failed"


async def test_a_run_that_sleeps_is_answered_for_and_stays_asleep(databases: Databases) -> None:
    async with nobody_executes(databases):
        began = datetime.now(UTC)
        run = await sleeping.start(3600)
        paused = await lock_and_execute(run)
        assert isinstance(paused, Suspend)
        assert paused.wakeup_at is not None
        assert paused.wakeup_at >= began + timedelta(hours=1)
        for drive in (lock_and_execute, execute):
            assert await drive(run) == paused
        assert DONE == ["before"]
        assert (await run_of(run.id)).wakeup_at == paused.wakeup_at
        assert await workers() == []


async def test_a_run_goes_on_when_its_time_has_come(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await sleeping.start(0.1)
        assert isinstance(await lock_and_execute(run), Suspend)

        async def ended() -> bool:
            return await lock_and_execute(run) == "after"

        await until(ended)
        assert DONE == ["before", "after"]


async def test_a_run_that_waits_for_an_event_goes_on_with_it(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await waiting.start()
        paused = await lock_and_execute(run)
        assert paused.event_key == "go"
        assert paused.wakeup_at is not None
        assert await lock_and_execute(run) == paused
        await emit_event("go", {"answer": 42})
        assert await lock_and_execute(run) == {"answer": 42}


async def test_a_parent_waits_for_its_child_and_goes_on_after_it(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await parent.start()
        assert await lock_and_execute(run) == Suspend()
        (call,) = await steps_of(run.id)
        assert call.child_id is not None
        assert await lock_and_execute(await run_of(call.child_id)) == Decimal("1.5")
        assert await lock_and_execute(run) == Decimal("1.5")


async def test_branches_that_wait_beside_a_step_are_woken(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await side_by_side.start()
        assert await asyncio.wait_for(lock_and_execute(run), 5) == ["slept", "toiled"]


async def test_of_two_callers_one_executes_and_the_other_gets_the_outcome(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await toiling.start()
        callers = [asyncio.create_task(lock_and_execute(run)) for _ in range(2)]
        await at_work()
        GATE.may_end.set()
        assert await asyncio.wait_for(asyncio.gather(*callers), 5) == ["toiled", "toiled"]
        assert DONE == ["toil"]


async def test_patience_ends_while_somebody_else_executes_the_run(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await toiling.start()
        first = asyncio.create_task(lock_and_execute(run))
        await at_work()
        with pytest.raises(LockResourceFailed, match="somebody else"):
            await execute(run)
        with pytest.raises(LockResourceFailed, match=r"0\.02 s"):
            await lock_and_execute(run, retry_count=2, retry_interval_seconds=0.01)
        assert not first.done()
        GATE.may_end.set()
        assert await asyncio.wait_for(first, 5) == "toiled"


async def test_what_the_apps_worker_executes_is_waited_for(open_app: Opener) -> None:
    async with open_app(toiling):
        run = await toiling.start()
        await at_work()
        caller = asyncio.create_task(lock_and_execute(run))
        with pytest.raises(LockResourceFailed):
            await execute(run)
        GATE.may_end.set()
        assert await asyncio.wait_for(caller, 5) == "toiled"
        assert DONE == ["toil"]


async def test_a_run_that_falls_asleep_elsewhere_is_answered_for(open_app: Opener) -> None:
    async with open_app(sleeping):
        run = await sleeping.start(3600)
        paused = await lock_and_execute(run, retry_interval_seconds=0.01, retry_count=500)
        assert isinstance(paused, Suspend)
        assert paused.wakeup_at is not None


async def test_the_apps_worker_goes_on_with_what_was_driven_by_hand(open_app: Opener, databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await sleeping.start(0.2)
        assert isinstance(await lock_and_execute(run), Suspend)
        async with open_app(sleeping):
            assert await asyncio.wait_for(sleeping.wait_for_completion(run.id), 5) == "after"
        assert DONE == ["before", "after"]


async def test_a_caller_that_gives_up_hands_the_run_over(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await toiling_on.start()
        caller = asyncio.create_task(lock_and_execute(run))
        await at_work()
        caller.cancel()
        for _ in range(50):
            # It stops, and waits for the step.
            await asyncio.sleep(0)
        GATE.may_end.set()
        with pytest.raises(asyncio.CancelledError):
            await caller
        assert await workers() == []
        assert await status_of(run.id) == "pending"
        assert await lock_and_execute(run) == "after"
        assert DONE == ["toil", "after"]


async def test_a_run_that_is_cancelled_while_it_is_driven_ends(databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await toiling.start()
        caller = asyncio.create_task(lock_and_execute(run))
        await at_work()
        assert await cancel(run.id, "enough") == "running"
        with pytest.raises(RunCancelled, match="enough"):
            await asyncio.wait_for(caller, 5)


async def test_a_run_is_cancelled_from_another_process_while_it_is_driven(open_app: Opener, databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await toiling.start()
        caller = asyncio.create_task(lock_and_execute(run))
        await at_work()
        async with open_app():
            assert await cancel(run.id, "enough") == "running"
        with pytest.raises(RunCancelled, match="enough"):
            await asyncio.wait_for(caller, 5)


async def test_after_a_crash_the_apps_worker_takes_over(open_app: Opener, databases: Databases) -> None:
    async with nobody_executes(databases):
        run = await toiling.start()
        caller = asyncio.create_task(lock_and_execute(run))
        await at_work()
        GATE.at_work.clear()
        # The process of the caller dies.
        (worker_id,) = await workers()
        await databases.kill(client().store, worker_id)
        async with open_app(toiling):
            await at_work()
            GATE.may_end.set()
            assert await asyncio.wait_for(toiling.wait_for_completion(run.id), 5) == "toiled"
        # What comes back from the dead changes nothing.
        assert await asyncio.wait_for(caller, 10) == "toiled"
        assert DONE == ["toil", "toil"]


async def test_a_session_that_has_written_is_committed_first(databases: Databases) -> None:
    async with nobody_executes(databases) as manager:
        run = await halving.start(Decimal(3))
        scope = SessionScope(manager, label="script")
        with bind_session(scope):
            get_session().add(DrivingNote(text="mine"))
            assert await asyncio.wait_for(lock_and_execute(run), 5) == Decimal("1.5")
        await scope.close()


async def test_what_cannot_be_driven_says_why(open_app: Opener, databases: Databases) -> None:
    async with open_app(driving_another, halving):
        with pytest.raises(RuntimeError, match="from outside"):
            await driving_another()
        with pytest.raises(RunNotFound):
            await lock_and_execute(Workflow(id=uuid4(), function_name="halving"))
    async with nobody_executes(databases):
        run = await halving.start(Decimal(3))
        current_services().get(Registry).find = lambda name: None  # type: ignore[method-assign]
        with pytest.raises(WorkflowNotRegistered):
            await lock_and_execute(run)
        with pytest.raises(ValueError, match="above zero"):
            await lock_and_execute(run, timedelta(0))
        with pytest.raises(ValueError, match="negative"):
            await lock_and_execute(run, retry_count=-1)
