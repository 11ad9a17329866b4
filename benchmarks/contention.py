"""What does a step cost the others that writes and then waits for three seconds with SQLite's write lock in its hand?

`python benchmarks/contention.py [--seconds 3]` runs 64 runs of three steps alone, and then beside a run whose step writes, emits an
event, starts a run and waits. Each run's time is from its start to its result. A run that fails (`database is locked`) ends the
program with its error.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from pathlib import Path

from serving import run_as_served
from sqlmodel import Field
from workload import AT_ONCE, three_steps

from planar import PlanarApp, sqlite_config
from planar.db.session import get_session
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import emit_event, step, workflow

HOLDING: list[asyncio.Event] = []


class HeldNote(PlanarBaseEntity, table=True):
    """What the step writes."""

    text: str = Field(max_length=100)


@workflow()
async def started_beside() -> str:
    return "started"


@step()
async def write_and_wait(seconds: float) -> float:
    """Hold the write lock for so long; when it was let go, by the clock of this process."""
    get_session().add(HeldNote(text="held"))
    await get_session().flush()
    await emit_event("held")
    await started_beside.start()
    HOLDING[-1].set()
    await asyncio.sleep(seconds)
    return time.perf_counter()


@workflow()
async def hold_the_lock(seconds: float) -> float:
    return await write_and_wait(seconds)


async def one(number: int) -> tuple[float, float]:
    """When a run of three steps was started, and when its result was there."""
    began = time.perf_counter()
    await three_steps(number)
    return began, time.perf_counter()


async def together() -> list[tuple[float, float]]:
    return list(await asyncio.gather(*(one(number) for number in range(AT_ONCE))))


def show(what: str, times: list[float]) -> None:
    """One line: median and longest, in milliseconds."""
    print(f"{what:<44} p50 {statistics.median(times) * 1000:8.1f} ms   longest {max(times) * 1000:8.1f} ms", flush=True)


async def measure(seconds: float) -> None:
    await together()
    show(f"{AT_ONCE} runs of three steps, alone", [end - began for began, end in await together()])
    HOLDING.append(asyncio.Event())
    held = asyncio.ensure_future(hold_the_lock(seconds))
    await HOLDING[-1].wait()
    beside = await together()
    released = await held
    show(f"the same beside a step that holds for {seconds:g} s", [end - began for began, end in beside])
    show("  of that, after the lock was let go", [max(0.0, end - released) for _, end in beside])


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--seconds", type=float, default=3.0, help="how long the step holds the write lock")
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        app = PlanarApp(config=sqlite_config(str(Path(name) / "contention.db")))
        for each in (three_steps, hold_the_lock, started_beside):
            app.register_workflow(each)
        run_as_served(app.run_standalone(measure, given.seconds))


if __name__ == "__main__":
    main()
