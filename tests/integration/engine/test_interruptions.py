"""What a process leaves behind that ended in the middle: attempts that count, attempts that do not, and arguments that fit no more."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from planar.engine.execution import steps
from planar.workflows import WorkflowStatus, step, workflow
from planar.workflows.exceptions import StepInterrupted
from tests.databases import Databases
from tests.integration.engine.conftest import Opener, run_of, steps_of, until, until_status

pytestmark = pytest.mark.anyio

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def nothing_called() -> None:
    CALLS.clear()


async def never_ends() -> None:
    CALLS.append("call")
    await asyncio.get_running_loop().create_future()


@step(max_retries=1)
async def persevere() -> None:
    await never_ends()


@step()
async def try_once() -> None:
    await never_ends()


@workflow()
async def interrupted(perseveres: bool) -> str:
    try:
        await (persevere() if perseveres else try_once())
    except StepInterrupted as error:
        return str(error)
    return "done"


async def _is_marked(run_id: UUID, calls: int) -> bool:
    return len(CALLS) == calls and [each.status.value for each in await steps_of(run_id)] == ["running"]


async def die(databases: Databases) -> None:
    """Make the stop before look like a death: the workers are gone, and what they held was not given back."""
    statement = "update {planar}workflow_claim set crashed = 1, recoveries = recoveries + 1 returning run_id"
    assert len(await databases.ask(statement)) == 1


async def test_an_attempt_that_a_crash_interrupted_counts_and_the_last_one_ends_the_step(open_app: Opener, databases: Databases) -> None:
    async with open_app(interrupted, drain_seconds=0):
        run = await interrupted.start(True)
        await until(lambda: _is_marked(run.id, 1))
    await die(databases)
    async with open_app(interrupted, drain_seconds=0):
        await until(lambda: _is_marked(run.id, 2))
        assert [each.retry_count for each in await steps_of(run.id)] == [1]
    await die(databases)
    async with open_app(interrupted):
        assert "died in the last of 2 attempts" in await interrupted.wait_for_completion(run.id)
        assert [(each.status.value, each.retry_count) for each in await steps_of(run.id)] == [("failed", 2)]
    assert len(CALLS) == 2


async def test_an_attempt_whose_process_died_between_its_mark_and_its_body_counts(
    open_app: Opener, databases: Databases, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever finds the mark cannot tell whether the body had begun."""
    mark_first = steps._mark_first

    async def mark_and_hang(step: Any) -> None:
        await mark_first(step)
        await asyncio.get_running_loop().create_future()

    async with open_app(interrupted, drain_seconds=0):
        run = await interrupted.start(True)
        await until(lambda: _is_marked(run.id, 1))
    await die(databases)
    with monkeypatch.context() as patch:
        patch.setattr(steps, "_mark_first", mark_and_hang)
        async with open_app(interrupted, drain_seconds=0):
            await until(lambda: _has_retry_count(run.id, 1))
    await die(databases)
    async with open_app(interrupted):
        assert "died in the last of 2 attempts" in await interrupted.wait_for_completion(run.id)
    assert len(CALLS) == 1


async def _has_retry_count(run_id: UUID, count: int) -> bool:
    return [(each.status.value, each.retry_count) for each in await steps_of(run_id)] == [("running", count)]


async def test_a_stop_in_the_middle_of_a_step_counts_for_nothing(open_app: Opener) -> None:
    async with open_app(interrupted, drain_seconds=0):
        run = await interrupted.start(True)
        await until(lambda: _is_marked(run.id, 1))
    for calls in (2, 3):
        async with open_app(interrupted, drain_seconds=0):
            await until(lambda calls=calls: _is_marked(run.id, calls))
            assert [each.retry_count for each in await steps_of(run.id)] == [0]


async def test_a_step_without_retries_is_repeated_after_a_crash(open_app: Opener, databases: Databases) -> None:
    async with open_app(interrupted, drain_seconds=0):
        run = await interrupted.start(False)
        await until(lambda: _is_marked(run.id, 1))
    for calls in (2, 3):
        await die(databases)
        async with open_app(interrupted, drain_seconds=0):
            await until(lambda calls=calls: _is_marked(run.id, calls))
            assert [each.retry_count for each in await steps_of(run.id)] == [0]


@workflow(name="changing")
async def before_the_change(name: str) -> None:
    await never_ends()


@workflow(name="changing")
async def after_the_change(number: int) -> None:
    CALLS.append("new code")


async def test_arguments_that_fit_no_more_fail_their_run_once(open_app: Opener) -> None:
    async with open_app(before_the_change, drain_seconds=0):
        run = await before_the_change.start("Ada")
        await until(_has_begun)
    async with open_app(after_the_change):
        ended = await until_status(run.id, "failed", "succeeded")
        assert ended.status is WorkflowStatus.FAILED
        assert (await run_of(run.id)).error is not None
        assert "CallNotRestorable" in str(ended.error)
    assert CALLS == ["call"]


async def _has_begun() -> bool:
    return bool(CALLS)
