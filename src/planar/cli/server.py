"""How does this process do its duty? uvicorn, with a stop that ends and a line that says when it is ready."""

from __future__ import annotations

import asyncio
import faulthandler
import inspect
import math
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import uvicorn

from planar.cli.duty import Duty
from planar.cli.entry import ASGIApp, describe_failure
from planar.cli.health import READY, HealthOnly
from planar.cli.listener import web_address
from planar.cli.memory import keep_what_is_loaded
from planar.cli.startup import ToldLifespan
from planar.clock import SYSTEM_CLOCK
from planar.logging import configure_logging, get_logger

logger = get_logger(__name__)

_STDERR = 2

_SETTLE = 0.1
"""Seconds in which the request of a new connection arrives."""

AGAIN_SECONDS = 0.5
"""A signal that comes so soon after the first is the same one: a terminal and a program in between may both have sent it."""

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


def _announce(line: str) -> None:
    print(line, flush=True)


def serve(
    duty: Duty,
    listener: socket.socket | None,
    *,
    on_loaded: Callable[[StopLimits], None] = lambda limits: None,
    on_ready: Callable[[str], None] = _announce,
    is_alone: bool = True,
) -> int:
    """Load the app and do *duty* until the process is asked to stop.

    Args:
        duty: what to do.
        listener: where requests are taken; none where nobody may send any.
        on_loaded: called with how long a stop may take.
        on_ready: called with what people are told when it is ready.
        is_alone: whether a second signal ends the process at once. A supervisor decides that for its processes.

    Returns:
        The exit code: 0 after a stop that was asked for, 1 if the app could not be loaded or did not start.
    """
    # Before the app brings its own settings: what is logged while it is imported looks the same.
    configure_logging()
    try:
        app = duty.load()
    except Exception as error:
        print(describe_failure(error), end="", file=sys.stderr, flush=True)
        return 1
    limits = stop_limits(app)
    on_loaded(limits)

    def ready() -> None:
        address = web_address(listener) if listener is not None else None
        line = ready_line(app, address or "") if duty.serves else worker_line(duty, app, address)
        on_ready(line if duty.works else f"{line}, without a worker")

    shown = app if duty.serves else HealthOnly(app)
    server = PlanarServer(shown, limits, ready, root=duty.entry.root, told=app, is_alone=is_alone)
    return server.serve_until_stopped(listener)


def ready_line(app: object, address: str) -> str:
    """What is printed when requests are answered: the address, and that of the API docs if *app* has them."""
    docs = _docs_path(getattr(app, "fastapi", app))
    return f"Planar is ready: {address}" + (f" (API docs: {address}{docs})" if docs else "")


def worker_line(duty: Duty, app: object, address: str | None) -> str:
    """What is printed when a process that only works does so; *address* is where its health is answered."""
    settings = getattr(getattr(app, "config", None), "workflows", None)
    most = duty.concurrency or getattr(settings, "max_concurrent_runs", None)
    limit = f", up to {most} runs at once" if most is not None else ""
    health = f" (health: {address}{READY})" if address is not None else ""
    return f"Planar worker is ready: {duty.name}{limit}{health}"


def _docs_path(app: object) -> str | None:
    """Where FastAPI serves its docs, or the app a page of its own at the same place."""
    docs = getattr(app, "docs_url", None)
    if isinstance(docs, str):
        return docs
    routes: Iterable[object] = getattr(app, "routes", ())
    return "/docs" if any(getattr(route, "path", None) == "/docs" for route in routes) else None


class PlanarServer(uvicorn.Server):
    """uvicorn, which tells the app before connections are drained and never takes for ever to stop."""

    def __init__(
        self,
        app: ASGIApp,
        limits: StopLimits,
        on_ready: Callable[[], None],
        root: Path,
        *,
        told: ASGIApp | None = None,
        is_alone: bool = True,
    ) -> None:
        config = uvicorn.Config(
            ToldLifespan(app, root),
            lifespan="on",
            # The app's own settings say what is logged, and where to; uvicorn's loggers take part in that.
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=limits.connections,
        )
        super().__init__(config)
        self._app = told or app
        self._limits = limits
        self._on_ready = on_ready
        self._is_alone = is_alone
        self._asked_at: float | None = None

    def serve_until_stopped(self, listener: socket.socket | None) -> int:
        """Serve on *listener*, or only live. A signal stops it, and the exit code is then 0; a second one ends the process at once."""
        for number in (signal.SIGINT, signal.SIGTERM):
            # uvicorn raises the signal again when it has stopped: without a handler of ours that would be another exit code.
            # It also means that a signal is heard before uvicorn listens.
            signal.signal(number, self._handle_outside)
        try:
            self.run(sockets=[listener] if listener is not None else [])
        except SystemExit:
            # uvicorn's word for an app that did not start; the reason was told.
            return 1
        return 0 if self.started else 1

    def _handle_outside(self, sig: int, frame: FrameType | None) -> None:
        """A signal before uvicorn listens, or the one that it raises again when it has stopped, which is not a second one."""
        if self._asked_at is None:
            self.handle_exit(sig, frame)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        now = SYSTEM_CLOCK.monotonic()
        if self._asked_at is None:
            self._asked_at = now
            # Ends the process from a thread that needs nothing of the interpreter, and shows what it was doing.
            faulthandler.dump_traceback_later(self._limits.total, exit=True, file=_STDERR)
            super().handle_exit(sig, frame)
        elif self._is_alone and now - self._asked_at > AGAIN_SECONDS:
            os.write(_STDERR, b"Asked to stop twice: ending now. Runs in progress go on in another process, or at the next start.\n")
            signal.signal(sig, signal.SIG_DFL)
            os.kill(os.getpid(), sig)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started and not self.should_exit:
            keep_what_is_loaded()
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
