"""Stopping: what is not in the middle of a step does not delay it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from planar.engine.store.port import ClaimDue
from planar.workflows import step, wait_for_event, workflow
from tests.integration.engine.conftest import Opener, status_of, until, until_status

pytestmark = pytest.mark.anyio


@workflow()
async def going_to_sleep(key: str) -> Any:
    return await wait_for_event(key)


DONE: list[str] = []
MAY_END: list[asyncio.Event] = []
"""The last is of the test's own event loop."""


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


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


@workflow()
async def filling() -> None:
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


def a_long_step() -> asyncio.Event:
    """Set, it lets the step in `gardening` end."""
    MAY_END.append(asyncio.Event())
    return MAY_END[-1]


async def no_more_claims() -> None:
    DONE.append("claimed")


async def has_dug() -> bool:
    return DONE == ["dug"]


async def test_no_step_begins_though_the_worker_is_stuck_in_a_question(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question to the database that is given up may take as long as the network likes."""
    may_end, is_asked, is_answered = a_long_step(), asyncio.Event(), asyncio.Event()

    async def asked() -> None:
        is_asked.set()
        try:
            await is_answered.wait()
        finally:
            await is_answered.wait()

    async with asyncio.timeout(10), open_app(gardening) as app:
        run = await gardening.start()
        await until(has_dug)
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


async def test_a_stop_does_not_wait_for_a_question_that_nobody_answers(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    is_asked, is_answered = asyncio.Event(), asyncio.Event()

    async def asked() -> None:
        is_asked.set()
        while not is_answered.is_set():
            with suppress(asyncio.CancelledError):
                await is_answered.wait()

    async with asyncio.timeout(10), open_app(gardening, filling, drain_seconds=0.1) as app:
        monkeypatch.setattr(app.worker, "_look_around", asked)
        app.worker._lookout.look_again(foreign=True)
        await is_asked.wait()
        loop_task = app.worker._loop_task
        await app.worker.stop()
        run = await filling.start()
        monkeypatch.setattr(app.worker, "_claim_due", no_more_claims)
        app.worker._lookout.look_again()
        is_answered.set()
        assert loop_task is not None
        await loop_task
        assert await status_of(run.id) == "pending"
        assert DONE == []


async def test_a_stop_is_not_forgotten_when_giving_up_a_question_fails(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As when the connection breaks while the server is asked to give it up."""
    is_asked = asyncio.Event()

    async def asked() -> None:
        is_asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ConnectionError("lost while it was given up") from None

    async with asyncio.timeout(10), open_app(filling) as app:
        monkeypatch.setattr(app.worker, "_look_around", asked)
        app.worker._lookout.look_again(foreign=True)
        await is_asked.wait()
        await app.worker.stop()
        assert "looking for due runs failed" not in caplog.text
        run = await filling.start()
        assert await status_of(run.id) == "pending"


@pytest.mark.parametrize("answer", ["none", "all the same"])
async def test_a_run_that_was_claimed_and_has_not_begun_is_handed_over_at_once(
    answer: str, open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run's step uses its drain time meanwhile."""
    may_end, is_asked = a_long_step(), asyncio.Event()

    async def load_steps(ids: Any) -> Any:
        is_asked.set()
        with suppress(*[asyncio.CancelledError] if answer == "all the same" else []):
            await asyncio.Event().wait()
        return {each: [] for each in ids}

    async with asyncio.timeout(20), open_app(gardening, filling, drain_seconds=60) as app:
        await gardening.start()
        await until(has_dug)
        monkeypatch.setattr(app.worker._runs.parts.store, "load_steps", load_steps)
        monkeypatch.setattr(app.worker, "reserve", lambda _: None)
        run = await filling.start()
        await is_asked.wait()
        stopping = asyncio.create_task(app.worker.stop())
        await until_status(run.id, "pending")
        may_end.set()
        await stopping
        assert DONE == ["dug"]


async def test_a_run_whose_claim_is_on_its_way_is_handed_over_at_once(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end, is_claimed = a_long_step(), asyncio.Event()
    async with asyncio.timeout(20), open_app(gardening, filling, drain_seconds=60) as app:
        await gardening.start()
        await until(has_dug)
        store = app.worker._runs.parts.store
        submit = store.submit

        def submitted(entry: Any) -> Any:
            if isinstance(entry, ClaimDue):
                is_claimed.set()
            return submit(entry)

        monkeypatch.setattr(store, "submit", submitted)
        monkeypatch.setattr(app.worker, "reserve", lambda _: None)
        run = await filling.start()
        await is_claimed.wait()
        # The claim is in the lane: the stop comes before its outcome.
        stopping = asyncio.create_task(app.worker.stop())
        await until(stopped_looking(app))
        await until_status(run.id, "pending")
        may_end.set()
        await stopping
        assert DONE == ["dug"]


def stopped_looking(app: Any) -> Callable[[], Awaitable[bool]]:
    """Whether the app's worker has ended its loop."""
    loop_task = app.worker._loop_task

    async def is_over() -> bool:
        return loop_task.done()

    return is_over
