"""What a run waits for is asked for until the database answers; and a stale copy of a run hides nothing from its worker."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.engine.client import Client
from planar.engine.errors import EventTimeout
from planar.engine.execution import waits
from planar.engine.store.port import News
from planar.workflows import emit_event, step, wait_for_event, workflow
from planar.workflows.exceptions import RunNotFound
from tests.integration.engine.conftest import Opener, until, until_status

pytestmark = pytest.mark.anyio


@workflow()
async def timing_out() -> str:
    try:
        await wait_for_event("never", max_wait_time=0.05)
    except EventTimeout:
        return "nothing came"
    return "something came"


@workflow()
async def quick() -> int:
    return 1


@workflow()
async def waiting_for(run_id: UUID) -> int:
    return await quick.wait_for_completion(run_id)


def unreachable_twice(answer: Callable[..., Any]) -> Callable[..., Any]:
    """*answer*, after the database could not be reached twice."""
    failures = iter(range(2))

    async def asked(*args: Any) -> Any:
        if next(failures, None) is not None:
            raise ConnectionError("the server is being restarted")
        return await answer(*args)

    return asked


async def test_a_wait_that_times_out_while_the_database_cannot_be_reached_times_out(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waits, "LOOK_AGAIN_SECONDS", 0.001)
    async with open_app(timing_out):
        store = current_services().get(Client).store
        monkeypatch.setattr(store, "look", unreachable_twice(store.look))
        assert await timing_out() == "nothing came"


async def test_a_wait_for_a_run_begins_while_the_database_cannot_be_reached(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "LOOK_AGAIN_SECONDS", 0.001)
    async with open_app(quick, waiting_for):
        run = await quick.start()
        await quick.wait_for_completion(run.id)
        store = current_services().get(Client).store
        monkeypatch.setattr(store, "load_run", unreachable_twice(store.load_run))
        assert await waiting_for(run.id) == 1


async def test_a_wait_for_a_run_that_does_not_exist_fails_at_once(open_app: Opener) -> None:
    async with open_app(quick, waiting_for):
        with pytest.raises(RunNotFound):
            await waiting_for(UUID(int=1))


# -- a stale copy ---------------------------------------------------------------------------------------------------------

released: asyncio.Event
begun: asyncio.Event
heard: asyncio.Event


@step()
async def until_cancelled() -> None:
    begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        heard.set()


@workflow()
async def unwinding_slowly() -> None:
    try:
        await wait_for_event("go")
    except BaseException:
        await released.wait()
        raise
    await until_cancelled()


async def test_a_copy_that_another_worker_made_stale_hides_no_request_for_an_end(open_app: Opener) -> None:
    global released, begun, heard
    released, begun, heard = asyncio.Event(), asyncio.Event(), asyncio.Event()
    async with open_app(unwinding_slowly, poll_seconds=3600) as app:
        run = await unwinding_slowly.start()
        await until_status(run.id, "suspended")
        # Another worker had it meanwhile, and put it to sleep again.
        await change("update {planar}workflow_claim set epoch = epoch + 1")
        await emit_event("go")
        await asyncio.wait_for(begun.wait(), 10)
        assert app.worker.executing == 1, "the stale copy still unwinds, and uses no slot"
        # As another process asks for it.
        await change("update {planar}workflow_claim set cancel_reason = 'enough'")
        app.worker._hear(News(foreign=True))
        await asyncio.wait_for(heard.wait(), 10)
        released.set()
        await until_status(run.id, "cancelled")

        async def none_is_left() -> bool:
            return app.worker.executing == 0 and not app.worker._runs.tasks

        await until(none_is_left)


async def change(statement: str) -> None:
    """Change the engine's tables behind its back."""
    manager = current_services().get(DatabaseManager)
    schema = "" if manager.get_engine().dialect.name == "sqlite" else "planar."
    async with manager.get_engine().begin() as connection:
        await connection.execute(text(statement.format(planar=schema)))
