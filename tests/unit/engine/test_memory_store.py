"""What the memory store does its own way; what every store does stands in the contract suite."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from uuid_utils.compat import uuid7

from planar.engine.core.model import RunStatus
from planar.engine.errors import StaleEpoch
from planar.engine.store.memory import MemoryDatabase, MemoryStore
from planar.engine.store.port import News, StartRun
from tests.contract.store_world import HandClock, Heard, begin, claimed, done, new_run, status, steps

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def store(clock: HandClock) -> MemoryStore:
    store = MemoryStore(MemoryDatabase(clock))
    await store.open()
    return store


async def test_without_a_database_it_has_one_of_its_own() -> None:
    one, two = MemoryStore(), MemoryStore()
    assert one.database is not two.database
    assert one.now().tzinfo is not None


async def test_nothing_is_applied_before_the_loop_turns(store: MemoryStore, clock: HandClock) -> None:
    """Otherwise a simulation could not kill a process between a write and its durability."""
    run = new_run(clock)
    future = store.submit(StartRun(run))
    assert store.database.runs == {}
    await future
    assert store.database.runs == {run.id: run}


async def test_what_is_submitted_in_one_turn_is_one_group(store: MemoryStore, clock: HandClock) -> None:
    heard = Heard(store)
    await asyncio.gather(*(store.submit(StartRun(new_run(clock))) for _ in range(3)))
    assert heard.news == [News(due=True)]


async def test_entries_for_a_session_are_applied_at_once_after_what_waits(store: MemoryStore, clock: HandClock) -> None:
    held = await begin(store, clock)
    heard = Heard(store)
    waiting = store.submit(held.save(done("1")))
    assert await store.submit_in(None, [held.end()]) == [None]
    assert waiting.done()
    assert await status(store, held.run) is RunStatus.SUCCEEDED
    assert heard.news == [News(ended={held.run.id: RunStatus.SUCCEEDED})]


async def test_of_several_entries_for_a_session_all_are_applied_or_none(store: MemoryStore, clock: HandClock) -> None:
    held = await begin(store, clock)
    stale = replace(held, holder=held.holder._replace(epoch=5))
    heard = Heard(store)
    with pytest.raises(StaleEpoch):
        await store.submit_in(None, [StartRun(new_run(clock)), held.save(done("1")), held.end(), stale.save(done("2"))])
    assert heard.news == []
    assert await claimed(store) == []
    assert await steps(store, held.run) == {}
    assert await status(store, held.run) is RunStatus.PENDING
    await store.submit(held.save(done("1")))


async def test_a_killed_worker_keeps_what_it_holds(store: MemoryStore, clock: HandClock) -> None:
    worker = uuid7()
    await store.enlist(worker)
    held = await begin(store, clock, worker)
    store.database.kill(worker)
    assert await store.dead_workers(uuid7()) == [worker]
    assert await claimed(store) == []
    await store.submit(held.save(done()))
