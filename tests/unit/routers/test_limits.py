from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planar.routers.limits import BodyLimitMiddleware, BodyTooLarge
from planar.routers.problems import install_problem_handlers

pytestmark = pytest.mark.anyio

LIMIT = 100
TOO_LARGE = {"detail": "The request's body is larger than 100 bytes.", "code": "payload_too_large"}


def make_app() -> FastAPI:
    app = FastAPI()

    @app.post("/json")
    async def take(value: dict[str, str]) -> int:
        return len(value)

    @app.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @app.post("/careless")
    async def careless(request: Request) -> str:
        """Takes every error for the end of the body."""
        try:
            await request.body()
        except Exception:
            return "ok"
        return "ok"

    @app.post("/unread")
    async def unread() -> str:
        return "ok"

    install_problem_handlers(app)
    app.add_middleware(BodyLimitMiddleware, max_body_bytes=LIMIT)
    return app


def client_of(app: ASGIApp) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://testserver")


async def chunks(size: int) -> AsyncIterator[bytes]:
    """A body of *size* bytes that does not say how long it is."""
    for _ in range(size // 10):
        yield b"x" * 10


@pytest.mark.parametrize("path", ["/json", "/raw", "/careless", "/unread", "/nowhere"])
async def test_a_body_that_announces_too_much_is_refused_wherever_it_goes(path: str) -> None:
    async with client_of(make_app()) as client:
        answer = await client.post(path, content=b"x" * (LIMIT + 1), headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()) == (413, TOO_LARGE)


@pytest.mark.parametrize("path", ["/json", "/raw", "/careless"])
async def test_a_stream_is_refused_when_it_passes_the_limit(path: str, caplog: pytest.LogCaptureFixture) -> None:
    async with client_of(make_app()) as client:
        answer = await client.post(path, content=chunks(LIMIT * 10), headers={"content-type": "application/json"})

    assert (answer.status_code, answer.json()) == (413, TOO_LARGE)
    assert [record for record in caplog.records if record.name.startswith("planar")] == []


async def test_a_body_of_exactly_the_limit_passes() -> None:
    async with client_of(make_app()) as client:
        announced = await client.post("/raw", content=b"x" * LIMIT)
        streamed = await client.post("/raw", content=chunks(LIMIT))

    assert (announced.json(), streamed.json()) == (LIMIT, LIMIT)


async def test_an_application_that_raises_at_the_limit_is_answered_for() -> None:
    async def fragile(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await receive()
        except Exception as error:
            raise RuntimeError("could not read") from error

    async with client_of(BodyLimitMiddleware(fragile, LIMIT)) as client:
        answer = await client.post("/", content=b"x" * 60 + b"y" * 60, headers={"content-length": "1"})

    assert (answer.status_code, answer.json()) == (413, TOO_LARGE)


async def test_an_answer_that_has_begun_is_broken_off_at_the_limit() -> None:
    async def hasty(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        while (await receive()).get("more_body"):
            pass

    async with client_of(BodyLimitMiddleware(hasty, LIMIT)) as client:
        with pytest.raises(BodyTooLarge):
            await client.post("/", content=chunks(LIMIT * 2))


@pytest.mark.parametrize("length", ["-5", "abc", "", "9" * 5000, "\u0661"])
async def test_a_nonsensical_length_is_not_believed_and_the_bytes_are_counted(length: str) -> None:
    sent: list[Message] = []
    parts = iter([{"type": "http.request", "body": b"x" * (LIMIT + 1), "more_body": False}])

    async def receive() -> Message:
        return next(parts)

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": [(b"content-length", length.encode("utf-8"))]}

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()

    await BodyLimitMiddleware(reads, LIMIT)(scope, receive, send)

    assert sent[0]["status"] == 413


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        BodyLimitMiddleware(FastAPI(), -1)
