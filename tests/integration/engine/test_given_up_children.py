"""A child ends with the call that waited for it: when its branch loses, a time is over, or a branch beside it fails."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from planar.workflows import WorkflowStatus, cancel, gather, race, step, suspend, timeout, wait_for_event, workflow
from tests.integration.engine.conftest import Opener, run_of, status_of, steps_of, until, until_status

pytestmark = pytest.mark.anyio

CLEANED: list[str] = []
PARKED = pytest.mark.parametrize("parked", [0, 100])


@pytest.fixture(autouse=True)
def nothing_cleaned() -> None:
    CLEANED.clear()


@step()
async def clean_up(what: str) -> None:
    CLEANED.append(what)


@step()
async def toil() -> None:
    await asyncio.sleep(60)


@step()
async def break_down() -> None:
    raise ValueError("broken")


@workflow()
async def grandchild() -> None:
    await suspend(interval=timedelta(days=1))


@workflow()
async def sleeping_child() -> None:
    await grandchild()


@workflow()
async def toiling_child() -> None:
    try:
        await toil()
    finally:
        await clean_up("child")


async def moment() -> str:
    await suspend(interval=timedelta(seconds=0.2))
    return "in time"


@workflow()
async def losing() -> str:
    first = await race(sleeping_child(), moment())
    await wait_for_event("go on")
    return str(first)


@workflow()
async def too_slow() -> str:
    try:
        await timeout(sleeping_child(), 0.2)
    except TimeoutError:
        await wait_for_event("go on")
    return "gave up"


@workflow()
async def plainly_too_slow() -> str:
    try:
        async with asyncio.timeout(0.2):
            await sleeping_child()
    except TimeoutError:
        await wait_for_event("go on")
    return "gave up"


@workflow()
async def failing_beside() -> str:
    async def fail_later() -> None:
        await moment()
        await break_down()

    try:
        await gather(sleeping_child(), fail_later())
    except ValueError:
        await wait_for_event("go on")
    return "gave up"


@workflow()
async def toil_lost() -> str:
    return str(await race(toiling_child(), moment()))


@workflow()
async def sleeping_parent() -> None:
    await sleeping_child()


@workflow()
async def calling_at_the_end() -> None:
    try:
        await toil()
    finally:
        await sleeping_child()


async def child_of(run_id: UUID) -> UUID:
    """The run that *run_id* called, once there is one."""

    async def named() -> bool:
        return any(step.child_id for step in await steps_of(run_id))

    await until(named)
    return next(step.child_id for step in await steps_of(run_id) if step.child_id is not None)


@PARKED
@pytest.mark.parametrize("parent", [losing, too_slow, failing_beside], ids=lambda parent: parent.name)
async def test_a_child_whose_call_is_given_up_ends_with_its_children(open_app: Opener, parent: Any, parked: int) -> None:
    async with open_app(parent, sleeping_child, grandchild, max_parked_runs=parked):
        run = await parent.start()
        child = await child_of(run.id)
        below = await child_of(child)
        for each in (child, below):
            assert (await until_status(each, "cancelled", "succeeded", "failed")).status is WorkflowStatus.CANCELLED
        row = await until_status(run.id, "suspended")
        assert row.waiting_for_event == "go on"
        call = next(step for step in await steps_of(run.id) if step.child_id == child)
        assert call.status.value == "cancelled"
        error = (await run_of(child)).error
        assert error is not None
        assert error["message"] == (call.error or {})["message"]


async def test_a_child_ends_when_a_timeout_of_the_users_own_gives_up_its_call(open_app: Opener) -> None:
    async with open_app(plainly_too_slow, sleeping_child, grandchild):
        run = await plainly_too_slow.start()
        child = await child_of(run.id)
        assert (await until_status(child, "cancelled", "succeeded")).status is WorkflowStatus.CANCELLED
        assert (await until_status(run.id, "suspended")).waiting_for_event == "go on"


@PARKED
async def test_a_child_that_executes_may_clean_up(open_app: Opener, parked: int) -> None:
    async with open_app(toil_lost, toiling_child, max_parked_runs=parked):
        run = await toil_lost.start()
        child = await child_of(run.id)
        assert await toil_lost.wait_for_completion(run.id) == "in time"
        await until_status(child, "cancelled")
        assert CLEANED == ["child"]


@PARKED
async def test_a_worker_that_lets_go_of_the_parent_asks_for_nothing(open_app: Opener, parked: int) -> None:
    async with open_app(sleeping_parent, sleeping_child, grandchild, max_parked_runs=parked):
        run = await sleeping_parent.start()
        child = await child_of(run.id)
        await until_status(child, "suspended")
        await until_status(run.id, "suspended")
    async with open_app(sleeping_parent, sleeping_child, grandchild, max_parked_runs=parked):
        assert await status_of(child) == "suspended"
        assert await status_of(run.id) == "suspended"


async def test_a_child_that_is_called_while_its_parent_cleans_up_is_no_orphan(open_app: Opener) -> None:
    async with open_app(calling_at_the_end, sleeping_child, grandchild):
        run = await calling_at_the_end.start()
        await until_status(run.id, "running")
        await cancel(run.id)
        await until_status(run.id, "cancelled")
        child = await child_of(run.id)
        assert (await until_status(child, "cancelled", "failed", "succeeded")).status is WorkflowStatus.CANCELLED
