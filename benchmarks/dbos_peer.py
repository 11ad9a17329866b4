"""How fast is DBOS, here and now? Its newest version, in an environment of its own, on a database of its own of the same server.

The environment is made by the first benchmark of a day, in the cache folder of `XDG_CACHE_HOME`, and kept for the others.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from durable_server import durable_database

PROGRAM = Path(__file__).with_name("dbos_program.py")
KEPT_SECONDS = 24 * 3600


class Peer(NamedTuple):
    """What one round of DBOS reached."""

    version: str
    runs_per_second: float
    cpu_us: float
    alone_ms: float


def environment() -> Path:
    """The interpreter of an environment with the newest DBOS, which is made if there is none of today.

    Raises:
        subprocess.CalledProcessError: pip cannot install it; its own message was printed.
    """
    cache = os.environ.get("XDG_CACHE_HOME")
    folder = (Path(cache) if cache else Path.home() / ".cache") / "planar-benchmarks" / "dbos"
    python, ready = folder / "bin" / "python", folder / "ready"
    if ready.exists() and time.time() - ready.stat().st_mtime < KEPT_SECONDS:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    print("installing DBOS in an environment of its own …", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    quiet = ["--quiet", "--disable-pip-version-check"]
    subprocess.run([str(python), "-m", "pip", "install", *quiet, "dbos", "uvloop"], check=True, stdout=sys.stderr)
    ready.touch()
    return python


async def measure_peer(python: Path, runs: int) -> Peer:
    """One round, in a process and a database that are gone afterwards."""
    async with durable_database() as address:
        url = address.url.replace("postgresql://", "postgresql+psycopg://", 1)
        command = [str(python), str(PROGRAM), url, "--runs", str(runs)]
        program = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        answer, _ = await program.communicate()
        if program.returncode != 0:
            raise RuntimeError(f"The program that measures DBOS failed with {program.returncode}; what it said stands above.")
        figures: dict[str, Any] = json.loads(answer.splitlines()[-1])
        return Peer(**figures)
