"""How does an error become an answer? Here, once, for every route: ``{"detail": ..., "code": ...}``.

What is ours says what it says. What nobody expected is logged with its traceback and answered without a word about the inside.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from planar.db.errors import TablesBehind
from planar.db.unfit_tables import lacks_declared
from planar.errors import PlanarError
from planar.logging import bind_log_fields, get_logger
from planar.modeling.errors import Misfits
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA
from planar.routers.validation import readable_errors

logger = get_logger(__name__)

MAX_ROW_ERRORS: Final = 300
"""How many entries are told of a request with many rows: it is up to whoever raises them to tell of no more rows than people read."""

_INTERNAL: Final = "Internal server error"
# What differs from the status' phrase, or whose phrase differs between versions of Python.
_CODES: Final[Mapping[int, str]] = {
    401: "not_authenticated",
    403: "not_authorized",
    413: "payload_too_large",
    414: "uri_too_long",
    416: "range_not_satisfiable",
    422: "unprocessable_entity",
    500: "internal_error",
}


class ProblemResponse(JSONResponse):
    """An answer that says what was wrong. Always encodable, even if it quotes half a character that the caller sent."""

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=True, allow_nan=False, separators=(",", ":")).encode("ascii")


def problem(
    status: int,
    detail: Any,
    code: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[Mapping[str, Any]] = (),
    more: Mapping[str, Any] | None = None,
) -> Response:
    """The answer for an error.

    Args:
        status: the HTTP status; 401 gets its ``WWW-Authenticate`` if *headers* has none.
        detail: a sentence, or the list of a validation error.
        code: the name of the error, for machines.
        headers: what else to send.
        errors: where it went wrong, if that is known, as entries of a validation error's list.
        more: other members of the answer.
    """
    sent = dict(headers or {})
    if status == HTTPStatus.UNAUTHORIZED and not any(name.lower() == "www-authenticate" for name in sent):
        sent["WWW-Authenticate"] = "Bearer"
    places = {"errors": readable_errors(errors, MAX_ROW_ERRORS)} if errors else {}
    return ProblemResponse({"detail": detail, "code": code, **places, **(more or {})}, status, sent)


def problem_for(error: Exception, scope: Scope) -> Response:
    """The answer for any error that left a route or a middleware. Logs what was not expected, with its traceback.

    For those who answer outside of FastAPI's reach, too: a middleware around it that refuses a request.

    Args:
        error: what was raised.
        scope: the request's ASGI scope, for the log.
    """
    with bind_log_fields(method=scope.get("method"), path=scope.get("path")):
        return _answer(error)


def _answer(error: Exception) -> Response:
    match error:
        case PlanarError() if error.status == HTTPStatus.INTERNAL_SERVER_ERROR:
            logger.exception("request failed", exc_info=error, code=error.code)
            return problem(500, _INTERNAL, error.code)
        case Misfits():
            return problem(error.status, readable_errors(error.entries, MAX_ROW_ERRORS), error.code)
        case PlanarError():
            details = error.details
            return problem(error.status, error.message, error.code, errors=details.get("errors", ()), more=details.get("answer"))
        case RequestValidationError():
            return problem(422, readable_errors(error.errors()), "validation_error")
        case HTTPException():
            return _http_problem(error)
        case DBAPIError() if lacks_declared(error, PLANAR_APPLICATION_METADATA):
            logger.exception("request failed", exc_info=error, code=TablesBehind.code)
            return _answer(TablesBehind())
        case _:
            logger.exception("request failed", exc_info=error)
            return problem(500, _INTERNAL, _CODES[500])


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error of *app*'s routes, and requests that reach none, in the one shape.

    What it adds should stand outside of middlewares that may fail, and inside of `CORSMiddleware`, so that a page of another
    origin can read the answer to an unexpected error too: call it between the two.
    """
    for kind in (PlanarError, RequestValidationError, HTTPException, Exception):
        app.add_exception_handler(kind, _handle)
    app.add_middleware(ProblemMiddleware)


class ProblemMiddleware:
    """The net for what no handler inside has answered.

    Without it the server framework sends the answer but lets the error go on, and the web server prints it a second time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, watch)
        except ClientDisconnect:
            logger.debug("client left before its request was read", method=scope["method"], path=scope["path"])
        except Exception as error:
            if started:  # too late for an answer: the server must cut the connection, so that it is not taken for complete
                raise
            await problem_for(error, scope)(scope, receive, send)


async def _handle(request: Request, error: Exception) -> Response:
    return problem_for(error, request.scope)


def _http_problem(error: HTTPException) -> Response:
    """The answer for an error of the web framework, or for one that a user's route raised in its manner."""
    if error.status_code < 200 or error.status_code in (HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED):
        return Response(status_code=error.status_code, headers=error.headers)
    detail: Any = error.detail
    try:
        json.dumps(detail, allow_nan=False)
    except (TypeError, ValueError):
        detail = str(detail)
    return problem(error.status_code, detail, code_of(error.status_code), error.headers)


def code_of(status: int) -> str:
    """The code of an error that is known by its status only: ``404`` is ``not_found``."""
    if status in _CODES:
        return _CODES[status]
    try:
        return HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_").replace("'", "")
    except ValueError:
        return f"http_{status}"
