"""A worker in a process of its own, which does as it is told and says what it cost.

`python benchmarks/worker_process.py URL [--traced]` reads one JSON object a line, and answers with one: `Told` is what may be said.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from contextlib import nullcontext
from datetime import datetime
from typing import Any

import psutil
from latency import SEEN
from postgres_statements import no_heartbeats, traced
from serving import run_as_served
from workload import AT_ONCE, many, sleep_until, three_steps

from planar import PlanarApp
from planar.config import connection_string_config


class Told:
    """What can be asked of the worker, by name."""

    async def call(self, runs: int) -> dict[str, float]:
        """Call so many three-step runs, 64 at a time."""
        speed, cpu = await many(three_steps, runs, AT_ONCE)
        return {"speed": speed, "cpu_us": cpu}

    async def put_to_sleep(self, runs: int, until: str) -> dict[str, float]:
        """Start so many runs that sleep until then."""
        moment = datetime.fromisoformat(until)
        speed, _ = await many(lambda _: sleep_until.start(moment), runs, 500)
        return {"speed": speed}

    async def look(self) -> dict[str, float]:
        """What this process has used so far, and has asked the database since the last look."""
        statements, beats = len(no_heartbeats()), len(SEEN) - len(no_heartbeats())
        SEEN.clear()
        megabytes = psutil.Process().memory_info().rss / 1024 / 1024
        return {"cpu": time.process_time(), "megabytes": megabytes, "statements": statements, "heartbeats": beats}


async def serve() -> None:
    told = Told()
    print(json.dumps(await told.look()), flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        given: dict[str, Any] = json.loads(line)
        print(json.dumps(await getattr(told, given.pop("do"))(**given)), flush=True)


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("url")
    arguments.add_argument("--traced", action="store_true", help="count the statements")
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    with traced() if given.traced else nullcontext():
        app = PlanarApp(config=connection_string_config(given.url))
        for each in (three_steps, sleep_until):
            app.register_workflow(each)
        run_as_served(app.run_standalone(serve))


if __name__ == "__main__":
    main()
