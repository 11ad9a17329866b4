"""Cancelling ends: asleep or waiting at once, executing at its next await, children too, kept across a crash."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlmodel import select

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.db.session import get_session
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import cancel, step, suspend, wait_for_event, workflow
from planar.workflows.exceptions import RunAlreadyEnded, RunCancelled, RunNotFound
from tests.integration.engine.conftest import Opener, client, run_of, status_of, steps_of, until_status

pytestmark = pytest.mark.anyio


HALF_WRITTEN = asyncio.Event()
DEAF_MAY_END = asyncio.Event()


class CancelNote(PlanarBaseEntity, table=True):
    text: str


async def notes() -> list[str]:
    async with current_services().get(DatabaseManager).get_session() as session:
        return [note.text for note in (await session.exec(select(CancelNote).order_by(CancelNote.id))).all()]


@step()
async def note(text: str) -> None:
    get_session().add(CancelNote(text=text))


@step()
async def toil() -> None:
    await asyncio.sleep(60)


@step()
async def write_and_toil() -> None:
    session = get_session()
    session.add(CancelNote(text="half"))
    await session.flush()
    HALF_WRITTEN.set()
    await asyncio.sleep(60)


@workflow()
async def sleeper() -> None:
    await suspend(interval=timedelta(hours=1))


@workflow()
async def waiter() -> None:
    await wait_for_event("never")


@workflow()
async def toiler() -> None:
    try:
        await toil()
    finally:
        await note("cleaned up")


@workflow()
async def half_writer() -> None:
    await write_and_toil()


@workflow()
async def stubborn() -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await toil()


@workflow()
async def deaf() -> None:
    while True:
        with contextlib.suppress(asyncio.CancelledError):
            await DEAF_MAY_END.wait()
            return


@workflow()
async def parent() -> None:
    await sleeper()


async def test_a_sleeping_run_and_its_timer_end_at_once(open_app: Opener) -> None:
    async with open_app(sleeper, waiter):
        for kind in (sleeper, waiter):
            run = await kind.start()
            await until_status(run.id, "suspended")
            assert await cancel(run.id, "not needed") == "cancelled"
            row = await run_of(run.id)
            assert (row.status, row.wakeup_at, row.waiting_for_event) == ("cancelled", None, None)
            assert row.error is not None
            assert row.error["message"] == "not needed"
            with pytest.raises(RunCancelled, match="not needed"):
                await kind.wait_for_completion(run.id)


async def test_a_running_one_is_told_at_its_next_await_and_may_clean_up(open_app: Opener) -> None:
    async with open_app(toiler):
        run = await toiler.start()
        await until_status(run.id, "running")
        assert await cancel(run.id, "enough") == "running"
        with pytest.raises(RunCancelled, match="enough"):
            await toiler.wait_for_completion(run.id)
        assert await notes() == ["cleaned up"]
        assert [record.status.value for record in await steps_of(run.id)] == ["cancelled", "succeeded"]


async def test_cancelling_a_step_that_holds_the_write_lock_undoes_it_at_once(open_app: Opener) -> None:
    async with open_app(half_writer):
        run = await half_writer.start()
        await asyncio.wait_for(HALF_WRITTEN.wait(), 5)
        async with asyncio.timeout(5):
            assert await cancel(run.id) == "running"
            with pytest.raises(RunCancelled):
                await half_writer.wait_for_completion(run.id)
        assert await notes() == []
        assert [record.status.value for record in await steps_of(run.id)] == ["cancelled"]


async def test_children_end_with_their_parent(open_app: Opener) -> None:
    async with open_app(parent, sleeper):
        run = await parent.start()
        await until_status(run.id, "suspended")
        child_id = (await steps_of(run.id))[0].child_id
        assert child_id is not None
        await until_status(child_id, "suspended")
        await cancel(run.id)
        assert await status_of(run.id) == "cancelled"
        assert await status_of(child_id) == "cancelled"


async def test_a_run_that_does_not_listen_is_ended_when_its_time_is_over(open_app: Opener) -> None:
    async with open_app(stubborn, cancel_seconds=0.2):
        run = await stubborn.start()
        await until_status(run.id, "running")
        await cancel(run.id)
        with pytest.raises(RunCancelled):
            await asyncio.wait_for(stubborn.wait_for_completion(run.id), 10)


async def test_a_run_whose_code_swallows_every_cancellation_ends_all_the_same(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(globals(), "DEAF_MAY_END", asyncio.Event())  # an event belongs to the loop in which it was waited for
    async with open_app(deaf, cancel_seconds=0.1, drain_seconds=0.1):
        run = await deaf.start()
        await until_status(run.id, "running")
        await cancel(run.id, "listen!")
        with pytest.raises(RunCancelled, match="listen!"):
            await asyncio.wait_for(deaf.wait_for_completion(run.id), 10)
        DEAF_MAY_END.set()


async def test_a_request_to_cancel_is_kept_across_a_crash(open_app: Opener) -> None:
    async with open_app(toiler, drain_seconds=0) as app:
        run = await toiler.start()
        await until_status(run.id, "running")
        app.worker._runs.cancel = lambda *_: None  # type: ignore[method-assign]  # the process dies before the run hears of it
        await cancel(run.id, "before the crash")
    async with open_app(toiler):
        with pytest.raises(RunCancelled, match="before the crash"):
            await asyncio.wait_for(toiler.wait_for_completion(run.id), 10)


async def test_what_has_ended_cannot_be_cancelled_and_what_is_unknown_is_not_found(open_app: Opener) -> None:
    async with open_app(sleeper):
        run = await sleeper.start()
        await until_status(run.id, "suspended")
        await cancel(run.id)
        with pytest.raises(RunAlreadyEnded):
            await cancel(run.id)
        with pytest.raises(RunNotFound):
            await client().cancel(uuid4(), "x")
