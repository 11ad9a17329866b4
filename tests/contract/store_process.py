"""A process of its own over an SQLite file, for tests that stop or kill it. What it says on stdout is one JSON value a line.

python -m tests.contract.store_process <path> worker|forking-worker|lock
"""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from uuid_utils.compat import uuid7

from planar.db.manager import DatabaseManager
from planar.engine.store.sqlite import SqliteStore
from tests.contract.store_world import HandClock, begin, done

ROOT = Path(__file__).parents[2]


class OtherProcess:
    """That process, seen from the test."""

    def __init__(self, path: Path, role: str) -> None:
        command = [sys.executable, "-m", "tests.contract.store_process", str(path), role]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.kill()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()

    @property
    def pid(self) -> int:
        return self._process.pid

    async def says(self) -> Any:
        """The next thing that it says."""
        assert self._process.stdout is not None
        line = await asyncio.wait_for(asyncio.to_thread(self._process.stdout.readline), 30)
        assert line, "the process ended without a word"
        return json.loads(line)

    def tell(self) -> None:
        """Let it go on."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """SIGKILL, and wait until it is gone."""
        self._process.kill()
        self._process.wait()


def _say(value: Any) -> None:
    print(json.dumps(value), flush=True)


async def _work(path: Path, *, forking: bool) -> None:
    """A worker that has begun a run and recorded its first step. With *forking*, a helper that it forked outlives it."""
    manager = DatabaseManager(f"sqlite:///{path}")
    await manager.connect()
    clock = HandClock()
    store = SqliteStore(manager, clock)
    await store.open()
    worker_id = uuid7()
    await store.enlist(worker_id)
    held = await begin(store, clock, worker_id)
    await store.submit(held.save(done("1")))
    helper = os.fork() if forking else None
    if helper == 0:
        os.close(1)
        # Ends with the test, which holds the other end.
        os.read(0, 1)
        os._exit(0)
    _say({"worker": worker_id.hex, "run": held.run.id.hex, "helper": helper})
    await asyncio.Event().wait()


def _lock(path: Path) -> None:
    """Hold SQLite's write lock until told to let go."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("begin immediate")
    _say("locked")
    sys.stdin.readline()
    connection.execute("commit")
    _say("free")
    sys.stdin.readline()


if __name__ == "__main__":
    role = sys.argv[2]
    if role == "lock":
        _lock(Path(sys.argv[1]))
    else:
        asyncio.run(_work(Path(sys.argv[1]), forking=role == "forking-worker"))
