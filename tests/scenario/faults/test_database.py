"""The server crashes, ends sessions, has no room, or cannot be reached: every run ends, and without help."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import asyncpg
import pytest
from sqlalchemy import make_url

from planar.clock import SYSTEM_CLOCK
from tests.postgres_server import OwnServer, connect
from tests.scenario.faults.conftest import LONG
from tests.scenario.faults.fleet import Fleet
from tests.scenario.faults.load import Trickle
from tests.scenario.faults.program import ORDER_EFFECTS, Setup
from tests.scenario.faults.promises import check
from tests.scenario.faults.proxy import Proxy
from tests.scenario.faults.world import World

pytestmark = pytest.mark.anyio

LEASE = 2.0 if LONG else 1.0
RATE = 20.0
END_SESSIONS = """
select pg_terminate_backend(pid) from pg_stat_activity
where datname like 'faults%' and application_name <> 'old snapshot' and pid <> pg_backend_pid()
"""


async def test_a_server_that_crashes_under_load_with_killed_workers(
    crashing_server: OwnServer, world: World, fleet: Fleet, report: Callable[[str], None]
) -> None:
    lasts, every = (180.0, 10.0) if LONG else (6.0, 3.0)
    setup = Setup(world.url, str(world.folder), LEASE)
    fleet.start(setup, 3)
    orders = Trickle(world, RATE)
    crashes = kills = 0
    began = SYSTEM_CLOCK.monotonic()
    while crashes < lasts / every:
        await _until(began + crashes * every + every / 2)
        fleet.alive[0].kill()
        kills += 1
        await asyncio.to_thread(fleet.start, setup)
        await _until(began + crashes * every + every)
        await asyncio.to_thread(crashing_server.restart)
        crashes += 1
    count = await orders.stop()
    seconds = await world.until_ended(120)
    kept = await check(world, fleet, ORDER_EFFECTS * count)
    report(f"{crashes} crashes and {kills} kills: the last of {count} runs ended {seconds:.1f} s after the last start; {kept}")


async def test_sessions_that_are_ended_a_full_server_and_an_old_snapshot(world: World, fleet: Fleet, report: Callable[[str], None]) -> None:
    rounds = 10 if LONG else 1
    fleet.start(Setup(world.url, str(world.folder), LEASE), 2)
    async with _old_snapshot(world):
        orders = Trickle(world, RATE)
        ended = 0
        for _ in range(rounds):
            for _ in range(5):
                await asyncio.sleep(0.3)
                ended += await _end_sessions(world)
            await _fill(world, 1.5 * LEASE)
        count = await orders.stop()
        seconds = await world.until_ended(60)
    kept = await check(world, fleet, ORDER_EFFECTS * count)
    report(f"{ended} sessions ended, {rounds} times no room: the last of {count} runs ended {seconds:.1f} s after the last start; {kept}")


async def test_a_way_to_the_server_that_is_slow_breaks_and_is_silent(world: World, fleet: Fleet, report: Callable[[str], None]) -> None:
    url = make_url(world.url)
    there = Path(str(url.query["host"]))
    rounds = 10 if LONG else 1
    # The name of a socket may not be long, as that of the test's own folder is.
    with TemporaryDirectory(prefix="planar-") as here:
        async with Proxy(Path(here), there) as proxy:
            through = url.set(query={"host": here}).render_as_string(hide_password=False)
            await asyncio.to_thread(fleet.start, Setup(through, str(world.folder), LEASE), 2)
            orders = Trickle(world, RATE)
            for _ in range(rounds):
                for fault in (_slow, _dropped, _half_closed_here, _half_closed_there, _silent):
                    await fault(proxy)
                    await asyncio.sleep(0.3)
            count = await orders.stop()
            seconds = await world.until_ended(90)
            kept = await check(world, fleet, ORDER_EFFECTS * count, lost_answers=True)
            for process in fleet.all:
                process.kill()
    report(f"{proxy.broken} connections broken: the last of {count} runs ended {seconds:.1f} s after the last start; {kept}")


async def _until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - SYSTEM_CLOCK.monotonic()))


# -- faults of the way --------------------------------------------------------------------------------------------------


async def _slow(proxy: Proxy) -> None:
    proxy.delay = 0.02
    await asyncio.sleep(1.0)
    proxy.delay = 0.0


async def _dropped(proxy: Proxy) -> None:
    for _ in range(3):
        proxy.drop()
        await asyncio.sleep(0.2)


async def _half_closed_here(proxy: Proxy) -> None:
    proxy.close_towards_workers()
    await asyncio.sleep(0.5)


async def _half_closed_there(proxy: Proxy) -> None:
    proxy.close_towards_server()
    await asyncio.sleep(0.5)


async def _silent(proxy: Proxy) -> None:
    proxy.hold()
    await asyncio.sleep(2 * LEASE)
    proxy.let_go()


# -- faults of the server -----------------------------------------------------------------------------------------------


async def _end_sessions(world: World) -> int:
    """Of everybody, also the driver's; but for the one that keeps the old snapshot."""
    connection = await connect(world.url)
    try:
        return len(await connection.fetch(END_SESSIONS))
    finally:
        await connection.close()


@contextlib.asynccontextmanager
async def _old_snapshot(world: World) -> AsyncIterator[None]:
    """A transaction that sees everything as it was: what is dead cannot be cleaned up."""
    connection = await connect(world.url)
    try:
        await connection.execute("set application_name = 'old snapshot'")
        async with connection.transaction(isolation="repeatable_read"):
            await connection.fetch("select count(*) from planar.workflow_claim")
            yield
            assert (await connection.fetch("select count(*) from planar.workflow_run"))[0][0] == 0
    finally:
        await connection.close()


async def _fill(world: World, seconds: float) -> None:
    """Take every connection that the server has, end those of the workers, and take theirs as well."""
    ends = SYSTEM_CLOCK.monotonic() + seconds
    taken: list[Any] = []
    elsewhere = make_url(world.url).set(database="postgres")
    try:
        while SYSTEM_CLOCK.monotonic() < ends:
            try:
                taken.append(await connect(elsewhere))
            except asyncpg.TooManyConnectionsError:
                await taken[-1].execute(END_SESSIONS)
                await asyncio.sleep(0.01)
    finally:
        for connection in taken:
            connection.terminate()
