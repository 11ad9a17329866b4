"""A lock has one holder at a time, in all processes; its numbers only rise; it never outlives a crash, nor what it protects."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlmodel import select, update

from planar import PlanarApp
from planar.context import bind_services, current_services
from planar.db.manager import DatabaseManager
from planar.db.session import SessionScope, bind_session, get_session
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import LockedResource, StepStatus, emit_event, step, wait_for_event, workflow
from planar.workflows.holding import locks_of
from planar.workflows.lock import LockLost, LockMisplaced, LockResourceFailed, lock_resource, lock_workflow
from tests.databases import Databases
from tests.integration.engine.conftest import Opener, client, steps_of, until, until_status

pytestmark = pytest.mark.anyio

HOUR = timedelta(hours=1)
SHORT = timedelta(seconds=0.3)
LEASE = timedelta(seconds=3)
"""Renewed each second: what is tested does not hang on how busy the machine is."""

SEEN: list[Any] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    SEEN.clear()


class LockNote(PlanarBaseEntity, table=True):
    text: str


async def notes() -> list[str]:
    async with current_services().get(DatabaseManager).get_session() as session:
        return [note.text for note in (await session.exec(select(LockNote).order_by(LockNote.id))).all()]


async def row_of(key: str) -> LockedResource:
    async with current_services().get(DatabaseManager).get_session() as session:
        return (await session.exec(select(LockedResource).where(LockedResource.lock_key == key))).one()


async def is_free(key: str) -> bool:
    return (await row_of(key)).lock_until <= client().now()


async def steal(key: str) -> None:
    """What another process does that finds the lease run out."""
    async with current_services().get(DatabaseManager).get_session() as session:
        change = update(LockedResource).where(LockedResource.lock_key == key)
        until = datetime.now(UTC) + HOUR
        await (await session.connection()).execute(change.values(version_id=LockedResource.version_id + 1, lock_until=until))
        await session.commit()


@asynccontextmanager
async def two_processes(open_app: Opener) -> AsyncGenerator[tuple[PlanarApp, PlanarApp]]:
    """Two apps on one file know of each other what the database says, as two processes do."""
    async with open_app() as one, open_app() as two:
        yield one, two


async def once(key: str) -> int:
    """Take the lock if that is possible at once."""
    async with lock_resource(key, HOUR, retry_count=0) as number:
        return number


# -- one at a time ----------------------------------------------------------------------------------------------------


async def test_holders_never_meet_and_are_served_in_the_order_of_asking(open_app: Opener) -> None:
    inside: list[int] = []

    async def work(number: int) -> None:
        async with lock_resource("till", HOUR):
            inside.append(number)
            assert len(inside) == 1
            await asyncio.sleep(0)
            SEEN.append(inside.pop())

    async with open_app():
        await asyncio.gather(*(work(number) for number in range(20)))
    served = list(range(20))
    assert served == SEEN


async def test_each_hold_has_a_higher_number_also_after_a_release(open_app: Opener) -> None:
    async with open_app():
        assert [await once("till") for _ in range(3)] == [1, 2, 3]
        assert await once("another") == 1


async def test_numbers_rise_across_a_restart(open_app: Opener) -> None:
    for number in (1, 2):
        async with open_app():
            assert await once("till") == number


async def test_another_process_waits_and_takes_over_when_it_is_given_back(open_app: Opener) -> None:
    async with two_processes(open_app) as (one, two):
        with bind_services(one.services):
            async with lock_resource("till", HOUR) as first:
                with bind_services(two.services):
                    waiting = asyncio.create_task(_take("till"))
                    with pytest.raises(LockResourceFailed):
                        await once("till")
        assert await waiting == first + 1


async def _take(key: str) -> int:
    async with lock_resource(key, HOUR, retry_count=500, retry_interval_seconds=0.02) as number:
        return number


async def test_a_lock_that_is_never_free_is_given_up(open_app: Opener) -> None:
    async with open_app():
        async with lock_resource("till", HOUR):
            for options in ({"retry_count": 0}, {"retry_count": 3, "retry_interval_seconds": 0.01}):
                with pytest.raises(LockResourceFailed, match="till"):
                    await asyncio.create_task(_hold("till", **options))
        assert await once("till") == 2
        assert len(locks_of(current_services()).queues) == 0


async def _hold(key: str, **options: Any) -> None:
    async with lock_resource(key, HOUR, **options):
        SEEN.append(key)


async def test_a_task_that_would_wait_for_itself_is_told_so(open_app: Opener) -> None:
    async with open_app():
        async with lock_resource("till", HOUR):
            with pytest.raises(LockResourceFailed, match="already"):
                await _hold("till")
        assert SEEN == []


async def test_whoever_stops_waiting_holds_nothing(open_app: Opener) -> None:
    async with open_app():
        for _ in range(20):
            task = asyncio.create_task(_hold("till"))
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
        await locks_of(current_services()).close()
        assert await once("till")
        assert len(locks_of(current_services()).queues) == 0


async def test_a_lock_on_a_run_is_named_after_it(open_app: Opener) -> None:
    async with open_app(plain):
        run = await plain.start()
        async with lock_workflow(run):
            assert not await is_free(f"workflow-execution:{run.id.hex}")


@workflow()
async def plain() -> None:
    """Nothing to do."""


@pytest.mark.parametrize(
    ("key", "duration", "options"),
    [("", HOUR, {}), ("x", timedelta(0), {}), ("x", HOUR, {"retry_count": -1}), ("x", HOUR, {"retry_interval_seconds": -1})],
)
async def test_senseless_arguments_are_refused(key: str, duration: timedelta, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"lock|negative"):
        async with lock_resource(key, duration, **options):
            raise AssertionError("it was taken")


# -- leases -----------------------------------------------------------------------------------------------------------


class Later:
    """A clock that is ahead."""

    def __init__(self, ahead: timedelta) -> None:
        self.ahead = ahead

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


async def test_a_lease_that_has_run_out_by_the_stores_clock_is_taken_over(open_app: Opener) -> None:
    async with two_processes(open_app) as (one, two):
        with bind_services(one.services):
            dead = await locks_of(one.services).leases.take("till", timedelta(minutes=1))  # and no heartbeat
        with bind_services(two.services):
            with pytest.raises(LockResourceFailed):
                await once("till")
            client().store._clock = Later(timedelta(minutes=2))  # type: ignore[attr-defined]
            assert dead is not None
            assert await once("till") == dead.number + 1


async def test_a_holder_that_lives_keeps_its_lease(open_app: Opener) -> None:
    async with two_processes(open_app) as (one, two):
        with bind_services(one.services):
            async with lock_resource("till", LEASE):
                first = (await row_of("till")).lock_until
                await until(lambda: _is_after("till", first + LEASE / 2))
                with bind_services(two.services), pytest.raises(LockResourceFailed):
                    await once("till")


async def _is_after(key: str, moment: datetime) -> bool:
    return (await row_of(key)).lock_until > moment


async def test_a_lost_lease_cancels_the_block_with_an_error_that_says_so(open_app: Opener) -> None:
    async with open_app():
        with pytest.raises(LockLost, match="till"):
            async with lock_resource("till", SHORT):
                await steal("till")
                try:
                    await asyncio.Event().wait()
                except asyncio.CancelledError:
                    SEEN.append("told")
                    raise
        assert SEEN == ["told"]
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert (await row_of("till")).version_id == 2
        assert not await is_free("till"), "the thief still holds it"


async def test_a_block_that_swallows_the_cancellation_learns_of_the_loss_all_the_same(open_app: Opener) -> None:
    async with open_app():
        with pytest.raises(LockLost):
            async with lock_resource("till", SHORT):
                await steal("till")
                with pytest.raises(asyncio.CancelledError):
                    await asyncio.Event().wait()


async def test_a_block_that_ends_before_it_hears_of_the_loss_is_told_at_its_end(open_app: Opener) -> None:
    async with open_app():
        with pytest.raises(LockLost):
            async with lock_resource("till", HOUR):
                await steal("till")
        assert not await is_free("till")


async def test_somebody_elses_cancellation_stays_one(open_app: Opener) -> None:
    async with open_app():
        task = asyncio.create_task(_hold_for_ever())
        await until(_has_entered)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await once("till") == 2


async def _has_entered() -> bool:
    return "entered" in SEEN


async def _hold_for_ever(duration: timedelta = HOUR) -> None:
    async with lock_resource("till", duration):
        SEEN.append("entered")
        await asyncio.Event().wait()


async def test_a_loss_does_not_hide_somebody_elses_cancellation(open_app: Opener) -> None:
    async def hold() -> None:
        async with lock_resource("till", SHORT):
            await steal("till")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            SEEN.append("entered")
            await asyncio.Event().wait()

    async with open_app():
        task = asyncio.create_task(hold())
        await until(_has_entered)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_lease_that_cannot_be_renewed_in_time_is_lost(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(*_: object) -> bool:
        raise ConnectionError("the database is away")

    async with open_app():
        monkeypatch.setattr(locks_of(current_services()).leases, "renew", broken)
        with caplog.at_level(logging.WARNING, "planar"), pytest.raises(LockLost):
            await asyncio.wait_for(_hold_for_ever(SHORT), 10)
        assert "a lock could not be renewed" in caplog.text


async def test_a_renewal_that_hangs_does_not_hide_the_end_of_the_lease(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async def hanging(*_: object) -> bool:
        return await asyncio.Event().wait()

    async with open_app():
        monkeypatch.setattr(locks_of(current_services()).leases, "renew", hanging)
        with pytest.raises(LockLost):
            await asyncio.wait_for(_hold_for_ever(SHORT), 10)


# -- with a session ---------------------------------------------------------------------------------------------------


@step()
async def write_within(text: str, then: str = "") -> int:
    async with lock_resource("till", HOUR) as number:
        get_session().add(LockNote(text=text))
        if then == "steal":
            await steal("till")
        if then == "fail":
            await get_session().flush()
            raise ValueError("after the write")
        return number


@workflow()
async def writing(text: str, then: str = "") -> int:
    return await write_within(text, then)


async def test_what_a_step_writes_under_a_lock_is_committed_with_its_release(open_app: Opener) -> None:
    async with open_app(writing):
        assert await asyncio.wait_for(asyncio.gather(*(writing(str(number)) for number in range(10))), 20)
        assert sorted(await notes()) == [str(number) for number in range(10)]
        assert await is_free("till")
        assert len(locks_of(current_services()).queues) == 0


async def test_nobody_has_the_lock_between_a_step_s_block_and_its_commit(open_app: Opener) -> None:
    async with open_app() as app:
        scope = SessionScope(app.db_manager, label="request")
        with bind_session(scope):
            async with lock_resource("till", HOUR):
                get_session().add(LockNote(text="mine"))
            assert not await is_free("till"), "the write is not committed yet"
            await get_session().commit()
            assert await is_free("till")
            assert await once("till") == 2
        await scope.close()


async def test_a_write_that_is_undone_leaves_the_lock_free(open_app: Opener) -> None:
    async with open_app(writing):
        with pytest.raises(ValueError, match="after the write"):
            await writing("lost", "fail")
        await until(lambda: is_free("till"))
        assert await notes() == []
        async with lock_resource("till", HOUR, retry_count=1, retry_interval_seconds=5) as number:
            assert number == 2


@pytest.mark.parametrize("ending", ["rollback", "close"])
async def test_a_block_that_ended_well_before_its_transaction_was_undone_leaves_the_lock_free(open_app: Opener, ending: str) -> None:
    async with open_app() as app:
        scope = SessionScope(app.db_manager, label="request")
        with bind_session(scope):
            async with lock_resource("till", HOUR):
                get_session().add(LockNote(text="mine"))
            await (scope.rollback() if ending == "rollback" else scope.close())
        await until(lambda: is_free("till"))
        assert await notes() == []
        await scope.close()


async def test_a_savepoint_that_is_undone_does_not_keep_the_lock(open_app: Opener) -> None:
    async with open_app() as app:
        scope = SessionScope(app.db_manager, label="request")
        with bind_session(scope):
            lock = lock_resource("till", HOUR)
            await lock.__aenter__()
            savepoint = await get_session().begin_nested()
            get_session().add(LockNote(text="mine"))
            await lock.__aexit__(None, None, None)
            await savepoint.rollback()
            await get_session().commit()
        await until(lambda: is_free("till"))
        assert await notes() == []
        await scope.close()


async def test_a_savepoint_that_is_kept_says_nothing_of_its_transaction(open_app: Opener) -> None:
    async with open_app() as app:
        scope = SessionScope(app.db_manager, label="request")
        with bind_session(scope):
            async with lock_resource("till", HOUR):
                get_session().add(LockNote(text="mine"))
            async with get_session().begin_nested():
                get_session().add(LockNote(text="within"))
            await get_session().rollback()
        await until(lambda: is_free("till"))
        assert await notes() == []
        await scope.close()


async def test_a_write_under_a_lock_that_was_taken_over_is_undone(open_app: Opener) -> None:
    async with open_app(writing):
        run = await writing.start("late", "steal")
        with pytest.raises(LockLost):
            await writing.wait_for_completion(run.id)
        assert await notes() == []
        assert (await row_of("till")).version_id == 2
        assert not await is_free("till")
        assert [record.status for record in await steps_of(run.id)] == [StepStatus.FAILED]


async def test_a_session_that_has_written_takes_no_lock(open_app: Opener) -> None:
    async with open_app() as app:
        scope = SessionScope(app.db_manager, label="request")
        with bind_session(scope):
            get_session().add(LockNote(text="first"))
            await get_session().flush()
            with pytest.raises(LockMisplaced, match="before the first write"):
                await asyncio.wait_for(once("till"), 5)
            await get_session().commit()
            assert await once("till") == 1
        await scope.close()


async def test_a_holder_whose_own_transaction_delays_its_heartbeat_has_not_lost_the_lock(open_app: Opener) -> None:
    async with open_app() as app:
        scope = SessionScope(app.db_manager, label="request")
        with bind_session(scope):
            async with lock_resource("till", LEASE):
                get_session().add(LockNote(text="slow"))
                await get_session().flush()
                ends = (await row_of("till")).lock_until
                await until(lambda: _is_past(ends + LEASE / 3))
                await get_session().commit()
                await until(lambda: _is_after("till", ends))
        await scope.close()
        assert await notes() == ["slow"]


async def _is_past(moment: datetime) -> bool:
    return client().now() > moment


# -- in a run ---------------------------------------------------------------------------------------------------------


@workflow()
async def misplaced() -> None:
    async with lock_resource("till", HOUR):
        SEEN.append("taken")


async def test_workflow_code_itself_takes_no_lock(open_app: Opener) -> None:
    async with open_app(misplaced):
        with pytest.raises(LockMisplaced, match="in a step"):
            await misplaced()
    assert SEEN == []


@step()
async def refused() -> None:
    await once("till")


@workflow()
async def catching() -> str:
    try:
        await refused()
    except LockResourceFailed as error:
        await wait_for_event("go")
        return str(error)
    return "it was free"


async def test_a_lock_that_was_not_got_is_the_same_error_on_replay(open_app: Opener) -> None:
    async with open_app(catching, max_parked_runs=0):
        async with lock_resource("till", HOUR):
            run = await catching.start()
            await until_status(run.id, "suspended")
        await emit_event("go")
        assert "till" in await catching.wait_for_completion(run.id)


@step()
async def nap_within() -> int:
    async with lock_resource("till", HOUR) as number:
        SEEN.append(number)
        await wait_for_event("go")
        return number


@workflow()
async def napping() -> int:
    return await nap_within()


async def test_a_run_that_is_evicted_gives_its_lock_back_and_takes_it_again(open_app: Opener) -> None:
    async with open_app(napping, max_parked_runs=0):
        run = await napping.start()
        await until_status(run.id, "suspended")
        await until(lambda: is_free("till"))
        await emit_event("go")
        assert await napping.wait_for_completion(run.id) == 2
        assert SEEN == [1, 2]
        assert await is_free("till")


@step()
async def sleep_long_within() -> None:
    async with lock_resource("till", SHORT):
        await wait_for_event("never")


@workflow()
async def oversleeping() -> str:
    try:
        await sleep_long_within()
    except LockLost:
        return "lost"
    return "kept"


async def test_a_lock_is_not_kept_over_a_sleep_that_is_longer_than_its_lease(open_app: Opener) -> None:
    async with open_app(oversleeping):
        assert await asyncio.wait_for(oversleeping(), 10) == "lost"
        assert await is_free("till")


@step()
async def hold_within() -> None:
    await _hold_for_ever()


@workflow()
async def holding() -> None:
    await hold_within()


async def test_the_lock_of_a_run_that_is_stopped_is_free(open_app: Opener, databases: Databases) -> None:
    async with open_app(holding, drain_seconds=0.0):
        await holding.start()
        await until(_has_entered)
    ((ends,),) = await databases.ask("select lock_until from {planar}locked_resource where lock_key = 'till'")
    assert str(ends).startswith("1970-01-01")
