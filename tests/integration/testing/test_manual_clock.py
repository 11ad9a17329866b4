"""A test moves the time of an app: what takes a year takes milliseconds, and everything that happens meanwhile has happened."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from planar import PlanarApp, sqlite_config
from planar.db.session import get_session
from planar.testing import ManualClock, NothingDue, WaitTimeout, planar_test_client
from planar.workflows import Workflow, emit_event, step, suspend, wait_for_event, workflow
from planar.workflows.exceptions import EventTimeout
from tests.databases import Databases

pytestmark = pytest.mark.anyio

START = datetime(2026, 1, 1, tzinfo=UTC)


def make_app(*workflows: object) -> PlanarApp:
    app = PlanarApp(config=sqlite_config(":memory:"))
    for each in workflows:
        app.register_workflow(each)  # type: ignore[arg-type]
    return app


class Shop:
    """What the steps of a test have done."""

    attempts = 0
    woken: list[str]
    gate: asyncio.Event


@pytest.fixture(autouse=True)
def shop() -> type[Shop]:
    Shop.attempts, Shop.woken, Shop.gate = 0, [], asyncio.Event()
    return Shop


@step(max_retries=2)
async def flaky() -> str:
    Shop.attempts += 1
    if Shop.attempts < 3:
        raise ConnectionError("busy")
    return "done"


@workflow()
async def yearly() -> str:
    await suspend(interval=timedelta(days=365))
    return await flaky()


async def test_a_year_and_two_retries_take_no_time() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(yearly), clock=clock):
        began = time.monotonic()
        run = await yearly.start()
        await clock.advance(days=366)
        assert await yearly.wait_for_completion(run.id) == "done"
        # The two delays before the retries alone are ten seconds. On an idle machine all of it takes some 30 ms.
        assert time.monotonic() - began < 5
    assert Shop.attempts == 3
    assert clock.now() == START + timedelta(days=366)


@step()
async def note_time(clock_text: str) -> None:
    Shop.woken.append(clock_text)


@workflow()
async def daily(days: int) -> None:
    for day in range(days):
        await suspend(interval=timedelta(days=1))
        await note_time(str(day))


async def test_time_stops_at_each_moment_at_which_something_is_due() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(daily), clock=clock) as client:
        run = await daily.start(30)
        await clock.advance(days=10, hours=1)
        assert Shop.woken == [str(day) for day in range(10)]
        await clock.advance_until(lambda: len(Shop.woken) == 12)
        assert clock.now() == START + timedelta(days=12)
        await clock.advance(timedelta(days=18))
        assert (await client.observer.wait_for_status(run, "succeeded")).id == run.id


async def test_the_moment_before_it_is_due_a_run_still_sleeps() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(daily), clock=clock) as client:
        run = await daily.start(1)
        await clock.advance(timedelta(days=1) - timedelta(microseconds=1))
        assert (await client.observer.wait_for_status(run, "suspended", "succeeded")).status == "suspended"
        await clock.advance(timedelta(microseconds=1))
        assert (await client.observer.wait_for_status(run, "suspended", "succeeded")).status == "succeeded"


async def test_runs_that_sleep_wake_in_the_order_of_their_times() -> None:
    @workflow(name="sleeper")
    async def sleeper(days: int) -> None:
        await suspend(interval=timedelta(days=days))
        await note_time(str(days))

    clock = ManualClock()
    async with planar_test_client(make_app(sleeper), clock=clock):
        for days in (3, 1, 2):
            await sleeper.start(days)
        await clock.advance(days=5)
    assert Shop.woken == ["1", "2", "3"]


@workflow()
async def patient() -> str:
    try:
        return (await wait_for_event("paid", max_wait_time=3600))["by"]
    except EventTimeout:
        return "nobody paid"


async def test_a_wait_times_out_when_the_test_says_so_and_not_before() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(patient), clock=clock):
        lost, won = await patient.start(), await patient.start()
        await clock.advance(minutes=59)
        await emit_event("paid", {"by": "ann"}, workflow_id=won.id)
        await clock.advance(minutes=1)
        assert await patient.wait_for_completion(won.id) == "ann"
        assert await patient.wait_for_completion(lost.id) == "nobody paid"


async def test_what_an_event_sets_off_has_happened_when_the_clock_has_settled() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(patient), clock=clock) as client:
        run = await patient.start()
        assert await clock.settle() == START + timedelta(hours=1)
        await emit_event("paid", {"by": "bob"})
        assert await clock.settle() is None
        assert [each.kind.value for each in client.observer.heard(run)][-1] == "workflow-succeeded"


@workflow()
async def unpaid() -> None:
    await wait_for_event("never")


async def test_it_says_what_runs_wait_for_when_time_cannot_help() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(unpaid), clock=clock):
        run = await unpaid.start()
        with pytest.raises(NothingDue, match=rf"no run is due any more.*unpaid {run.id} is suspended \(event for the event 'never'\)"):
            await clock.advance_until(lambda: False)


async def test_it_goes_no_further_than_it_was_told() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(yearly), clock=clock):
        await yearly.start()
        with pytest.raises(NothingDue, match=r"before 2026-02-01.*the next at 2027-01-01"):
            await clock.advance_until(lambda: False, within=timedelta(days=31))
        assert clock.now() == START


async def test_a_condition_may_ask_the_database() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(yearly), clock=clock):
        run = await yearly.start()

        async def ended() -> bool:
            session = get_session()
            found = await session.get(Workflow, run.id, populate_existing=True)
            return found is not None and found.status == "succeeded"

        await clock.advance_until(ended)
        assert clock.now() == START + timedelta(days=365, seconds=10)


@step()
async def hang() -> None:
    await Shop.gate.wait()


@workflow()
async def stuck() -> None:
    await hang()


async def test_a_step_that_waits_for_the_test_is_named_and_time_stands_still() -> None:
    clock = ManualClock(patience=0.05)
    async with planar_test_client(make_app(stuck), clock=clock):
        run = await stuck.start()
        with pytest.raises(WaitTimeout, match=rf"stuck {run.id} is running"):
            await clock.advance(days=1)
        assert clock.now() == START
        clock.move_to(START + timedelta(days=1))
        Shop.gate.set()
        await stuck.wait_for_completion(run.id)


async def test_what_a_session_has_written_is_committed_before_time_goes_on() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(yearly), clock=clock):
        # The write lock is this session's, and the run's first record waits for it.
        await (await get_session().connection()).execute(text("create table of_the_test (number integer)"))
        run = await yearly.start()
        await clock.advance(days=366)
        assert await yearly.wait_for_completion(run.id) == "done"


async def test_a_run_that_a_stop_interrupted_sleeps_on_by_the_same_time(databases: Databases) -> None:
    database = await databases.url()
    app, clock = make_app(yearly), ManualClock()
    async with planar_test_client(app, database, clock=clock):
        run = await yearly.start()
        await clock.advance(days=100)
    async with planar_test_client(app, database, clock=clock) as client:
        await clock.advance(days=264)
        assert (await client.observer.wait_for_status(run, "suspended")).wakeup_at == START + timedelta(days=365)
        await clock.advance_until(lambda: Shop.attempts == 3)
        assert await yearly.wait_for_completion(run.id) == "done"


async def test_after_the_block_the_clock_waits_for_nobody() -> None:
    clock = ManualClock()
    async with planar_test_client(make_app(yearly), clock=clock):
        await yearly.start()
    await clock.advance(days=1000)
    assert Shop.attempts == 0
