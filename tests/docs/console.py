"""The commands of a page, carried out as a reader would: a real server, real requests, a real kill.

===========================  =====================================================================================
``planar dev main.py &``     starts the server on a free port and waits until it is ready
``curl ... localhost:8000``  is sent to it; the answer must be a success, or the status that the text above announces
``kill -9 %1``               kills the server
``planar config ...``        and any other command: must end with 0
``# -> text``                the answer before it holds *text*; a GET is asked again until it does
``# other``                  a remark
===========================  =====================================================================================
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.docs.pages import Block
from tests.scenario.cli_process import Command, fetch, planar, until
from tests.scenario.warm_planar import run_planar

ADDRESS = "localhost:8000"
ANSWERS_WITHIN = 20.0
ENDS_WITHIN = 120.0
READY_WITHIN = 30.0

_OF_THE_SHELL = re.compile(r"[|&;<>$`*]")
_REFUSED = re.compile(r"\b4\d\d\b")


@dataclass(frozen=True)
class Request:
    """What a line of curl sends."""

    method: str
    url: str
    headers: dict[str, str]
    body: bytes | None

    def send(self) -> tuple[int, str]:
        """The status and the text of the answer."""
        request = urllib.request.Request(self.url, self.body, self.headers, method=self.method)
        try:
            with urllib.request.urlopen(request, timeout=ANSWERS_WITHIN) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()


class Console:
    """A reader's terminal in *folder*, with at most one server. Use it in a ``with`` block, which ends the server."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._stack = ExitStack()
        self._server: Command | None = None
        self._address = ""
        self._pending: dict[str, str] = {}

    def __enter__(self) -> Console:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def write(self, name: str, text: str) -> None:
        """Save a file, at the latest before the next command; a server reloads then."""
        self._pending[name] = text

    def read(self, name: str) -> str:
        """A file as it was saved last."""
        return self._pending.get(name) or (self.folder / name).read_text()

    def run(self, block: Block) -> None:
        """Carry out the commands of *block*."""
        self._save()
        allowed = {int(found) for found in _REFUSED.findall(block.before)}
        lines = block.text.splitlines()
        for number, line in enumerate(lines):
            if not line.strip() or line.startswith("#"):
                continue
            following = lines[number + 1] if number + 1 < len(lines) else ""
            expected = following.removeprefix("# -> ") if following.startswith("# -> ") else None
            try:
                self._command(line, expected, allowed)
            except AssertionError as error:
                output = self._server.output[-4000:] if self._server is not None else ""
                raise AssertionError(f"{block.page}:{block.line + number}: {line}\n{error}\n{output}") from error

    def _save(self) -> None:
        if not self._pending:
            return
        served = self._server.output.count("Planar is ready") if self._server is not None else 0
        for name, text in self._pending.items():
            (self.folder / name).write_text(text)
        self._pending.clear()
        if self._server is not None:
            self._server.address(served + 1)
            self._until_ready()

    def _command(self, line: str, expected: str | None, allowed: set[int]) -> None:
        if line.startswith(("planar dev ", "planar prod ")):
            return self.serve(shlex.split(line.removesuffix("&"))[1:])
        if line == "kill -9 %1":
            return self.kill()
        if line.startswith("curl "):
            return self._curl(line, expected, allowed)
        return self._shell(line)

    def serve(self, arguments: list[str]) -> None:
        """Start the server on a free port, and wait until it is ready."""
        assert self._server is None, "there is a server already"
        self._server = self._stack.enter_context(planar(*arguments, "--port", "0", folder=self.folder))
        self._address = self._server.address()
        self._until_ready()

    def _until_ready(self) -> None:
        until(lambda: fetch(f"{self._address}/planar/v1/health/ready")[0] == 200, within=READY_WITHIN)

    def kill(self) -> None:
        """Kill the server as ``kill -9`` does."""
        assert self._server is not None, "there is no server to kill"
        self._server.process.kill()
        self._server.process.wait()
        self._server = None

    def _curl(self, line: str, expected: str | None, allowed: set[int]) -> None:
        assert self._server is not None, "there is no server to ask"
        request = self._request(line)

        def answer() -> str | None:
            status, text = request.send()
            assert status in allowed if allowed else status < 400, (status, text)
            if expected is not None and expected not in text:
                assert request.method == "GET", f"the answer does not hold {expected!r}: {text}"
                return None
            return text or " "

        until(answer, within=ANSWERS_WITHIN)

    def _request(self, line: str) -> Request:
        options = argparse.ArgumentParser(add_help=False, exit_on_error=False)
        options.add_argument("url")
        options.add_argument("-s", action="store_true")
        options.add_argument("-X", dest="method")
        options.add_argument("-H", dest="headers", action="append", default=[])
        options.add_argument("-d", dest="data")
        given = options.parse_args(shlex.split(self._here(line))[1:])
        assert given.url.startswith(ADDRESS), f"{given.url} is not {ADDRESS}"
        data: str | None = given.data
        if data is not None and data.startswith("@"):
            data = Path(data[1:]).read_text()
        headers = dict(header.split(": ", 1) for header in given.headers)
        method = given.method or ("POST" if data is not None else "GET")
        return Request(method, self._address + given.url.removeprefix(ADDRESS), headers, data.encode() if data is not None else None)

    def _shell(self, line: str) -> None:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PLANAR_")} | {"PATH": path}
        words = shlex.split(self._here(line))
        if words[0] == "planar" and not _OF_THE_SHELL.search(line):
            done = run_planar(words[1:], self.folder, environment)
            assert done.returncode == 0, done.stdout + done.stderr
            return
        command = ["sh", "-c", self._here(line)]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=ENDS_WITHIN)
        assert done.returncode == 0, done.stdout + done.stderr

    def _here(self, line: str) -> str:
        """The line with a reader's temporary folder replaced by this test's."""
        return line.replace("/tmp/", f"{self.folder}/")
