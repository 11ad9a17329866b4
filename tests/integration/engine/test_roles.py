"""An app that only serves beside one that works: runs are started and waited for without a worker."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from planar.context import bind_services
from planar.engine.client import Client
from planar.engine.store.port import StartRun
from planar.engine.worker import Worker
from planar.workflows import step, workflow
from planar.workflows.orchestrator import WorkflowOrchestrator
from tests.integration.engine.conftest import Opener, until, until_status

pytestmark = pytest.mark.anyio


@step()
async def shout(text: str) -> str:
    return text.upper()


@workflow()
async def shouting(text: str) -> str:
    return await shout(text)


SERVES = {"works": False}


async def test_a_workflow_that_is_called_where_nobody_works_is_executed_elsewhere(open_app: Opener) -> None:
    async with open_app(shouting, role=SERVES) as serving, open_app(shouting):
        with bind_services(serving.services):
            assert await asyncio.wait_for(shouting("hello"), 10) == "HELLO"
            assert serving.services.find(Worker) is None


async def test_the_orchestrator_of_an_app_that_only_serves_waits_and_does_not_work(open_app: Opener) -> None:
    async with open_app(shouting, role=SERVES) as serving:
        with bind_services(serving.services):
            orchestrator = WorkflowOrchestrator.get()
            assert not orchestrator.is_running
            run = await shouting.start("hello")
            waiter = asyncio.create_task(orchestrator.wait_for_completion(run.id))
            async with open_app(shouting):
                assert await asyncio.wait_for(waiter, 10) == "HELLO"


async def test_an_app_that_served_only_may_work_when_it_is_started_again_and_the_other_way_round(open_app: Opener) -> None:
    async with open_app(shouting) as app:
        assert await shouting("one") == "ONE"
    async with app.take_role(works=False)._lifespan(app.fastapi):
        run = await shouting.start("two")
        assert app.services.find(Worker) is None
    async with app.take_role(max_concurrent_runs=3)._lifespan(app.fastapi):
        assert await shouting.wait_for_completion(run.id) == "TWO"
        assert app.worker._config.max_concurrent_runs == 3


async def test_whoever_waits_is_answered_though_no_news_come(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planar.engine.client.LOOK_ANYWAY_SECONDS", 0.02)
    async with open_app(shouting, role=SERVES) as serving, open_app(shouting):
        with bind_services(serving.services):
            serving.services.get(Client)._unsubscribe()
            for text in ("one", "two"):
                assert await asyncio.wait_for(shouting(text), 10) == text.upper()


async def test_an_end_that_was_heard_of_before_the_start_was_confirmed_is_not_missed(open_app: Opener) -> None:
    async with open_app(shouting, role=SERVES) as serving, open_app(shouting):
        client = serving.services.get(Client)
        submit, confirmed = client.store.submit, asyncio.Event()

        def submit_and_be_told_late(entry: Any) -> Any:
            done = submit(entry)

            async def late() -> Any:
                outcome = await done
                await confirmed.wait()
                return outcome

            return asyncio.ensure_future(late()) if isinstance(entry, StartRun) else done

        client.store.submit = submit_and_be_told_late  # type: ignore[method-assign]
        with bind_services(serving.services):
            waiter = asyncio.create_task(shouting("hello"))

            async def looked() -> bool:
                return bool(client._unlooked)

            await until(looked)
            (run_id,) = client._unlooked
            await until_status(run_id, "succeeded")
            client._unsubscribe()
            confirmed.set()
            assert await asyncio.wait_for(waiter, 10) == "HELLO"
