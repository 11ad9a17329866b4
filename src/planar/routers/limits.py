"""How much may a request carry? More than the limit is refused with 413, before any of our code has seen it."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planar.routers.problems import code_of, problem

DEFAULT_MAX_BODY_BYTES: Final = 1024 * 1024


class BodyTooLarge(HTTPException):
    """Thrown into whoever reads the body, as an error that nobody inside takes for a fault. Its answer is sent here."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyLimitMiddleware:
    """Refuses requests whose body is larger than the limit, by what they announce and by what they send.

    The web framework has a limit of its own, which answers a part of the cases as plain text; all of ours have the one shape.

    Args:
        app: the application inside.
        max_body_bytes: the largest body that passes.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int = DEFAULT_MAX_BODY_BYTES) -> None:
        if max_body_bytes < 0:
            raise ValueError("max_body_bytes must not be negative.")
        self.app = app
        self.max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif _announced(scope) > self.max_body_bytes:
            await self._refuse(scope, receive, send)
        else:
            await self._watch(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count what arrives. Past the limit nothing of the application's answer goes out, unless it has begun already."""
        received, started, exceeded = 0, False, False

        async def counted() -> Message:
            nonlocal received, exceeded
            message = await receive()
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                if received > self.max_body_bytes:
                    exceeded = True
                    raise BodyTooLarge
            return message

        async def guarded(message: Message) -> None:
            nonlocal started
            if exceeded and not started:
                return
            started = True
            await send(message)

        try:
            await self.app(scope, counted, guarded)
        except Exception:
            if not exceeded or started:
                raise
        if exceeded and not started:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = problem(413, f"The request's body is larger than {self.max_body_bytes} bytes.", code_of(413))
        await answer(scope, receive, send)


def _announced(scope: Scope) -> int:
    """What the request says its body has, in bytes; 0 if it does not say."""
    given = Headers(scope=scope).get("content-length", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 20 else 0
