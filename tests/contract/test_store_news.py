"""The promises of the store about news: what a commit changed for others is told once, after it, to everybody."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import Reason, Run, RunStatus
from planar.engine.store.port import Cancel, Emit, Entry, News, Reclaim, RegisterWorker, Release, RetireWorker, RunWait, StartRun, Store
from tests.contract.store_world import HandClock, Heard, Held, World, begin, claim, done, mark, new_event, new_run, until

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)


async def test_a_start_that_anybody_may_claim_is_news(store: Store, clock: HandClock) -> None:
    heard = Heard(store)
    run = new_run(clock)
    await store.submit(StartRun(run))
    await store.submit(StartRun(run))
    assert heard.own == [News(due=True)]


SILENT: dict[str, Callable[[Held, HandClock], Entry]] = {
    "a claimed start": lambda held, clock: StartRun(new_run(clock), held.holder.worker_id),
    "a step": lambda held, clock: held.save(done()),
    "a mark": lambda held, clock: held.save(mark()),
    "a sleep without an end": lambda held, clock: held.sleep_for_event("nothing"),
    "a sleep that need not be": lambda held, clock: held.sleep(due_at=clock.now()),
    "a cancellation of nothing": lambda held, clock: Cancel(uuid7(), "enough", "{}"),
    "a worker": lambda held, clock: RegisterWorker(uuid7(), "host", "", 1),
    "a worker that held nothing": lambda held, clock: RetireWorker(uuid7(), died=True),
}


@pytest.mark.parametrize("entry", SILENT.values(), ids=SILENT)
async def test_what_changes_nothing_for_others_is_no_news(
    store: Store, clock: HandClock, entry: Callable[[Held, HandClock], Entry]
) -> None:
    held = await begin(store, clock)
    heard = Heard(store)
    await store.submit(entry(held, clock))
    await store.submit(StartRun(new_run(clock)))
    # What comes next is heard, and nothing before it.
    assert heard.own == [News(due=True)]


async def test_looking_is_no_news_to_anybody(world: World, clock: HandClock) -> None:
    """Otherwise two workers that look when they hear would wake each other for ever."""
    here, there = await world.store(), await world.store()
    heard, elsewhere = Heard(here), Heard(there)
    await claim(here, uuid7())
    for _ in range(3):
        await there.load_run(uuid7())
    assert elsewhere.news == []
    await here.submit(StartRun(new_run(clock)))
    await until(lambda: elsewhere.foreign == 1, "the start was heard")
    assert heard.news == [News(due=True)]
    assert elsewhere.news == [News(foreign=True)]


async def test_a_sleep_tells_until_when(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    heard = Heard(store)
    await store.submit(held.sleep(due_at=clock.now() + HOUR))
    assert heard.own == [News(next_due=clock.now() + HOUR)]


async def test_news_of_a_batch_have_the_earliest_time(store: Store, clock: HandClock) -> None:
    sleeping = [await begin(store, clock) for _ in range(3)]
    heard = Heard(store)
    await asyncio.gather(
        *(store.submit(held.sleep(due_at=clock.now() + hours * HOUR)) for held, hours in zip(sleeping, (2, 1, 3), strict=True))
    )
    times = [news.next_due for news in heard.own if news.next_due is not None]
    assert min(times) == clock.now() + HOUR


async def test_an_end_is_news(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    heard = Heard(store)
    await store.submit(held.end(RunStatus.FAILED, None, "{}"))
    assert heard.own == [News(ended={held.run.id: RunStatus.FAILED})]


async def test_news_of_an_end_say_how_it_was(store: Store, clock: HandClock) -> None:
    failing, cancelled = await begin(store, clock), await begin(store, clock)
    await store.submit(cancelled.sleep_for_event())
    heard = Heard(store)
    await store.submit(failing.end(RunStatus.FAILED, None, "{}"))
    await store.submit(Cancel(cancelled.run.id, "enough", '{"type":"C"}'))
    assert [news.endings for news in heard.own] == [
        {failing.run.id: Ending(RunStatus.FAILED, None, "{}")},
        {cancelled.run.id: Ending(RunStatus.CANCELLED, None, '{"type":"C"}')},
    ]


async def test_of_two_ends_in_one_batch_each_wakes_its_own(store: Store, clock: HandClock) -> None:
    parent, child, other = await begin(store, clock), await begin(store, clock), await begin(store, clock)
    heard = Heard(store)
    # Nobody waits for the first end; the wait comes after it and before the second, perhaps in one transaction.
    first = store.submit(other.end())
    asleep = store.submit(parent.sleep(Reason.CHILD, waits=(RunWait(child.run.id),)))
    await asyncio.gather(first, asleep, store.submit(child.end()))
    assert any(news.due for news in heard.own)


async def test_an_end_that_wakes_somebody_says_so(store: Store, clock: HandClock) -> None:
    parent, child = await begin(store, clock), await begin(store, clock)
    await store.submit(parent.sleep(Reason.CHILD, waits=(RunWait(child.run.id),)))
    heard = Heard(store)
    await store.submit(child.end())
    assert heard.own == [News(due=True, ended={child.run.id: RunStatus.SUCCEEDED})]


async def test_an_event_is_news_for_who_may_wait_for_it_while_executing(store: Store, clock: HandClock) -> None:
    heard = Heard(store)
    event = new_event(clock)
    await store.submit(Emit(event))
    assert heard.own == [News(emitted={event.key})]


async def test_an_event_that_wakes_somebody_says_so(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.sleep_for_event())
    heard = Heard(store)
    event = new_event(clock)
    await store.submit(Emit(event))
    assert heard.own == [News(due=True, emitted={event.key})]


async def test_a_release_and_a_retirement_are_news(store: Store, clock: HandClock) -> None:
    one, two = await begin(store, clock), await begin(store, clock)
    heard = Heard(store)
    await store.submit(Release(one.holder))
    await store.submit(RetireWorker(two.holder.worker_id))
    assert heard.own == [News(due=True), News(due=True)]


async def test_a_cancellation_tells_who_ended_and_who_is_asked(store: Store, clock: HandClock) -> None:
    parent = await begin(store, clock)
    child = await begin(store, clock, parent_id=parent.run.id)
    await store.submit(child.sleep_for_event())
    heard = Heard(store)
    await store.submit(Cancel(parent.run.id, "enough", "{}"))
    assert heard.own == [News(ended={child.run.id: RunStatus.CANCELLED}, cancel={parent.run.id: "enough"})]


async def test_a_claim_back_is_no_news(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.sleep_for_event())
    heard = Heard(store)
    await store.submit(Reclaim(held.holder))
    assert heard.own == []


# -- how they are told ----------------------------------------------------------------------------------------------------


async def test_what_is_told_is_durable_already(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    held = await begin(here, clock)
    seen: list[asyncio.Task[Run | None]] = []
    here.subscribe(lambda news: seen.extend(asyncio.ensure_future(there.load_run(run_id)) for run_id in news.ended))
    await here.submit(held.end())
    await until(lambda: bool(seen), "the end was told")
    run = await seen[0]
    assert run is not None
    assert run.status is RunStatus.SUCCEEDED


async def test_everybody_is_told_also_after_one_who_fails(store: Store, clock: HandClock, caplog: pytest.LogCaptureFixture) -> None:
    def fail(news: News) -> None:
        raise LookupError("a broken listener")

    store.subscribe(fail)
    heard = Heard(store)
    await store.submit(StartRun(new_run(clock)))
    await until(lambda: heard.own == [News(due=True)], "the second listener was told")
    assert "a listener to the store failed" in caplog.text


async def test_who_has_stopped_listening_is_not_told(store: Store, clock: HandClock) -> None:
    silent, heard = Heard(store), Heard(store)
    silent.stop()
    silent.stop()
    await store.submit(StartRun(new_run(clock)))
    assert heard.own == [News(due=True)]
    assert silent.news == []


# -- between processes ----------------------------------------------------------------------------------------------------


async def test_what_another_process_wrote_is_heard_within_a_second(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    heard_here, heard_there = Heard(here), Heard(there)
    await here.submit(StartRun(new_run(clock)))
    await until(lambda: heard_there.foreign == 1, "the other process heard of the start", seconds=1)
    held = await begin(there, clock)
    await until(lambda: heard_here.foreign == 1, "and this one of its answer", seconds=1)
    await there.submit(held.end())
    await until(lambda: heard_here.foreign == 2, "and of the next", seconds=1)
    # Nobody hears of its own writes as of another's.
    assert (heard_here.foreign, heard_there.foreign) == (2, 1)


async def test_another_process_is_heard_also_while_there_is_much_to_do_here(world: World, clock: HandClock) -> None:
    busy, other = await world.store(), await world.store()
    held = await begin(busy, clock)
    heard = Heard(busy)
    stopped = False

    async def work() -> None:
        while not stopped:
            await busy.submit(held.save(mark()))

    working = asyncio.ensure_future(work())
    try:
        await other.submit(StartRun(new_run(clock)))
        await until(lambda: heard.foreign > 0, "a busy process heard of another one's write", seconds=1)
    finally:
        stopped = True
        await working
