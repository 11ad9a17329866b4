"""The promises of the SQLite store that need a file: sessions that share its transactions, the gate, and other processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlmodel import select
from uuid_utils.compat import uuid7

from planar.db.errors import DatabaseBusy
from planar.db.session import PlanarSession
from planar.engine.core.model import Claim, RunStatus
from planar.engine.errors import StaleEpoch
from planar.engine.store.port import Cancel, Emit, Entry, News, Release, RetireWorker, Slept, StartRun
from planar.engine.store.sqlite import SqliteStore
from planar.engine.store.tables import Workflow
from planar.errors import InternalError
from tests.contract.store_process import OtherProcess
from tests.contract.store_world import (
    HandClock,
    Heard,
    Process,
    SqliteWorld,
    begin,
    claim,
    claimed,
    done,
    new_event,
    new_run,
    status,
    steps,
    until,
    wait_for,
)

pytestmark = [pytest.mark.anyio, pytest.mark.store("sqlite")]


async def write(session: PlanarSession) -> None:
    """What a user writes."""
    await (await session.connection()).execute(text("insert into ledger (amount) values (7)"))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SqliteWorld]:
    world = SqliteWorld(tmp_path)
    yield world
    await world.close()


@pytest.fixture
async def here(world: SqliteWorld) -> Process:
    process = await world.process()
    connection = sqlite3.connect(world.path)
    connection.execute("create table ledger (amount integer)")
    connection.commit()
    connection.close()
    return process


@pytest.fixture
def store(here: Process) -> SqliteStore:
    return here.store


@pytest.fixture
def clock(world: SqliteWorld) -> HandClock:
    return world.clock


def ledger(world: SqliteWorld) -> list[int]:
    connection = sqlite3.connect(world.path)
    try:
        return [amount for (amount,) in connection.execute("select amount from ledger")]
    finally:
        connection.close()


# -- in a session's transaction -------------------------------------------------------------------------------------------


async def test_a_record_becomes_durable_and_news_with_the_sessions_commit(world: SqliteWorld, here: Process, clock: HandClock) -> None:
    held = await begin(here.store, clock)
    child = new_run(clock)
    heard = Heard(here.store)
    async with here.manager.get_session(label="step") as session:
        await write(session)
        started = await here.store.submit_in(session, [held.save(done(), start=StartRun(child))])
        assert started[0].created
        assert await here.store.load_run(child.id) is None
        assert await steps(here.store, held.run) == {}
        assert heard.own == []
        await session.commit()
    assert heard.own == [News(due=True)]
    assert await here.store.load_run(child.id) == child
    assert list(await steps(here.store, held.run)) == ["1"]
    assert ledger(world) == [7]


async def test_what_is_rolled_back_leaves_nothing_and_is_never_news(world: SqliteWorld, here: Process, clock: HandClock) -> None:
    running = await begin(here.store, clock)
    child = new_run(clock)
    heard = Heard(here.store)
    async with here.manager.get_session(label="step") as session:
        await write(session)
        await here.store.submit_in(session, [StartRun(child), Cancel(running.run.id, "enough", "{}")])
        await session.rollback()
        # The next transaction of the same session must not tell what the undone one would have told.
        await write(session)
        await session.commit()
    assert heard.own == []
    assert await here.store.load_run(child.id) is None
    assert await here.store.cancel_requests(running.holder.worker_id) == {}
    assert ledger(world) == [7]


async def test_a_session_that_is_closed_without_a_commit_leaves_nothing(world: SqliteWorld, here: Process, clock: HandClock) -> None:
    heard = Heard(here.store)
    session = here.manager.get_session(label="step")
    await write(session)
    await here.store.submit_in(session, [StartRun(new_run(clock))])
    await session.close()
    await write(session)
    await session.commit()
    await session.close()
    assert heard.own == []
    assert await claimed(here.store) == []
    assert ledger(world) == [7]


async def test_a_savepoint_that_is_undone_takes_its_entries_and_their_news_along(here: Process, clock: HandClock) -> None:
    kept, undone = new_run(clock), await begin(here.store, clock)
    heard = Heard(here.store)
    async with here.manager.get_session(label="step") as session:
        await here.store.submit_in(session, [StartRun(kept)])
        async with session.begin_nested() as outer:
            async with session.begin_nested():
                await here.store.submit_in(session, [Cancel(undone.run.id, "enough", "{}")])
            assert heard.own == []
            await outer.rollback()
        await session.commit()
    assert heard.own == [News(due=True)]
    assert await here.store.cancel_requests(undone.holder.worker_id) == {}
    assert await claimed(here.store) == [kept.id]


async def test_the_news_of_a_savepoint_wait_for_the_whole_transaction(here: Process, clock: HandClock) -> None:
    heard = Heard(here.store)
    async with here.manager.get_session(label="step") as session:
        async with session.begin_nested():
            await here.store.submit_in(session, [StartRun(new_run(clock))])
        assert heard.own == []
        await session.commit()
        assert heard.own == [News(due=True)]
        await write(session)
        await session.commit()
    assert heard.own == [News(due=True)]


async def test_a_stale_record_is_refused_and_leaves_the_session_as_it_was(world: SqliteWorld, here: Process, clock: HandClock) -> None:
    held = await begin(here.store, clock)
    await here.store.submit(RetireWorker(held.holder.worker_id, died=True))
    for entry in (held.save(done()), held.save(done(), emit=Emit(new_event(clock)))):
        async with here.manager.get_session(label="step") as session:
            await write(session)
            with pytest.raises(StaleEpoch):
                await here.store.submit_in(session, [entry])
            await session.commit()
    assert ledger(world) == [7, 7]
    assert await steps(here.store, held.run) == {}
    assert await here.store.look([wait_for(held.run)]) == (None,)


async def test_of_several_entries_all_are_applied_or_none(world: SqliteWorld, here: Process, clock: HandClock) -> None:
    held = await begin(here.store, clock)
    child = new_run(clock)
    stale = replace(held, holder=held.holder._replace(epoch=5))
    heard = Heard(here.store)
    async with here.manager.get_session(label="step") as session:
        await write(session)
        with pytest.raises(StaleEpoch):
            await here.store.submit_in(session, [StartRun(child), held.save(done("1")), stale.save(done("2"))])
        await session.commit()
    assert await here.store.load_run(child.id) is None
    assert await steps(here.store, held.run) == {}
    assert heard.own == []
    assert ledger(world) == [7]


async def test_an_entry_that_fails_half_way_leaves_nothing_in_the_session(world: SqliteWorld, here: Process, clock: HandClock) -> None:
    held = await begin(here.store, clock)
    async with here.manager.get_session(label="step") as session:
        await write(session)
        with pytest.raises(UnicodeEncodeError):
            await here.store.submit_in(session, [held.save(done(), start=StartRun(new_run(clock, args="\ud800")))])
        await session.commit()
    assert await steps(here.store, held.run) == {}
    assert ledger(world) == [7]


async def test_a_session_that_only_read_takes_the_lock_before_the_store_looks(world: SqliteWorld, here: Process, clock: HandClock) -> None:
    """What is decided by looking (a cancellation looks first) must still be so when it is written."""
    there = await world.process()
    held = await begin(here.store, clock)
    async with here.manager.get_session(label="request") as session:
        await (await session.connection()).execute(text("select 1"))
        assert not session.wrote
        ended = await here.store.submit_in(session, [Cancel(uuid7(), "enough", "{}"), Cancel(held.run.id, "enough", "{}")])
        assert session.wrote
        assert ended[0] is None
        ending = there.store.submit(held.end())
        await session.commit()
    await ending
    assert await status(there.store, held.run) is RunStatus.SUCCEEDED


async def test_a_broken_listener_does_not_fail_the_users_commit(world: SqliteWorld, here: Process, clock: HandClock) -> None:
    def fail(news: News) -> None:
        raise LookupError("a broken listener")

    here.store.subscribe(fail)
    async with here.manager.get_session(label="step") as session:
        await write(session)
        await here.store.submit_in(session, [StartRun(new_run(clock))])
        await session.commit()
    assert ledger(world) == [7]


EVERYTHING: dict[str, Callable[[HandClock], Entry]] = {
    "a start": lambda clock: StartRun(new_run(clock)),
    "an event": lambda clock: Emit(new_event(clock)),
}


@pytest.mark.parametrize("entry", EVERYTHING.values(), ids=EVERYTHING)
async def test_what_another_waits_for_can_be_written_in_a_session(
    here: Process, clock: HandClock, entry: Callable[[HandClock], Entry]
) -> None:
    waiting = await begin(here.store, clock)
    await here.store.submit(waiting.sleep_for_event())
    async with here.manager.get_session(label="request") as session:
        await here.store.submit_in(session, [entry(clock)])
        await session.commit()
    assert len(await claimed(here.store)) == 1


async def test_a_record_in_a_session_and_a_mark_in_the_lane_do_not_meet(here: Process, clock: HandClock) -> None:
    held = await begin(here.store, clock)
    async with here.manager.get_session(label="step") as session:
        await write(session)
        late = here.store.submit(held.save(done()._replace(seq=None)))
        await here.store.submit_in(session, [held.save(done())])
        await session.commit()
    with pytest.raises(StaleEpoch):
        await late
    assert (await steps(here.store, held.run))["1"].seq == 1


# -- the gate -------------------------------------------------------------------------------------------------------------


async def test_sessions_and_entries_take_their_turns_in_the_order_in_which_they_came(here: Process, clock: HandClock) -> None:
    gate = here.manager.write_gate
    assert gate is not None
    held = await begin(here.store, clock)
    entries: list[asyncio.Future[None]] = []
    turns: list[asyncio.Task[object]] = []
    for number in range(1, 4):
        entries.append(here.store.submit(held.save(done(str(number), seq=number))))
        turns.append(asyncio.ensure_future(gate.enter(f"session {number}")))
        await asyncio.sleep(0)
    for number in range(3):
        turn = await turns[number]
        assert [entry.done() for entry in entries] == [position <= number for position in range(3)]
        assert [each.done() for each in turns] == [position <= number for position in range(3)]
        turn.release()  # type: ignore[attr-defined]


async def test_entries_wait_while_a_session_writes(here: Process, clock: HandClock) -> None:
    held = await begin(here.store, clock)
    async with here.manager.get_session(label="step") as session:
        await write(session)
        waiting = here.store.submit(held.save(done()))
        # A read of the store goes on meanwhile, and sees nothing of what is not committed.
        assert await steps(here.store, held.run) == {}
        assert not waiting.done()
        await session.commit()
    await waiting
    assert list(await steps(here.store, held.run)) == ["1"]


async def test_a_session_waits_for_what_was_submitted_before_it(here: Process, clock: HandClock) -> None:
    held = await begin(here.store, clock)
    before = [here.store.submit(held.save(done(str(number), seq=number))) for number in range(1, 300)]
    async with here.manager.get_session(label="step") as session:
        await write(session)
        assert all(future.done() for future in before)
        await session.commit()


async def test_a_cancelled_session_gives_its_turn_back(here: Process, clock: HandClock) -> None:
    gate = here.manager.write_gate
    assert gate is not None
    held = await begin(here.store, clock)
    first = await gate.enter("first")
    waiting = asyncio.ensure_future(gate.enter("given up"))
    await asyncio.sleep(0)
    entry = here.store.submit(held.save(done()))
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not entry.done()
    first.release()
    first.release()
    await asyncio.wait_for(entry, 5)


async def test_closing_waits_for_the_session_that_writes(here: Process, clock: HandClock) -> None:
    held = await begin(here.store, clock)
    async with here.manager.get_session(label="step") as session:
        await write(session)
        entry = here.store.submit(held.save(done()))
        closing = asyncio.ensure_future(here.store.close())
        await asyncio.sleep(0)
        assert not entry.done()
        await session.commit()
    await closing
    assert await entry is None


async def test_a_gate_that_has_closed_lets_everybody_pass(world: SqliteWorld, here: Process) -> None:
    gate = here.manager.write_gate
    assert gate is not None
    await here.store.close()
    assert here.manager.write_gate is None
    turn = await asyncio.wait_for(gate.enter("late"), 5)
    turn.release()
    async with here.manager.get_session(label="script") as session:
        await write(session)
        await session.commit()
    assert ledger(world) == [7]


async def test_another_process_that_writes_delays_an_entry_and_fails_nothing_but_an_impatient_session(
    world: SqliteWorld, here: Process, clock: HandClock, caplog: pytest.LogCaptureFixture
) -> None:
    impatient = await world.process(timeout=0.5)
    held = await begin(here.store, clock)
    with OtherProcess(world.path, "lock") as other:
        assert await other.says() == "locked"
        waiting = impatient.store.submit(held.save(done()))
        await until(lambda: "another process holds the write lock" in caplog.text, "the writer says who is in the way")
        async with impatient.manager.get_session(label="request") as session:
            with pytest.raises(DatabaseBusy):
                await write(session)
        assert not waiting.done()
        other.tell()
        assert await other.says() == "free"
        assert await asyncio.wait_for(waiting, 10) is None
    assert list(await steps(here.store, held.run)) == ["1"]


# -- other processes ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["worker", "forking-worker"])
async def test_a_killed_process_is_dead_at_once_and_its_run_goes_on(world: SqliteWorld, here: Process, clock: HandClock, role: str) -> None:
    """Also when a helper that it forked (a process pool of a step) lives on and has inherited its open files."""
    living = uuid7()
    await here.store.enlist(living)
    with OtherProcess(world.path, role) as other:
        told = await other.says()
        dying, run_id = UUID(told["worker"]), UUID(told["run"])
        assert await here.store.other_workers(living) == [dying]
        assert await here.store.dead_workers(living) == []
        os.kill(other.pid, signal.SIGSTOP)
        assert await here.store.dead_workers(living) == []
        other.kill()
        if told["helper"]:
            os.kill(told["helper"], 0)
        assert await here.store.dead_workers(living) == [dying]
        assert await here.store.submit(RetireWorker(dying, died=True)) == 1
        found = await claim(here.store, living)
        run = await here.store.load_run(run_id)
        assert run is not None
        assert found.claims == (Claim(run, epoch=2, recoveries=1, crashed=True),)
        assert list(await steps(here.store, run)) == ["1"]
        assert await here.store.dead_workers(living) == []


async def test_processes_that_know_the_file_by_different_links_see_each_other_alive(
    world: SqliteWorld, here: Process, tmp_path: Path
) -> None:
    linked = SqliteWorld(tmp_path)
    linked.path = tmp_path / "link.db"
    linked.path.symlink_to(world.path)
    try:
        there = await linked.process()
        one, two = uuid7(), uuid7()
        await here.store.enlist(one)
        await there.store.enlist(two)
        assert await here.store.dead_workers(one) == []
        assert await there.store.dead_workers(two) == []
        assert await there.store.other_workers(two) == [one]
    finally:
        await linked.close()


async def test_workers_that_stop_leave_no_files(world: SqliteWorld, here: Process) -> None:
    one, two = uuid7(), uuid7()
    await here.store.enlist(one)
    await here.store.enlist(two)
    assert (world.path.parent / "app.db-workers").is_dir()
    await here.store.discharge(one)
    await here.store.discharge(two)
    assert not (world.path.parent / "app.db-workers").exists()


async def test_a_closed_store_holds_no_lock_for_a_worker(world: SqliteWorld, here: Process) -> None:
    there = await world.process()
    worker = uuid7()
    await here.store.close()
    with pytest.raises(InternalError, match="closed"):
        await here.store.enlist(worker)
    assert not (world.path.parent / "app.db-workers").exists()
    assert await there.store.other_workers(uuid7()) == []


async def test_a_file_that_cannot_be_opened_is_an_error_of_open(world: SqliteWorld, here: Process) -> None:
    """Not of a writer that died silently: everything submitted to it would wait for ever."""
    store = SqliteStore(here.manager, world.clock)
    good = here.manager.sqlite_path
    here.manager.sqlite_path = world.path.parent / "missing" / "app.db"
    try:
        with pytest.raises(sqlite3.OperationalError):
            await asyncio.wait_for(store.open(), 10)
        await store.close()
        with pytest.raises(InternalError, match="closed"):
            store.submit(StartRun(new_run(world.clock)))
    finally:
        here.manager.sqlite_path = good


async def test_a_database_that_is_not_connected_is_an_error_of_open(world: SqliteWorld, here: Process) -> None:
    await here.store.close()
    await here.manager.disconnect()
    with pytest.raises(InternalError, match="not connected"):
        await here.store.open()


# -- one truth for the status ---------------------------------------------------------------------------------------------


async def test_the_status_that_people_see_follows_the_run(here: Process, clock: HandClock) -> None:
    run = new_run(clock)
    worker = uuid7()

    async def seen() -> tuple[RunStatus, str | None, bool, str | None]:
        async with here.manager.get_session(label="request") as session:
            row = (await session.exec(select(Workflow).where(Workflow.id == run.id))).one()
        return row.status, row.reason, row.wakeup_at is not None, row.waiting_for_event

    await here.store.submit(StartRun(run))
    assert await seen() == (RunStatus.PENDING, "ready", True, None)
    assert await claimed(here.store, worker) == [run.id]
    held = (await begin(here.store, clock)).taken_by(worker, 1)
    held = replace(held, run=run, holder=held.holder._replace(run_id=run.id))
    assert await seen() == (RunStatus.RUNNING, "running", False, None)
    due = clock.now() + timedelta(hours=1)
    assert await here.store.submit(held.sleep_for_event()._replace(due_at=due)) == Slept(asleep=True)
    assert await seen() == (RunStatus.SUSPENDED, "event", True, "paid")
    await here.store.submit(Emit(new_event(clock)))
    assert await seen() == (RunStatus.PENDING, "ready", True, None)
    assert await claimed(here.store, worker) == [run.id]
    held = held.taken_by(worker, 2)
    await here.store.submit(held.sleep(due_at=due))
    assert await seen() == (RunStatus.SUSPENDED, "timer", True, None)
    clock.move(hours=2)
    assert await claimed(here.store, worker) == [run.id]
    held = held.taken_by(worker, 3)
    await here.store.submit(Release(held.holder))
    assert await seen() == (RunStatus.PENDING, "ready", True, None)
    assert await claimed(here.store, worker) == [run.id]
    await here.store.submit(held.taken_by(worker, 4).end())
    assert await seen() == (RunStatus.SUCCEEDED, None, False, None)
