"""Worker processes of an earlier commit: its package and its own form of these tests' program, taken out of the project's history."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from uuid import UUID

from tests.scenario.faults.fleet import STARTS_WITHIN, WorkerProcess
from tests.scenario.faults.program import Setup

ROOT = Path(__file__).parents[3]

LAUNCHER = """
import json, sys
from multiprocessing.connection import Connection
from tests.scenario.faults.program import Setup, main
main(Setup(**json.loads(sys.argv[2])), Connection(int(sys.argv[1])))
"""


def take_out(commit: str, folder: Path) -> Path:
    """Write the package and the tests of *commit* into *folder*, which is answered.

    Raises:
        AssertionError: this is no clone of the project, or a clone without that commit.
    """
    archive = subprocess.run(["git", "archive", commit, "src", "tests"], cwd=ROOT, capture_output=True, check=False)
    why = f"commit {commit} is not at hand: test in a whole clone, not a shallow one ({archive.stderr.decode().strip()})"
    assert archive.returncode == 0, why
    with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as tar:
        tar.extractall(folder, filter="data")
    return folder


class EarlierWorkerProcess(WorkerProcess):
    """A worker process whose code is in *source*, as `take_out` wrote it."""

    def __init__(self, setup: Setup, source: Path) -> None:
        here, there = socket.socketpair()
        fields = {name: getattr(setup, name) for name in ("url", "folder", "lease_seconds", "drain_seconds", "max_concurrent_runs")}
        self._popen = subprocess.Popen(
            [sys.executable, "-c", LAUNCHER, str(there.fileno()), json.dumps(fields)],
            cwd=source,
            env={**os.environ, "PYTHONPATH": f"{source / 'src'}{os.pathsep}{source}"},
            pass_fds=[there.fileno()],
        )
        there.close()
        self._talk = Connection(here.detach())
        self._folder = Path(setup.folder)
        self.worker = UUID(int=0)
        self.client = ""

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_alive(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait(STARTS_WITHIN)

    def terminate(self) -> None:
        self._popen.send_signal(signal.SIGTERM)

    def await_end(self, seconds: float) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self._popen.wait(seconds)
        return self._popen.returncode
