"""A second process over the same database, with a worker that knows one workflow more.

`python benchmarks/second_process.py URL` says one line when it is ready, and stops when its input ends.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time

from serving import run_as_served

from planar import PlanarApp
from planar.config import connection_string_config
from planar.workflows import workflow


@workflow()
async def note_in_second_process() -> float:
    """The host's time at the first line: both processes have the same clock."""
    return time.time()


async def serve() -> None:
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)


def main() -> None:
    logging.disable(logging.WARNING)
    app = PlanarApp(config=connection_string_config(sys.argv[1]))
    app.register_workflow(note_in_second_process)
    run_as_served(app.run_standalone(serve))


if __name__ == "__main__":
    main()
