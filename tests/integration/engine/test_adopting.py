"""A run that its own process executes begins while its insert is on its way. What if something else comes first?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from uuid import UUID

import pytest

from planar.engine.store.port import Started
from planar.workflows import cancel, step, workflow
from tests.integration.engine.conftest import Opener, client, run_of, until_status

pytestmark = pytest.mark.anyio

DONE: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


@step()
async def work() -> str:
    DONE.append("work")
    return "done"


@workflow()
async def working() -> str:
    DONE.append("begun")
    return await work()


async def begin_to_start() -> tuple[UUID, asyncio.Task[Started]]:
    """A run whose insert was submitted, and of which nothing else has happened yet."""
    run = client().new_run(working.definition, (), {})
    starting = asyncio.create_task(client().start(run))
    await asyncio.sleep(0)
    assert DONE == []
    return run.id, starting


async def test_a_run_that_has_not_begun_counts_as_executed(open_app: Opener) -> None:
    async with open_app(working) as app:
        run_id, starting = await begin_to_start()
        assert app.worker.executing == 1
        assert (await starting).created
        await until_status(run_id, "succeeded")
        assert app.worker.executing == 0


async def test_no_more_runs_are_adopted_than_may_be_executed(open_app: Opener) -> None:
    async with open_app(working, max_concurrent_runs=1) as app:
        first, _ = await begin_to_start()
        second = client().new_run(working.definition, (), {})
        assert app.worker.reserve(working.name) is None
        await client().start(second)
        for run_id in (first, second.id):
            await until_status(run_id, "succeeded")


async def test_one_that_is_cancelled_before_it_has_begun_does_nothing(open_app: Opener) -> None:
    async with open_app(working):
        run_id, _ = await begin_to_start()
        assert await cancel(run_id, "not needed") == "running"
        run = await until_status(run_id, "cancelled", "succeeded")
        assert run.status == "cancelled"
        assert "work" not in DONE


async def test_one_whose_worker_stops_before_it_has_begun_is_executed_later(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    late: list[Callable[[], None]] = []
    async with open_app(working) as app:
        monkeypatch.setattr(client().store, "meanwhile", late.append)
        run_id, starting = await begin_to_start()
        await app.worker.stop()
        assert (await starting).created
        for begin in late:
            begin()
        assert (await run_of(run_id)).status == "pending"
        assert DONE == []
    assert len(late) == 1
    async with open_app(working):
        await until_status(run_id, "succeeded")
    assert DONE == ["begun", "work"]
