"""What does a process answer that only works? Whether it is well, by the app's own routes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from planar.cli.entry import ASGIApp

HEALTH = "/planar/v1/health"
READY = "/planar/v1/health/ready"

_BODY = json.dumps({"detail": f"This process is a worker: it answers {HEALTH} and {READY} only.", "code": "not_found"}).encode()
_HEADERS = [(b"content-type", b"application/json"), (b"content-length", str(len(_BODY)).encode())]


class HealthOnly:
    """*app*, of which only the health can be asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: dict[str, Any], receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
        """The ASGI entry."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and scope["path"] in (HEALTH, READY)):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": _HEADERS})
            await send({"type": "http.response.body", "body": _BODY})
        else:
            await send({"type": "websocket.close", "code": 1000})
