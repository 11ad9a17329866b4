"""No body begins on a lease that has run out: the step waits for a sign of life, or leaves the run to whoever has it now."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from planar.clock import SYSTEM_CLOCK
from planar.engine.execution.run import LiveRun
from planar.engine.store.lease import WorkerLease
from planar.workflows import step, wait_for_event, workflow
from tests.integration.engine.conftest import Opener, client, until_status

pytestmark = pytest.mark.anyio

begun: list[str] = []
lent: list[WorkerLease] = []
"""The lease that runs out in a body."""


@step()
async def begin(name: str) -> str:
    begun.append(name)
    return name


@step()
async def fail_late(name: str) -> str:
    begun.append(name)
    if len(begun) == 1:
        lent[0].renew(SYSTEM_CLOCK.monotonic() - 1)
        raise ConnectionError("whoever takes the run over has ended the transaction")
    return name


@workflow()
async def failing(name: str) -> str:
    return await fail_late(name)


@workflow()
async def beginning(name: str) -> str:
    return await begin(name)


@workflow()
async def beginning_later(name: str) -> str:
    await wait_for_event("go")
    return await begin(name)


@pytest.fixture
def waiting(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a step waits for the lease."""
    begun.clear()
    event, keep = asyncio.Event(), LiveRun.keep_lease

    async def keep_lease(live: LiveRun) -> None:
        event.set()
        await keep(live)

    monkeypatch.setattr(LiveRun, "keep_lease", keep_lease)
    return event


async def test_a_body_waits_for_a_beat_and_begins_then(open_app: Opener, waiting: asyncio.Event) -> None:
    async with open_app(beginning) as app:
        app.worker._lease.renew(SYSTEM_CLOCK.monotonic() - 1)
        run = await beginning.start("one")
        await asyncio.wait_for(waiting.wait(), 10)
        assert begun == []
        app.worker._lease.renew(SYSTEM_CLOCK.monotonic() + 60)
        assert await asyncio.wait_for(beginning.wait_for_completion(run.id), 10) == "one"


async def test_a_run_that_was_taken_over_meanwhile_begins_nothing_more_here(open_app: Opener, waiting: asyncio.Event) -> None:
    async with open_app(beginning) as app:
        lease = app.worker._lease
        lease.renew(SYSTEM_CLOCK.monotonic() - 1)
        run = await beginning.start("one")
        await asyncio.wait_for(waiting.wait(), 10)
        waiting.clear()
        lease.lose()
        # Nobody has taken it here, so it is given back, and claimed again: by a claim of the new term, which waits as well.
        await asyncio.wait_for(waiting.wait(), 10)
        assert begun == []
        lease.renew(SYSTEM_CLOCK.monotonic() + 60)
        assert await asyncio.wait_for(beginning.wait_for_completion(run.id), 10) == "one"
        assert begun == ["one"]


async def test_a_run_whose_worker_was_taken_for_dead_while_its_history_was_loaded_begins_nothing_here(
    open_app: Opener, waiting: asyncio.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(beginning_later, max_parked_runs=0) as app:
        lease, store = app.worker._lease, client().store
        load_steps = store.load_steps
        run = await beginning_later.start("one")
        await until_status(run.id, "suspended")

        async def load_while_it_is_lost(run_ids: Any) -> Any:
            monkeypatch.setattr(store, "load_steps", load_steps)
            lease.lose()
            lease.renew(SYSTEM_CLOCK.monotonic() + 60)
            return await load_steps(run_ids)

        monkeypatch.setattr(store, "load_steps", load_while_it_is_lost)
        await client().emit(client().new_event("go", "{}"))
        # Nobody has taken it, so it is given back, and claimed again.
        assert await asyncio.wait_for(beginning_later.wait_for_completion(run.id), 10) == "one"
        assert waiting.is_set()
        assert begun == ["one"]


async def test_how_a_step_failed_counts_only_if_the_run_is_still_this_workers(open_app: Opener, waiting: asyncio.Event) -> None:
    async with open_app(failing) as app:
        lease = app.worker._lease
        lent[:] = [lease]
        run = await failing.start("one")
        await asyncio.wait_for(waiting.wait(), 10)
        lease.lose()
        lease.renew(SYSTEM_CLOCK.monotonic() + 60)
        assert await asyncio.wait_for(failing.wait_for_completion(run.id), 10) == "one"
        assert begun == ["one", "one"]
