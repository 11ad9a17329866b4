"""How fast is the engine on SQLite, beside the bare database measured in the same run?

`python benchmarks/engine.py [--runs N] [--flat]` prints a table of ratios. Rounds of floor and engine take turns, because a machine's
speed moves while one looks at it; the median round counts.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from floor import Floor, floor_run
from pydantic import BaseModel

from planar import PlanarApp, sqlite_config
from planar.workflows import emit_event, step, wait_for_event, workflow

AT_ONCE = 64
ROUNDS = 5


class Line(BaseModel):
    """One of the lines of a payload."""

    number: int
    text: str
    amount: float


class Payload(BaseModel):
    """About 800 bytes of JSON."""

    customer: str
    lines: list[Line]


PAYLOAD = Payload(customer="somebody", lines=[Line(number=n, text=f"line {n} of an order", amount=n * 1.5) for n in range(13)])


@step()
async def increase(number: int) -> int:
    return number + 1


@workflow()
async def three_steps(number: int) -> int:
    return await increase(await increase(await increase(number)))


@workflow()
async def one_step(number: int) -> int:
    return await increase(number)


@step()
async def carry(payload: Payload) -> Payload:
    return payload


@workflow()
async def three_payloads(payload: Payload) -> Payload:
    return await carry(await carry(await carry(payload)))


FIRST_LINE: list[float] = []
RESUMED: list[float] = []


@workflow()
async def note_first_line() -> None:
    FIRST_LINE.append(time.perf_counter())


@workflow()
async def note_event(key: str) -> None:
    await wait_for_event(key)
    RESUMED.append(time.perf_counter())


async def many(one: Callable[[int], Awaitable[object]], runs: int) -> float:
    """Runs a second, *AT_ONCE* at a time."""
    numbers = iter(range(runs))

    async def strand() -> None:
        for number in numbers:
            await one(number)

    began = time.perf_counter()
    await asyncio.gather(*(strand() for _ in range(AT_ONCE)))
    return runs / (time.perf_counter() - began)


async def alone(one: Callable[[], Awaitable[object]], times: int = 200) -> float:
    """The median of *times* calls in sequence, in milliseconds."""
    taken: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        await one()
        taken.append(time.perf_counter() - began)
    return statistics.median(taken) * 1000


async def measure(folder: Path, runs: int) -> None:
    floor = Floor(folder / "floor.db")
    text = PAYLOAD.model_dump_json()
    await many(lambda number: three_steps(number), 500)
    rounds: dict[str, list[float]] = {}
    for _ in range(ROUNDS):
        for name, one in {
            "floor": lambda number: floor_run(floor),
            "engine": lambda number: three_steps(number),
            "floor, 800 B": lambda number: floor_run(floor, payload=text),
            "engine, 800 B": lambda number: three_payloads(PAYLOAD),
        }.items():
            rounds.setdefault(name, []).append(await many(one, runs))
    speed = {name: statistics.median(figures) for name, figures in rounds.items()}
    ratio("three steps, 64 at a time", "/s", speed["floor"], speed["engine"], "bar 0.25")
    ratio("the same with 800 bytes", "/s", speed["floor, 800 B"], speed["engine, 800 B"], "")
    bare = await alone(lambda: floor_run(floor, steps=1))
    ours = await alone(lambda: one_step(1))
    ratio("one step alone, p50", " ms", bare, ours, "bar 1.2")
    print(f"{'start to first line, p50':<28}{await first_line():36.2f} ms           bar 5 ms")
    print(f"{'event to resumption, p50':<28}{await resumption():36.2f} ms           bar 5 ms")
    await floor.close()


def ratio(what: str, unit: str, floor: float, engine: float, bar: str) -> None:
    """One row: the floor, the engine, and the engine's share of the floor."""
    digits = 0 if floor > 100 else 2
    print(f"{what:<28}floor {floor:8.{digits}f}{unit:<4} engine {engine:8.{digits}f}{unit:<4} ratio {engine / floor:5.2f}  {bar}")


async def first_line() -> float:
    taken: list[float] = []
    for _ in range(100):
        began = time.perf_counter()
        await note_first_line()
        taken.append(FIRST_LINE[-1] - began)
    return statistics.median(taken) * 1000


async def resumption() -> float:
    taken: list[float] = []
    for number in range(100):
        run = await note_event.start(f"key {number}")
        await asyncio.sleep(0.01)
        began = time.perf_counter()
        await emit_event(f"key {number}")
        await note_event.wait_for_completion(run.id)
        taken.append(RESUMED[-1] - began)
    return statistics.median(taken) * 1000


async def flat(_: Path, runs: int) -> None:
    """Does it stay as fast over many runs?"""
    for part in range(10):
        speed = await many(lambda number: three_steps(number), runs // 10)
        print(f"runs {part * runs // 10:>7} to {(part + 1) * runs // 10:>7}: {speed:6.0f}/s")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=2000, help="runs a round")
    arguments.add_argument("--flat", action="store_true", help="100,000 runs in ten parts")
    given = arguments.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        app = PlanarApp(config=sqlite_config(f"{folder}/engine.db"))
        for each in (three_steps, one_step, three_payloads, note_first_line, note_event):
            app.register_workflow(each)
        what = (flat, 100_000) if given.flat else (measure, given.runs)
        asyncio.run(app.run_standalone(what[0], Path(folder), what[1]))


if __name__ == "__main__":
    main()
