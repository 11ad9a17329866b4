from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import Body, FastAPI, HTTPException, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, field_validator
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planar.errors import PlanarError
from planar.routers.problems import ProblemMiddleware, code_of, install_problem_handlers
from planar.security.errors import Unauthenticated

pytestmark = pytest.mark.anyio


class OutOfStock(PlanarError):
    """Nothing is left."""

    code = "out_of_stock"
    status = 409


class DiskFull(PlanarError):
    """Cannot write /var/lib/planar/app.db: INSERT INTO planar_run failed."""

    code = "disk_full"


class Order(BaseModel):
    model_config = ConfigDict(extra="forbid")

    amount: int
    note: str = ""

    @field_validator("note")
    @classmethod
    def _polite(cls, note: str) -> str:
        if note == "rude":
            raise ValueError("be polite")
        return note


class RefusingMiddleware:
    """A middleware that refuses before any route was found."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/refused":
            raise OutOfStock("the middleware says no")
        await self.app(scope, receive, send)


def make_app() -> FastAPI:
    app = FastAPI()

    @app.post("/orders")
    async def order(order: Order) -> dict[str, int]:
        return {"amount": order.amount}

    @app.post("/anything")
    async def anything(value: Annotated[list[int], Body()]) -> None: ...

    @app.get("/number")
    async def number(limit: Annotated[int, Query(ge=0)]) -> int:
        return limit

    @app.get("/raise/{kind}")
    async def fail(kind: str) -> None:
        raise {
            "ours": OutOfStock("No bolts left."),
            "ours-odd": OutOfStock("Half a character: \ud800"),
            "disk": DiskFull(),
            "bug": RuntimeError("SELECT * FROM secrets in /srv/app.py"),
            "nobody": Unauthenticated(),
            "http": HTTPException(418, detail="short and stout", headers={"X-Spout": "1"}),
            "http-object": HTTPException(400, detail={"why": "object"}),
            "http-odd": HTTPException(400, detail=float("nan")),
            "http-401": HTTPException(401, detail="who?", headers={"WWW-Authenticate": "Basic"}),
            "http-empty": HTTPException(304),
            "group": ExceptionGroup("several", [OutOfStock()]),
        }[kind]

    @app.get("/wrong-answer", response_model=Order)
    async def wrong_answer() -> Any:
        return {"amount": "hunter2"}

    @app.get("/stream")
    async def stream() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            yield b"first"
            raise RuntimeError("in the middle")

        return StreamingResponse(parts())

    @app.post("/left")
    async def left(request: Request) -> None:
        raise ClientDisconnect

    app.add_middleware(RefusingMiddleware)
    install_problem_handlers(app)
    return app


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=make_app()), base_url="http://testserver") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "detail", "code"),
    [
        ("/raise/ours", 409, "No bolts left.", "out_of_stock"),
        ("/raise/ours-odd", 409, "Half a character: \ud800", "out_of_stock"),
        ("/raise/disk", 500, "Internal server error", "disk_full"),
        ("/raise/bug", 500, "Internal server error", "internal_error"),
        ("/raise/group", 500, "Internal server error", "internal_error"),
        ("/wrong-answer", 500, "Internal server error", "internal_error"),
        ("/raise/nobody", 401, "Not authenticated.", "not_authenticated"),
        ("/raise/http", 418, "short and stout", "im_a_teapot"),
        ("/raise/http-object", 400, {"why": "object"}, "bad_request"),
        ("/raise/http-odd", 400, "nan", "bad_request"),
        ("/nowhere", 404, "Not Found", "not_found"),
        ("/orders", 405, "Method Not Allowed", "method_not_allowed"),
        ("/refused", 409, "the middleware says no", "out_of_stock"),
    ],
)
async def test_every_error_has_the_one_shape(client: httpx2.AsyncClient, path: str, status: int, detail: Any, code: str) -> None:
    answer = await client.get(path)

    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json")
    assert answer.json() == {"detail": detail, "code": code}


@pytest.mark.parametrize("path", ["/raise/bug", "/raise/disk"])
async def test_what_nobody_expected_is_told_to_the_log_and_not_to_the_caller(
    client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture, path: str
) -> None:
    answer = await client.get(path, params={"q": "hunter2"})

    assert not any(word in answer.text for word in ("SELECT", "INSERT", ".py", ".db", "Traceback"))
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert record.exc_info[2] is not None
    assert vars(record)["planar_fields"].items() >= {"method": "GET", "path": path}.items()
    assert "hunter2" not in repr(vars(record))


async def test_an_expected_error_is_no_error_in_the_log(client: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture) -> None:
    await client.get("/raise/ours")
    await client.get("/nowhere")

    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_401_says_how_to_authenticate_and_keeps_a_scheme_that_was_given(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/raise/nobody")).headers["www-authenticate"] == "Bearer"
    assert (await client.get("/raise/http-401")).headers["www-authenticate"] == "Basic"


async def test_headers_of_an_http_error_are_sent(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/raise/http")).headers["x-spout"] == "1"
    assert (await client.get("/orders")).headers["allow"] == "POST"


async def test_a_status_without_a_body_has_none(client: httpx2.AsyncClient) -> None:
    answer = await client.get("/raise/http-empty")

    assert (answer.status_code, answer.content) == (304, b"")


async def test_a_request_that_does_not_fit_gets_the_frameworks_list(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/orders", json={"amount": "many", "note": "rude", "extra": 1})

    assert answer.status_code == 422
    assert answer.json() == {
        "code": "validation_error",
        "detail": [
            {
                "type": "int_parsing",
                "loc": ["body", "amount"],
                "msg": "Input should be a valid integer, unable to parse string as an integer",
                "input": "many",
            },
            {
                "type": "value_error",
                "loc": ["body", "note"],
                "msg": "Value error, be polite",
                "input": "rude",
                "ctx": {"error": "be polite"},
            },
            {"type": "extra_forbidden", "loc": ["body", "extra"], "msg": "Extra inputs are not permitted", "input": 1},
        ],
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"amount": NaN}', 422),
        (b'{"amount": 1e400}', 422),
        (b'{"amount": -Infinity, "note": [NaN]}', 422),
        (b'{"amount": "\\ud800"}', 422),
        (b'{"\\ud800": 1}', 422),
        (b'{"amount": ' + b"9" * 4000 + b"}", 200),
        (b'{"amount": "' + b"9" * 4000 + b'x"}', 422),
        (b'{"amount": ' + b"9" * 5000 + b"}", 400),
        (b'{"amount": 1', 422),
        (b'"\xff"', 400),
        (b"[" * 100_000, 400),
        (b"null", 422),
        (b"", 422),
    ],
    ids=str,
)
async def test_no_body_is_odd_enough_for_a_500(client: httpx2.AsyncClient, body: bytes, status: int) -> None:
    answer = await client.post("/orders", content=body, headers={"content-type": "application/json"})

    assert answer.status_code == status
    assert status == 200 or answer.json().keys() == {"detail", "code"}


async def test_a_body_that_is_not_json_by_its_type_is_a_validation_error(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/orders", content=b"\xff\x00binary", headers={"content-type": "application/octet-stream"})

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


@pytest.mark.parametrize("query", ["limit=-1", "limit=x", "limit=%FF", "limit=%00", "limit=1e999", ""])
async def test_a_wrong_query_is_a_validation_error(client: httpx2.AsyncClient, query: str) -> None:
    answer = await client.get(f"/number?{query}")

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_error")


async def test_a_huge_input_is_not_sent_back(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/orders", json={"note": "x" * 100_000, "y" * 100_000: 1, "list": [[1] * 1000] * 100})

    assert answer.status_code == 422
    assert len(answer.content) < 3_000
    assert [entry["type"] for entry in answer.json()["detail"]] == ["missing", "extra_forbidden", "extra_forbidden"]
    assert ["input" in entry for entry in answer.json()["detail"]] == [False, True, False]


async def test_of_a_thousand_errors_the_first_are_shown_and_the_others_counted(client: httpx2.AsyncClient) -> None:
    detail = (await client.post("/anything", json=["x"] * 1000)).json()["detail"]

    assert len(detail) == 51
    assert detail[0]["loc"] == ["body", 0]
    assert detail[-1] == {"type": "too_many_errors", "loc": [], "msg": "950 more errors are not shown."}


async def test_an_answer_that_has_begun_is_broken_off_and_not_completed(client: httpx2.AsyncClient) -> None:
    with pytest.raises(RuntimeError, match="in the middle"):
        await client.get("/stream")


async def test_a_client_that_left_is_no_error() -> None:
    sent: list[Message] = []

    async def gone(scope: Scope, receive: Receive, send: Send) -> None:
        raise ClientDisconnect

    async def receive() -> Message:
        raise AssertionError("nothing to read")

    async def send(message: Message) -> None:
        sent.append(message)

    await ProblemMiddleware(gone)({"type": "http", "method": "POST", "path": "/left"}, receive, send)

    assert sent == []


async def test_the_framework_raises_nothing_to_the_web_server_after_an_answer() -> None:
    """`ASGITransport` would raise here what a server would print a second time."""
    transport = httpx2.ASGITransport(app=make_app(), raise_app_exceptions=True)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        assert (await client.get("/raise/bug")).status_code == 500


@pytest.mark.parametrize(
    ("status", "code"), [(422, "unprocessable_entity"), (413, "payload_too_large"), (429, "too_many_requests"), (599, "http_599")]
)
def test_codes_do_not_depend_on_the_version_of_python(status: int, code: str) -> None:
    assert code_of(status) == code


async def test_the_documents_validation_error_fits_what_is_sent(client: httpx2.AsyncClient) -> None:
    schema = json.loads((await client.get("/openapi.json")).text)["components"]["schemas"]["ValidationError"]
    entry = (await client.post("/orders", json={})).json()["detail"][0]

    assert set(schema["required"]) <= entry.keys() <= set(schema["properties"])
