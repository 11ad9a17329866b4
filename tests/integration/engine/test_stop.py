"""Stopping: what is not in the middle of a step does not delay it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from planar.workflows import wait_for_event, workflow
from tests.integration.engine.conftest import Opener, until_status

pytestmark = pytest.mark.anyio


@workflow()
async def going_to_sleep(key: str) -> Any:
    return await wait_for_event(key)


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
