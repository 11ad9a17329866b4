"""The app did not start, or did not end well: what is shown? What people can read, in place of a log record on one line."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, TypeAlias

from planar.cli.entry import ASGIApp
from planar.errors import PlanarError

_OURS = Path(__file__).parents[1]

Message: TypeAlias = Mapping[str, Any]
Send: TypeAlias = Callable[[Message], Awaitable[None]]


class ToldLifespan:
    """*app*, whose failure to start or to end is printed.

    The server would log the text of a traceback as a message, and a message stays on one line.
    """

    def __init__(self, app: ASGIApp, root: Path) -> None:
        self._app = app
        self._root = root

    async def __call__(self, scope: Message, receive: Callable[[], Awaitable[Message]], send: Send) -> None:
        """The ASGI entry."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        told: list[str] = []

        async def without_text(message: Message) -> None:
            if str(message["type"]).endswith(".failed"):
                told.append(str(message.get("message") or ""))
                message = {**message, "message": ""}
            await send(message)

        try:
            await self._app(scope, receive, without_text)
        except BaseException as error:
            if told:
                _print(describe_life_failure(error, self._root))
            raise
        if told:
            _print(told[0].rstrip("\n") + "\n")


def describe_life_failure(error: BaseException, root: Path) -> str:
    """What to print when an app failed to start or to end: from the user's own first frame on, if one of theirs took part.

    An error of the framework that no code of the user's led to is told by its message: it says what to do.

    Args:
        root: where the user's files are.
    """
    trace = error.__traceback__
    while trace is not None and not _is_users(trace, root):
        trace = trace.tb_next
    if trace is None and isinstance(error, PlanarError):
        return f"Error: {error}\n"
    return "".join(traceback.format_exception(type(error), error, trace or error.__traceback__))


def _is_users(trace: TracebackType, root: Path) -> bool:
    file = Path(trace.tb_frame.f_code.co_filename)
    return file.is_relative_to(root) and not file.is_relative_to(_OURS) and "site-packages" not in file.parts


def _print(text: str) -> None:
    print(text, end="", file=sys.stderr, flush=True)
