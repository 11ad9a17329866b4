"""What goes wrong, and when? Drawn from the seed before anything runs; each fault hits a process that lives at that time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from tests.scenario.simulation.process import Process
    from tests.scenario.simulation.world import World


class Fault(NamedTuple):
    """At *at* seconds *name* happens to one process, for *seconds* where it lasts."""

    at: float
    name: str
    seconds: float


def draw_faults(random: Random, until: float) -> list[Fault]:
    """Up to seven faults before *until*; one seed in eight has none."""
    if random.random() < 0.125:
        return []
    names = random.sample(sorted(FAULTS), random.randint(1, len(FAULTS)))
    faults = [Fault(random.uniform(0.0, until), random.choice(names), _length(random)) for _ in range(random.randint(1, 7))]
    return sorted(faults)


def _length(random: Random) -> float:
    return random.choice((random.uniform(0.1, 1.0), random.uniform(1.0, 6.0)))


async def strike(world: World, fault: Fault) -> None:
    """*fault* happens now, if there is a process that it can happen to."""
    process = world.pick(world.faults)
    if process is None:
        return
    world.figures[fault.name] += 1
    world.note("fault", process.name, fault.name, f"{fault.seconds:.2f}")
    await FAULTS[fault.name](world, process, fault.seconds)


async def _kill(world: World, process: Process, seconds: float) -> None:
    world.kill(process, "killed")


async def _die_before_commit(world: World, process: Process, seconds: float) -> None:
    process.doom = "before"


async def _die_after_commit(world: World, process: Process, seconds: float) -> None:
    process.doom = "after"


async def _lose_ack(world: World, process: Process, seconds: float) -> None:
    process.loses_ack = True


async def _pause(world: World, process: Process, seconds: float) -> None:
    process.paused, process.paused_at = True, world.loop.time()
    process.feel_well()
    await asyncio.sleep(seconds)
    world.resume(process)


async def _slow(world: World, process: Process, seconds: float) -> None:
    process.slow += 1
    process.feel_well()
    await asyncio.sleep(seconds)
    process.slow -= 1
    # What was on its way is still on its way, and as slow as it was.
    await process.recover(3.0)


async def _deaf(world: World, process: Process, seconds: float) -> None:
    process.deaf += 1
    process.feel_well()
    await asyncio.sleep(seconds)
    process.deaf -= 1
    await process.recover(1.5)


async def _outage(world: World, process: Process, seconds: float) -> None:
    """The database does not answer this process: nothing that it submits is applied, and it is told so."""
    process.cut_off += 1
    process.feel_well()
    await asyncio.sleep(seconds)
    process.cut_off -= 1
    # Whatever was refused is tried again after a moment.
    await process.recover(2.5)


async def _stop(world: World, process: Process, seconds: float) -> None:
    await world.stop(process)


FAULTS: dict[str, Callable[[World, Process, float], Awaitable[None]]] = {
    "kill": _kill,
    "death before a commit": _die_before_commit,
    "death after a commit": _die_after_commit,
    "lost acknowledgement": _lose_ack,
    "pause": _pause,
    "slow store": _slow,
    "late news": _deaf,
    "outage": _outage,
    "stop": _stop,
}
