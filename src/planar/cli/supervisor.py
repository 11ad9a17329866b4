"""Which server runs now? `planar dev` starts one, replaces it when the source changes, and ends with it.

The listening socket belongs to the supervisor: while one server follows the other, requests wait and none is refused. While no
server can be started (the code does not load, the server crashed), they are answered 503.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from planar.cli.duty import Duty
from planar.cli.outage import Outage
from planar.cli.process import ServerProcess, describe_exit
from planar.cli.watching import Look, Sources, forget_compiled

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Changed:
    """Source files were edited."""

    paths: Sequence[Path]


@dataclass(frozen=True)
class Ended:
    """A server's process is gone."""

    server: ServerProcess
    code: int


@dataclass(frozen=True)
class Stop:
    """Somebody asked for the end."""


@dataclass(frozen=True)
class NoWatch:
    """Changes cannot be seen any more."""

    reason: str


Event: TypeAlias = Changed | Ended | Stop | NoWatch


class Supervisor:
    """One command's worth of servers, one at a time."""

    def __init__(self, duty: Duty, listener: socket.socket, sources: Sources) -> None:
        self._duty = duty
        self._listener = listener
        self._sources = sources
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._server: ServerProcess | None = None
        self._outage = Outage(listener)
        self._has_served = False
        self._stops = 0

    async def run(self) -> int:
        """Serve until asked to stop, or until the first server fails before it ever served.

        Returns:
            The exit code: 0 when asked to stop, else that of the failed server.
        """
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._asked_to_stop)
        # The first look comes before the first import: what changes from now on is a change.
        watch = asyncio.create_task(self._watch(self._sources.look()))
        try:
            await self._start()
            while True:
                code = await self._answer(await self._events.get())
                if code is not None:
                    return code
        finally:
            watch.cancel()
            self._outage.close()
            await self._stop()
            await asyncio.gather(watch, return_exceptions=True)

    async def _answer(self, event: Event) -> int | None:
        """Do what *event* calls for; an exit code ends the command."""
        match event:
            case Stop():
                return 0
            case Changed(paths):
                await self._replace(paths)
            case Ended(server, code) if server is self._server:
                return await self._after_end(server, code)
            case Ended():
                pass
            case NoWatch(reason):
                print(f"Changes are not seen any more, so nothing is reloaded: {reason}", file=sys.stderr, flush=True)
        return 0 if self._stops else None

    async def _replace(self, paths: Sequence[Path]) -> None:
        print(f"Reloading: {_shown(paths)} changed", flush=True)
        await self._stop()
        for path in paths:
            forget_compiled(path)
        if not self._stops:
            await self._start()

    async def _after_end(self, server: ServerProcess, code: int) -> int | None:
        self._server = None
        self._has_served = self._has_served or server.served.is_set()
        if self._stops:
            return 0
        if not self._has_served:
            return code if code > 0 else 1
        print(f"The server ended ({describe_exit(code)}). It starts again when a file changes.", file=sys.stderr, flush=True)
        await self._outage.open()
        return None

    async def _start(self) -> None:
        self._outage.close()
        server = await ServerProcess.start(self._duty, self._listener)
        self._server = server
        server.ended.add_done_callback(lambda ended: self._tell_end(server, ended))

    def _tell_end(self, server: ServerProcess, ended: asyncio.Task[int]) -> None:
        if not ended.cancelled():
            self._events.put_nowait(Ended(server, ended.result()))

    async def _stop(self) -> None:
        server = self._server
        if server is None:
            return
        await server.stop()
        self._has_served = self._has_served or server.served.is_set()
        self._server = None

    def _asked_to_stop(self) -> None:
        self._stops += 1
        self._events.put_nowait(Stop())
        if self._stops > 1 and self._server is not None:
            # Asked twice: now.
            self._server.kill()

    async def _watch(self, known: Look) -> None:
        try:
            async for paths in self._sources.changes(known):
                self._events.put_nowait(Changed(paths))
        except Exception as error:
            # Whatever the system says of its notifications: serving goes on, and the user knows.
            self._events.put_nowait(NoWatch(f"{type(error).__name__}: {error}"))


def _shown(paths: Sequence[Path]) -> str:
    names = [os.path.relpath(path) for path in paths[:3]]
    return ", ".join(names) + (f" and {len(paths) - 3} more" if len(paths) > 3 else "")
