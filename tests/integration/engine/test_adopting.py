"""A run that its own process executes begins while its insert is on its way. What if something else comes first?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
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
    GATES.update({"lingers": asyncio.Event(), "may end": asyncio.Event()})


@step()
async def work() -> str:
    DONE.append("work")
    return "done"


@workflow()
async def working() -> str:
    DONE.append("begun")
    return await work()


GATES: dict[str, asyncio.Event] = {}


@step()
async def linger() -> None:
    GATES["lingers"].set()
    await GATES["may end"].wait()


@workflow()
async def lingering() -> None:
    await linger()


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


async def test_one_that_has_not_begun_is_handed_back_while_the_worker_waits_for_others(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(working, lingering, drain_seconds=30) as app:
        slow = await lingering.start()
        await asyncio.wait_for(GATES["lingers"].wait(), 5)
        monkeypatch.setattr(client().store, "meanwhile", lambda work: None)
        run_id, starting = await begin_to_start()
        assert (await starting).created
        stopping = asyncio.create_task(app.worker.stop())
        await until_status(run_id, "pending")
        assert not stopping.done()
        GATES["may end"].set()
        await stopping
        assert DONE == []
    async with open_app(working, lingering):
        for each in (run_id, slow.id):
            await until_status(each, "succeeded")


async def test_one_that_cannot_begin_is_tried_again(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planar.engine.unheld.BACKOFF_SECONDS", 0.01)
    async with open_app(working) as app:
        runs = app.worker._runs
        begin = runs.begin

        def fail(*_: Any) -> None:
            monkeypatch.setattr(runs, "begin", begin)
            raise MemoryError

        monkeypatch.setattr(runs, "begin", fail)
        run_id, starting = await begin_to_start()
        assert (await starting).created
        await until_status(run_id, "succeeded")
        assert DONE == ["begun", "work"]
