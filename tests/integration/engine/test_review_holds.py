"""No run stays claimed with nobody executing it, whatever fails or is cancelled in between."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from datetime import timedelta
from typing import Any

import pytest

from planar.engine.store.port import Cancel, Reclaim, Sleep
from planar.workflows import cancel, step, suspend, wait_for_event, workflow
from tests.integration.engine.conftest import Opener, client, status_of, until, until_status

pytestmark = pytest.mark.anyio

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    CALLS.clear()


@step()
async def one() -> int:
    CALLS.append("one")
    return 1


@workflow()
async def counting_one() -> int:
    return await one()


@workflow()
async def attending() -> str:
    await wait_for_event("go")
    return "went"


PATIENCE: list[asyncio.Timeout] = []


@workflow()
async def impatient() -> str:
    try:
        async with asyncio.timeout(None) as patience:
            PATIENCE.append(patience)
            await suspend(interval=timedelta(hours=1))
    except TimeoutError:
        return "gave up"
    return "slept"


@workflow()
async def twice_impatient() -> str:
    try:
        async with asyncio.timeout(0.05):
            async with asyncio.timeout(0.05):
                await suspend(interval=timedelta(hours=1))
    except TimeoutError:
        return "gave up"
    return "slept"


async def test_claimed_runs_whose_history_could_not_be_read_are_given_back(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(attending, max_parked_runs=0):
        run = await attending.start()
        await until_status(run.id, "suspended")
        store = client().store
        load_steps = store.load_steps

        async def fail_once(run_ids: Any) -> Any:
            monkeypatch.setattr(store, "load_steps", load_steps)
            raise sqlite3.OperationalError("disk I/O error")

        monkeypatch.setattr(store, "load_steps", fail_once)
        await client().emit(client().new_event("go", "{}"))
        assert await asyncio.wait_for(attending.wait_for_completion(run.id), 5) == "went"


async def test_a_run_cancelled_before_its_code_began_is_not_forgotten(open_app: Opener) -> None:
    async with open_app(counting_one) as app:
        run = client().new_run(counting_one.definition, (), {})
        starting = asyncio.ensure_future(client().start(run))
        await asyncio.sleep(0)
        assert app.worker.executing == 1
        with contextlib.suppress(Exception):
            await client().cancel(run.id, "at once")
        await starting
        row = await until_status(run.id, "cancelled", "succeeded", seconds=5)
        assert row.status.value == "cancelled"
        assert CALLS == []


async def test_a_release_that_the_database_refuses_is_tried_again(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(counting_one):
        store = client().store
        submit = store.submit
        failing = {"EndRun": 1, "Release": 1}

        def flawed(entry: Any) -> Any:
            kind = type(entry).__name__
            if failing.get(kind, 0) > 0:
                failing[kind] -= 1
                future = asyncio.get_running_loop().create_future()
                future.set_exception(sqlite3.OperationalError("database or disk is full"))
                future.exception()
                return future
            return submit(entry)

        monkeypatch.setattr(store, "submit", flawed)
        run = await counting_one.start()
        assert await asyncio.wait_for(counting_one.wait_for_completion(run.id), 5) == 1
        assert CALLS == ["one"]


async def test_a_failed_look_at_dead_workers_is_repeated(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(counting_one) as app:
        store, worker = client().store, app.worker
        looks: list[str] = []
        dead_workers = store.dead_workers

        async def fail_once(*asked: Any) -> Any:
            looks.append("look")
            if len(looks) == 1:
                raise sqlite3.OperationalError("disk I/O error")
            return await dead_workers(*asked)

        monkeypatch.setattr(store, "dead_workers", fail_once)
        worker._lookout.foreign = worker._lookout.due = True
        worker._lookout._news.set()

        async def again() -> bool:
            return len(looks) > 1

        await until(again, 5)


async def test_a_timeout_that_expires_while_the_run_falls_asleep_is_not_slept_through(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(impatient):
        submit = client().store.submit

        def expiring(entry: Any) -> Any:
            if isinstance(entry, Sleep):
                PATIENCE[-1].reschedule(asyncio.get_running_loop().time())
            return submit(entry)

        monkeypatch.setattr(client().store, "submit", expiring)
        run = await impatient.start()
        assert await asyncio.wait_for(impatient.wait_for_completion(run.id), 5) == "gave up"


async def test_a_second_cancellation_while_a_run_is_taken_back_does_not_lose_it(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(twice_impatient) as app:
        store = client().store
        submit = store.submit

        def disturbing(entry: Any) -> Any:
            future = submit(entry)
            if isinstance(entry, Reclaim):
                live = app.worker._runs._live[entry.holder.run_id]
                asyncio.get_running_loop().call_soon(live.task.cancel)
                asyncio.get_running_loop().call_soon(live.task.uncancel)
            return future

        monkeypatch.setattr(store, "submit", disturbing)
        run = await twice_impatient.start()
        assert await asyncio.wait_for(twice_impatient.wait_for_completion(run.id), 5) == "gave up"


async def test_a_request_to_cancel_that_comes_between_claim_and_begin_is_heard(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(attending_twice, max_parked_runs=0):
        run = await attending_twice.start()
        await until_status(run.id, "suspended")
        store = client().store
        load_steps = store.load_steps

        async def cancelled_meanwhile(run_ids: Any) -> Any:
            monkeypatch.setattr(store, "load_steps", load_steps)
            await client().cancel(run.id, "in between")
            return await load_steps(run_ids)

        monkeypatch.setattr(store, "load_steps", cancelled_meanwhile)
        await client().emit(client().new_event("go", "{}"))
        row = await until_status(run.id, "cancelled", seconds=3)
        assert row.error is not None
        assert row.error["message"] == "in between"


@workflow()
async def attending_twice() -> str:
    await wait_for_event("go")
    await wait_for_event("never")
    return "went"


async def test_a_parked_copy_of_a_run_that_ended_while_it_fell_asleep_is_let_go(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(attending) as app:
        store = client().store
        submit = store.submit

        def ended_meanwhile(entry: Any) -> Any:
            future = submit(entry)
            if isinstance(entry, Sleep):
                # As a parent's cancellation: in the same batch, and not by way of this worker.
                submit(Cancel(entry.holder.run_id, "with its parent", '{"type": "RunCancelled", "message": "with its parent"}'))
            return future

        monkeypatch.setattr(store, "submit", ended_meanwhile)
        run = await attending.start()
        await until_status(run.id, "cancelled")

        async def gone() -> bool:
            return run.id not in app.worker._runs._live

        await until(gone, 3)


@workflow()
async def deep_in_thought() -> None:
    CALLS.append("thinking")
    await asyncio.Event().wait()


async def test_a_cancelled_run_ends_after_a_crash_though_its_code_calls_no_step(open_app: Opener) -> None:
    async with open_app(deep_in_thought, drain_seconds=0) as app:
        run = await deep_in_thought.start()
        await until_status(run.id, "running")
        app.worker._runs.cancel = lambda *_: None  # type: ignore[method-assign]  # the process dies before the run hears of it
        await cancel(run.id, "before the crash")
    async with open_app(deep_in_thought, cancel_seconds=0.1):
        row = await until_status(run.id, "cancelled", seconds=5)
        assert row.error is not None
        assert row.error["message"] == "before the crash"


async def test_a_full_worker_does_not_spin_on_a_time_that_has_passed(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(deep_in_thought, nodding_off, max_concurrent_runs=1, drain_seconds=0) as app:
        nap = await nodding_off.start()
        wakeup_at = (await until_status(nap.id, "suspended")).wakeup_at
        thought = await deep_in_thought.start()
        await until_status(thought.id, "running")

        async def due() -> bool:
            return wakeup_at is not None and client().now() > wakeup_at

        await until(due)
        rounds: list[str] = []
        claim_due = app.worker._claim_due

        async def counted() -> None:
            rounds.append("round")
            await claim_due()

        monkeypatch.setattr(app.worker, "_claim_due", counted)
        for _ in range(1000):
            await asyncio.sleep(0)
        assert len(rounds) < 3
        assert await status_of(nap.id) == "suspended"


@workflow()
async def nodding_off() -> None:
    await suspend(interval=timedelta(seconds=1))
