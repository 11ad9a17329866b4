"""A real service in a process of its own: started by the `planar` command, asked over HTTP, killed, started again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2 as httpx

READY_SECONDS = 30.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(question: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """Ask until the answer is true; it is returned."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}, in vain")
        time.sleep(0.02)


class Service:
    """`planar dev <entry>` with its database in *folder*. One object survives any number of kills."""

    def __init__(self, entry: Path, folder: Path, *, cwd: Path | None = None, command: str = "dev") -> None:
        self.entry, self.folder, self.cwd, self.command = entry, folder, cwd or folder, command
        self.database = folder / "service.db"
        self.port = free_port()
        self.log = folder / "service.log"
        self.settings = folder / "settings.yaml"
        self.settings.write_text(f"app:\n  db_connection: app\ndb_connections:\n  app:\n    driver: sqlite\n    path: {self.database}\n")
        self.process: subprocess.Popen[bytes] | None = None
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=10)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def start(self, entry: str | None = None, cwd: Path | None = None) -> None:
        arguments = [
            self.command,
            entry or str(self.entry),
            "--port",
            str(self.port),
            "--host",
            "127.0.0.1",
            "--config",
            str(self.settings),
        ]
        environment = {key: value for key, value in os.environ.items() if not key.startswith("PLANAR_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "planar.cli", *arguments], cwd=cwd or self.cwd, env=environment, stdout=log, stderr=log
            )
        until(self._ready, f"the service to be ready; it says:\n{self.log.read_text()[-3000:]}", READY_SECONDS)

    def _ready(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            raise AssertionError(f"the service ended with {self.process.returncode}:\n{self.log.read_text()[-5000:]}")
        with suppress(httpx.TransportError):
            return self.http.get("/planar/v1/health/ready").status_code == 200
        return False

    def kill(self) -> None:
        """kill -9 of the command, and nothing else."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)
        until(self._port_is_free, "the port to be free after kill -9", 5)

    def _port_is_free(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) != 0

    def close(self) -> None:
        """Stop for good."""
        self.stop()
        self.http.close()

    def stop(self) -> int | None:
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        return self.process.returncode

    def get(self, path: str, **params: Any) -> Any:
        answer = self.http.get(path, params=params)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        answer = self.http.post(path, json=body)
        answer.raise_for_status()
        return answer.json()

    def run(self, workflow: str, run_id: str) -> Any:
        return self.get(f"/planar/v1/workflows/{workflow}/runs/{run_id}")

    def status(self, workflow: str, run_id: str) -> str:
        return str(self.run(workflow, run_id)["status"])

    def ended(self, workflow: str, run_id: str, seconds: float = 20.0) -> Any:
        """The run, once it has ended."""
        until(lambda: self.status(workflow, run_id) in ("succeeded", "failed", "cancelled"), f"run {run_id} to end", seconds)
        return self.run(workflow, run_id)
