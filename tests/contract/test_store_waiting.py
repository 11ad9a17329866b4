"""The promises of the store about waiting: nothing is lost between looking and sleeping, and only who waits is woken."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from planar.engine.core.model import Event, Reason, RunStatus, StepStatus
from planar.engine.errors import StaleEpoch
from planar.engine.store.port import Claims, Emit, Emitted, EventWait, Reclaim, RunWait, Slept, StartRun, Store
from tests.contract.store_world import (
    HandClock,
    Held,
    World,
    begin,
    claim,
    claimed,
    done,
    mark,
    new_event,
    new_run,
    steps,
    wait_for,
)

pytestmark = pytest.mark.anyio

ASLEEP = Slept(asleep=True)


async def emit(store: Store, clock: HandClock, key: str = "paid", **fields: object) -> Event:
    emitted: Emitted = await store.submit(Emit(new_event(clock, key, **fields)))
    assert emitted.created
    return emitted.event


# -- an event before, during and after the wait ---------------------------------------------------------------------------


async def test_an_event_before_the_wait_reaches_it_at_once(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    event = await emit(store, clock)
    assert await store.submit(held.sleep_for_event()) == Slept(asleep=False, found=(event,))
    await store.submit(held.save(done()))


async def test_an_event_submitted_just_before_the_wait_reaches_it(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    emitting, sleeping = store.submit(Emit(new_event(clock))), store.submit(held.sleep_for_event())
    emitted = await emitting
    assert emitted.woken == 0
    assert await sleeping == Slept(asleep=False, found=(emitted.event,))


async def test_an_event_submitted_just_after_the_wait_wakes_it(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    sleeping, emitting = store.submit(held.sleep_for_event()), store.submit(Emit(new_event(clock)))
    assert await sleeping == ASLEEP
    emitted = await emitting
    assert emitted.woken == 1
    worker = uuid7()
    assert await claimed(store, worker) == [held.run.id]
    assert await store.submit(held.taken_by(worker, 2).sleep_for_event()) == Slept(asleep=False, found=(emitted.event,))


async def test_an_event_of_another_process_just_after_the_wait_wakes_it(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    held = await begin(here, clock)
    for _ in range(20):
        slept, emitted = await asyncio.gather(here.submit(held.sleep_for_event()), there.submit(Emit(new_event(clock))))
        # Whichever came first: the run never sleeps while the event is there.
        assert (slept.found == (emitted.event,)) if not slept.asleep else emitted.woken == 1
        if slept.asleep:
            found = await claim(here, held.holder.worker_id)
            assert [each.run.id for each in found.claims] == [held.run.id]
            held = held.taken_by(held.holder.worker_id, found.claims[0].epoch)
        held = Held(held.run._replace(created_at=clock.move(seconds=1)), held.holder)


async def test_an_event_long_after_the_wait_wakes_it(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    assert await store.submit(held.sleep_for_event()) == ASLEEP
    clock.move(days=30)
    assert await claimed(store) == []
    assert (await store.submit(Emit(new_event(clock)))).woken == 1
    assert await claimed(store) == [held.run.id]


async def test_waking_takes_nothing(store: Store, clock: HandClock) -> None:
    one, two = await begin(store, clock), await begin(store, clock)
    for held in (one, two):
        assert await store.submit(held.sleep_for_event()) == ASLEEP
    emitted = await store.submit(Emit(new_event(clock)))
    assert emitted.woken == 2
    assert sorted(await claimed(store)) == sorted([one.run.id, two.run.id])
    for held in (one, two):
        assert await store.look([wait_for(held.run)]) == (emitted.event,)


async def test_a_run_that_is_due_already_is_not_woken_again(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.sleep_for_event())
    assert (await store.submit(Emit(new_event(clock)))).woken == 1
    assert (await store.submit(Emit(new_event(clock)))).woken == 0
    assert await claimed(store) == [held.run.id]


# -- who is woken ---------------------------------------------------------------------------------------------------------


async def test_an_event_wakes_only_those_that_wait_for_its_key(store: Store, clock: HandClock) -> None:
    waiting, other, timer, child, held = [await begin(store, clock) for _ in range(5)]
    due = clock.now() + timedelta(hours=1)
    await store.submit(waiting.sleep_for_event())
    await store.submit(other.sleep_for_event("refunded"))
    await store.submit(timer.sleep(due_at=due))
    await store.submit(child.sleep(Reason.CHILD, waits=(RunWait(held.run.id),)))
    assert (await store.submit(Emit(new_event(clock)))).woken == 1
    found = await claim(store, uuid7())
    assert [each.run.id for each in found.claims] == [waiting.run.id]
    assert found.next_due == due


async def test_an_event_for_one_run_wakes_that_run_only(store: Store, clock: HandClock) -> None:
    one, two = await begin(store, clock), await begin(store, clock)
    for held in (one, two):
        await store.submit(held.sleep_for_event())
    assert (await store.submit(Emit(new_event(clock, run_id=two.run.id)))).woken == 1
    assert await claimed(store) == [two.run.id]


async def test_an_event_for_another_run_is_not_seen(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await emit(store, clock, run_id=uuid7())
    assert await store.look([wait_for(held.run)]) == (None,)
    assert await store.submit(held.sleep_for_event()) == ASLEEP


async def test_an_event_for_this_run_counts_however_old_it_is(store: Store, clock: HandClock) -> None:
    event = await emit(store, clock, run_id=(run_id := uuid7()))
    clock.move(days=1)
    held = await begin(store, clock, id=run_id)
    assert await store.submit(held.sleep_for_event()) == Slept(asleep=False, found=(event,))


async def test_a_global_event_counts_from_the_given_time_on(store: Store, clock: HandClock) -> None:
    early = await emit(store, clock)
    clock.move(microseconds=1)
    held = await begin(store, clock)
    wait = wait_for(held.run)
    assert await store.look([wait]) == (None,)
    assert await store.look([wait._replace(since=early.timestamp)]) == (early,)
    late = await emit(store, clock)
    assert await store.look([wait]) == (late,)
    assert await store.look([wait._replace(since=early.timestamp)]) == (early,)
    assert await store.submit(held.sleep_for_event()) == Slept(asleep=False, found=(late,))


# -- which event is taken -------------------------------------------------------------------------------------------------


async def test_the_oldest_event_that_was_not_taken_comes_first(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    # One moment for all: the order of emission decides, not the time.
    events = [await emit(store, clock, run_id=held.run.id if number % 2 else None) for number in range(5)]
    await emit(store, clock, "refunded")
    wait = wait_for(held.run)
    assert await store.look([wait]) == (events[0],)
    assert await store.look([wait._replace(taken=(events[0].seq,))]) == (events[1],)
    assert await store.look([wait._replace(taken=(events[2].seq, events[0].seq, events[1].seq))]) == (events[3],)
    assert await store.look([wait._replace(taken=(events[1].seq,))]) == (events[0],)
    assert await store.look([wait._replace(after=events[1].seq)]) == (events[2],)
    assert await store.look([wait._replace(after=events[1].seq, taken=(events[2].seq,))]) == (events[3],)
    assert await store.look([wait._replace(taken=tuple(event.seq for event in events))]) == (None,)
    assert await store.look([wait._replace(after=events[-1].seq)]) == (None,)


async def test_events_have_one_total_order(store: Store, clock: HandClock) -> None:
    emitted = await asyncio.gather(*(store.submit(Emit(new_event(clock, key))) for key in "abcab"))
    seqs = [each.event.seq for each in emitted]
    assert seqs == sorted(set(seqs))
    assert min(seqs) > 0


async def test_a_wait_that_took_an_event_sleeps_until_the_next(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    first = await emit(store, clock)
    wait = EventWait("paid", held.run.id, held.run.created_at, after=first.seq)
    assert await store.submit(held.sleep_for_event()._replace(waits=(wait,))) == ASLEEP
    second = await emit(store, clock)
    assert await claimed(store) == [held.run.id]
    assert await store.look([wait]) == (second,)


# -- an event once --------------------------------------------------------------------------------------------------------


async def test_emitting_twice_with_one_id_is_one_event(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    event = new_event(clock, payload='"first"')
    first = await store.submit(Emit(event))
    assert first == Emitted(event._replace(seq=first.event.seq), woken=0, created=True)
    await store.submit(held.sleep_for_event()._replace(waits=(wait_for(held.run, after=first.event.seq),)))
    again = await store.submit(Emit(event._replace(payload='"second"')))
    assert again == Emitted(first.event, woken=0, created=False)
    assert await claimed(store) == []


async def test_emitting_twice_with_one_idempotency_key_is_one_event(store: Store, clock: HandClock) -> None:
    first = await store.submit(Emit(new_event(clock, payload="1", idempotency_key="k")))
    assert first.event.idempotency_key == "k"
    again = await store.submit(Emit(new_event(clock, payload="2", idempotency_key="k")))
    assert again == Emitted(first.event, woken=0, created=False)


async def test_an_events_idempotency_key_belongs_to_its_event_key(store: Store, clock: HandClock) -> None:
    await emit(store, clock, idempotency_key="k")
    assert (await emit(store, clock, "refunded", idempotency_key="k")).key == "refunded"


# -- timers ---------------------------------------------------------------------------------------------------------------


async def test_a_timer_is_never_early(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    due = clock.now() + timedelta(seconds=10)
    assert await store.submit(held.sleep(due_at=due)) == ASLEEP
    clock.move(seconds=9, milliseconds=999)
    assert await claim(store, uuid7()) == Claims((), next_due=due)
    clock.move(milliseconds=1)
    assert await claimed(store) == [held.run.id]


async def test_a_time_that_has_come_is_not_slept_for(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    for due in (clock.now(), clock.now() - timedelta(days=1)):
        assert await store.submit(held.sleep(due_at=due)) == Slept(asleep=False)
    await store.submit(held.save(done()))


async def test_a_wait_with_a_deadline_wakes_at_it_and_can_take_nothing(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    deadline = clock.now() + timedelta(minutes=1)
    sleep = held.sleep_for_event()._replace(due_at=deadline)
    assert await store.submit(sleep) == ASLEEP
    clock.move(minutes=1)
    worker = uuid7()
    assert await claimed(store, worker) == [held.run.id]
    mine = held.taken_by(worker, 2)
    assert await store.submit(sleep._replace(holder=mine.holder)) == Slept(asleep=False)
    # It waits for nothing any more: an event must not count it as woken.
    assert (await store.submit(Emit(new_event(clock)))).woken == 0


async def test_an_event_before_the_deadline_counts_even_if_seen_after_it(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    event = await emit(store, clock)
    clock.move(hours=1)
    late = held.sleep_for_event()._replace(due_at=clock.now() - timedelta(minutes=1))
    assert await store.submit(late) == Slept(asleep=False, found=(event,))


# -- marks ----------------------------------------------------------------------------------------------------------------


async def test_a_sleep_leaves_its_marks(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.save(done("1")))
    due = clock.now() + timedelta(hours=1)
    marks = (mark("2", wakeup_at=due), mark("2.1", step_id=3), mark("1", seq=None))
    assert await store.submit(held.sleep(due_at=due, marks=marks)) == ASLEEP
    saved = await steps(store, held.run)
    assert {path: record.status for path, record in saved.items()} == {
        "1": StepStatus.SUCCEEDED,
        "2": StepStatus.RUNNING,
        "2.1": StepStatus.RUNNING,
    }
    assert saved["2"].wakeup_at == due


async def test_a_sleep_that_need_not_be_leaves_no_marks(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    assert await store.submit(held.sleep(due_at=clock.now(), marks=(mark("1"),))) == Slept(asleep=False)
    assert await steps(store, held.run) == {}


# -- children -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED])
async def test_a_childs_end_wakes_its_parent(store: Store, clock: HandClock, how: RunStatus) -> None:
    parent, stranger = await begin(store, clock), await begin(store, clock)
    child = await begin(store, clock, parent_id=parent.run.id)
    assert await store.submit(parent.sleep(Reason.CHILD, waits=(RunWait(child.run.id),))) == ASLEEP
    await store.submit(stranger.sleep(Reason.CHILD, waits=(RunWait(parent.run.id),)))
    assert await claimed(store) == []
    await store.submit(child.end(how))
    assert await claimed(store) == [parent.run.id]


async def test_a_parent_does_not_sleep_after_its_childs_end(store: Store, clock: HandClock) -> None:
    parent = await begin(store, clock)
    child = await begin(store, clock, parent_id=parent.run.id)
    await store.submit(child.end())
    ended = await store.load_run(child.run.id)
    assert await store.submit(parent.sleep(Reason.CHILD, waits=(RunWait(child.run.id),))) == Slept(asleep=False, found=(ended,))
    assert ended is not None
    assert ended.status is RunStatus.SUCCEEDED


@pytest.mark.parametrize("first", ["end", "sleep"])
async def test_a_childs_end_and_its_parents_sleep_in_one_batch_lose_nothing(store: Store, clock: HandClock, first: str) -> None:
    parent = await begin(store, clock)
    child = await begin(store, clock, parent_id=parent.run.id)
    entries = [child.end(), parent.sleep(Reason.CHILD, waits=(RunWait(child.run.id),))]
    outcomes = await asyncio.gather(*(store.submit(entry) for entry in (entries if first == "end" else reversed(entries))))
    if first == "end":
        assert outcomes[1].found[0].id == child.run.id
        await store.submit(parent.save(done()))
    else:
        assert outcomes[0] == ASLEEP
        assert await claimed(store) == [parent.run.id]


async def test_any_run_can_wait_for_any_other(store: Store, clock: HandClock) -> None:
    one, two, awaited = [await begin(store, clock) for _ in range(3)]
    for held in (one, two):
        await store.submit(held.sleep(Reason.CHILD, waits=(RunWait(awaited.run.id),)))
    await store.submit(awaited.end())
    assert sorted(await claimed(store)) == sorted([one.run.id, two.run.id])


async def test_a_run_and_an_event_of_its_name_are_not_mixed_up(store: Store, clock: HandClock) -> None:
    child, by_event, by_run = [await begin(store, clock) for _ in range(3)]
    await store.submit(by_event.sleep_for_event(f"run:{child.run.id.hex}"))
    await store.submit(by_run.sleep(Reason.CHILD, waits=(RunWait(child.run.id),)))
    await store.submit(child.end())
    assert await claimed(store) == [by_run.run.id]


# -- awake again ----------------------------------------------------------------------------------------------------------


async def test_a_sleeping_run_can_be_claimed_back_by_its_worker(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.sleep_for_event()._replace(due_at=clock.now() + timedelta(hours=1)))
    assert await store.submit(Reclaim(held.holder)) == 2
    # It does not wait any more, neither for the event nor for the time.
    assert (await store.submit(Emit(new_event(clock)))).woken == 0
    clock.move(days=1)
    assert await claim(store, uuid7()) == Claims((), next_due=None)
    await store.submit(held.taken_by(held.holder.worker_id, 2).save(done()))
    with pytest.raises(StaleEpoch):
        await store.submit(held.save(done("2", seq=2)))


async def test_a_woken_run_can_still_be_claimed_back(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.sleep_for_event())
    await emit(store, clock)
    assert await store.submit(Reclaim(held.holder)) == 2
    assert await claimed(store) == []


async def test_a_run_that_another_worker_claimed_cannot_be_claimed_back(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.sleep_for_event())
    await emit(store, clock)
    other = uuid7()
    assert await claimed(store, other) == [held.run.id]
    with pytest.raises(StaleEpoch):
        await store.submit(Reclaim(held.holder))
    # Neither while the other one sleeps with it.
    await store.submit(held.taken_by(other, 2).sleep(due_at=clock.now() + timedelta(hours=1)))
    with pytest.raises(StaleEpoch):
        await store.submit(Reclaim(held.holder))


async def test_a_run_that_ended_cannot_be_claimed_back(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.end())
    with pytest.raises(StaleEpoch):
        await store.submit(Reclaim(held.holder))


async def test_a_run_sleeps_again_and_again(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    child = new_run(clock)
    await store.submit(StartRun(child, held.holder.worker_id))
    for epoch in range(1, 6):
        held = held.taken_by(held.holder.worker_id, epoch)
        due = clock.now() + timedelta(minutes=1)
        assert await store.submit(held.sleep(due_at=due, waits=(RunWait(child.id),), marks=(mark(str(epoch)),))) == ASLEEP
        clock.move(minutes=1)
        found = await claim(store, held.holder.worker_id)
        assert [(each.run.id, each.epoch) for each in found.claims] == [(held.run.id, epoch + 1)]
    assert len(await steps(store, held.run)) == 5
