"""An app whose workflows ask people, asked over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2 as httpx
import pytest

from tests.integration.http.conftest import Api, OpenApi, open_api
from tests.integration.human import sample

__all__ = ["open_api"]

TASKS = "/human-tasks"


def named(who: str) -> dict[str, str]:
    """The header of a request by *who*: ``ann``, ``ann;finance``."""
    return {"X-Planar-Dev-User": who}


class TasksApi:
    """The app, and what its tests do with tasks."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def tasks(self, who: str | None = None, **params: Any) -> list[dict[str, Any]]:
        answer = await self.api.client.get(f"/planar/v1{TASKS}/", params=params, headers=named(who) if who else {})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def ask(self, workflow: str, **arguments: Any) -> tuple[str, str]:
        """Start a run and wait until it asks; the ids of the run and of the task."""
        run_id = await self.api.start(workflow, **arguments)
        return run_id, await self.task_of(run_id)

    async def task_of(self, run_id: str) -> str:
        """The open task of a run, once there is one."""
        return await self.any_task(workflow_id=run_id)

    async def any_task(self, **params: Any) -> str:
        """An open task, once there is one."""
        async with asyncio.timeout(20):
            while True:
                found = await self.tasks(status=["pending", "claimed"], **params)
                if found:
                    return found[0]["id"]
                await asyncio.sleep(0.005)

    async def task(self, task_id: str) -> dict[str, Any]:
        answer = await self.api.get(f"{TASKS}/{task_id}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def act(self, task_id: str, what: str, body: Any = None, who: str | None = None) -> httpx.Response:
        return await self.api.post(f"{TASKS}/{task_id}/{what}", body, headers=named(who) if who else {})

    async def complete(self, task_id: str, who: str | None = None, **output: Any) -> httpx.Response:
        return await self.act(task_id, "complete", {"output_data": output}, who)

    async def result(self, run_id: str) -> Any:
        run = await self.api.until(run_id, "succeeded", "failed", "cancelled")
        assert run["status"] == "succeeded", run
        return run["result"]


OpenTasks = Callable[..., AbstractAsyncContextManager[TasksApi]]


@pytest.fixture
def open_tasks(open_api: OpenApi) -> OpenTasks:
    """`async with open_tasks() as api:` serves the sample workflows."""

    @asynccontextmanager
    async def opener(workflows: Any = sample.ALL, **options: Any) -> AsyncGenerator[TasksApi]:
        async with open_api(workflows, **options) as api:
            yield TasksApi(api)

    return opener
