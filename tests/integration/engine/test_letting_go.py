"""What does a run leave in the memory of its worker? Nothing once it is let go of, and little while it sleeps."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter, deque
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from planar import PlanarApp
from planar.engine.execution.run import LiveRun
from planar.engine.store.port import Entry, Reclaim, Release
from planar.workflows import WorkflowWrapper, cancel, gather, step, suspend, wait_for_event, workflow
from planar.workflows.exceptions import WorkflowError
from tests.integration.engine.conftest import Opener, client, status_of, until, until_status

pytestmark = pytest.mark.anyio

DAY = timedelta(days=1)
CALLER: ContextVar[object] = ContextVar("caller")
RUNS = 20


@step()
async def double(number: int) -> int:
    return number * 2


@step()
async def fail() -> None:
    raise ValueError("no")


@workflow()
async def doubling() -> int:
    return await double(await double(1))


@workflow()
async def failing() -> None:
    await fail()


@workflow()
async def sleeping() -> None:
    await suspend(interval=DAY)


@workflow()
async def waiting() -> None:
    await double(1)
    await wait_for_event("nothing")


@workflow()
async def sleeping_in_a_child() -> None:
    await sleeping()


@workflow()
async def sleeping_in_branches() -> None:
    await gather(suspend(interval=DAY), wait_for_event("nothing"), double(1))


@workflow()
async def impatient() -> str:
    try:
        async with asyncio.timeout(0.05):
            await suspend(interval=DAY)
    except TimeoutError:
        return "enough"
    return "all of it"


@contextmanager
def no_collector() -> Generator[None]:
    """Meanwhile nothing is freed but what nobody refers to."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def alive() -> int:
    """How many runs are in memory."""
    return sum(type(each) is LiveRun for each in gc.get_objects())


async def until_none_is_executed(app: PlanarApp) -> None:
    async def none() -> bool:
        return not app.worker._runs.tasks

    await until(none)


async def until_all_sleep(app: PlanarApp, runs: int) -> None:
    async def all_sleep() -> bool:
        return len(app.worker._runs._sleeping) == runs

    await until(all_sleep)


async def try_all(kind: WorkflowWrapper[..., Any], app: PlanarApp) -> None:
    """Start some, one after the other, until nothing of them is executed."""
    for _ in range(3):
        run = await kind.start()
        try:
            if kind in (doubling, failing):
                await kind.wait_for_completion(run.id)
        except (ValueError, WorkflowError):
            pass
        else:
            await until_status(run.id, "suspended", "succeeded")
    await until_none_is_executed(app)


@pytest.mark.parametrize("kind", [doubling, failing, sleeping, waiting, sleeping_in_a_child, sleeping_in_branches])
async def test_a_run_that_ended_or_was_let_go_asleep_is_freed_without_the_collector(
    open_app: Opener, kind: WorkflowWrapper[..., Any]
) -> None:
    async with open_app(doubling, failing, sleeping, waiting, sleeping_in_a_child, sleeping_in_branches, max_parked_runs=0) as app:
        await try_all(kind, app)
        with no_collector():
            before = alive()
            await try_all(kind, app)

            async def freed() -> bool:
                # Fewer, if the last of those before was still on its way out when it was counted.
                return alive() <= before

            await until(freed)


async def test_a_cancelled_run_is_freed_without_the_collector(open_app: Opener) -> None:
    async with open_app(sleeping, cancel_seconds=0.01) as app:
        with no_collector():
            before = alive()
            run = await sleeping.start()
            await until_all_sleep(app, 1)
            assert alive() == before + 1
            await cancel(run.id)
            await until_none_is_executed(app)

            async def freed() -> bool:
                return alive() == before

            await until(freed)


async def test_letting_go_of_a_sleeping_run_writes_nothing(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(sleeping, max_parked_runs=0) as app:
        store, written = client().store, list[Entry]()
        submit = store.submit

        def noting(entry: Entry) -> asyncio.Future[Any]:
            written.append(entry)
            return submit(entry)

        monkeypatch.setattr(store, "submit", noting)
        run = await sleeping.start()
        await until_status(run.id, "suspended")
        await until_none_is_executed(app)
        assert [entry for entry in written if isinstance(entry, Release)] == []
        assert (await status_of(run.id)).value == "suspended"


async def test_a_sleeping_run_keeps_no_large_containers_that_are_empty(open_app: Opener) -> None:
    async with open_app(sleeping) as app:
        await sleeping.start()
        await until_all_sleep(app, 1)
        with no_collector():
            before = Counter(map(type, gc.get_objects()))
            for _ in range(RUNS):
                await sleeping.start()
            await until_all_sleep(app, RUNS + 1)
            after = Counter(map(type, gc.get_objects()))
        assert after[LiveRun] - before[LiveRun] == RUNS
        grown = {kind.__name__: after[kind] - before[kind] for kind in (deque, set, ExitStack)}
        assert {name: count for name, count in grown.items() if count >= RUNS} == {}


async def test_a_sleeping_run_does_not_keep_the_context_of_whoever_started_it(open_app: Opener) -> None:
    class Caller:
        pass

    async with open_app(sleeping) as app:

        async def call(caller: Caller) -> UUID:
            CALLER.set(caller)
            return (await sleeping.start()).id

        with no_collector():
            # In a task of its own, as a request is.
            await asyncio.create_task(call(Caller()))
            await until_all_sleep(app, 1)

            async def forgotten() -> bool:
                return not any(type(each) is Caller for each in gc.get_objects())

            await until(forgotten)


async def test_a_run_that_is_being_taken_back_counts_as_executed(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request for its end that comes meanwhile is looked for only if the worker may hold a run."""
    async with open_app(impatient) as app:
        store, executing = client().store, list[int]()
        submit = store.submit

        def noting(entry: Entry) -> asyncio.Future[Any]:
            if isinstance(entry, Reclaim):
                executing.append(app.worker.executing)
            return submit(entry)

        monkeypatch.setattr(store, "submit", noting)
        assert await impatient() == "enough"
        assert executing == [1]
