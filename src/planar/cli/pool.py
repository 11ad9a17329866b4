"""How do several processes do the same duty? They share the listening socket; one that dies is replaced; the command ends with the last.

Why not by uvicorn's own supervisor: ``docs/decisions/0006-processes-of-a-command.md``.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys

from planar.cli.duty import Duty
from planar.cli.process import ServerProcess, describe_exit
from planar.cli.restarts import LIMIT, Restarts
from planar.cli.server import AGAIN_SECONDS, serve
from planar.clock import SYSTEM_CLOCK

_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_processes(duty: Duty, listener: socket.socket | None, count: int) -> int:
    """Do *duty* in *count* processes until asked to stop: one is this process itself, several are its children.

    Returns:
        The exit code.
    """
    if count == 1:
        return serve(duty, listener)
    return asyncio.run(ServerPool(duty, listener, count).run())


class GaveUp(Exception):
    """A process does not come to live."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class ServerPool:
    """Several processes, each in its place."""

    def __init__(self, duty: Duty, listener: socket.socket | None, count: int) -> None:
        self._duty = duty
        self._listener = listener
        self._count = count
        self._servers: dict[int, ServerProcess] = {}
        self._complete: set[int] = set()
        """The places whose process has served."""
        self._works = asyncio.Event()
        """Set when the first process serves: until then the others wait, so that what is wrong is told once."""
        self._stop = asyncio.Event()
        self._stopped_at: float | None = None

    async def run(self) -> int:
        """Keep the processes alive until asked to stop, or until they do not live any more.

        Returns:
            The exit code: 0 when asked to stop, else that of a process that never served, or 1.
        """
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._asked_to_stop)
        keepers = [asyncio.create_task(self._keep(place), name=f"planar-place-{place}") for place in range(self._count)]
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([*keepers, stop], return_when=asyncio.FIRST_COMPLETED)
            return 0 if stop.done() else _told(keepers)
        finally:
            stop.cancel()
            for keeper in keepers:
                keeper.cancel()
            await asyncio.gather(*keepers, return_exceptions=True)
            await asyncio.gather(*(server.stop() for server in self._servers.values()))

    async def _keep(self, place: int) -> None:
        """A process at *place*, and another one whenever it dies.

        Raises:
            GaveUp: they die again and again.
        """
        if place > 0:
            await self._works.wait()
        restarts = Restarts()
        while True:
            server = await ServerProcess.start(self._duty, self._listener, announces=False)
            self._servers[place] = server
            code, seconds = await self._watch(place, server)
            del self._servers[place]
            if place not in self._complete:
                # As a single process: what is wrong from the first start on is told at once.
                raise GaveUp("", code if code > 0 else 1)
            pause = restarts.pause_after(seconds)
            if pause is None:
                raise GaveUp(
                    f"Gave up: {LIMIT} processes in a row ended soon after their start (the last: {describe_exit(code)}). What they"
                    " printed says why.", 1
                )  # fmt: skip
            print(f"{_ended(server, code)} Another one starts{f' in {pause:g} s' if pause else ''}.", file=sys.stderr, flush=True)
            await asyncio.sleep(pause)

    async def _watch(self, place: int, server: ServerProcess) -> tuple[int, float]:
        """The exit code of *server*, and how many seconds it has served."""
        serving = asyncio.create_task(server.served.wait())
        try:
            await asyncio.wait([serving, server.ended], return_when=asyncio.FIRST_COMPLETED)
            since = SYSTEM_CLOCK.monotonic()
            if server.served.is_set():
                self._note_served(place, server)
            code = await asyncio.shield(server.ended)
            return code, SYSTEM_CLOCK.monotonic() - since if server.served.is_set() else 0.0
        finally:
            serving.cancel()

    def _note_served(self, place: int, server: ServerProcess) -> None:
        if place in self._complete:
            return
        self._complete.add(place)
        if not self._works.is_set():
            print(server.ready_line, flush=True)
            self._works.set()
        if len(self._complete) == self._count:
            print(f"All {self._count} processes are ready.", flush=True)

    def _asked_to_stop(self) -> None:
        now = SYSTEM_CLOCK.monotonic()
        if self._stopped_at is None:
            self._stopped_at = now
        elif now - self._stopped_at > AGAIN_SECONDS:
            # Asked twice: now.
            for server in self._servers.values():
                server.kill()
        self._stop.set()


def _told(keepers: list[asyncio.Task[None]]) -> int:
    """Say why the command ends; its exit code."""
    error = next(error for keeper in keepers if keeper.done() and (error := keeper.exception()) is not None)
    if not isinstance(error, GaveUp):
        raise error
    if str(error):
        print(error, file=sys.stderr, flush=True)
    return error.code


def _ended(server: ServerProcess, code: int) -> str:
    return f"Process {server.pid} ended ({describe_exit(code)})."
