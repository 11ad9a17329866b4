"""A task is closed when nobody waits for its answer any more, and only then: not when its process stops."""

from __future__ import annotations

from datetime import timedelta

import pytest

from planar.workflows import race, suspend, timeout, workflow
from planar.workflows.exceptions import BranchTimeout
from tests.integration.human.conftest import OpenTasks
from tests.integration.human.sample import approval, lax

pytestmark = pytest.mark.anyio


async def nap() -> str:
    await suspend(interval=timedelta(seconds=0.3))
    return "nobody"


async def ask() -> str:
    return str((await approval(message="Quick?")).output.approved)


@workflow(name="racing")
async def racing() -> list[str | None]:
    won = await race(nap(), ask())
    return [str(won), (await lax(message="And now?")).output.note]


@workflow(name="limited")
async def limited() -> list[str | None]:
    try:
        said = await timeout(ask(), 0.3)
    except BranchTimeout:
        said = "late"
    return [said, (await lax(message="And now?")).output.note]


@pytest.mark.parametrize("name", ["racing", "limited"])
async def test_an_answer_that_nobody_waits_for_is_not_asked_for_any_longer(open_tasks: OpenTasks, name: str) -> None:
    async with open_tasks((racing, limited)) as api:
        run_id = await api.api.start(name)
        task_id = await api.any_task(workflow_id=run_id, name="lax")
        tasks = {task["name"]: (task["status"], task.get("reason")) for task in await api.tasks(workflow_id=run_id)}
        assert tasks == {"approval": ("cancelled", "withdrawn"), "lax": ("pending", None)}
        await api.complete(task_id, note="done")
        assert (await api.result(run_id))[1] == "done"


async def test_a_task_survives_the_process_that_asked(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("expense")
        # Not asleep yet, perhaps: the process stops in the middle of the waiting.
    async with open_tasks() as api:
        task = await api.task(task_id)
        assert (task["status"], task["version"]) == ("pending", 1)
        await api.complete(task_id, approved=True)
        assert (await api.result(run_id))["approved"] is True
        assert len(await api.tasks(workflow_id=run_id)) == 1


async def test_a_task_survives_that_its_run_leaves_the_memory(open_tasks: OpenTasks) -> None:
    async with open_tasks(max_parked_runs=0) as api:
        run_id, first = await api.ask("ask_twice")
        await api.complete(first, note="a")
        second = await api.task_of(run_id)
        assert (await api.task(first))["status"] == "completed"
        await api.complete(second, note="b")
        assert await api.result(run_id) == ["a", "b"]
