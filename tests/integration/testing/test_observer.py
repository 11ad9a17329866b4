"""An observer hears what came before a wait and what comes after it, for any number of waits at once."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from planar import PlanarApp, sqlite_config
from planar.errors import PlanarError
from planar.testing import WaitFailed, WaitTimeout, WorkflowObserver, planar_test_client
from planar.workflows import Notification, cancel, emit_event, step, wait_for_event, workflow
from tests.databases import Databases

pytestmark = pytest.mark.anyio


@step()
async def greet(name: str) -> str:
    return f"hello {name}"


@step()
async def refuse() -> None:
    raise LookupError("nobody home")


@workflow()
async def talk() -> str:
    await greet("first")
    await wait_for_event("next")
    await greet("second")
    await wait_for_event("last")
    return "bye"


@workflow()
async def fail() -> None:
    await refuse()


@pytest.fixture
def app() -> PlanarApp:
    return PlanarApp(config=sqlite_config(":memory:")).register_workflow(talk).register_workflow(fail)


async def test_a_state_is_heard_whether_it_comes_or_has_come(app: PlanarApp) -> None:
    async with planar_test_client(app) as client:
        observer = client.observer
        run = await talk.start()
        coming = asyncio.create_task(observer.wait_for_status(run, "suspended"))
        assert (await coming).status == "suspended"
        assert (await observer.wait_for_status(run, "suspended")).waiting_for_event == "next"
        await emit_event("next", {})
        await emit_event("last", {})
        coming = asyncio.create_task(observer.wait_for_status(run.id, "succeeded"))
        assert (await coming).result == "bye"
        assert (await observer.wait_for_status(run.id, "failed", "succeeded")).result == "bye"


async def test_equal_waits_are_given_one_notification_after_the_other(app: PlanarApp) -> None:
    async with planar_test_client(app) as client:
        observer = client.observer
        run = await talk.start()
        first = await observer.wait(Notification.WORKFLOW_SUSPENDED, run.id)
        await emit_event("next", {})
        second = await observer.wait(Notification.WORKFLOW_SUSPENDED, run.id)
        assert first is not second
        with pytest.raises(WaitTimeout):
            await observer.wait(Notification.WORKFLOW_SUSPENDED, run.id, timeout=0.01)


async def test_what_one_wait_passes_over_is_kept_for_another(app: PlanarApp) -> None:
    async with planar_test_client(app) as client:
        run = await talk.start()
        await client.observer.wait("workflow-suspended", run)
        told = await client.observer.wait("step-succeeded", run, step_id=1)
        assert told.data.result == "hello first"
        assert (await client.observer.wait("workflow-started", run)).data.id == run.id


async def test_any_number_may_wait_for_the_same(app: PlanarApp) -> None:
    async with planar_test_client(app) as client:
        run = await talk.start()
        waits = [asyncio.create_task(client.observer.wait("workflow-succeeded", run)) for _ in range(3)]
        await emit_event("next", {})
        await emit_event("last", {})
        heard = await asyncio.gather(*waits)
        assert heard[0] is heard[1] is heard[2]


async def test_a_step_is_found_by_its_name_or_its_number(app: PlanarApp) -> None:
    async with planar_test_client(app) as client:
        observer = client.observer
        run = await talk.start()
        assert (await observer.wait_for_step(run, "greet")).step_id == 1
        assert (await observer.wait_for_step(run, f"{__name__}.greet")).result == "hello first"
        later = asyncio.create_task(observer.wait_for_step(run, 3))
        await emit_event("next", {})
        assert (await later).result == "hello second"
        broken = await fail.start()
        assert (await observer.wait_for_step(broken, "refuse", "failed")).error is not None


async def test_a_run_that_has_ended_otherwise_is_not_waited_for_to_the_deadline(app: PlanarApp) -> None:
    async with planar_test_client(app) as client:
        run = await fail.start()
        with pytest.raises(WaitFailed, match=r"Waited for succeeded of run .* but it is failed for good: .*nobody home"):
            await client.observer.wait_for_status(run, "succeeded", timeout=60)
        with pytest.raises(WaitFailed, match=r"step 'greet' .* the run has ended\. Heard of it: .*step-failed \(1, .*refuse\)"):
            await client.observer.wait_for_step(run, "greet", timeout=60)
        cancelled = await talk.start()
        waiting = asyncio.create_task(client.observer.wait_for_status(cancelled, "succeeded", timeout=60))
        await client.observer.wait_for_status(cancelled, "suspended")
        await cancel(cancelled.id)
        with pytest.raises(WaitFailed, match="cancelled for good"):
            await waiting
        with pytest.raises(WaitFailed, match="the run has ended"):
            await client.observer.wait_for_step(cancelled, 3, timeout=60)


async def test_a_deadline_says_what_was_waited_for_and_what_was_seen_instead(app: PlanarApp) -> None:
    async with planar_test_client(app) as client:
        run = await talk.start()
        await client.observer.wait_for_status(run, "suspended")
        with pytest.raises(WaitTimeout) as caught:
            await client.observer.wait("step-failed", run, step_id=7, timeout=0.01)
        message = str(caught.value)
        assert f"0.01 seconds for step-failed of run {run.id}, step 7" in message
        assert "workflow-started" in message
        assert "workflow-suspended" in message
        assert "hello" not in message
        assert isinstance(caught.value, TimeoutError)
        assert isinstance(caught.value, AssertionError)
        assert isinstance(caught.value, PlanarError)
        with pytest.raises(WaitTimeout, match="Nothing was heard of that run, only of 1 other"):
            await client.observer.wait_for_status(uuid4(), "succeeded", timeout=0.01)


async def test_the_observer_says_how_long_waits_take_by_default(app: PlanarApp) -> None:
    observer = WorkflowObserver(timeout=0.02)
    async with planar_test_client(app, None, observer):
        run = await talk.start()
        with pytest.raises(WaitTimeout, match=r"0\.02 seconds"):
            await observer.wait_for_status(run, "succeeded")


async def test_a_run_of_an_earlier_process_is_known_from_its_row(app: PlanarApp, databases: Databases) -> None:
    url = await databases.url()
    async with planar_test_client(app, url) as client:
        run = await talk.start()
        await client.observer.wait_for_status(run, "suspended")
    async with planar_test_client(app, url) as client:
        assert (await client.observer.wait_for_status(run, "suspended")).id == run.id
        assert (await client.observer.wait_for_step(run, "greet")).result == "hello first"


async def test_an_app_can_tell_an_observer_by_itself() -> None:
    observer = WorkflowObserver()
    app = PlanarApp(config=sqlite_config(":memory:"), on_workflow_notification=observer.on_workflow_notification).register_workflow(fail)

    ids: list[UUID] = []

    async def story() -> None:
        run = await fail.start()
        ids.append(run.id)
        assert (await observer.wait_for_status(run, "failed")).error is not None

    await app.run_standalone(story)
    # Without an app it knows what it was told.
    (run_id,) = ids
    assert (await observer.wait_for_status(run_id, "failed")).id == run_id
    assert (await observer.wait_for_step(run_id, "refuse", "failed")).step_id == 1
