"""An app that serves entities, asked over HTTP in the test's own event loop."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import httpx2 as httpx
import pytest

from planar import PlanarApp
from planar.testing import PlanarTestClient
from tests.databases import Databases
from tests.integration.entities.world import make_tables, register_all

V1 = "/planar/v1/entities"


class Entities:
    """One app and a client of it."""

    def __init__(self, app: PlanarApp, client: httpx.AsyncClient) -> None:
        self.app = app
        self.client = client

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> httpx.Response:
        """Send a request below ``/entities``, with *body* as JSON."""
        headers = {"content-type": "application/json"} if body is not None else {}
        headers |= options.pop("headers", {})
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        return await self.client.request(method, V1 + path, content=content, headers=headers, **options)

    async def get(self, path: str, **params: Any) -> Any:
        """What is found at *path*."""
        answer = await self.ask("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def make(self, entity: str, **data: Any) -> Any:
        """A new row."""
        answer = await self.ask("POST", f"/{entity}/instances", data)
        assert answer.status_code == 201, answer.text
        return answer.json()

    async def make_many(self, entity: str, rows: list[dict[str, Any]]) -> list[Any]:
        """New rows."""
        answer = await self.ask("POST", f"/{entity}/instances/bulk", rows)
        assert answer.status_code == 201, answer.text
        return answer.json()["items"]

    async def list(self, entity: str, *filters: str, **params: Any) -> Any:
        """A page of rows."""
        return await self.get(f"/{entity}/instances", **({"filter": list(filters)} if filters else {}), **params)


def problem(answer: httpx.Response, status: int, code: str) -> Any:
    """What an answer that says no tells."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["code"] == code, body
    return body


def misfits(answer: httpx.Response) -> dict[str, str]:
    """What does not fit, by place."""
    body = problem(answer, 422, "validation_error")
    return {".".join(map(str, found["loc"])): found["msg"] for found in body["detail"]}


@pytest.fixture
async def api(databases: Databases) -> AsyncIterator[Entities]:
    async with AsyncExitStack() as stack:
        app = register_all(PlanarApp(config=await databases.config(), on_startup=make_tables))
        await stack.enter_async_context(app.fastapi.router.lifespan_context(app.fastapi))
        yield Entities(app, await stack.enter_async_context(PlanarTestClient(app)))
