"""The promises of the PostgreSQL store that need a server: sessions that share its transactions, lost connections, leases."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from uuid_utils.compat import uuid7

from planar.clock import SYSTEM_CLOCK
from planar.db.config import PoolConfig
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession
from planar.engine.core.model import Reason, Run, RunStatus
from planar.engine.errors import StaleEpoch
from planar.engine.store.lease import WorkerLease
from planar.engine.store.port import (
    Cancel,
    ClaimDue,
    Claims,
    Emit,
    Entry,
    News,
    Reclaim,
    Release,
    RetireWorker,
    RunWait,
    Slept,
    Started,
    StartRun,
    Store,
)
from planar.engine.store.postgres import PostgresStore, transaction
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.others import Life
from planar.engine.store.postgres.takeover import end_transactions
from planar.engine.store.postgres.telling import Audience, Said
from tests.contract.store_world import (
    ALL,
    HandClock,
    Heard,
    PostgresWorld,
    begin,
    claim,
    claimed,
    done,
    mark,
    new_event,
    new_run,
    status,
    steps,
    until,
    wait_for,
)
from tests.postgres_server import connect, migrated_database

pytestmark = [pytest.mark.anyio, pytest.mark.store("postgresql")]

Process = tuple[DatabaseManager, PostgresStore]


@pytest.fixture
async def world() -> AsyncIterator[PostgresWorld]:
    async with migrated_database() as url:
        connection = await connect(url)
        await connection.execute("create table ledger (amount int)")
        await connection.close()
        world = PostgresWorld(url)
        yield world
        await world.close()


@pytest.fixture
def clock(world: PostgresWorld) -> HandClock:
    return world.clock


@pytest.fixture
async def here(world: PostgresWorld) -> Process:
    return await world.process()


async def write(session: PlanarSession) -> None:
    await (await session.connection()).execute(text("insert into ledger (amount) values (7)"))


async def ask(world: PostgresWorld, statement: str, *args: Any) -> list[Any]:
    connection = await connect(world.url)
    try:
        return await connection.fetch(statement, *args)
    finally:
        await connection.close()


async def ledger(world: PostgresWorld) -> list[int]:
    return [row[0] for row in await ask(world, "select amount from ledger")]


# -- in a session's transaction -------------------------------------------------------------------------------------------


async def test_a_record_becomes_durable_and_news_with_the_sessions_commit(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    manager, store = here
    held = await begin(store, clock)
    child = new_run(clock)
    heard = Heard(store)
    async with manager.get_session(label="step") as session:
        await write(session)
        (started,) = await store.submit_in(session, [held.save(done(), start=StartRun(child))])
        assert started.created
        assert await store.load_run(child.id) is None
        assert await steps(store, held.run) == {}
        assert heard.own == []
        await session.commit()
    assert heard.own == [News(due=True)]
    assert await store.load_run(child.id) == child
    assert list(await steps(store, held.run)) == ["1"]
    assert await ledger(world) == [7]


async def test_what_is_rolled_back_leaves_nothing_and_is_never_news(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    manager, store = here
    running = await begin(store, clock)
    child = new_run(clock)
    heard = Heard(store)
    async with manager.get_session(label="step") as session:
        await write(session)
        await store.submit_in(session, [StartRun(child), Cancel(running.run.id, "enough", "{}"), Emit(new_event(clock))])
        await session.rollback()
        await write(session)
        await session.commit()
    assert heard.own == []
    assert await store.load_run(child.id) is None
    assert await store.cancel_requests(running.holder.worker_id) == {}
    assert await store.look([wait_for(running.run)]) == (None,)
    assert await ledger(world) == [7]


async def test_a_record_whose_commit_never_comes_keeps_the_lane_for_two_leases_at_most(world: PostgresWorld, clock: HandClock) -> None:
    """As when the way to the server breaks just then, and the server does not hear of it."""
    manager, _ = await world.process()
    store = PostgresStore(manager, clock, lease_seconds=0.5)
    await store.open()
    held = await begin(store, clock)
    try:
        async with manager.get_session(label="step") as session:
            await write(session)
            await store.submit_in(session, [held.save(done())])
            await asyncio.wait_for(store.submit(held.save(done())), 20)
            with pytest.raises(DBAPIError):
                await session.commit()
    finally:
        await store.close()
    assert await ledger(world) == []


async def test_a_stale_record_is_refused_and_leaves_the_session_as_it_was(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    manager, store = here
    held = await begin(store, clock)
    await store.submit(RetireWorker(held.holder.worker_id, died=True))
    for entry in (held.save(done()), held.save(done(), emit=Emit(new_event(clock)))):
        async with manager.get_session(label="step") as session:
            await write(session)
            with pytest.raises(StaleEpoch):
                await store.submit_in(session, [entry])
            await session.commit()
    assert await ledger(world) == [7, 7]
    assert await steps(store, held.run) == {}
    assert await store.look([wait_for(held.run)]) == (None,)


async def test_of_several_entries_all_are_applied_or_none(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    manager, store = here
    held = await begin(store, clock)
    child = new_run(clock)
    stale = replace(held, holder=held.holder._replace(epoch=5))
    heard = Heard(store)
    async with manager.get_session(label="step") as session:
        await write(session)
        with pytest.raises(StaleEpoch):
            await store.submit_in(session, [StartRun(child), held.save(done("1")), stale.save(done("2"))])
        await session.commit()
    assert await store.load_run(child.id) is None
    assert await steps(store, held.run) == {}
    assert heard.own == []
    assert await ledger(world) == [7]


async def test_an_entry_that_fails_half_way_leaves_nothing_in_the_session(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    manager, store = here
    held = await begin(store, clock)
    async with manager.get_session(label="step") as session:
        await write(session)
        with pytest.raises(UnicodeEncodeError):
            await store.submit_in(session, [held.save(done(), start=StartRun(new_run(clock, args="\ud800")))])
        await session.commit()
    assert await steps(store, held.run) == {}
    assert await ledger(world) == [7]


async def test_a_session_that_stays_open_keeps_nobody_from_sleeping_or_announcing(here: Process, clock: HandClock) -> None:
    manager, store = here
    waiting, other = await begin(store, clock), await begin(store, clock)
    async with manager.get_session(label="step") as session:
        await write(session)
        (emitted,) = await store.submit_in(session, [Emit(new_event(clock))])
        assert emitted.created
        async with asyncio.timeout(5):
            assert await store.submit(waiting.sleep_for_event()) == Slept(asleep=True)
            early = await store.submit(Emit(new_event(clock)))
        await session.commit()
    # The other event was committed first, so it comes first for everybody.
    wait = wait_for(other.run)
    assert await store.look([wait]) == (early.event,)
    (late,) = await store.look([wait._replace(after=early.event.seq)])
    assert late is not None
    assert late.id == emitted.event.id
    assert await claimed(store) == [waiting.run.id]


async def test_who_sleeps_while_a_session_announces_is_woken_by_its_commit(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    manager, store = here
    _, elsewhere = await world.process()
    waiting = await begin(elsewhere, clock)
    async with manager.get_session(label="step") as session:
        await store.submit_in(session, [Emit(new_event(clock))])
        assert (await elsewhere.submit(waiting.sleep_for_event())).asleep
        heard = Heard(elsewhere)
        await session.commit()
    await until(lambda: heard.foreign > 0, "the other process heard of the event")
    assert await claimed(elsewhere) == [waiting.run.id]


async def test_what_a_process_announced_before_it_died_is_found_by_the_next(
    world: PostgresWorld, here: Process, clock: HandClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    manager, store = here
    waiting = await begin(store, clock)
    await store.submit(waiting.sleep_for_event())
    monkeypatch.setattr(store, "_sweep", lambda keys: None)
    async with manager.get_session(label="step") as session:
        await store.submit_in(session, [Emit(new_event(clock))])
        await session.commit()
    assert await claimed(store) == []
    _, after = await world.process()
    assert await claimed(after) == [waiting.run.id]


async def test_a_takeover_waits_for_a_session_that_is_about_to_commit(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    """Otherwise its record would appear behind the back of the new owner."""
    manager, store = here
    _, there = await world.process()
    held = await begin(store, clock)
    async with manager.get_session(label="step") as session:
        await write(session)
        await store.submit_in(session, [held.save(done())])
        taking = there.submit(RetireWorker(held.holder.worker_id, died=True))
        await there.load_run(held.run.id)
        assert not taking.done()
        await session.commit()
    assert await taking == 1
    assert list(await steps(there, held.run)) == ["1"]


async def test_a_session_with_an_old_snapshot_cannot_write_for_a_run_that_has_moved(
    world: PostgresWorld, here: Process, clock: HandClock
) -> None:
    manager, store = here
    held = await begin(store, clock)
    async with manager.get_session(label="step") as session:
        await session.set_serializable_isolation()
        await (await session.connection()).execute(text("select * from ledger"))
        assert await store.submit(RetireWorker(held.holder.worker_id, died=True)) == 1
        with pytest.raises(Exception, match="could not serialize"):
            await store.submit_in(session, [held.save(done())])
        await session.rollback()
    assert await steps(store, held.run) == {}


async def test_what_is_decided_by_looking_is_still_so_when_it_is_written(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    manager, store = here
    _, there = await world.process()
    held = await begin(store, clock)
    async with manager.get_session(label="request") as session:
        outcomes = await store.submit_in(session, [Cancel(uuid7(), "enough", "{}"), Cancel(held.run.id, "enough", "{}")])
        assert session.wrote
        assert outcomes[0] is None
        ending = there.submit(held.end())
        await session.commit()
    await ending
    assert await status(there, held.run) is RunStatus.SUCCEEDED


# -- a server that goes away ----------------------------------------------------------------------------------------------

KILL = """
select pg_terminate_backend(pid, 5000) from pg_stat_activity
where datname = current_database() and pid <> pg_backend_pid() and backend_type = 'client backend'
"""


async def test_whatever_connection_is_lost_nothing_is_lost_or_written_twice(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    _, store = here
    held = [await begin(store, clock) for _ in range(20)]
    for number in range(1, 4):
        saving = [store.submit(each.save(done(str(number), seq=number))) for each in held]
        saving.append(store.submit(StartRun(new_run(clock))))
        await ask(world, KILL)
        outcomes = await asyncio.gather(*saving)
        assert outcomes[:-1] == [None] * 20
        assert outcomes[-1].created
    for each in held:
        assert list(await steps(store, each.run)) == ["1", "2", "3"]
    assert len(await claimed(store)) == 3


class Breaking:
    """The connection that writes, which breaks at the first commit, before or after it."""

    def __init__(self, connection: Any, when: str) -> None:
        self._connection = connection
        self._when = when
        self.broken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str) -> str:
        if query != "commit" or self.broken:
            return await self._connection.execute(query)
        return await self._break(self._connection.execute(query))

    async def fetch(self, query: str, *args: Any) -> Any:
        if "insert into planar.workflow_batch" not in query or self.broken:
            return await self._connection.fetch(query, *args)
        return await self._break(self._connection.fetch(query, *args))

    async def _break(self, committing: Any) -> Any:
        self.broken = True
        if self._when == "after":
            await committing
        else:
            committing.close()
        self._connection.terminate()
        raise ConnectionResetError


def break_at_commit(store: PostgresStore, when: str) -> Breaking:
    assert store._parts is not None
    committer = store._parts.lane._committer
    breaking = Breaking(committer._connection, when)
    committer._connection = breaking
    return breaking


async def _start(store: PostgresStore, clock: HandClock) -> tuple[Entry, Callable[[Any], bool]]:
    return StartRun(new_run(clock)), lambda outcome: outcome.created


async def _event(store: PostgresStore, clock: HandClock) -> tuple[Entry, Callable[[Any], bool]]:
    return Emit(new_event(clock)), lambda outcome: outcome.created


async def _record(store: PostgresStore, clock: HandClock) -> tuple[Entry, Callable[[Any], bool]]:
    return (await begin(store, clock)).save(done()), lambda outcome: outcome is None


async def _end(store: PostgresStore, clock: HandClock) -> tuple[Entry, Callable[[Any], bool]]:
    return (await begin(store, clock)).end(), lambda outcome: outcome is None


async def _release(store: PostgresStore, clock: HandClock) -> tuple[Entry, Callable[[Any], bool]]:
    return Release((await begin(store, clock)).holder), lambda outcome: outcome is None


async def _sleep(store: PostgresStore, clock: HandClock) -> tuple[Entry, Callable[[Any], bool]]:
    return (await begin(store, clock)).sleep_for_event(), lambda outcome: outcome.asleep


async def _reclaim(store: PostgresStore, clock: HandClock) -> tuple[Entry, Callable[[Any], bool]]:
    held = await begin(store, clock)
    await store.submit(held.sleep_for_event())
    return Reclaim(held.holder), lambda outcome: outcome == 2


async def _claims(store: PostgresStore, clock: HandClock) -> tuple[Entry, Callable[[Any], bool]]:
    run = new_run(clock)
    await store.submit(StartRun(run))
    return ClaimDue(uuid7(), 10, ALL), lambda outcome: [each.run.id for each in outcome.claims] == [run.id]


ACKNOWLEDGED = (_start, _event, _record, _end, _release, _sleep, _reclaim, _claims)


@pytest.mark.parametrize("entry", ACKNOWLEDGED, ids=lambda entry: entry.__name__)
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_commit_that_nobody_acknowledged_is_asked_for(here: Process, clock: HandClock, entry: Any, when: str) -> None:
    """Written once more it would look as if somebody else had been first; taken for written it would be lost."""
    _, store = here
    written, is_right = await entry(store, clock)
    breaking = break_at_commit(store, when)
    outcome = await store.submit(written)
    assert breaking.broken
    assert is_right(outcome)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_each_entry_of_a_batch_that_nobody_acknowledged_has_its_own_outcome(
    world: PostgresWorld, here: Process, clock: HandClock, when: str
) -> None:
    _, store = here
    worker = uuid7()
    held, stale, other = [await begin(store, clock, worker) for _ in range(3)]
    breaking = break_at_commit(store, when)
    outcomes = await asyncio.gather(
        store.submit(held.save(done())),
        store.submit(stale.taken_by(worker, 7).save(done())),
        store.submit(other.end()),
        store.submit(StartRun(held.run)),
        store.submit(StartRun(new_run(clock), worker)),
        return_exceptions=True,
    )
    assert breaking.broken
    assert [type(outcome) for outcome in outcomes] == [type(None), StaleEpoch, type(None), Started, Started]
    assert [outcome.created for outcome in outcomes[3:]] == [False, True]
    assert list(await steps(store, held.run)) == ["1"]
    assert await status(store, other.run) is RunStatus.SUCCEEDED
    assert [row[0] for row in await ask(world, "select count(*) from planar.workflow_batch")] == [1]


async def test_a_batch_of_one_statement_is_one_question(here: Process, clock: HandClock) -> None:
    _, store = here
    worker = uuid7()
    runs = [await begin(store, clock, worker) for _ in range(8)]
    asked: list[str] = []
    assert store._parts is not None
    committer = store._parts.lane._committer
    committer._connection = Counting(committer._connection, asked)
    await asyncio.gather(
        *(store.submit(held.save(done())) for held in runs[:4]), *(store.submit(StartRun(new_run(clock), worker)) for _ in range(4))
    )
    assert len(asked) == 1
    await asyncio.gather(*(store.submit(held.end()) for held in runs))
    assert len(asked) == 2


async def test_of_many_that_come_together_half_go_first(here: Process, clock: HandClock) -> None:
    """While the server writes one half, the callers of the other go on."""
    _, store = here
    worker = uuid7()
    runs = [await begin(store, clock, worker) for _ in range(20)]
    asked: list[str] = []
    assert store._parts is not None
    committer = store._parts.lane._committer
    committer._connection = Counting(committer._connection, asked)
    first, *_, last = [store.submit(held.save(done())) for held in runs]
    await first
    assert not last.done()
    await last
    assert len(asked) == 2


class Counting:
    """The connection that writes, which notes what it is asked."""

    def __init__(self, connection: Any, asked: list[str]) -> None:
        self._connection = connection
        self._asked = asked

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    async def execute(self, query: str) -> str:
        self._asked.append(query)
        return await self._connection.execute(query)

    async def fetch(self, query: str, *args: Any) -> Any:
        self._asked.append(query)
        return await self._connection.fetch(query, *args)


async def test_a_batch_waits_for_a_takeover_that_has_begun_and_is_refused_then(
    world: PostgresWorld, here: Process, clock: HandClock
) -> None:
    """Its snapshot is older than the takeover's commit: only the lock on the worker's row tells."""
    _, store = here
    held = await begin(store, clock)
    connection = await connect(world.url)
    taking = connection.transaction()
    await taking.start()
    await connection.execute("select 1 from planar.workflow_worker where id = $1 for update", held.holder.worker_id)
    saving = store.submit(held.save(done()))
    ending = store.submit(held.end())
    await waiting_for_a_lock(world)
    await connection.execute("update planar.workflow_worker set alive = false where id = $1", held.holder.worker_id)
    await connection.execute("update planar.workflow_claim set worker_id = null, due_at = $1", clock.now())
    await taking.commit()
    await connection.close()
    outcomes = await asyncio.gather(saving, ending, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StaleEpoch, StaleEpoch]
    assert await steps(store, held.run) == {}


async def waiting_for_a_lock(world: PostgresWorld) -> None:
    """Return once some connection of the database waits for another."""
    question = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'"
    async with asyncio.timeout(5):
        while (await ask(world, question))[0][0] == 0:
            pass


@pytest.mark.parametrize("first", ["the end", "the sleep"])
async def test_whoever_sleeps_until_an_end_is_woken_whichever_comes_first(
    world: PostgresWorld, here: Process, clock: HandClock, first: str
) -> None:
    """The two overlap: the second waits for a lock that the first holds, and its snapshot is older than the first's commit."""
    _, store = here
    _, there = await world.process()
    child = await begin(store, clock)
    parent = await begin(there, clock)
    sleep = parent.sleep(Reason.CHILD, waits=(RunWait(child.run.id),))
    connection = await connect(world.url)
    holding = connection.transaction()
    await holding.start()
    # Whoever comes first gets as far as the last thing that it writes, and holds all others.
    if first == "the end":
        await connection.execute("select 1 from planar.workflow_run where id = $1 for update", child.run.id)
    else:
        await connection.execute("insert into planar.workflow_wait values ($1, $2)", f"run:{child.run.id.hex}", parent.run.id)
    one = store.submit(child.end()) if first == "the end" else there.submit(sleep)
    await waiting_for_a_lock(world)
    other = there.submit(sleep) if first == "the end" else store.submit(child.end())
    await holding.rollback()
    await connection.close()
    outcomes = await asyncio.gather(one, other)
    slept = outcomes[1] if first == "the end" else outcomes[0]
    assert not slept.asleep or await claimed(store) == [parent.run.id]


async def test_a_listener_that_was_cut_off_looks_around_afterwards(world: PostgresWorld, here: Process, clock: HandClock) -> None:
    _, store = here
    _, there = await world.process()
    heard = Heard(store)
    await ask(world, KILL)
    await until(lambda: heard.foreign > 0, "the listener is there again")
    heard.news.clear()
    await there.submit(StartRun(new_run(clock)))
    await until(lambda: heard.foreign > 0, "it hears again")


# -- who lives ------------------------------------------------------------------------------------------------------------


async def test_a_worker_lives_as_long_as_its_heart_beats(world: PostgresWorld) -> None:
    async def process() -> PostgresStore:
        manager = DatabaseManager(world.url)
        await manager.connect()
        store = PostgresStore(manager, lease_seconds=0.6)
        world.processes.append((manager, store))
        await store.open()
        return store

    here, there = await process(), await process()
    one, two = uuid7(), uuid7()
    await here.enlist(one)
    await there.enlist(two)
    assert (await here.submit(StartRun(new_run(world.clock), one))).created
    (began,) = await ask(world, "select clock_timestamp()")
    while (await ask(world, "select clock_timestamp() - $1 > interval '1.5 seconds'", began[0]))[0][0] is not True:
        assert await there.dead_workers(two) == []
    assert here._parts is not None
    here._parts.heart.release(one)
    async with asyncio.timeout(5):
        while await there.dead_workers(two) != [one]:
            pass


async def test_a_worker_without_runs_rests_and_beats_before_it_takes_one(world: PostgresWorld) -> None:
    here, there = await world.store(), await world.store()
    worker = uuid7()
    await here.enlist(worker)
    assert here._parts is not None
    heart = here._parts.heart
    await heart.beat()
    assert heart._resting
    await ask(world, "update planar.workflow_worker set beat_at = clock_timestamp() - interval '1 minute' where id = $1", worker)
    assert await there.dead_workers(uuid7()) == [], "it has nothing that could be taken over"
    heard = Heard(there)
    started = await here.submit(StartRun(new_run(world.clock), worker))
    assert started.created
    assert not heart._resting
    assert await there.dead_workers(uuid7()) == []
    await until(lambda: heard.foreign > 0, "the others look at it again")
    await heart.beat()
    assert not heart._resting, "it holds a run"


def test_a_worker_is_dead_a_lease_after_its_last_beat_and_long_after_that_if_it_holds_nothing() -> None:
    assert Life(uuid7(), -0.1, alive=True, holds=True).is_dead(5.0)
    assert Life(uuid7(), -0.1, alive=False, holds=True).is_dead(5.0)
    assert not Life(uuid7(), 0.1, alive=True, holds=True).is_dead(5.0)
    assert not Life(uuid7(), -84.9, alive=True, holds=False).is_dead(5.0)
    assert Life(uuid7(), -85.1, alive=True, holds=False).is_dead(5.0)
    assert not Life(uuid7(), -85.1, alive=False, holds=False).is_dead(5.0), "it was taken for dead before"


async def test_who_died_is_asked_when_somebody_may_have(world: PostgresWorld) -> None:
    here, there = await world.store(), await world.store()
    mine, worker = uuid7(), uuid7()
    await here.enlist(worker)
    await here.submit(StartRun(new_run(world.clock), worker))
    # The announcements of what was done so far may still be on their way.
    assert there._parts is not None
    await there._parts.telling.close()
    assert await there.dead_workers(mine, [worker]) == []
    await ask(world, "update planar.workflow_worker set beat_at = '-infinity' where id = $1", worker)
    assert await there.dead_workers(mine, [worker]) == [], "its lease was good, and nothing was heard since"
    there._heard(Said(Audience.EVERYBODY))
    assert await there.dead_workers(mine, [worker]) == [worker]


async def test_nobody_is_dead_before_the_server_has_been_back_for_a_lease(world: PostgresWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """While it was away nobody could beat, and each worker would take over from all others."""
    here, there = await world.store(), await world.store()
    silent = uuid7()
    await here.enlist(silent)
    assert (await here.submit(StartRun(new_run(world.clock), silent))).created
    assert here._parts is not None
    here._parts.heart.release(silent)
    await ask(world, "update planar.workflow_worker set beat_at = clock_timestamp() - interval '1 hour'")
    started = sql.OTHERS_LIVES
    assert started.count("pg_postmaster_start_time()") == 1
    monkeypatch.setattr(sql, "OTHERS_LIVES", started.replace("pg_postmaster_start_time()", "(clock_timestamp() - interval '4 seconds')"))
    assert await there.dead_workers(uuid7()) == []
    monkeypatch.setattr(sql, "OTHERS_LIVES", started.replace("pg_postmaster_start_time()", "(clock_timestamp() - interval '6 seconds')"))
    assert await there.dead_workers(uuid7()) == [silent]


async def test_a_beat_tells_the_lease_and_a_worker_that_was_written_off_comes_back_in_a_new_term(world: PostgresWorld) -> None:
    store = await world.store()
    worker, lease = uuid7(), WorkerLease()
    before = SYSTEM_CLOCK.monotonic()
    await store.enlist(worker, lease)
    assert store._parts is not None
    assert before + store._lease_seconds <= lease.ends <= SYSTEM_CLOCK.monotonic() + store._lease_seconds
    lease.renew(before - 1)
    await store._parts.heart.beat()
    assert (lease.has_run_out(), lease.term) == (False, 0)
    lease.renew(before - 1)
    await ask(world, "update planar.workflow_worker set alive = false")
    await store._parts.heart.beat()
    assert (lease.has_run_out(), lease.term) == (True, 1)
    assert await asyncio.wait_for(lease.holds(1), 10)
    assert (await ask(world, "select alive from planar.workflow_worker"))[0][0] is True


async def test_what_a_dead_process_left_open_is_ended_and_nothing_else(world: PostgresWorld) -> None:
    """Its row locks, and the lock on its worker, would be in the way of whoever goes on with its runs."""
    (dead, one), (living, other) = await world.process(), await world.process()
    worker = uuid7()
    await one.enlist(worker)
    await other.enlist(uuid7())
    assert await other.dead_workers(worker) == [], "nobody is dead, and nothing is ended"
    async with dead.get_session(label="dead") as left, living.get_session(label="living") as kept, dead.get_session(label="new") as young:
        for session in (left, kept):
            await write(session)
        idle = "select count(*) from pg_stat_activity where state = 'idle in transaction' and datname = current_database()"
        long = f"{idle} and state_change < clock_timestamp() - interval '0.3 seconds'"
        await until_count(world, long, 2)
        await write(young)
        await end_transactions(other._ask, [worker], lease_seconds=0.6)
        await until_count(world, idle, 2)
        await kept.commit()
        await young.commit()
        with pytest.raises(DBAPIError):
            await left.commit()


async def until_count(world: PostgresWorld, query: str, wanted: int) -> None:
    async with asyncio.timeout(10):
        while True:
            if (await ask(world, query))[0][0] == wanted:
                return
            await asyncio.sleep(0.02)


async def test_the_time_is_the_servers(world: PostgresWorld) -> None:
    manager = DatabaseManager(world.url)
    await manager.connect()
    store = PostgresStore(manager)
    world.processes.append((manager, store))
    await store.open()
    store._time.learn(0.0, (await ask(world, "select timestamptz '2030-01-01 12:00Z'"))[0][0], 0.0)
    assert store.now().year == 2030
    assert store._parts is not None
    await store._parts.heart.beat()
    (server,) = await ask(world, "select clock_timestamp()")
    assert abs((store.now() - server[0]).total_seconds()) < 1


async def test_a_process_without_a_worker_asks_for_the_time_as_well(world: PostgresWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planar.engine.store.postgres.heart.IDLE_SECONDS", 0.01)
    manager = DatabaseManager(world.url)
    await manager.connect()
    store = PostgresStore(manager)
    world.processes.append((manager, store))
    await store.open()
    store._time.learn(0.0, (await ask(world, "select timestamptz '2030-01-01 12:00Z'"))[0][0], 0.0)
    (server,) = await ask(world, "select clock_timestamp()")
    await until(lambda: abs((store.now() - server[0]).total_seconds()) < 60, "the server's time to be learnt")


async def test_the_engine_reads_on_as_many_connections_as_the_settings_say(world: PostgresWorld) -> None:
    manager = DatabaseManager(world.url, pool=PoolConfig(engine_size=2))
    await manager.connect()
    store = PostgresStore(manager)
    world.processes.append((manager, store))
    await store.open()
    assert store._parts is not None
    assert store._parts.pool.get_max_size() == 2


async def test_a_run_may_be_marked_while_a_session_of_its_step_is_open(here: Process, clock: HandClock) -> None:
    manager, store = here
    held = await begin(store, clock)
    async with manager.get_session(label="step") as session:
        await write(session)
        await store.submit(held.save(mark()))
        await store.submit_in(session, [held.save(done())])
        await session.commit()
    assert (await steps(store, held.run))["1"].seq == 1


@asynccontextmanager
async def by_the_clock(world: PostgresWorld) -> AsyncGenerator[Process]:
    """A process with the server's time, whose looks begin where the last ended."""
    manager = DatabaseManager(world.url)
    await manager.connect()
    store = PostgresStore(manager)
    world.processes.append((manager, store))
    await store.open()
    try:
        yield manager, store
    finally:
        await store.close()


async def looked(store: Store) -> None:
    """It has claimed what was due until now."""
    await store.submit(StartRun(new_run(HandClock(), created_at=store.now())))
    assert len((await claim(store, uuid7())).claims) == 1
    assert await claimed(store) == []


async def found_by_a_partial_look(store: Store, run: Run) -> None:
    """*store* finds *run* without another complete look, once it hears of it."""
    found: list[UUID] = []
    async with asyncio.timeout(20):
        while not found:
            found = await claimed(store)
    assert found == [run.id]


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """No look goes back by itself, and none is complete but the first."""
    monkeypatch.setattr(transaction, "SLACK", timedelta(0))
    monkeypatch.setattr(transaction, "COMPLETE", timedelta(hours=1))


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("elsewhere", [True, False])
async def test_what_a_session_started_a_while_ago_is_found_as_soon_as_it_is_heard_of(world: PostgresWorld, elsewhere: bool) -> None:
    async with by_the_clock(world) as (manager, here), by_the_clock(world) as (_, there):
        async with manager.get_session(label="step") as session:
            # It is due when it is written.
            late = new_run(world.clock, created_at=here.now() - timedelta(hours=1))
            await here.submit_in(session, [StartRun(late)])
            store = there if elsewhere else here
            await looked(store)
            await session.commit()
        (due_at,) = [row[0] for row in await ask(world, "select due_at from planar.workflow_claim where run_id = $1", late.id)]
        assert late.created_at + timedelta(minutes=50) < due_at < store._looks._upto
        await found_by_a_partial_look(store, late)


INSERT_WAITS = """
select from pg_locks where relation = 'planar.workflow_claim'::regclass and mode = 'RowExclusiveLock' and not granted
    and database = (select oid from pg_database where datname = current_database())
"""


@pytest.mark.usefixtures("strict")
async def test_what_waited_for_a_lock_with_its_batch_is_found_as_soon_as_others_hear_of_it(world: PostgresWorld) -> None:
    async with by_the_clock(world) as (_, here), by_the_clock(world) as (_, there):
        late = new_run(world.clock, created_at=here.now(), idempotency_key="k")
        connection = await connect(world.url)
        try:
            await connection.execute("begin")
            await connection.execute("lock table planar.workflow_claim in share mode")
            starting = here.submit(StartRun(late))
            async with asyncio.timeout(20):
                while not await ask(world, INSERT_WAITS):
                    pass
            assert await there.submit(ClaimDue(uuid7(), 9, ALL, doubtful=True)) == Claims((), None)
            await connection.execute("rollback")
        finally:
            await connection.close()
        await starting
        await found_by_a_partial_look(there, late)


@pytest.mark.usefixtures("strict")
async def test_a_look_that_was_undone_with_its_batch_is_repeated_from_where_it_began(world: PostgresWorld) -> None:
    async with by_the_clock(world) as (_, store):
        await looked(store)
        due = new_run(world.clock, created_at=store.now())
        await store.submit(StartRun(due))
        looking, bad = store.submit(ClaimDue(uuid7(), 9, ALL)), store.submit(StartRun(new_run(world.clock, args='"\ud800"')))
        with pytest.raises(UnicodeEncodeError):
            await bad
        assert [each.run.id for each in (await looking).claims] == [due.id]


async def test_what_became_due_late_is_found_within_a_second_by_looks_that_begin_where_the_last_ended(world: PostgresWorld) -> None:
    async with by_the_clock(world) as (_, store):
        worker = uuid7()
        await store.submit(StartRun(new_run(world.clock, created_at=store.now())))
        assert len((await claim(store, worker)).claims) == 1
        late = new_run(world.clock, created_at=store.now())
        await store.submit(StartRun(late))
        # As the transaction of another process leaves it that was open for so long.
        await ask(world, "update planar.workflow_claim set due_at = due_at - interval '10 minutes' where run_id = $1", late.id)
        found = await claim(store, worker)
        while not found.claims:
            # Until then it says when to look again.
            assert found.next_due is not None
            assert found.next_due - store.now() <= timedelta(seconds=1)
            found = await claim(store, worker)
        assert [each.run.id for each in found.claims] == [late.id]


async def test_other_processes_hear_only_of_what_concerns_them(world: PostgresWorld) -> None:
    here, there = await world.store(), await world.store()
    assert here._parts is not None
    telling = here._parts.telling
    worker = uuid7()
    await here.enlist(worker)
    sleeper, child = await begin(here, world.clock, worker), await begin(here, world.clock, worker)
    heard = Heard(there)

    async def quiet() -> None:
        await until(lambda: telling._telling is None or telling._telling.done(), "all is said")
        heard.news.clear()

    async def said(news: News) -> None:
        await until(lambda: len(heard.news) > 0, f"{news} was heard")
        assert heard.news == [news]
        await quiet()

    anything, ends = News(foreign=True), News(foreign=True, ends_alone=True)
    await quiet()
    # A start that is claimed with its insert, and a record, are nothing to others: what is heard is what comes after them.
    held = await begin(here, world.clock, worker)
    await here.submit(held.save(done()))
    assert telling._unsaid is None
    await here.submit(held.end())
    await until(lambda: ends in heard.news, "an end was heard")
    await quiet()
    await here.submit(StartRun(new_run(world.clock)))
    await said(anything)
    await here.submit(sleeper.sleep(Reason.CHILD, waits=(RunWait(child.run.id),)))
    await said(anything)
    # Somebody sleeps for this one, and is due now.
    await here.submit(child.end())
    await said(anything)


async def test_what_is_said_together_concerns_all_whom_any_of_it_concerns(world: PostgresWorld) -> None:
    here, there = await world.store(), await world.store()
    assert here._parts is not None
    heard = Heard(there)
    for both in ((Audience.WAITING, Audience.EVERYBODY), (Audience.EVERYBODY, Audience.WAITING)):
        for audience in both:
            here._parts.telling.tell(audience)
        await until(lambda: len(heard.news) > 0, "it was heard")
        assert heard.news == [News(foreign=True)]
        telling = here._parts.telling._telling
        assert telling is not None
        await telling
        heard.news.clear()


async def test_a_worker_whose_lease_had_run_out_announces_itself_with_what_it_writes(world: PostgresWorld) -> None:
    """Others may rely on an older answer, in which it held nothing and was silent."""
    here, there = await world.store(), await world.store()
    assert here._parts is not None
    telling, worker, lease = here._parts.telling, uuid7(), WorkerLease()
    await here.enlist(worker, lease)
    await begin(here, world.clock, worker)
    await until(lambda: telling._telling is None or telling._telling.done(), "all is said")
    heard = Heard(there)
    lease.ends = 0.0
    assert (await here.submit(StartRun(new_run(world.clock), worker))).created
    await until(lambda: News(foreign=True) in heard.news, "it was announced")


async def test_a_worker_that_was_taken_for_dead_has_runs_looked_up_that_it_held(world: PostgresWorld) -> None:
    store = await world.store()
    await store.enlist(worker := uuid7())
    heard = Heard(store)
    store._come_again(worker)
    assert heard.news == [News(foreign=True)]
