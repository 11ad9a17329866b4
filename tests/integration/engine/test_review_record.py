"""What is recorded has no holes and tells the truth, whatever interrupts a run."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from planar.db.session import SessionScope, get_session
from planar.engine.core.model import RunStatus
from planar.engine.core.retry import RetryPolicy
from planar.engine.errors import PayloadTooLarge
from planar.engine.store.port import Sleep
from planar.modeling.orm import PlanarBaseEntity
from planar.security.auth_context import Principal, as_principal
from planar.workflows import cancel, step, suspend, wait, wait_for_event, workflow
from tests.integration.engine.conftest import Opener, client, run_of, steps_of, until, until_status

pytestmark = pytest.mark.anyio

CALLS: list[str] = []
GATE: asyncio.Event
AT_WORK: asyncio.Event
STEADY = False


@pytest.fixture(autouse=True)
def fresh() -> None:
    global GATE, AT_WORK, STEADY
    CALLS.clear()
    GATE, AT_WORK, STEADY = asyncio.Event(), asyncio.Event(), False


class RecordNote(PlanarBaseEntity, table=True):
    text: str


@step()
async def note(text: str) -> str:
    CALLS.append(text)
    return text


@step(max_retries=3)
async def never_ready() -> None:
    raise ConnectionError("not yet")


@step()
async def work() -> str:
    AT_WORK.set()
    await GATE.wait()
    return "worked"


async def resume(run_id: Any) -> None:
    await until_status(run_id, "suspended")
    await client().emit(client().new_event("go", "{}"))


@workflow()
async def giving_up_on_retries() -> str:
    try:
        async with asyncio.timeout(0.1):
            await never_ready()
    except TimeoutError:
        await note("gave up")
    await wait_for_event("go")
    return "done"


async def test_a_timeout_around_a_step_that_waits_for_its_retry_means_the_same_on_replay(open_app: Opener) -> None:
    async with open_app(giving_up_on_retries):
        run = await giving_up_on_retries.start()

        async def waits() -> bool:
            return (await run_of(run.id)).waiting_for_event == "go"

        await until(waits)
        assert (await steps_of(run.id))[0].status.value == "cancelled"
    async with open_app(giving_up_on_retries):
        await client().emit(client().new_event("go", "{}"))
        assert await asyncio.wait_for(giving_up_on_retries.wait_for_completion(run.id), 10) == "done"
    assert CALLS == ["gave up"]


@workflow()
async def giving_up_before_the_body() -> str:
    await note("one")
    try:
        async with asyncio.timeout(0):
            await note("two")
    except TimeoutError:
        await note("gave up")
    await wait_for_event("go")
    return "done"


async def test_a_timeout_that_expires_before_the_body_begins_means_the_same_on_replay(open_app: Opener) -> None:
    async with open_app(giving_up_before_the_body, max_parked_runs=0):
        run = await giving_up_before_the_body.start()
        await resume(run.id)
        assert await asyncio.wait_for(giving_up_before_the_body.wait_for_completion(run.id), 10) == "done"
    assert CALLS == ["one", "gave up"]


@workflow()
async def small(text: str) -> None:
    """Nothing to do."""


@workflow()
async def starting_too_large() -> str:
    try:
        await small.start_step("x" * 5000)
    except PayloadTooLarge:
        await small.start_step("instead")
    await wait_for_event("go")
    return "done"


async def test_a_start_that_is_refused_means_the_same_on_replay(open_app: Opener) -> None:
    async with open_app(starting_too_large, small, max_parked_runs=0, max_argument_bytes=1000):
        run = await starting_too_large.start()
        await resume(run.id)
        assert await starting_too_large.wait_for_completion(run.id) == "done"


@workflow()
async def cleaning_up() -> None:
    try:
        await work()
    finally:
        await note("cleaned up")


async def test_a_request_to_cancel_leaves_a_record_where_it_was_heard(open_app: Opener) -> None:
    async with open_app(cleaning_up, drain_seconds=0) as app:
        run = await cleaning_up.start()
        await asyncio.wait_for(AT_WORK.wait(), 5)
        app.worker._runs.cancel = lambda *_: None  # type: ignore[method-assign]  # the process dies before the run hears of it
        await cancel(run.id, "before the crash")
    async with open_app(cleaning_up):
        await until_status(run.id, "cancelled")
        assert [record.status.value for record in await steps_of(run.id)] == ["cancelled", "succeeded"]
    assert CALLS == ["cleaned up"]


@workflow()
async def failing_after_the_crash() -> None:
    if STEADY:
        raise ValueError("on its own")
    await work()


async def test_a_run_that_fails_before_it_hears_of_its_cancellation_never_says_succeeded(open_app: Opener) -> None:
    global STEADY
    async with open_app(failing_after_the_crash, drain_seconds=0) as app:
        run = await failing_after_the_crash.start()
        await asyncio.wait_for(AT_WORK.wait(), 5)
        app.worker._runs.cancel = lambda *_: None  # type: ignore[method-assign]
        await cancel(run.id, "before the crash")
    STEADY = True
    async with open_app(failing_after_the_crash):
        assert (await until_status(run.id, "succeeded", "failed", "cancelled")).status.value == "failed"


@workflow()
async def catching_everything() -> str:
    await work()
    try:
        return await note("second")
    except BaseException:
        return "caught the stop"


async def test_code_that_catches_everything_does_not_end_a_run_that_is_handed_over(open_app: Opener) -> None:
    async with open_app(catching_everything) as app:
        run = await catching_everything.start()
        await asyncio.wait_for(AT_WORK.wait(), 5)
        app.worker._runs._live[run.id].leave()
        GATE.set()
        stopping = app.worker.stop()
        await stopping
    async with open_app(catching_everything):
        assert await catching_everything.wait_for_completion(run.id) == "second"


class Outlandish(BaseException):
    """No Exception."""


@workflow()
async def raising_outlandishly() -> None:
    CALLS.append("begun")
    raise Outlandish("beyond Exception")


async def test_an_error_that_is_no_exception_fails_its_run_once(open_app: Opener) -> None:
    async with open_app(raising_outlandishly):
        run = await raising_outlandishly.start()
        row = await until_status(run.id, "failed", seconds=3)
        assert row.error is not None
        assert (row.error["type"], CALLS) == ("Outlandish", ["begun"])


async def test_a_principal_that_cannot_be_read_any_more_fails_its_run_only(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(small) as app:

        def unreadable(text: str) -> Any:
            CALLS.append("asked")
            raise ValueError("an older form of principals")

        monkeypatch.setattr(app.worker._runs, "parts", app.worker._runs.parts._replace(load_actor=unreadable))
        with as_principal(Principal(sub="ann")):
            run = await small.start("x")
        assert (await until_status(run.id, "failed", seconds=3)).status.value == "failed"
        assert CALLS == ["asked"]


@workflow()
async def catching_while_asleep() -> str:
    try:
        await suspend(interval=timedelta(milliseconds=300))
    except Exception as error:
        return f"caught {error!r}"
    return "rested"


async def test_an_error_of_the_database_never_reaches_workflow_code(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(catching_while_asleep):
        store = client().store
        submit = store.submit

        def full_once(entry: Any) -> Any:
            if not isinstance(entry, Sleep) or CALLS:
                return submit(entry)
            CALLS.append("full")
            refused = asyncio.get_running_loop().create_future()
            refused.set_exception(sqlite3.OperationalError("database or disk is full"))
            return refused

        monkeypatch.setattr(store, "submit", full_once)
        run = await catching_while_asleep.start()
        assert await asyncio.wait_for(catching_while_asleep.wait_for_completion(run.id), 5) == "rested"
        assert CALLS == ["full"]


@workflow()
async def working() -> str:
    return await work()


async def test_tearing_down_the_event_loop_without_a_stop_does_not_fail_runs(open_app: Opener) -> None:
    async with open_app(working) as app:
        run = await working.start()
        await asyncio.wait_for(AT_WORK.wait(), 5)
        # As asyncio.run does when its main function has ended.
        live = app.worker._runs._live[run.id]
        assert live.task is not None
        assert app.worker._loop_task is not None
        for task in (live.task, app.worker._loop_task):
            task.cancel()
        await asyncio.wait([live.task])
    GATE.set()
    async with open_app(working):
        assert await working.wait_for_completion(run.id) == "worked"


@workflow()
async def asking() -> str:
    await counted_to_two()
    return "asked"


@wait(poll_interval=0.01, max_wait_time=30)
async def counted_to_two() -> bool:
    session = get_session()
    session.add(RecordNote(text="asked"))
    await session.flush()
    CALLS.append("asked")
    return len(CALLS) > 1


async def test_a_question_that_writes_does_not_hold_up_its_own_sleep(open_app: Opener) -> None:
    async with open_app(asking):
        async with asyncio.timeout(3):
            assert await asking() == "asked"


@step()
async def converting() -> str:
    AT_WORK.set()
    try:
        await GATE.wait()
    except asyncio.CancelledError:
        raise RuntimeError("interrupted") from None
    return "worked"


@workflow()
async def converting_cancellations() -> str:
    return await converting()


async def test_a_failure_that_a_stop_caused_is_not_recorded(open_app: Opener) -> None:
    async with open_app(converting_cancellations, drain_seconds=0):
        run = await converting_cancellations.start()
        await asyncio.wait_for(AT_WORK.wait(), 5)
    GATE.set()
    async with open_app(converting_cancellations):
        assert await converting_cancellations.wait_for_completion(run.id) == "worked"


@step()
async def inner_wait() -> str:
    CALLS.append("inner")
    if len(CALLS) == 1:
        await asyncio.sleep(30)
    return "quick this time"


@step(max_retries=1)
async def around() -> str:
    try:
        async with asyncio.timeout(0.05):
            return await inner_wait()
    except TimeoutError:
        raise ConnectionError("too slow") from None


@workflow()
async def trying_again() -> str:
    try:
        return await around()
    except ConnectionError as error:
        return str(error)


async def test_a_nested_step_that_was_given_up_does_not_run_again_at_the_retry(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(around, "retry", RetryPolicy(1, timedelta(milliseconds=10)))
    async with open_app(trying_again):
        assert await asyncio.wait_for(trying_again(), 15) == "too slow"
        assert CALLS == ["inner"]


@step()
async def reading() -> str:
    await get_session().exec(select(RecordNote))
    return "read"


PATIENCE: list[asyncio.Timeout] = []


@workflow()
async def interrupted_at_the_end() -> str:
    try:
        async with asyncio.timeout(None) as patience:
            PATIENCE.append(patience)
            outcome = await reading()
    except TimeoutError:
        outcome = "gave up"
    CALLS.append(outcome)
    await wait_for_event("go")
    return outcome


async def test_a_timeout_that_expires_after_a_step_was_recorded_is_too_late(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    close = SessionScope.close

    async def slow_close(scope: SessionScope) -> None:
        if PATIENCE:
            PATIENCE.pop().reschedule(asyncio.get_running_loop().time())
            for _ in range(5):
                await asyncio.sleep(0)
        await close(scope)

    async with open_app(interrupted_at_the_end, max_parked_runs=0):
        monkeypatch.setattr(SessionScope, "close", slow_close)
        run = await interrupted_at_the_end.start()
        await resume(run.id)
        outcome = await asyncio.wait_for(interrupted_at_the_end.wait_for_completion(run.id), 5)
        assert (outcome, CALLS) == ("read", ["read", "read"])


@step()
async def enclosing_step() -> str:
    await note("nested")
    return await work()


@workflow()
async def nesting_without_a_mark() -> str:
    return await enclosing_step()


async def test_a_step_that_had_no_mark_keeps_its_number_after_a_crash(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planar.engine.worker.RUNNING_MARK_SECONDS", 60)
    async with open_app(nesting_without_a_mark, drain_seconds=0):
        run = await nesting_without_a_mark.start()
        await asyncio.wait_for(AT_WORK.wait(), 5)
    GATE.set()
    async with open_app(nesting_without_a_mark):
        assert await nesting_without_a_mark.wait_for_completion(run.id) == "worked"
        numbers = [(r.step_id, r.parent_step_id, r.path, r.sub_step_count) for r in await steps_of(run.id)]
        assert numbers == [(1, None, "1", 2), (2, 1, "1.1", 0), (3, 1, "1.2", 0)]


async def test_whoever_waits_for_a_run_hears_of_its_end_though_a_look_failed(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planar.engine.client.LOOK_AGAIN_SECONDS", 0.01)
    async with open_app(working):
        run = await working.start()
        waiter = asyncio.create_task(working.wait_for_completion(run.id))
        await asyncio.wait_for(AT_WORK.wait(), 5)
        store = client().store
        load_runs = store.load_runs

        async def ended_elsewhere(run_ids: Any) -> Any:
            CALLS.append("look")
            if len(CALLS) == 1:
                raise sqlite3.OperationalError("disk I/O error")
            loaded = await load_runs(run_ids)
            return {each: loaded[each]._replace(status=RunStatus.SUCCEEDED, result='"elsewhere"') for each in loaded}

        async def waits() -> bool:
            return bool(client()._waiting)

        await until(waits)
        monkeypatch.setattr(store, "load_runs", ended_elsewhere)
        client()._look_anyway()
        assert await asyncio.wait_for(waiter, 3) == "elsewhere"
        GATE.set()


@workflow()
async def reading_for_long() -> None:
    await reading_and_working()


@step()
async def reading_and_working() -> None:
    await get_session().exec(select(RecordNote))
    await work()


async def test_a_second_cancellation_while_a_step_is_undone_does_not_make_a_cancelled_run_failed(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_app(reading_for_long) as app:
        run = await reading_for_long.start()
        await asyncio.wait_for(AT_WORK.wait(), 5)
        live = app.worker._runs._live[run.id]
        rollback = SessionScope.rollback

        async def disturbed(scope: SessionScope) -> None:
            assert live.task is not None
            live.task.cancel("as a timeout does")
            for _ in range(5):
                await asyncio.sleep(0)
            await rollback(scope)

        monkeypatch.setattr(SessionScope, "rollback", disturbed)
        await cancel(run.id, "enough")
        assert (await until_status(run.id, "cancelled", "failed")).status.value == "cancelled"
