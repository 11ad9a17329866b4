"""An app's runs are its own; a run waits for a worker that knows it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from planar.context import bind_services
from planar.engine.catalog import Catalogue, Registry
from planar.workflows import WorkflowWrapper, step, workflow
from planar.workflows.exceptions import WorkflowNotRegistered
from tests.integration.engine.conftest import Opener, client, until, until_status

pytestmark = pytest.mark.anyio


def make_greeting(text: str) -> WorkflowWrapper[..., Any]:
    @step()
    async def say(name: str) -> str:
        return f"{text}, {name}"

    async def greeting(name: str) -> str:
        return await say(name)

    greeting.__qualname__ = f"greeting_{text}"
    return workflow(name="greeting")(greeting)


async def test_two_apps_in_one_process_share_nothing(open_app: Opener) -> None:
    hello, bonjour = make_greeting("Hello"), make_greeting("Bonjour")
    async with open_app(hello, database="one") as one, open_app(bonjour, database="two") as two:
        with bind_services(one.services):
            mine = await hello.start("Ann")
            assert await hello.wait_for_completion(mine.id) == "Hello, Ann"
        with bind_services(two.services):
            assert await bonjour("Bo") == "Bonjour, Bo"
            assert await client().store.load_run(mine.id) is None
        assert [d.home for d in one.registry.registered()] != [d.home for d in two.registry.registered()]
        assert one.registry.names() >= {"greeting"}


async def test_many_runs_may_be_awaited_at_once_in_run_standalone(open_app: Opener) -> None:
    async with open_app(doubled):
        assert await asyncio.gather(*(doubled(number) for number in range(200))) == [number * 2 for number in range(200)]


@step()
async def double(number: int) -> int:
    return number * 2


@workflow()
async def doubled(number: int) -> int:
    return await double(number)


async def test_a_run_of_an_unknown_workflow_waits_for_a_worker_that_knows_it(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_app(doubled) as app:
        await app.worker.stop()  # nobody takes it here
        run = await doubled.start(4)
    with monkeypatch.context() as patched:
        patched.setattr(Registry.__init__, "__defaults__", (Catalogue(),))
        async with open_app() as app:
            row = await until_status(run.id, "pending")
            assert row.reason == "ready"
            with pytest.raises(WorkflowNotRegistered):
                app.registry.get("doubled")
            await until(lambda: _has_looked(app))
            assert (await until_status(run.id, "pending")).recoveries == 0
    async with open_app(doubled):
        assert await doubled.wait_for_completion(run.id) == 8


async def _has_looked(app: Any) -> bool:
    return app.worker.last_look is not None
