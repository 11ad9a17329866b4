"""What is run while one looks: a few workflows, and ways to call them many times."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from datetime import datetime

from pydantic import BaseModel

from planar.workflows import step, suspend, wait_for_event, workflow

AT_ONCE = 64
TURNS, CALLS_IN_TURN = 50, 20


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


@workflow()
async def steps_in_turn(count: int) -> int:
    number = 0
    for _ in range(count):
        number = await increase(number)
    return number


@workflow()
async def sleep_until(moment: datetime) -> None:
    await suspend(wakeup_at=moment)


@step()
async def carry(payload: Payload) -> Payload:
    return payload


@workflow()
async def three_payloads(payload: Payload) -> Payload:
    return await carry(await carry(await carry(payload)))


REACHED: list[float] = []
"""When the user's code of the workflows below got to run."""


@workflow()
async def note_first_line() -> None:
    REACHED.append(time.perf_counter())


@workflow()
async def note_event(key: str) -> None:
    await wait_for_event(key)
    REACHED.append(time.perf_counter())


@workflow()
async def note_end_of_history(steps: int) -> int:
    number = 0
    while number < steps:
        number = await increase(number)
    REACHED.append(time.perf_counter())
    return number


async def many(one: Callable[[int], Awaitable[object]], runs: int, at_once: int = AT_ONCE) -> tuple[float, float]:
    """Runs a second, *at_once* at a time; and the CPU time of each in microseconds, which a busy machine changes less."""
    numbers = iter(range(runs))

    async def strand() -> None:
        for number in numbers:
            await one(number)

    began, used = time.perf_counter(), time.process_time()
    await asyncio.gather(*(strand() for _ in range(at_once)))
    return runs / (time.perf_counter() - began), (time.process_time() - used) / runs * 1e6


async def alone(*each: Callable[[], Awaitable[object]]) -> list[float]:
    """The median of many calls in sequence, in milliseconds: a few of one, then a few of the next, as a disk changes within seconds."""
    taken: list[list[float]] = [[] for _ in each]
    for _ in range(TURNS):
        for one, times in zip(each, taken, strict=True):
            for _ in range(CALLS_IN_TURN):
                began = time.perf_counter()
                await one()
                times.append(time.perf_counter() - began)
    return [statistics.median(times) * 1000 for times in taken]
