"""Two processes over one SQLite file: killed, stopped, and asked to end. A locked file says who lives, and no lease."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.scenario.faults.conftest import LONG, MARGIN
from tests.scenario.faults.fleet import Fleet
from tests.scenario.faults.load import busiest, start_orders
from tests.scenario.faults.program import ORDER_EFFECTS, Setup, stopping_result
from tests.scenario.faults.promises import check
from tests.scenario.faults.world import SqliteWorld, until

pytestmark = pytest.mark.anyio

IN_FLIGHT = 200 if LONG else 24


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[SqliteWorld]:
    world = SqliteWorld(f"sqlite:///{tmp_path / 'app.db'}?timeout=30", tmp_path)
    await world.open()
    yield world
    await world.close()


async def test_two_processes_over_one_file_that_are_killed_stopped_and_asked_to_end(
    world: SqliteWorld, fleet: Fleet, report: Callable[[str], None]
) -> None:
    setup = Setup(world.url, str(world.folder))
    fleet.start(setup, 2)
    await start_orders(world, IN_FLIGHT, 1.0)
    victim, held = await busiest(world, fleet, IN_FLIGHT // 6)
    victim.kill()
    killed = await world.until_moved(held, within=20)
    await asyncio.to_thread(fleet.start, setup)

    # One that is stopped holds its locked file: nobody takes anything from it, and nothing of it is repeated.
    await start_orders(world, IN_FLIGHT, 1.0, first=IN_FLIGHT)
    stopped, _ = await busiest(world, fleet, IN_FLIGHT // 6)
    stopped.stop()
    held = await world.held_by(stopped.worker)
    # Longer than two looks of the other. It may wait for the write lock meanwhile, if that is where the first was stopped.
    await asyncio.sleep(2.5)
    assert await world.held_by(stopped.worker) == held
    stopped.go_on()
    await world.until_ended(60)

    # Stopped with the write lock: the others wait for it, and go on.
    world.ask_to_stop("transaction")
    await world.start("stopping", 3, result=stopping_result(3))
    await until(lambda: _stopped(world), "a worker to stop in a transaction")
    starting = asyncio.ensure_future(world.start("stopping", 4, result=stopping_result(4)))
    await asyncio.wait([starting], timeout=0.5)
    next(process for process in fleet.all if process.pid == world.stopped_at("transaction")).go_on()
    await starting
    await world.until_ended(60)

    await start_orders(world, IN_FLIGHT, 0.3, first=2 * IN_FLIGHT)
    ending, _ = await busiest(world, fleet, IN_FLIGHT // 6)
    ending.terminate()
    assert await asyncio.to_thread(ending.await_end, 20) == 0, ending.log
    await world.until_ended(60)
    kept = await check(world, fleet, ORDER_EFFECTS * 3 * IN_FLIGHT + 2 * 2)
    report(f"SQLite: after kill -9 the runs went on elsewhere in {killed:.2f} s; {kept}")
    assert killed <= MARGIN
    assert kept.late == 0


async def _stopped(world: SqliteWorld) -> bool:
    return world.stopped_at("transaction") is not None
