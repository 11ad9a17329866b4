"""An app of the tests, asked over HTTP in the test's own event loop."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx2 as httpx
import pytest

from planar import PlanarApp
from planar.files.config import FilesConfig
from planar.workflows import WorkflowWrapper
from tests.databases import Databases
from tests.integration.http import sample

V1 = "/planar/v1"
ENDED = {"succeeded", "failed", "cancelled"}


class Api:
    """One app and a client of it."""

    def __init__(self, app: PlanarApp, client: httpx.AsyncClient, databases: Databases) -> None:
        self.app = app
        self.client = client
        self.databases = databases

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.client.get(V1 + path, params=params)

    async def post(self, path: str, body: Any = None, **options: Any) -> httpx.Response:
        if body is not None:
            options = {"content": json.dumps(body), "headers": {"content-type": "application/json"} | options.pop("headers", {}), **options}
        return await self.client.post(V1 + path, **options)

    async def start(self, name: str, **arguments: Any) -> str:
        """Start a run; its id."""
        answer = await self.post(f"/workflows/{name}/start", arguments)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    async def finish(self, name: str, **arguments: Any) -> dict[str, Any]:
        """Start a run and wait for its end; the run."""
        answer = await self.post(f"/workflows/{name}/start", arguments, params={"wait": 20})
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def run(self, run_id: str) -> dict[str, Any]:
        """The run, as the status route shows it."""
        answer = await self.get(f"/workflows/{run_id}/status")
        assert answer.status_code == 200, answer.text
        return answer.json()["workflow"]

    async def until(self, run_id: str, *statuses: str) -> dict[str, Any]:
        """Wait until the run has one of *statuses*; the run."""
        async with asyncio.timeout(20):
            while True:
                run = await self.run(run_id)
                if run["status"] in statuses:
                    return run
                await asyncio.sleep(0.005)


OpenApi = Callable[..., AbstractAsyncContextManager[Api]]


@pytest.fixture
def open_api(databases: Databases) -> OpenApi:
    """`async with open_api() as api:` serves the sample workflows, or those given; `limits` are settings of the worker."""

    @asynccontextmanager
    async def opener(
        workflows: Iterable[WorkflowWrapper[..., Any]] = tuple(sample.ALL),
        *,
        prepare: Callable[[PlanarApp], object] | None = None,
        files: FilesConfig | None = None,
        **limits: Any,
    ) -> AsyncGenerator[Api]:
        config = (await databases.config(**limits)).model_copy(update={"files": files or FilesConfig(), "storage": None})
        app = PlanarApp(config=config, title="Tested", description="An app of the tests")
        for workflow in workflows:
            app.register_workflow(workflow)
        if prepare is not None:
            prepare(app)
        transport = httpx.ASGITransport(app)
        async with app._lifespan(app.fastapi), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            yield Api(app, client, databases)

    return opener


def problem_of(answer: httpx.Response, status: int, code: str) -> str:
    """Check the shape of an error; its detail."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body.keys() == {"detail", "code"}
    assert body["code"] == code
    assert isinstance(body["detail"], str)
    return body["detail"]


def invalid(answer: httpx.Response) -> list[tuple[str, str]]:
    """Check the shape of a validation error; the places and types of what is wrong."""
    assert answer.status_code == 422, answer.text
    body = answer.json()
    assert body.keys() == {"detail", "code"}
    assert body["code"] == "validation_error"
    return [(".".join(map(str, entry["loc"])), entry["type"]) for entry in body["detail"] if entry["msg"]]
