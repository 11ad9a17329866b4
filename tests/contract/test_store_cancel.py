"""The promises of the store about ending a run from outside."""

from __future__ import annotations

from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from planar.engine.core.model import Reason, Run, RunStatus
from planar.engine.errors import StaleEpoch
from planar.engine.store.port import Cancel, Cancelled, Claims, Emit, Holder, Release, RetireWorker, RunWait, Slept, StartRun, Store
from tests.contract.store_world import HandClock, Heard, Held, begin, claim, claimed, done, new_event, new_run, status, steps

pytestmark = pytest.mark.anyio

ERROR = '{"type":"RunCancelled"}'
AT_ONCE = Cancelled(RunStatus.CANCELLED, already_ended=False)
ASKED = Cancelled(RunStatus.RUNNING, already_ended=False)


async def cancel(store: Store, run: Run, reason: str = "enough") -> Cancelled | None:
    return await store.submit(Cancel(run.id, reason, ERROR))


async def pending(store: Store, clock: HandClock, **fields: object) -> Run:
    run = new_run(clock, **fields)
    await store.submit(StartRun(run))
    return run


async def test_an_unknown_run_cannot_be_cancelled(store: Store) -> None:
    assert await store.submit(Cancel(uuid7(), "enough", ERROR)) is None


async def test_a_run_that_nobody_began_ends_at_once(store: Store, clock: HandClock) -> None:
    run = await pending(store, clock)
    assert await cancel(store, run) == AT_ONCE
    assert await store.load_run(run.id) == run._replace(status=RunStatus.CANCELLED, error=ERROR)
    assert await claimed(store) == []


async def test_a_sleeping_run_ends_at_once_and_waits_for_nothing_any_more(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.save(done()))
    await store.submit(held.sleep_for_event()._replace(due_at=clock.now() + timedelta(hours=1)))
    assert await cancel(store, held.run) == AT_ONCE
    assert await store.load_run(held.run.id) == held.run._replace(status=RunStatus.CANCELLED, error=ERROR)
    assert (await store.submit(Emit(new_event(clock)))).woken == 0
    clock.move(days=1)
    assert await claim(store, uuid7()) == Claims((), next_due=None)
    assert list(await steps(store, held.run)) == ["1"]
    with pytest.raises(StaleEpoch):
        await store.submit(held.save(done("2", seq=2)))


async def test_a_run_that_was_handed_over_ends_at_once(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(Release(held.holder))
    assert await cancel(store, held.run) == AT_ONCE
    assert await claimed(store) == []


async def test_a_running_run_is_asked_and_may_clean_up(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    assert await cancel(store, held.run) == ASKED
    assert await store.load_run(held.run.id) == held.run
    assert await store.cancel_requests(held.holder.worker_id) == {held.run.id: "enough"}
    await store.submit(held.save(done()))
    await store.submit(held.end(RunStatus.CANCELLED, None, ERROR))
    assert await status(store, held.run) is RunStatus.CANCELLED
    assert await store.cancel_requests(held.holder.worker_id) == {}


async def test_a_request_is_told_to_the_worker_that_holds_the_run_only(store: Store, clock: HandClock) -> None:
    held, other = await begin(store, clock), await begin(store, clock)
    await begin(store, clock, held.holder.worker_id)
    await cancel(store, held.run)
    assert await store.cancel_requests(other.holder.worker_id) == {}
    assert await store.cancel_requests(held.holder.worker_id) == {held.run.id: "enough"}


async def test_a_run_that_is_to_end_does_not_sleep(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await cancel(store, held.run)
    until_later = held.sleep(due_at=clock.now() + timedelta(hours=1))
    for sleep in (until_later, held.sleep_for_event(), held.sleep(Reason.CHILD, waits=(RunWait(held.run.id),))):
        assert await store.submit(sleep) == Slept(asleep=False)
    assert await claim(store, uuid7()) == Claims((), next_due=None)


async def test_a_request_and_a_sleep_in_one_batch_never_leave_a_sleeping_run(store: Store, clock: HandClock) -> None:
    due = clock.now() + timedelta(hours=1)
    for sleep_first in (True, False):
        held = await begin(store, clock)
        entries = [held.sleep(due_at=due), Cancel(held.run.id, "enough", ERROR)]
        futures = [store.submit(entry) for entry in (entries if sleep_first else reversed(entries))]
        outcomes = [await future for future in futures]
        assert outcomes == ([Slept(asleep=True), AT_ONCE] if sleep_first else [ASKED, Slept(asleep=False)])
    assert await claim(store, uuid7()) == Claims((), next_due=None)


async def test_a_run_that_ended_stays_as_it_ended(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.end())
    ended = await store.load_run(held.run.id)
    assert await cancel(store, held.run) == Cancelled(RunStatus.SUCCEEDED, already_ended=True)
    assert await store.load_run(held.run.id) == ended


async def test_cancelling_twice_is_cancelling_once(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    assert await cancel(store, held.run, "first") == ASKED
    assert await cancel(store, held.run, "second") == ASKED
    assert await store.cancel_requests(held.holder.worker_id) == {held.run.id: "first"}
    run = await pending(store, clock)
    assert await cancel(store, run) == AT_ONCE
    assert await cancel(store, run) == Cancelled(RunStatus.CANCELLED, already_ended=True)


async def test_children_end_too_and_their_children(store: Store, clock: HandClock) -> None:
    parent = await begin(store, clock)
    worker = uuid7()
    asleep = await begin(store, clock, parent_id=parent.run.id)
    await store.submit(asleep.sleep_for_event())
    running = await begin(store, clock, worker, parent_id=asleep.run.id)
    ended = await begin(store, clock, parent_id=parent.run.id)
    await store.submit(ended.end())
    untouched = await begin(store, clock, worker)
    grandchild = await pending(store, clock, parent_id=running.run.id)
    assert await cancel(store, parent.run) == ASKED
    assert await status(store, asleep.run) is RunStatus.CANCELLED
    assert await status(store, grandchild) is RunStatus.CANCELLED
    assert await status(store, ended.run) is RunStatus.SUCCEEDED
    assert await store.cancel_requests(parent.holder.worker_id) == {parent.run.id: "enough"}
    assert await store.cancel_requests(worker) == {running.run.id: "enough"}
    await store.submit(untouched.save(done()))


async def test_a_child_can_be_cancelled_alone(store: Store, clock: HandClock) -> None:
    parent = await begin(store, clock)
    child = await begin(store, clock, parent_id=parent.run.id)
    await store.submit(child.sleep_for_event())
    await store.submit(parent.sleep(Reason.CHILD, waits=(RunWait(child.run.id),)))
    assert await cancel(store, child.run) == AT_ONCE
    assert await status(store, parent.run) is RunStatus.PENDING
    # Its parent hears how it ended.
    assert await claimed(store) == [parent.run.id]


async def test_a_long_line_of_descendants_ends(store: Store, clock: HandClock) -> None:
    line = [new_run(clock)]
    for _ in range(1500):
        line.append(new_run(clock, parent_id=line[-1].id))
    for future in [store.submit(StartRun(run)) for run in line]:
        await future
    assert await cancel(store, line[0]) == AT_ONCE
    assert await claimed(store) == []
    assert await status(store, line[-1]) is RunStatus.CANCELLED


@pytest.mark.parametrize("how", ["handed over", "its worker died"])
async def test_a_request_is_kept_until_the_run_has_ended(store: Store, clock: HandClock, how: str) -> None:
    held = await begin(store, clock)
    await cancel(store, held.run)
    await store.submit(Release(held.holder) if how == "handed over" else RetireWorker(held.holder.worker_id, died=True))
    worker = uuid7()
    found = await claim(store, worker)
    assert [(each.run.id, each.cancel_reason) for each in found.claims] == [(held.run.id, "enough")]
    again = Held(held.run, Holder(held.run.id, worker, 2))
    assert await store.submit(again.sleep_for_event()) == Slept(asleep=False)
    assert await store.cancel_requests(worker) == {held.run.id: "enough"}


async def test_news_of_a_second_request_say_why_the_first_was_made(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await cancel(store, held.run, "first")
    heard = Heard(store)
    await cancel(store, held.run, "second")
    assert [news.cancel for news in heard.own] == [{held.run.id: "first"}]


# -- with a step's record -------------------------------------------------------------------------------------------------


async def test_a_request_that_belongs_to_a_record_ends_the_run_and_its_children(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    child = await begin(store, clock, parent_id=held.run.id)
    grandchild = await pending(store, clock, parent_id=child.run.id)
    await store.submit(child.sleep_for_event())
    heard = Heard(store)
    assert await store.submit(held.save(done(), cancel=Cancel(child.run.id, "given up", ERROR))) == AT_ONCE
    assert await store.load_run(child.run.id) == child.run._replace(status=RunStatus.CANCELLED, error=ERROR)
    assert await status(store, grandchild) is RunStatus.CANCELLED
    assert await status(store, held.run) is RunStatus.PENDING
    assert [set(news.ended) for news in heard.own] == [{child.run.id, grandchild.id}]
    assert list(await steps(store, held.run)) == ["1"]


async def test_a_request_that_belongs_to_a_record_is_told_to_a_run_that_executes(store: Store, clock: HandClock) -> None:
    held, child = await begin(store, clock), await begin(store, clock)
    heard = Heard(store)
    assert await store.submit(held.save(done(), cancel=Cancel(child.run.id, "given up", ERROR))) == ASKED
    assert [news.cancel for news in heard.own] == [{child.run.id: "given up"}]


@pytest.mark.parametrize("why", ["stale", "ended"])
async def test_a_refused_record_asks_for_nothing(store: Store, clock: HandClock, why: str) -> None:
    held, child = await begin(store, clock), await begin(store, clock)
    writer = held.taken_by(uuid7(), 7) if why == "stale" else held
    await store.submit(held.save(done("1")))
    with pytest.raises(StaleEpoch):
        await store.submit(writer.save(done("2" if why == "stale" else "1"), cancel=Cancel(child.run.id, "given up", ERROR)))
    assert await store.cancel_requests(child.holder.worker_id) == {}
    assert await status(store, child.run) is RunStatus.PENDING


async def test_a_record_is_kept_also_if_the_run_that_it_gives_up_has_ended_or_is_unknown(store: Store, clock: HandClock) -> None:
    held, child = await begin(store, clock), await begin(store, clock)
    await store.submit(child.end())
    ended = await store.submit(held.save(done("1", seq=1), cancel=Cancel(child.run.id, "given up", ERROR)))
    assert ended == Cancelled(RunStatus.SUCCEEDED, already_ended=True)
    assert await store.submit(held.save(done("2", seq=2), cancel=Cancel(uuid7(), "given up", ERROR))) is None
    assert sorted(await steps(store, held.run)) == ["1", "2"]
    assert await status(store, child.run) is RunStatus.SUCCEEDED
