"""An app on PostgreSQL: what workflows can do, and another process that goes on when one is killed.

python -m tests.integration.engine.test_postgres <url> <lease seconds>: that one, which gets stuck in a step and says so.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import col, select

from planar import PlanarApp, get_session
from planar.clock import SYSTEM_CLOCK
from planar.config import connection_string_config
from planar.context import bind_services, current_services
from planar.db.manager import DatabaseManager
from planar.engine.store.postgres import PostgresStore
from planar.workflows import WorkflowStatus, WorkflowStep, cancel, emit_event, gather, step, suspend, wait_for_event, workflow
from planar.workflows.exceptions import RunCancelled
from tests.integration.engine.conftest import client, run_of, steps_of, until, until_status
from tests.postgres_server import connect, migrated_database

pytestmark = [pytest.mark.anyio, pytest.mark.store("postgresql")]

ROOT = Path(__file__).parents[3]
LEASE = 1.0
STUCK = False
"""Whether `finish` never ends here."""


async def write(amount: int) -> None:
    connection = await get_session().connection()
    await connection.execute(text("insert into ledger (amount) values (:amount)"), {"amount": amount})


@step()
async def double(number: int) -> int:
    return number * 2


@step()
async def charge(amount: int) -> int:
    await write(amount)
    return await double(amount)


@step()
async def charge_only(amount: int) -> None:
    await write(amount)


@workflow()
async def adding(numbers: list[int]) -> int:
    return sum(await gather(*(double(number) for number in numbers)))


@workflow()
async def everything() -> list[Any]:
    nested = await charge(3)
    await charge_only(4)
    paid = await wait_for_event("paid")
    child = await adding([1, 2, 3])
    await suspend(interval=timedelta(milliseconds=20))
    return [nested, paid, child]


@workflow()
async def announcing(key: str) -> None:
    await announce(key)


@step()
async def announce(key: str) -> None:
    """In the transaction of a step that has written: others see it after the commit."""
    await write(1)
    await emit_event(key, {"by": "a step"})


@workflow()
async def waiting(key: str) -> Any:
    return await wait_for_event(key)


@step()
async def finish() -> str:
    while STUCK:
        print("stuck", flush=True)
        await asyncio.sleep(3600)
    return "done"


@workflow()
async def surviving() -> str:
    await charge_only(9)
    await suspend(interval=timedelta(milliseconds=1))
    return await finish()


WORKFLOWS = (adding, everything, announcing, waiting, surviving)


def opened(url: str, *, lease_seconds: float = 5.0) -> AbstractAsyncContextManager[PlanarApp]:
    @asynccontextmanager
    async def opener() -> AsyncIterator[PlanarApp]:
        config = connection_string_config(url)
        limits = {"lease_seconds": lease_seconds, "poll_seconds": 600}
        app = PlanarApp(config=config.model_copy(update={"workflows": config.workflows.model_copy(update=limits)}))
        for each in WORKFLOWS:
            app.register_workflow(each)
        async with app._lifespan(app.fastapi):
            yield app

    return opener()


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with migrated_database() as url:
        connection = await connect(url)
        await connection.execute("create table ledger (amount int)")
        await connection.close()
        yield url


async def ledger(url: str) -> list[int]:
    connection = await connect(url)
    try:
        return [row[0] for row in await connection.fetch("select amount from ledger order by amount")]
    finally:
        await connection.close()


@pytest.mark.parametrize("parked", [True, False])
async def test_steps_events_children_and_timers(url: str, parked: bool) -> None:
    async with opened(url) as app:
        assert isinstance(client().store, PostgresStore)
        if not parked:
            app.worker._runs.config = app.worker._runs.config.model_copy(update={"max_parked_runs": 0})
        run = await everything.start()
        await until_status(run.id, "suspended")
        assert (await run_of(run.id)).waiting_for_event == "paid"
        await emit_event("paid", {"amount": 7})
        assert await asyncio.wait_for(everything.wait_for_completion(run.id), 10) == [6, {"amount": 7}, 12]
        assert [each.step_id for each in await steps_of(run.id)] == list(range(1, len(await steps_of(run.id)) + 1))
        assert (await run_of(run.id)).status is WorkflowStatus.SUCCEEDED
    assert await ledger(url) == [3, 4]


async def test_an_event_of_a_steps_transaction_wakes_a_run_of_another_process(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        with bind_services(one.services):
            run = await waiting.start("shipped")
            await until_status(run.id, "suspended")
        with bind_services(other.services):
            await announcing("shipped")
        with bind_services(one.services):
            assert await asyncio.wait_for(waiting.wait_for_completion(run.id), 10) == {"by": "a step"}


async def test_a_sleeping_run_is_cancelled_from_another_process(url: str) -> None:
    async with opened(url) as one, opened(url) as other:
        with bind_services(one.services):
            run = await waiting.start("never")
            await until_status(run.id, "suspended")
        with bind_services(other.services):
            await cancel(run.id)
        with bind_services(one.services):
            with pytest.raises(RunCancelled):
                await asyncio.wait_for(waiting.wait_for_completion(run.id), 10)
            assert (await run_of(run.id)).status is WorkflowStatus.CANCELLED


async def test_many_runs_at_once_each_have_their_steps_once(url: str) -> None:
    async with opened(url):
        assert await asyncio.gather(*(adding([number, 1]) for number in range(100))) == [2 * number + 2 for number in range(100)]
        async with current_services().get(DatabaseManager).get_session() as session:
            rows = (await session.exec(select(WorkflowStep).where(col(WorkflowStep.status) == "succeeded"))).all()
        assert len(rows) == 200


async def test_after_a_kill_another_process_goes_on_within_a_lease_and_a_second(url: str) -> None:
    command = [sys.executable, "-m", "tests.integration.engine.test_postgres", url, str(LEASE)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220 - its output is read in a thread
    assert process.stdout is not None
    try:
        run_id = UUID((await asyncio.to_thread(process.stdout.readline)).strip())
        assert await asyncio.to_thread(process.stdout.readline) == "stuck\n"
        async with opened(url, lease_seconds=LEASE):
            # It lives, however long its step takes.
            await until(lambda: _beats(url, 2))
            assert (await run_of(run_id)).status is WorkflowStatus.RUNNING
            process.kill()
            killed = SYSTEM_CLOCK.monotonic()
            assert await asyncio.wait_for(surviving.wait_for_completion(run_id), 20) == "done"
            assert SYSTEM_CLOCK.monotonic() - killed < LEASE + 1.5
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    assert await ledger(url) == [9]


async def _beats(url: str, leases: float) -> bool:
    """Whether every worker has beaten for so long."""
    connection = await connect(url)
    try:
        rows = await connection.fetch("select beat_at - started_at from planar.workflow_worker where alive")
    finally:
        await connection.close()
    return len(rows) == 2 and all(row[0].total_seconds() > leases * LEASE for row in rows)


async def _be_stuck(url: str, lease_seconds: float) -> None:
    global STUCK
    STUCK = True
    async with opened(url, lease_seconds=lease_seconds):
        run = await surviving.start()
        print(run.id, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_be_stuck(sys.argv[1], float(sys.argv[2])))
