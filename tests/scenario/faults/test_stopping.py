"""SIGSTOP past the lease, then SIGCONT: a worker that returns must not write for what it has lost, nor be in the way meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from planar.clock import SYSTEM_CLOCK
from tests.scenario.faults.conftest import LONG, MARGIN
from tests.scenario.faults.fleet import Fleet, WorkerProcess
from tests.scenario.faults.load import busiest, start_orders
from tests.scenario.faults.program import ORDER_EFFECTS, Setup, stopping_result
from tests.scenario.faults.promises import check, read_ledger
from tests.scenario.faults.world import World, until

pytestmark = pytest.mark.anyio

LEASE = 5.0 if LONG else 1.0
IN_FLIGHT = 300 if LONG else 40
REFUSED = "a stale write was refused"
PLACES = ("transaction", "commit", "between", "body")
WRITTEN_OFF = "this worker was taken for dead"


async def claims_again(process: WorkerProcess, world: World, after: float) -> None:
    """Wait until *process*, that was stopped, executes runs that it claimed later."""

    async def executes() -> bool:
        return any(note.pid == process.pid and note.at > after and note.path == "1" for note in read_ledger(world.folder))

    await until(executes, "the worker that returned to execute new runs")


async def test_a_worker_that_returns_after_three_leases_is_refused_and_goes_on_with_other_runs(
    world: World, fleet: Fleet, report: Callable[[str], None]
) -> None:
    fleet.start(Setup(world.url, str(world.folder), LEASE), 3)
    await start_orders(world, IN_FLIGHT, 0.8)
    zombie, _ = await busiest(world, fleet, IN_FLIGHT // 6)
    zombie.stop()
    held = await world.held_by(zombie.worker)
    stopped = SYSTEM_CLOCK.monotonic()
    seconds = await world.until_moved(held, within=LEASE + 5)
    await asyncio.sleep(stopped + 3 * LEASE - SYSTEM_CLOCK.monotonic())
    returned = SYSTEM_CLOCK.now().timestamp()
    zombie.go_on()
    await until(lambda: _says(zombie, WRITTEN_OFF), "the worker to hear that it was taken for dead")
    # With the others gone, whatever comes now is its own.
    for process in fleet.alive:
        if process is not zombie:
            process.terminate()
            process.await_end(20)
    await start_orders(world, 8, 0.0, first=IN_FLIGHT)
    await claims_again(zombie, world, returned)
    await world.until_ended(60)
    kept = await check(world, fleet, ORDER_EFFECTS * (IN_FLIGHT + 8))
    refused = zombie.log.count(REFUSED)
    report(f"SIGSTOP: {len(held)} runs went on in {seconds:.2f} s (lease {LEASE:g} s); {refused} runs refused to the returned; {kept}")
    assert refused >= len(held) // 2, zombie.log[-3000:]
    assert seconds <= LEASE + MARGIN
    assert kept.late == 0, "a body began on a lease that had run out"


async def _says(process: WorkerProcess, words: str) -> bool:
    return words in process.log


async def test_wherever_a_worker_is_stopped_its_run_goes_on_and_every_effect_is_right(
    world: World, fleet: Fleet, report: Callable[[str], None]
) -> None:
    """In a transaction, with rows that it has written, and locked; before a commit, with its step recorded; before the look at its
    lease; and in a body.
    """
    fleet.start(Setup(world.url, str(world.folder), LEASE), 2)
    for place in PLACES:
        world.ask_to_stop(place)
        # Of one number: they write the same row, so that the stopped one is in the way of all.
        for _ in range(4):
            await world.start("stopping", 3, result=stopping_result(3))
        await until(lambda place=place: _stopped(world, place), "the worker to stop")
        began = SYSTEM_CLOCK.monotonic()
        zombie = next(process for process in fleet.all if process.pid == world.stopped_at(place))
        held = await world.held_by(zombie.worker)
        refused = zombie.log.count(REFUSED)
        taken = await world.until_moved(held, within=60)
        await world.until_ended(60)
        report(
            f"stopped in {place}: taken over in {taken:.2f} s, all ended in {SYSTEM_CLOCK.monotonic() - began:.2f} s (lease {LEASE:g} s)"
        )
        zombie.go_on()
        await until(lambda zombie=zombie, refused=refused: _refused(zombie, refused), "the worker to be refused")
        assert taken <= LEASE + MARGIN
    kept = await check(world, fleet, 2 * 4 * len(PLACES))
    report(str(kept))
    assert kept.late == 0


async def _refused(process: WorkerProcess, before: int) -> bool:
    return process.log.count(REFUSED) > before


async def _stopped(world: World, place: str) -> bool:
    return world.stopped_at(place) is not None
