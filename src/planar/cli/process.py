"""The serving process, as its supervisor sees it: started, asked to stop, ended."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from contextlib import suppress

from planar.cli.duty import Duty
from planar.cli.lifeline import PATIENCE, SERVING
from planar.cli.order import Order

_PATIENCE_BEFORE_TOLD = 10.0
"""Seconds. Until the app is loaded the server has no handler for signals, and ends at the first one."""

_GRACE = 3.0
"""Seconds on top of what the server needs: it ends by itself, and says what held it up."""


class ServerProcess:
    """One server, in a process of its own. `start` makes it."""

    def __init__(self, process: asyncio.subprocess.Process, lifeline: socket.socket) -> None:
        self._process = process
        self._lifeline = lifeline
        self._patience = _PATIENCE_BEFORE_TOLD
        self.served = asyncio.Event()
        """Set when it has answered that it does its duty."""
        self.ready_line = ""
        """What it said of that, for people."""
        self.ended = asyncio.create_task(self._until_ended())
        """Done when the process is gone; the result is its exit code, negative for a signal."""

    @property
    def pid(self) -> int:
        """Its number."""
        return self._process.pid

    @classmethod
    async def start(cls, duty: Duty, listener: socket.socket | None, *, announces: bool = True) -> ServerProcess:
        """Start a process for *duty*, on *listener* if it answers requests, tied to this process.

        Args:
            announces: whether it prints that it is ready.
        """
        ours, theirs = socket.socketpair()
        port = listener.fileno() if listener is not None else None
        order = Order(duty, port, theirs.fileno(), announces)
        try:
            # -P: imports start where the entry says, not in the current directory because of -m.
            # The same process group: a debugger in the app can read the terminal.
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "planar.cli.child", order.to_text()),
                pass_fds=(theirs.fileno(),) if port is None else (port, theirs.fileno()),
                env=dict(os.environ),
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return cls(process, ours)

    async def stop(self) -> None:
        """Ask it to stop and wait; kill it if it takes longer than its own settings allow."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self._patience + _GRACE):
                await asyncio.shield(self.ended)
        except TimeoutError:
            print("The server does not stop; killing it.", file=sys.stderr, flush=True)
            self.kill()
            await self.ended

    def kill(self) -> None:
        """End it now."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def _until_ended(self) -> int:
        listening = asyncio.create_task(self._listen())
        try:
            code = await self._process.wait()
            # What it said last may still be on the way; a program forked from it could keep the connection open.
            await asyncio.wait([listening], timeout=0.2)
            return code
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)

    async def _listen(self) -> None:
        reader, writer = await asyncio.open_connection(sock=self._lifeline)
        try:
            while line := (await reader.readline()).decode():
                word, _, value = line.strip().partition(" ")
                if word == PATIENCE:
                    self._patience = float(value)
                elif word == SERVING:
                    self.ready_line = value
                    self.served.set()
        except ConnectionError:
            return
        finally:
            writer.close()


def describe_exit(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"
