"""How fast is the engine on SQLite, beside the bare database measured in the same run?

`python benchmarks/engine.py [--runs N] [--flat]` prints a table; README.md beside it says what each row means. Rounds of floor and
engine take turns, because a machine's speed moves while one looks at it; the median round counts.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from floor import Floor, floor_run
from latency import first_line, hand_over, idle, resume_long_run, resumption, traced
from serving import run_as_served
from table import ratio, row
from workload import PAYLOAD, alone, many, note_end_of_history, note_event, note_first_line, one_step, three_payloads, three_steps

from planar import PlanarApp, sqlite_config

ROUNDS = 5
PARTS = 10
WARM_UP = 500

WORKFLOWS = (three_steps, one_step, three_payloads, note_first_line, note_event, note_end_of_history)


async def throughput(floor: Floor, runs: int) -> None:
    """Many runs at a time, with small and with larger values."""
    text = PAYLOAD.model_dump_json()
    loads: dict[str, Callable[[int], Awaitable[object]]] = {
        "floor": lambda number: floor_run(floor),
        "engine": lambda number: three_steps(number),
        "floor, 800 B": lambda number: floor_run(floor, payload=text),
        "engine, 800 B": lambda number: three_payloads(PAYLOAD),
    }
    for one in loads.values():
        await many(one, WARM_UP)
    rounds = [{name: await many(one, runs) for name, one in loads.items()} for _ in range(ROUNDS)]
    speed = {name: statistics.median(each[name][0] for each in rounds) for name in loads}
    used = {name: min(each[name][1] for each in rounds) for name in loads}
    ratio("three steps, 64 at a time", "/s", speed["floor"], speed["engine"], "at least 0.25; goal 0.50")
    ratio("  CPU time of such a run", " us", used["floor"], used["engine"], "")
    ratio("three steps with 800 bytes", "/s", speed["floor, 800 B"], speed["engine, 800 B"], "the figure")
    ratio("  CPU time of such a run", " us", used["floor, 800 B"], used["engine, 800 B"], "")


async def latency(floor: Floor, url: str) -> None:
    """One thing at a time."""
    bare, ours = await alone(lambda: floor_run(floor, steps=1), lambda: one_step(1))
    ratio("one step alone, p50", " ms", bare, ours, "at most 1.2; goal 0.8")
    row("start to first line, p50", f"{await first_line():.2f} ms", "under 5 ms")
    row("event to resumption, p50", f"{await resumption():.2f} ms", "under 5 ms")
    usual, longest = await hand_over(url)
    row("hand-over to another process", f"p50 {usual:.0f} ms, longest of 40 {longest:.0f} ms", "within 100 ms")


async def measure(folder: Path, runs: int) -> None:
    """Everything that is measured without looking at the statements."""
    floor = Floor(folder / "floor.db")
    await throughput(floor, runs)
    await latency(floor, f"sqlite:///{folder / 'engine.db'}")
    await floor.close()


async def statements_of_one() -> None:
    """What is asked of the database."""
    # Until the worker has looked around: it would take the run over from the worker that is made up here.
    await asyncio.sleep(0.2)
    seconds, queries = min([await resume_long_run() for _ in range(3)])
    row("resuming a run of 10,000 steps", f"{seconds:.3f} s, {queries} query of its steps", "one, under 0.5 s")
    asked, busy = await idle()
    row("idle for 10 s", f"{asked} statements, {busy:.2f} % of a core", "at most 1")


async def flat(folder: Path, runs: int) -> None:
    """Does it stay as fast over many runs?"""
    floor = Floor(folder / "floor.db")
    await many(lambda number: three_steps(number), WARM_UP)
    shares: list[float] = []
    for part in range(PARTS):
        bare, least = await many(lambda number: floor_run(floor), 2000)
        speed, cpu = await many(lambda number: three_steps(number), runs // PARTS)
        ratio(f"runs {part * runs // PARTS:,} to {(part + 1) * runs // PARTS:,}", "/s", bare, speed, f"CPU {least:.0f} and {cpu:.0f} us")
        shares.append(cpu / least)
    early, late = (statistics.median(part) for part in (shares[: PARTS // 2], shares[PARTS // 2 :]))
    row("flat", f"CPU over the floor's: {early:.2f} times in the first half, {late:.2f} in the second", "the same")
    await floor.close()


def run(folder: Path, what: Callable[..., Awaitable[None]], *given: object, name: str = "engine.db") -> None:
    """Await *what* in an app over a database of its own."""
    app = PlanarApp(config=sqlite_config(str(folder / name)))
    for each in WORKFLOWS:
        app.register_workflow(each)
    run_as_served(app.run_standalone(what, *given))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=2000, help="runs a round")
    arguments.add_argument("--flat", action="store_true", help="100,000 runs in ten parts, and nothing else")
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if given.flat:
            run(folder, flat, folder, 100_000)
            return
        run(folder, measure, folder, given.runs)
        with traced():
            run(folder, statements_of_one, name="traced.db")


if __name__ == "__main__":
    main()
