"""What the workers are busy with, and which of them is most."""

from __future__ import annotations

import asyncio

from tests.scenario.faults.fleet import Fleet, WorkerProcess
from tests.scenario.faults.program import order_result
from tests.scenario.faults.world import Held, World, until


async def start_orders(world: World, count: int, seconds: float, *, first: int = 0) -> None:
    """Start *count* orders, a few at a time so that every worker gets some, and pay for them."""
    for at in range(first, first + count, 4):
        numbers = range(at, min(at + 4, first + count))
        await asyncio.gather(*(world.start("order", number, seconds, result=order_result(number)) for number in numbers))
        await asyncio.gather(*(world.emit(f"paid:{number}", {"amount": number}) for number in numbers))


async def busiest(world: World, fleet: Fleet, least: int) -> tuple[WorkerProcess, list[Held]]:
    """The worker that holds most runs, once that is *least*."""
    found: list[tuple[int, WorkerProcess, list[Held]]] = []

    async def looked() -> bool:
        found[:] = [(len(held), process, held) for process in fleet.alive if (held := await world.held_by(process.worker)) is not None]
        return max(each[0] for each in found) >= least

    await until(looked, f"a worker to hold {least} runs")
    _, process, held = max(found, key=lambda each: each[0])
    return process, held


class Trickle:
    """Orders that keep coming, however the database is."""

    def __init__(self, world: World, a_second: float) -> None:
        self._world = world
        self._pause = 1 / a_second
        self._task = asyncio.create_task(self._work())
        self._ends = False
        self.count = 0
        """How many were started and paid for."""

    async def stop(self) -> int:
        """No more of them; how many there were."""
        self._ends = True
        await self._task
        return self.count

    async def _work(self) -> None:
        while not self._ends:
            number, self.count = self.count, self.count + 1
            await self._world.start("order", number, 0.1, result=order_result(number))
            await self._world.emit(f"paid:{number}", {"amount": number})
            await asyncio.sleep(self._pause)
