"""How is an app served in this process? uvicorn, with a stop that ends and a line that says when it is ready."""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import math
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from planar.cli.entry import ASGIApp, Entry, describe_failure, load_app
from planar.cli.listener import web_address
from planar.cli.startup import ToldLifespan
from planar.logging import configure_logging, get_logger

logger = get_logger(__name__)

_STDERR = 2

_SETTLE = 0.1
"""Seconds in which the request of a new connection arrives."""

_MARGIN = 3.0
"""Seconds for what has no limit of its own, such as closing the database."""


@dataclass(frozen=True)
class StopLimits:
    """How long a stop may take, in seconds."""

    connections: int
    """For requests in progress, and before that for the app's ``graceful_shutdown``."""
    total: float
    """For everything: after it the process ends whatever it is doing."""


def stop_limits(app: object) -> StopLimits:
    """What *app*'s own settings allow (``config.workflows``); the framework's defaults for an app without settings."""
    worker = getattr(getattr(app, "config", None), "workflows", None)
    drain = float(getattr(worker, "drain_seconds", 3))
    cancel = float(getattr(worker, "cancel_seconds", 10))
    connections = math.ceil(drain) + 1
    return StopLimits(connections, total=2 * connections + drain + cancel + _MARGIN)


def serve(
    entry: Entry,
    variable: str,
    listener: socket.socket,
    *,
    on_loaded: Callable[[StopLimits], None] = lambda limits: None,
    on_ready: Callable[[], None] = lambda: None,
) -> int:
    """Load the app and serve it until the process is asked to stop.

    Returns:
        The exit code: 0 after a stop that was asked for, 1 if the app could not be loaded or did not start.
    """
    # Before the app brings its own settings: what is logged while it is imported looks the same.
    configure_logging()
    try:
        app = load_app(entry, variable)
    except Exception as error:
        print(describe_failure(error), end="", file=sys.stderr, flush=True)
        return 1
    limits = stop_limits(app)
    on_loaded(limits)

    def ready() -> None:
        print(ready_line(app, web_address(listener)), flush=True)
        on_ready()

    server = PlanarServer(app, limits, ready, root=entry.root)
    return server.serve_until_stopped(listener)


def ready_line(app: object, address: str) -> str:
    """What is printed when requests are answered: the address, and that of the API docs if *app* has them."""
    docs = _docs_path(getattr(app, "fastapi", app))
    return f"Planar is ready: {address}" + (f" (API docs: {address}{docs})" if docs else "")


def _docs_path(app: object) -> str | None:
    """Where FastAPI serves its docs, or the app a page of its own at the same place."""
    docs = getattr(app, "docs_url", None)
    if isinstance(docs, str):
        return docs
    routes: Iterable[object] = getattr(app, "routes", ())
    return "/docs" if any(getattr(route, "path", None) == "/docs" for route in routes) else None


class PlanarServer(uvicorn.Server):
    """uvicorn, which tells the app before connections are drained and never takes for ever to stop."""

    def __init__(self, app: ASGIApp, limits: StopLimits, on_ready: Callable[[], None], root: Path) -> None:
        config = uvicorn.Config(
            ToldLifespan(app, root),
            lifespan="on",
            # The app's own settings say what is logged, and where to; uvicorn's loggers take part in that.
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=limits.connections,
        )
        super().__init__(config)
        self._app = app
        self._limits = limits
        self._on_ready = on_ready
        self._bounded = False

    def serve_until_stopped(self, listener: socket.socket) -> int:
        """Serve on *listener*. A signal stops it; the exit code is then 0."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # uvicorn raises the signal again when it has stopped: without a handler of ours that would be another exit code.
            # It also means that a signal is heard before uvicorn listens.
            signal.signal(number, self.handle_exit)
        try:
            self.run(sockets=[listener])
        except SystemExit:
            # uvicorn's word for an app that did not start; the reason was told.
            return 1
        return 0 if self.started else 1

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self._bounded:
            # Ends the process from a thread that needs nothing of the interpreter, and shows what it was doing.
            faulthandler.dump_traceback_later(self._limits.total, exit=True, file=_STDERR)
            self._bounded = True
        super().handle_exit(sig, frame)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            self._on_ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await self._tell_app()
        # uvicorn closes every connection on which no request has been read. One that was accepted a moment ago has a request
        # on its way, and would be reset.
        await asyncio.sleep(_SETTLE)
        await super().shutdown(sockets)

    async def _tell_app(self) -> None:
        """The app ends its streams and takes no new runs, so that its connections can end."""
        stop: Callable[[], object] | None = getattr(self._app, "graceful_shutdown", None)
        if stop is None:
            return
        try:
            async with asyncio.timeout(self._limits.connections):
                answer = stop()
                if inspect.isawaitable(answer):
                    await answer
        except TimeoutError:
            logger.warning("graceful_shutdown took too long, going on without it", seconds=self._limits.connections)
        except Exception:
            # A stop goes on whatever one part of it does.
            logger.exception("graceful_shutdown failed, going on without it")
