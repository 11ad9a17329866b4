"""The promises of the store about who executes what, and what becomes of it when a worker stops or dies."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest
from uuid_utils.compat import uuid7

from planar.engine.core.model import Claim, Run
from planar.engine.errors import StaleEpoch
from planar.engine.store.port import (
    Cancel,
    ClaimDue,
    ClaimRun,
    Claims,
    Emit,
    Holder,
    News,
    Release,
    RetireWorker,
    Standing,
    StartRun,
    Store,
)
from planar.engine.store.postgres import PostgresStore
from tests.contract.store_world import HandClock, Heard, Held, World, begin, claim, claimed, done, mark, new_event, new_run, steps, until

pytestmark = pytest.mark.anyio


async def started(store: Store, clock: HandClock, count: int, **fields: object) -> list[Run]:
    """Runs that are due a second apart, in another order than that of their ids."""
    runs: list[Run] = []
    for run_id in reversed([uuid7() for _ in range(count)]):
        runs.append(new_run(clock, id=run_id, **fields))
        await store.submit(StartRun(runs[-1]))
        clock.move(seconds=1)
    return runs


# -- one run by itself ----------------------------------------------------------------------------------------------------


async def claim_run(store: Store, run: Run, worker_id: UUID | None = None) -> Claim | Standing:
    return await store.submit(ClaimRun(worker_id or uuid7(), run.id))


async def test_a_run_that_is_due_is_claimed_alone_under_a_new_epoch(store: Store, clock: HandClock) -> None:
    run, other = await started(store, clock, 2)
    worker = uuid7()
    assert await claim_run(store, run, worker) == Claim(run, epoch=1)
    await store.submit(Held(run, Holder(run.id, worker, 1)).save(done()))
    assert await claimed(store) == [other.id]


async def test_a_run_that_somebody_holds_is_not_claimed(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    assert await claim_run(store, held.run) == Standing(is_held=True)
    assert await claim_run(store, held.run, held.holder.worker_id) == Standing(is_held=True)
    await store.submit(held.save(done()))


async def test_of_many_who_claim_a_run_one_gets_it(world: World, clock: HandClock) -> None:
    stores = [await world.store(), await world.store()]
    (run,) = await started(stores[0], clock, 1)
    found = await asyncio.gather(*(claim_run(stores[number % 2], run) for number in range(12)))
    assert sorted(isinstance(each, Claim) for each in found) == [False] * 11 + [True]
    assert {each for each in found if isinstance(each, Standing)} == {Standing(is_held=True)}


async def test_a_run_that_sleeps_is_not_claimed_before_its_time(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    due = clock.now() + timedelta(hours=1)
    await store.submit(held.sleep_for_event("paid", due_at=due))
    assert await claim_run(store, held.run) == Standing(is_asleep=True, due_at=due, event_key="paid")
    clock.move(minutes=59, seconds=59.999999)
    assert await claim_run(store, held.run) == Standing(is_asleep=True, due_at=due, event_key="paid")
    clock.move(seconds=0.000001)
    assert await claim_run(store, held.run) == Claim(held.run, epoch=2)


async def test_a_run_that_was_woken_is_claimed_and_waits_for_nothing_any_more(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.sleep_for_event("paid"))
    assert await claim_run(store, held.run) == Standing(is_asleep=True, event_key="paid")
    await store.submit(Emit(new_event(clock, "paid")))
    assert await claim_run(store, held.run) == Claim(held.run, epoch=2)
    assert (await store.submit(Emit(new_event(clock, "paid")))).woken == 0


async def test_what_has_ended_or_is_unknown_is_not_claimed(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.end())
    assert await claim_run(store, held.run) == Standing()
    assert await claim_run(store, new_run(clock)) == Standing()


async def test_a_claim_of_one_run_carries_what_befell_it(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(Cancel(held.run.id, "enough", "{}"))
    await store.submit(RetireWorker(held.holder.worker_id, died=True))
    assert await claim_run(store, held.run) == Claim(held.run, 2, recoveries=1, cancel_reason="enough", crashed=True)


async def test_asking_for_a_run_that_is_not_to_be_had_is_no_news_to_others(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    elsewhere = Heard(there)
    held = await begin(here, clock)
    await until(lambda: elsewhere.foreign == 1, "the start was heard")
    heard = Heard(here)
    for run in (held.run, new_run(clock)):
        assert isinstance(await claim_run(here, run), Standing)
        await there.load_run(run.id)
    await here.submit(StartRun(new_run(clock)))
    await until(lambda: elsewhere.foreign > 1, "the next start was heard")
    assert heard.own == [News(due=True)]
    assert elsewhere.foreign == 2


# -- claiming -------------------------------------------------------------------------------------------------------------


async def test_a_claim_carries_the_run_under_a_new_epoch(store: Store, clock: HandClock) -> None:
    (run,) = await started(store, clock, 1)
    worker = uuid7()
    found = await claim(store, worker)
    assert found == Claims((Claim(run, epoch=1),), next_due=None)
    assert await claim(store, worker) == Claims((), next_due=None)
    await store.submit(Held(run, Holder(run.id, worker, 1)).save(done()))


async def test_what_is_due_longest_comes_first_and_no_more_than_asked_for(store: Store, clock: HandClock) -> None:
    runs = await started(store, clock, 5)
    assert [each.run.id for each in (await claim(store, uuid7(), 2)).claims] == [runs[0].id, runs[1].id]
    assert [each.run.id for each in (await claim(store, uuid7(), 2)).claims] == [runs[2].id, runs[3].id]
    assert [each.run.id for each in (await claim(store, uuid7(), 2)).claims] == [runs[4].id]


async def test_runs_that_are_due_at_one_moment_come_in_the_order_of_their_ids(store: Store, clock: HandClock) -> None:
    runs = [new_run(clock) for _ in range(20)]
    for run in reversed(runs):
        await store.submit(StartRun(run))
    assert await claimed(store) == [run.id for run in runs]


async def test_a_run_is_due_when_it_is_written_whenever_it_was_made(store: Store, clock: HandClock) -> None:
    made_early = [new_run(clock), new_run(clock, idempotency_key="k")]
    first = await started(store, clock, 1)
    await asyncio.gather(*(store.submit(StartRun(run)) for run in made_early))
    last = await started(store, clock, 1)
    assert await claimed(store) == [run.id for run in (*first, *made_early, *last)]


async def test_a_run_that_is_made_for_a_later_time_is_due_then(store: Store, clock: HandClock) -> None:
    await store.submit(StartRun(new_run(clock, created_at=clock.now() + timedelta(seconds=1))))
    assert await claimed(store) == []
    clock.move(seconds=1)
    assert len(await claimed(store)) == 1


async def test_a_run_is_claimed_by_one_worker_only(world: World, clock: HandClock) -> None:
    stores = [await world.store(), await world.store()]
    runs = await started(stores[0], clock, 60)
    found = await asyncio.gather(*(claim(stores[number % 2], uuid7(), 7) for number in range(12)))
    ids = [each.run.id for claims in found for each in claims.claims]
    assert len(ids) == len(set(ids)) == 60
    assert set(ids) == {run.id for run in runs}


async def test_only_known_workflows_are_claimed_and_the_others_reported(store: Store, clock: HandClock) -> None:
    await started(store, clock, 2, workflow="refunds")
    (mine,) = await started(store, clock, 1)
    (theirs,) = await started(store, clock, 1, workflow="audits")
    found = await claim(store, uuid7())
    assert [each.run for each in found.claims] == [mine]
    assert found.unknown == {"refunds", "audits"}
    later = await claim(store, uuid7(), names=frozenset({"audits", "orders"}))
    assert [each.run for each in later.claims] == [theirs]
    assert later.unknown == {"refunds"}


async def test_a_worker_that_knows_nothing_claims_nothing(store: Store, clock: HandClock) -> None:
    await started(store, clock, 1)
    assert await claim(store, uuid7(), names=frozenset()) == Claims((), None, frozenset({"orders"}))


async def test_what_is_not_due_or_held_is_not_reported_as_unknown(store: Store, clock: HandClock) -> None:
    await begin(store, clock, workflow="refunds")
    sleeping = await begin(store, clock, workflow="audits")
    await store.submit(sleeping.sleep(due_at=clock.now() + timedelta(hours=1)))
    assert (await claim(store, uuid7())).unknown == frozenset()


async def test_whoever_doubts_that_a_run_is_due_gets_the_same_answer(store: Store, clock: HandClock) -> None:
    doubting = partial(ClaimDue, limit=100, doubtful=True)
    worker, orders = uuid7(), frozenset({"orders"})
    assert await store.submit(doubting(worker, names=frozenset())) == Claims((), next_due=None)
    assert await store.submit(doubting(worker, names=orders)) == Claims((), next_due=None)
    asleep, due = await begin(store, clock), clock.now() + timedelta(hours=1)
    await store.submit(asleep.sleep(due_at=due))
    await store.submit(StartRun(new_run(clock, workflow="refunds")))
    assert await store.submit(doubting(worker, names=orders)) == Claims((), next_due=due, unknown=frozenset({"refunds"}))
    run = new_run(clock)
    await store.submit(StartRun(run))
    assert await store.submit(doubting(worker, names=orders)) == Claims(
        (Claim(run, epoch=1),), next_due=due, unknown=frozenset({"refunds"})
    )
    clock.move(hours=1)
    assert await store.submit(doubting(worker, names=orders)) == Claims(
        (Claim(asleep.run, epoch=2),), next_due=None, unknown=frozenset({"refunds"})
    )


async def test_the_next_due_time_is_the_earliest_of_a_known_workflow(store: Store, clock: HandClock) -> None:
    for workflow, hours in (("orders", 3), ("orders", 2), ("refunds", 1)):
        held = await begin(store, clock, workflow=workflow)
        await store.submit(held.sleep(due_at=clock.now() + timedelta(hours=hours)))
    waits_for_ever = await begin(store, clock)
    await store.submit(waits_for_ever.sleep_for_event())
    assert (await claim(store, uuid7())).next_due == clock.now() + timedelta(hours=2)
    assert (await claim(store, uuid7(), names=frozenset({"refunds"}))).next_due == clock.now() + timedelta(hours=1)
    assert (await claim(store, uuid7(), names=frozenset({"audits"}))).next_due is None


# -- handing over ---------------------------------------------------------------------------------------------------------


async def test_a_released_run_is_due_at_once_under_a_new_epoch(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(held.save(mark("1")))
    await store.submit(Release(held.holder))
    assert (await claim(store, uuid7())).claims == (Claim(held.run, epoch=2),)
    assert list(await steps(store, held.run)) == ["1"]


async def test_a_release_after_the_last_record_loses_nothing(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await asyncio.gather(store.submit(held.save(done("1"))), store.submit(Release(held.holder)))
    assert list(await steps(store, held.run)) == ["1"]
    assert await claimed(store) == [held.run.id]


# -- workers --------------------------------------------------------------------------------------------------------------


async def test_workers_see_each_other(world: World) -> None:
    here, there = await world.store(), await world.store()
    one, two = uuid7(), uuid7()
    await here.enlist(one)
    assert await here.other_workers(one) == []
    await there.enlist(two)
    assert await here.other_workers(one) == [two]
    assert await there.other_workers(two) == [one]
    assert await here.dead_workers(one) == []
    assert await there.dead_workers(two) == []


async def test_a_worker_that_stops_leaves_its_runs_due_and_is_gone(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    stopping, staying = uuid7(), uuid7()
    await here.enlist(stopping)
    await there.enlist(staying)
    mine = await begin(here, clock, stopping)
    sleeping = await begin(here, clock, stopping)
    await here.submit(sleeping.sleep(due_at=clock.now() + timedelta(hours=1)))
    theirs = await begin(there, clock, staying)
    await here.discharge(stopping)
    assert await there.other_workers(staying) == []
    assert await there.dead_workers(staying) == []
    assert (await claim(there, staying)).claims == (Claim(mine.run, epoch=2, recoveries=0),)
    await there.submit(theirs.save(done()))


async def test_a_worker_that_died_is_found_and_its_runs_go_on(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    dying, living = uuid7(), uuid7()
    await here.enlist(dying)
    await there.enlist(living)
    held = await begin(here, clock, dying)
    assert await there.dead_workers(living) == []
    world.kill(here, dying)
    assert await there.dead_workers(living) == [dying]
    assert await there.submit(RetireWorker(dying, died=True)) == 1
    assert await there.dead_workers(living) == []
    assert await there.other_workers(living) == []
    assert (await claim(there, living)).claims == (Claim(held.run, epoch=2, recoveries=1, crashed=True),)


async def test_the_dead_are_found_among_those_who_are_asked_about(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    dying, stopped, living = uuid7(), uuid7(), uuid7()
    for store, worker in ((here, dying), (here, stopped), (there, living)):
        await store.enlist(worker)
    known = await there.other_workers(living)
    assert await there.dead_workers(living, known) == []
    assert await there.dead_workers(living, []) == []
    news = Heard(there)
    await here.discharge(stopped)
    world.kill(here, dying)
    # What was found before may be relied on until something is heard.
    await until(lambda: news.foreign > 0 or not isinstance(there, PostgresStore), "the one that stopped says so")
    assert sorted(await there.dead_workers(living, known)) == sorted([dying, stopped])
    assert await there.dead_workers(living, [stopped]) == [stopped]
    # Who has stopped in order is not registered any more, and so not asked about when it is not remembered.
    assert await there.dead_workers(living) == [dying]


async def test_a_store_that_is_closed_without_a_word_leaves_its_worker_dead(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    gone, living = uuid7(), uuid7()
    await here.enlist(gone)
    await there.enlist(living)
    await here.close()
    assert await there.dead_workers(living) == [gone]


async def test_a_worker_that_holds_runs_without_being_registered_is_found(world: World, clock: HandClock) -> None:
    """One that was taken for dead, went on claiming, and then really died: its runs must not be stuck."""
    here, there = await world.store(), await world.store()
    zombie, living = uuid7(), uuid7()
    await here.enlist(zombie)
    await there.enlist(living)
    await there.submit(RetireWorker(zombie, died=True))
    held = await begin(here, clock, zombie)
    assert await there.other_workers(living) == [zombie]
    assert await there.dead_workers(living) == []
    world.kill(here, zombie)
    assert await there.dead_workers(living) == [zombie]
    await there.submit(RetireWorker(zombie, died=True))
    assert await claimed(there, living) == [held.run.id]


async def test_what_a_retired_worker_writes_is_refused(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(RetireWorker(held.holder.worker_id, died=True))
    with pytest.raises(StaleEpoch):
        await store.submit(held.save(done()))
    assert await steps(store, held.run) == {}


async def test_what_a_dying_worker_had_submitted_comes_before_its_retirement_or_is_refused(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    outcomes = await asyncio.gather(
        store.submit(held.save(done("1"))),
        store.submit(RetireWorker(held.holder.worker_id, died=True)),
        store.submit(held.save(done("2", seq=2))),
        return_exceptions=True,
    )
    assert outcomes[:2] == [None, 1]
    assert isinstance(outcomes[2], StaleEpoch)
    assert list(await steps(store, held.run)) == ["1"]


async def test_recoveries_count_deaths_and_nothing_else(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    for epoch, died in enumerate([True, False, True, True], start=1):
        held = held.taken_by(held.holder.worker_id, epoch)
        await store.submit(held.save(done(str(epoch), seq=epoch)))
        assert await store.submit(RetireWorker(held.holder.worker_id, died=died)) == 1
        found = await claim(store, held.holder.worker_id)
        assert [each.epoch for each in found.claims] == [epoch + 1]
    assert found.claims[0].recoveries == 3


async def test_retiring_a_worker_touches_nobody_elses_runs(store: Store, clock: HandClock) -> None:
    theirs, asleep = await begin(store, clock), await begin(store, clock)
    due = clock.now() + timedelta(hours=1)
    await store.submit(asleep.sleep(due_at=due))
    assert await store.submit(RetireWorker(asleep.holder.worker_id, died=True)) == 0
    assert await store.submit(RetireWorker(uuid7(), died=True)) == 0
    assert await claim(store, uuid7()) == Claims((), next_due=due)
    await store.submit(theirs.save(done()))


async def test_a_worker_can_come_again(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    returning, other = uuid7(), uuid7()
    await there.enlist(other)
    for _ in range(2):
        await here.enlist(returning)
        assert await there.other_workers(other) == [returning]
        assert await there.dead_workers(other) == []
        await here.discharge(returning)
        assert await there.other_workers(other) == []


async def test_a_takeover_sees_all_that_the_dead_one_recorded(world: World, clock: HandClock) -> None:
    here, there = await world.store(), await world.store()
    held = await begin(here, clock)
    saving = [here.submit(held.save(done(str(number), seq=number))) for number in range(1, 30)]
    await there.submit(RetireWorker(held.holder.worker_id, died=True))
    found = await claim(there, uuid7())
    seen = set(await steps(there, held.run))
    outcomes = await asyncio.gather(*saving, return_exceptions=True)
    # What was refused is not there, what was saved was there before the claim: nothing appears afterwards.
    saved = {str(number) for number, outcome in enumerate(outcomes, start=1) if outcome is None}
    assert seen == saved == set(await steps(there, held.run))
    assert [each.run for each in found.claims] == [held.run]


async def test_a_claim_is_replaced_not_shared(store: Store, clock: HandClock) -> None:
    held = await begin(store, clock)
    await store.submit(RetireWorker(held.holder.worker_id))
    new = uuid7()
    assert await claimed(store, new) == [held.run.id]
    with pytest.raises(StaleEpoch):
        await store.submit(replace(held, holder=held.holder._replace(epoch=2)).save(done()))
    await store.submit(held.taken_by(new, 2).save(done()))
