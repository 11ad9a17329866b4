from __future__ import annotations

import json
from typing import Any

import pytest

from planar.cli.health import HealthOnly

pytestmark = pytest.mark.anyio


async def answers(**scope: Any) -> list[Any]:
    """What is sent; the app itself says its name."""
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send("the app")

    await HealthOnly(app)(scope, lambda: None, send)  # type: ignore[arg-type]  (nothing is received)
    return sent


async def test_the_life_and_the_health_are_the_apps_own() -> None:
    assert await answers(type="lifespan") == ["the app"]
    for path in ("/planar/v1/health", "/planar/v1/health/ready"):
        assert await answers(type="http", path=path) == ["the app"]


async def test_nothing_else_is_answered() -> None:
    start, body = await answers(type="http", path="/planar/v1/workflows")
    assert start["status"] == 404
    assert json.loads(body["body"])["code"] == "not_found"
    assert [message["type"] for message in await answers(type="websocket", path="/planar/v1/health")] == ["websocket.close"]
