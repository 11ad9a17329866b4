"""What is measured of DBOS: three-step workflows, many at a time, and a one-step workflow alone. Runs in the environment of `dbos_peer.py`.

`python benchmarks/dbos_program.py URL [--runs N] [--at-once N]` prints one line of JSON.

The configuration is DBOS's own, but for what could only cost it time here: a connection for each caller, no tracing, and no
log below errors. Steps and workflows are coroutines, and are awaited where they are started, which needs no queue and no poll.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import statistics
import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

import uvloop
from dbos import DBOS, DBOSConfig

ALONE = 40


@DBOS.step()
async def increase(number: int) -> int:
    return number + 1


@DBOS.workflow()
async def three_steps(number: int) -> int:
    return await increase(await increase(await increase(number)))


@DBOS.workflow()
async def one_step(number: int) -> int:
    return await increase(number)


async def many(one: Callable[[int], Awaitable[object]], runs: int, at_once: int) -> tuple[float, float]:
    """Runs a second, and the CPU time of each in microseconds."""
    numbers = iter(range(runs))

    async def strand() -> None:
        for number in numbers:
            await one(number)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(strand() for _ in range(at_once)))
    return runs / (time.perf_counter() - began), (time.process_time() - used) / runs * 1e6


async def alone(one: Callable[[int], Awaitable[object]]) -> float:
    """The median of calls in sequence, in milliseconds."""
    taken: list[float] = []
    for number in range(ALONE):
        began = time.perf_counter()
        await one(number)
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


async def measure(runs: int, at_once: int) -> dict[str, object]:
    await many(three_steps, at_once, at_once)
    await many(one_step, 5, 1)
    speed, cpu = await many(three_steps, runs, at_once)
    return {"version": version("dbos"), "runs_per_second": speed, "cpu_us": cpu, "alone_ms": await alone(one_step)}


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("url", help="of an empty database")
    arguments.add_argument("--runs", type=int, default=200)
    arguments.add_argument("--at-once", type=int, default=64)
    given = arguments.parse_args()
    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": given.url,
        "sys_db_pool_size": given.at_once,
        "log_level": "ERROR",
        "enable_otlp": False,
    }
    DBOS(config=config)
    DBOS.launch()
    # As the engine's processes run: see `serving.py`.
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 10, 10)
    figures = uvloop.run(measure(given.runs, given.at_once))
    DBOS.destroy()
    print(json.dumps(figures), flush=True)


if __name__ == "__main__":
    main()
