"""The real command in a real process, and a small application for it to serve."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

PLANAR = str(Path(sys.executable).with_name("planar"))
STARTS_WITHIN = 30.0
"""Generous: other tests may use the machine. What is measured has limits of its own."""

APP = """
import os, pathlib, re, time

TEXT = "one"
LOG = pathlib.Path(__file__).with_name("events.log")


def note(event):
    with LOG.open("a") as log:
        log.write(event + "\\n")


class App:
    docs_url = "/docs"

    async def graceful_shutdown(self):
        note("graceful_shutdown")

    async def __call__(self, scope, receive, send):
        if scope["type"] == "lifespan":
            return await self.live(receive, send)
        answer = {
            "/text": lambda: TEXT,
            "/pid": lambda: str(os.getpid()),
            "/environment": lambda: os.environ["PLANAR_ENV"] + " " + os.environ["PLANAR_ENTRY_POINT"] + " " + __name__,
            "/sleep": lambda: time.sleep(120),
            "/spin": lambda: str(re.match("(a+)+$", "a" * 60 + "b")),
        }[scope["path"]]
        if scope["path"] in ("/sleep", "/spin"):
            note("blocked")
        body = answer().encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(body)).encode())]})
        await send({"type": "http.response.body", "body": body})

    async def live(self, receive, send):
        while True:
            message = await receive()
            note(message["type"])
            await self.before_answer(message["type"])
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def before_answer(self, kind):
        pass


app = App()
"""

HANGS_AT_THE_END = """
import asyncio, types


class Hanging(App):
    config = types.SimpleNamespace(workflows=types.SimpleNamespace(drain_seconds=0, cancel_seconds=0))

    async def before_answer(self, kind):
        if kind == "lifespan.shutdown":
            await asyncio.sleep(3600)


app = Hanging()
"""


class Command:
    """A running `planar` command. Everything that it prints goes into one file."""

    def __init__(self, process: subprocess.Popen[bytes], output: Path) -> None:
        self.process = process
        self._output = output

    @property
    def output(self) -> str:
        return self._output.read_text()

    def address(self, count: int = 1) -> str:
        """The address that was printed when the server was ready, for the *count*-th time."""

        return self.said(r"Planar is ready: (\S+)", count)

    def said(self, pattern: str, count: int = 1) -> str:
        """What was printed and matches *pattern*, or its one group, for the *count*-th time; an error if the command ends before."""

        def found() -> str | None:
            matches = re.findall(pattern, self.output)
            assert len(matches) >= count or self.process.poll() is None, self.output
            return matches[count - 1] if len(matches) >= count else None

        return until(found, within=STARTS_WITHIN)

    def exit_code(self, within: float = STARTS_WITHIN) -> int:
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within} seconds:\n{self.output}") from None

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)


@contextmanager
def planar(*arguments: str, folder: Path, output: str = "output.txt", **variables: str) -> Iterator[Command]:
    """Run `planar` with *arguments* in *folder*, printing into its file *output*; whatever is left of it at the end is killed."""
    sink_file = folder / output
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PLANAR_")} | variables
    with sink_file.open("wb") as sink:
        process = subprocess.Popen([PLANAR, *arguments], cwd=folder, stdout=sink, stderr=subprocess.STDOUT, env=environment)
    try:
        yield Command(process, sink_file)
    finally:
        # The server ends with its supervisor: that is what these tests are about.
        process.kill()
        process.wait()


def until(probe: Callable[[], T | None], *, within: float) -> T:
    """What *probe* returns as soon as it is true; an error after *within* seconds."""
    end = time.monotonic() + within
    while True:
        found = probe()
        if found:
            return found
        assert time.monotonic() < end, f"not within {within} seconds"
        time.sleep(0.02)


def fetch(url: str, *, timeout: float = 10) -> tuple[int, str]:
    """Status and body, over a connection of its own; (0, reason) if there was no answer."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def get(url: str) -> str:
    status, body = fetch(url)
    assert status == 200, (status, body)
    return body


def is_alive(pid: int) -> bool:
    """Whether the process still does something; one that is dead and not yet reaped does not."""
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat")
        return not state.parent.parent.joinpath("self").exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def port_is_free(address: str) -> bool:
    """Whether another server could take the port of *address* now."""
    with socket.socket() as attempt:
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            attempt.bind(("127.0.0.1", int(address.rpartition(":")[2])))
        except OSError:
            return False
        return True
