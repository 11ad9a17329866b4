"""The promises of the store: runs, steps, the fence around every write, and the lane. Every adapter keeps them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest
from uuid_utils.compat import uuid7

from planar.engine.core.model import Reason, RunStatus, StepKind, StepStatus
from planar.engine.errors import StaleEpoch
from planar.engine.store.port import Claims, Emit, Entry, Holder, Reclaim, Release, Sleep, Slept, Started, StartRun, Store
from planar.errors import InternalError
from tests.contract.store_world import (
    HandClock,
    Heard,
    Held,
    World,
    begin,
    claim,
    claimed,
    done,
    mark,
    new_event,
    new_run,
    status,
    steps,
    wait_for,
)

pytestmark = pytest.mark.anyio

NASTY = {
    "null character": '"a\u0000b"',
    "escaped null": r'"a\u0000b"',
    "unicode": '"Ünï 漢字 🦆 שלום \u202e"',
    "quotes": """ '";--%s?:x{} """,
    "newlines": "a\r\nb\tc",
    "huge": "x" * 3_000_000,
    "empty": "",
}

HALF_A_CHARACTER = "\ud800"
"""Text that no database can store."""


# -- the lane -------------------------------------------------------------------------------------------------------------


async def test_what_is_to_be_done_meanwhile_is_done_once_and_before_anybody_knows_the_outcome(store: Store, clock: HandClock) -> None:
    for alone in (True, False, True):
        done: list[bool] = []
        others = [] if alone else [store.submit(StartRun(new_run(clock))) for _ in range(3)]
        started = store.submit(StartRun(new_run(clock)))
        store.meanwhile(lambda done=done, started=started: done.append(started.done()))
        await asyncio.gather(started, *others)
        assert done == [False]


# -- starting -------------------------------------------------------------------------------------------------------------


async def test_a_started_run_is_loaded_as_it_was_started(store: Store, clock: HandClock) -> None:
    parent = new_run(clock)
    run = new_run(clock, args='["a"]', kwargs='{"b":1}', parent_id=parent.id, principal='{"sub":"x"}', idempotency_key="k")
    assert await store.submit(StartRun(run)) == Started(run.id, created=True, epoch=0)
    assert await store.load_run(run.id) == run


async def test_an_unknown_run_is_none(store: Store) -> None:
    assert await store.load_run(uuid7()) is None


async def test_several_runs_are_loaded_as_each_is_and_unknown_ones_left_out(store: Store, clock: HandClock) -> None:
    pending = new_run(clock, principal='{"sub":"x"}')
    await store.submit(StartRun(pending))
    held = await begin(store, clock)
    await store.submit(held.end(RunStatus.FAILED, None, "{}"))
    ended = held.run._replace(status=RunStatus.FAILED, error="{}")
    unknown = [uuid7() for _ in range(40_000)]
    assert await store.load_runs([*unknown, pending.id, held.run.id]) == {pending.id: pending, held.run.id: ended}
    assert await store.load_runs([]) == {}


async def test_starting_twice_with_one_id_is_one_run(store: Store, clock: HandClock) -> None:
    run = new_run(clock)
    first, second = store.submit(StartRun(run)), store.submit(StartRun(run._replace(args="[2]")))
    assert (await first).created
    assert await second == Started(run.id, created=False)
    assert await store.load_run(run.id) == run
    assert await claimed(store) == [run.id]


async def test_starting_twice_with_one_idempotency_key_is_one_run(store: Store, clock: HandClock) -> None:
    first, second = (new_run(clock, idempotency_key="order 7") for _ in range(2))
    await store.submit(StartRun(first))
    assert await store.submit(StartRun(second, uuid7())) == Started(first.id, created=False)
    assert await store.load_run(second.id) is None
    assert await claimed(store) == [first.id]


async def test_an_idempotency_key_used_by_a_run_that_ended_is_still_that_run(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock, idempotency_key="order 7")
    await store.submit(held.end())
    assert await store.submit(StartRun(new_run(clock, idempotency_key="order 7"))) == Started(held.run.id, created=False)
    assert await claimed(store) == []


async def test_an_idempotency_key_belongs_to_one_workflow(store: Store, clock: HandClock) -> None:
    await store.submit(StartRun(new_run(clock, idempotency_key="k")))
    other = new_run(clock, workflow="refunds", idempotency_key="k")
    assert await store.submit(StartRun(other)) == Started(other.id, created=True)


async def test_runs_without_an_idempotency_key_are_all_different(store: Store, clock: HandClock) -> None:
    runs = [new_run(clock) for _ in range(3)]
    assert all([(await store.submit(StartRun(run))).created for run in runs])


async def test_a_run_claimed_with_its_insert_is_not_due_for_anybody(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    assert held.holder.epoch == 1
    assert await claimed(store) == []
    await store.submit(held.save(done()))
    assert list(await steps(store, held.run)) == ["1"]


# -- steps ----------------------------------------------------------------------------------------------------------------


async def test_a_step_is_loaded_as_it_was_saved(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    record = done(
        "2.1",
        seq=4,
        step_id=3,
        parent_step_id=2,
        display_name="Charge",
        kind=StepKind.TOOL_CALL,
        status=StepStatus.FAILED,
        args="[1]",
        kwargs='{"a":2}',
        result=None,
        error='{"type":"E"}',
        sub_step_count=2,
        retry_count=1,
        child_id=uuid7(),
        event_seq=9,
        created_at=clock.now(),
    )
    now = clock.move(seconds=3)
    await store.submit(held.save(record))
    assert await steps(store, held.run) == {"2.1": record._replace(updated_at=now)}


async def test_a_step_that_has_ended_is_saved_once(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.save(done(result='"first"')))
    before = await steps(store, held.run)
    with pytest.raises(StaleEpoch, match="it has ended"):
        await store.submit(held.save(done(seq=2, result='"second"')))
    assert await steps(store, held.run) == before


async def test_a_mark_after_the_end_of_its_step_is_refused(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    ended, late = store.submit(held.save(done())), store.submit(held.save(mark()))
    await ended
    with pytest.raises(StaleEpoch):
        await late
    assert (await steps(store, held.run))["1"].status is StepStatus.SUCCEEDED


async def test_a_mark_becomes_the_record_and_keeps_when_it_began(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    began = clock.now()
    await store.submit(held.save(mark(args="[1]")))
    retrying = mark(status=StepStatus.FAILED, args="[1]", error="{}", retry_count=1, wakeup_at=clock.move(seconds=5))
    await store.submit(held.save(retrying))
    assert await steps(store, held.run) == {"1": retrying._replace(created_at=began, updated_at=clock.now())}
    ended = done(args="[1]", retry_count=1)
    now = clock.move(seconds=5)
    await store.submit(held.save(ended))
    assert await steps(store, held.run) == {"1": ended._replace(created_at=began, updated_at=now)}


async def test_what_a_mark_said_of_the_step_itself_stays(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.save(mark(step_id=4, parent_step_id=3, name="app.charge", display_name="Charge")))
    await store.submit(held.save(done(step_id=9, parent_step_id=8, name="moved.app.charge", display_name="Other")))
    kept = (await steps(store, held.run))["1"]
    assert (kept.step_id, kept.parent_step_id, kept.name, kept.display_name) == (4, 3, "app.charge", "Charge")


async def test_steps_of_many_runs_come_together_each_in_the_order_of_recording(store: Store, clock: HandClock) -> None:
    one, two, none = [await begin(store, clock) for _ in range(3)]
    for path, seq in (("2", 1), ("10", 2), ("1", 3)):
        await store.submit(one.save(done(path, seq=seq)))
    await store.submit(two.save(mark("1")))
    unknown = uuid7()
    loaded = await store.load_steps(run_id for run_id in (one.run.id, two.run.id, none.run.id, unknown))
    assert {run_id: [record.path for record in records] for run_id, records in loaded.items()} == {
        one.run.id: ["2", "10", "1"],
        two.run.id: ["1"],
        none.run.id: [],
        unknown: [],
    }


async def test_no_runs_have_no_steps(store: Store) -> None:
    assert await store.load_steps([]) == {}


async def test_a_start_is_saved_with_its_step(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    child = new_run(clock, parent_id=held.run.id)
    started = await store.submit(held.save(mark(child_id=child.id), start=StartRun(child)))
    assert started == Started(child.id, created=True)
    assert await store.load_run(child.id) == child
    assert (await steps(store, held.run))["1"].child_id == child.id


async def test_an_event_is_saved_with_its_step(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    event = new_event(clock)
    emitted = await store.submit(held.save(done(), emit=Emit(event)))
    assert emitted.created
    assert emitted.event.id == event.id
    assert await store.look([wait_for(held.run)]) == (emitted.event,)


async def test_what_belongs_to_a_refused_step_does_not_happen(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    stale = Held(held.run, held.holder._replace(epoch=0))
    child = new_run(clock)
    with pytest.raises(StaleEpoch):
        await store.submit(stale.save(done(), start=StartRun(child)))
    with pytest.raises(StaleEpoch):
        await store.submit(stale.save(done(), emit=Emit(new_event(clock))))
    assert await store.load_run(child.id) is None
    assert await store.look([wait_for(held.run)]) == (None,)


# -- the fence ------------------------------------------------------------------------------------------------------------

WRITES: dict[str, Callable[[Held], Entry]] = {
    "a step": lambda held: held.save(done("9", seq=9)),
    "a mark": lambda held: held.save(mark("9")),
    "a sleep": lambda held: held.sleep(due_at=held.run.created_at + timedelta(hours=1), marks=(mark("9"),)),
    "a sleep that need not be": lambda held: held.sleep(due_at=held.run.created_at),
    "an end": lambda held: held.end(),
    "a release": lambda held: Release(held.holder),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("who", ["older epoch", "newer epoch", "another worker", "another run"])
async def test_a_write_of_somebody_who_does_not_hold_the_run_is_refused(
    store: Store, clock: HandClock, write: Callable[[Held], Entry], who: str
) -> None:
    neighbour, held = await begin(store, clock), await begin(store, clock)
    stranger = {
        "older epoch": held.holder._replace(epoch=0),
        "newer epoch": held.holder._replace(epoch=2),
        "another worker": held.holder._replace(worker_id=uuid7()),
        "another run": held.holder._replace(run_id=uuid7()),
    }[who]
    heard = Heard(store)
    before, refused, after = (
        store.submit(entry) for entry in (neighbour.save(done("1")), write(Held(held.run, stranger)), neighbour.save(done("2", seq=2)))
    )
    with pytest.raises(StaleEpoch):
        await refused
    assert await asyncio.gather(before, after) == [None, None]
    assert list(await steps(store, neighbour.run)) == ["1", "2"]
    assert await store.load_run(held.run.id) == held.run
    assert await steps(store, held.run) == {}
    assert heard.own == []
    await store.submit(held.save(done()))


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_nothing_is_written_for_a_run_that_has_ended(store: Store, clock: HandClock, write: Callable[[Held], Entry]) -> None:
    held = await begin(store, clock)
    await store.submit(held.end())
    ended = await store.load_run(held.run.id)
    with pytest.raises(StaleEpoch):
        await store.submit(write(held))
    assert await store.load_run(held.run.id) == ended
    assert await steps(store, held.run) == {}
    assert await claimed(store) == []


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
async def test_nothing_is_written_for_a_run_that_sleeps(store: Store, clock: HandClock, write: Callable[[Held], Entry]) -> None:
    held = await begin(store, clock)
    due = clock.now() + timedelta(hours=2)
    assert await store.submit(held.sleep(due_at=due)) == Slept(asleep=True)
    with pytest.raises(StaleEpoch):
        await store.submit(write(held))
    assert await steps(store, held.run) == {}
    assert await claim(store, uuid7()) == Claims((), next_due=due)


async def test_a_write_under_the_epoch_of_an_earlier_claim_is_refused(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(Release(held.holder))
    found = await claim(store, held.holder.worker_id)
    assert [each.epoch for each in found.claims] == [2]
    with pytest.raises(StaleEpoch):
        await store.submit(held.save(done()))
    await store.submit(held.taken_by(held.holder.worker_id, 2).save(done()))


async def test_a_refused_entry_can_be_first_last_or_alone(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    stale = Held(held.run, held.holder._replace(epoch=7))
    outcomes = await asyncio.gather(
        *(store.submit(entry) for entry in (stale.save(done("8")), held.save(done("1")), stale.save(done("9")))), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [StaleEpoch, type(None), StaleEpoch]
    assert list(await steps(store, held.run)) == ["1"]


# -- the end --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "result", "error"),
    [(RunStatus.SUCCEEDED, "[7]", None), (RunStatus.FAILED, None, '{"type":"E"}'), (RunStatus.CANCELLED, None, '{"type":"C"}')],
)
async def test_an_end_is_kept(store: Store, clock: HandClock, how: RunStatus, result: str | None, error: str | None) -> None:
    held = await begin(store, clock)
    await store.submit(held.end(how, result, error))
    assert await store.load_run(held.run.id) == held.run._replace(status=how, result=result, error=error)
    clock.move(days=1)
    assert await claimed(store) == []


async def test_an_ended_run_keeps_its_history(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    saved, ended = store.submit(held.save(done())), store.submit(held.end())
    await asyncio.gather(saved, ended)
    assert list(await steps(store, held.run)) == ["1"]


SETTLES: dict[str, Callable[[Held, tuple[str, ...]], Entry]] = {
    "an end": lambda held, after: held.end()._replace(after=after),
    "a sleep": lambda held, after: held.sleep_for_event()._replace(after=after),
}


@pytest.mark.parametrize("settle", SETTLES.values(), ids=SETTLES)
async def test_what_rests_on_records_may_be_submitted_right_behind_them(
    store: Store, clock: HandClock, settle: Callable[[Held, tuple[str, ...]], Entry]
) -> None:
    held = await begin(store, clock)
    saved = [store.submit(held.save(done(str(number), seq=number))) for number in (1, 2)]
    settled = store.submit(settle(held, ("1", "2")))
    await asyncio.gather(*saved, settled)
    assert sorted(await steps(store, held.run)) == ["1", "2"]


@pytest.mark.parametrize("settle", SETTLES.values(), ids=SETTLES)
async def test_what_rests_on_a_refused_record_is_refused_with_it(
    store: Store, clock: HandClock, settle: Callable[[Held, tuple[str, ...]], Entry]
) -> None:
    held = await begin(store, clock)
    good = store.submit(held.save(done("1")))
    bad = store.submit(held.save(done("2", seq=2, result=HALF_A_CHARACTER)))
    settled = store.submit(settle(held, ("1", "2")))
    _, record, outcome = await asyncio.gather(good, bad, settled, return_exceptions=True)
    assert isinstance(record, UnicodeEncodeError)
    assert isinstance(outcome, StaleEpoch)
    # The run is still its worker's, which says what becomes of it.
    assert await status(store, held.run) is RunStatus.PENDING
    await store.submit(held.end(RunStatus.FAILED, None, "{}"))
    assert await status(store, held.run) is RunStatus.FAILED


@pytest.mark.parametrize("settle", SETTLES.values(), ids=SETTLES)
async def test_a_mark_is_no_record_to_rest_on(store: Store, clock: HandClock, settle: Callable[[Held, tuple[str, ...]], Entry]) -> None:
    held = await begin(store, clock)
    await store.submit(held.save(mark()))
    with pytest.raises(StaleEpoch):
        await store.submit(settle(held, ("1",)))
    assert await status(store, held.run) is RunStatus.PENDING


# -- payloads -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", NASTY.values(), ids=NASTY)
async def test_any_text_comes_back_as_it_was(store: Store, clock: HandClock, text: str) -> None:
    run = new_run(clock, args=text or "[]", kwargs=text or "{}", principal=text, idempotency_key=text)
    worker = uuid7()
    held = Held(run, Holder(run.id, worker, 1))
    await store.submit(StartRun(run, worker))
    record = done(args=text, kwargs=text, result=text, error=text, display_name=text)
    await store.submit(held.save(record))
    emitted = await store.submit(Emit(new_event(clock, key=text, payload=text)))
    await store.submit(held.end(RunStatus.FAILED, result=text, error=text))
    assert await store.load_run(run.id) == run._replace(status=RunStatus.FAILED, result=text, error=text)
    assert await steps(store, run) == {"1": record._replace(created_at=clock.now(), updated_at=clock.now())}
    (found,) = await store.look([wait_for(run, text)])
    assert found == emitted.event
    assert found is not None
    assert (found.key, found.payload) == (text, text)


async def test_a_time_keeps_its_microseconds(store: Store, clock: HandClock) -> None:
    clock.move(microseconds=123_457)
    held = await begin(store, clock)
    due = clock.now() + timedelta(microseconds=1)
    assert (await store.submit(held.sleep(due_at=due))).asleep
    assert (await claim(store, uuid7())).next_due == due
    clock.move(microseconds=1)
    assert await claimed(store) == [held.run.id]


# -- the lane -------------------------------------------------------------------------------------------------------------

BAD: dict[str, Callable[[Held, HandClock], Entry]] = {
    "a step": lambda held, clock: held.save(done("5", seq=5, result=HALF_A_CHARACTER)),
    "a step's start": lambda held, clock: held.save(done("5", seq=5), start=StartRun(new_run(clock, args=HALF_A_CHARACTER))),
    "a step's event": lambda held, clock: held.save(done("5", seq=5), emit=Emit(new_event(clock, payload=HALF_A_CHARACTER))),
    "a sleep's mark": lambda held, clock: Sleep(
        held.holder, Reason.TIMER, clock.now() + timedelta(hours=1), marks=(mark("5"), mark("6", args=HALF_A_CHARACTER))
    ),
    "a start": lambda held, clock: StartRun(new_run(clock, args=HALF_A_CHARACTER)),
    "an event": lambda held, clock: Emit(new_event(clock, payload=HALF_A_CHARACTER)),
    "an end": lambda held, clock: held.end(result=HALF_A_CHARACTER),
}


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
async def test_an_entry_that_cannot_be_stored_fails_alone_and_leaves_nothing(
    store: Store, clock: HandClock, bad: Callable[[Held, HandClock], Entry]
) -> None:
    held = await begin(store, clock)
    entries: list[Entry] = [held.save(done("1")), bad(held, clock), held.save(done("2", seq=2))]
    outcomes = await asyncio.gather(*(store.submit(entry) for entry in entries), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None), UnicodeEncodeError, type(None)]
    assert list(await steps(store, held.run)) == ["1", "2"]
    assert await store.load_run(held.run.id) == held.run
    assert await store.look([wait_for(held.run)]) == (None,)
    assert (await claim(store, uuid7())).next_due is None


async def test_entries_are_applied_in_the_order_in_which_they_were_submitted(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    futures = [store.submit(held.save(mark(retry_count=number))) for number in range(200)]
    futures.append(store.submit(held.save(done(retry_count=200))))
    await asyncio.gather(*futures)
    assert (await steps(store, held.run))["1"].retry_count == 200


async def test_an_outcome_comes_in_the_order_of_its_entry(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    order: list[int] = []
    futures = [store.submit(held.save(done(str(number), seq=number))) for number in range(1, 50)]
    for number, future in enumerate(futures):
        future.add_done_callback(lambda _, number=number: order.append(number))
    await asyncio.gather(*futures)
    assert order == sorted(order)


async def test_an_entry_is_applied_though_nobody_waits_for_it_any_more(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    forgotten = store.submit(held.save(done("1")))
    forgotten.cancel()
    await store.submit(held.save(done("2", seq=2)))
    assert list(await steps(store, held.run)) == ["1", "2"]


async def test_closing_writes_what_waits(world: World, clock: HandClock) -> None:
    store, other = await world.store(), await world.store()
    held = await begin(store, clock)
    futures = [store.submit(held.save(done(str(number), seq=number))) for number in range(1, 101)]
    await store.close()
    assert all(future.done() and future.exception() is None for future in futures)
    assert len(await steps(other, held.run)) == 100


async def test_a_closed_store_says_so(store: Store, clock: HandClock) -> None:
    await store.close()
    await store.close()
    with pytest.raises(InternalError, match="closed"):
        await store.submit(StartRun(new_run(clock)))
    with pytest.raises(InternalError, match="closed"):
        await store.load_run(uuid7())
    with pytest.raises(InternalError, match="closed"):
        await store.enlist(uuid7())


async def test_a_closed_store_can_be_opened_again(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.close()
    await store.open()
    await store.submit(held.save(done()))
    assert await status(store, held.run) is RunStatus.PENDING
    assert list(await steps(store, held.run)) == ["1"]


async def test_a_stale_reclaim_leaves_the_run_to_its_holder(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    with pytest.raises(StaleEpoch):
        await store.submit(Reclaim(held.holder))
    await store.submit(held.save(done()))
