"""Stopping: what is not in the middle of a step does not delay it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from planar.workflows import step, wait_for_event, workflow
from tests.integration.engine.conftest import Opener, until, until_status

pytestmark = pytest.mark.anyio


@workflow()
async def going_to_sleep(key: str) -> Any:
    return await wait_for_event(key)


DONE: list[str] = []
MAY_END: list[asyncio.Event] = []
"""One of the test's own event loop."""


@step()
async def dig() -> None:
    DONE.append("dug")
    await MAY_END[-1].wait()


@step()
async def fill() -> None:
    DONE.append("filled")


@workflow()
async def gardening() -> None:
    await dig()
    await fill()


async def test_news_that_come_together_with_a_stop_do_not_delay_it(open_app: Opener) -> None:
    async with asyncio.timeout(5):
        async with open_app(going_to_sleep) as app:
            run = await going_to_sleep.start("never")
            await until_status(run.id, "suspended")
            for _ in range(100):  # until the worker waits
                await asyncio.sleep(0)
            app.worker._lookout._news.set()


@pytest.mark.parametrize("turns", range(0, 40, 4))
async def test_a_run_that_goes_to_sleep_while_the_worker_stops_does_not_delay_it(open_app: Opener, turns: int) -> None:
    async with asyncio.timeout(10):
        async with open_app(going_to_sleep, drain_seconds=60):
            run = await going_to_sleep.start("never")
            for _ in range(turns):
                await asyncio.sleep(0)
    async with open_app(going_to_sleep):
        await until_status(run.id, "suspended")


async def test_a_worker_whose_time_to_look_has_come_is_never_taken_for_torn_down(open_app: Opener) -> None:
    """Whoever was asked at that moment would let go of a run in the middle of a step."""
    async with open_app(going_to_sleep, poll_seconds=0.005) as app, asyncio.timeout(10):
        looked = set[Any]()
        while len(looked) < 5:
            looked.add(app.worker.last_look)
            assert not app.worker.is_torn_down()
            await asyncio.sleep(0)


async def test_no_step_begins_though_the_worker_is_stuck_in_a_question(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question to the database that is given up may take as long as the network likes."""
    DONE.clear()
    is_asked, is_answered, may_end = asyncio.Event(), asyncio.Event(), asyncio.Event()
    MAY_END.append(may_end)

    async def asked() -> None:
        is_asked.set()
        try:
            await is_answered.wait()
        finally:
            await is_answered.wait()

    async with asyncio.timeout(10):
        async with open_app(gardening) as app:
            run = await gardening.start()
            await until(lambda: _is(DONE == ["dug"]))
            monkeypatch.setattr(app.worker, "_look_around", asked)
            app.worker._lookout.look_again(foreign=True)
            await is_asked.wait()
            stopping = asyncio.create_task(app.worker.stop())
            await asyncio.sleep(0)
            may_end.set()
            await until_status(run.id, "pending")
            is_answered.set()
            await stopping
            assert DONE == ["dug"]


async def _is(claim: bool) -> bool:
    return claim
