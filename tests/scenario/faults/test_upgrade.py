"""An upgrade while everything runs: workers of the version before go on beside those of this one, and nothing is lost or done twice."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from planar.db.manager import DatabaseManager
from planar.db.migrations import HEAD
from tests.postgres_server import OwnServer, connect
from tests.scenario.faults.conftest import LONG
from tests.scenario.faults.earlier import EarlierWorkerProcess, take_out
from tests.scenario.faults.fleet import Fleet
from tests.scenario.faults.load import Trickle, busiest, start_orders
from tests.scenario.faults.program import ORDER_EFFECTS, Setup
from tests.scenario.faults.promises import check
from tests.scenario.faults.world import AUDIT, TABLES, SqliteWorld, World, tell, until

pytestmark = pytest.mark.anyio

BEFORE = "bb25d64"
"""The last commit of the version before: its newest migration is 0005."""

IN_FLIGHT = 200 if LONG else 24


class OldSqliteWorld(SqliteWorld):
    """A file that the version before has made: nothing is migrated when it is opened."""

    async def open(self) -> None:
        await World.open(self)
        self._connection = sqlite3.connect(self._manager.sqlite_path or "", timeout=30, isolation_level=None)
        for statement in TABLES:
            self._connection.execute(statement)


@pytest.fixture(scope="session")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return take_out(BEFORE, tmp_path_factory.mktemp("earlier"))


@pytest.fixture
async def empty_database(crashing_server: OwnServer) -> AsyncIterator[str]:
    await tell(crashing_server.url, "create database faults_upgrade")
    yield crashing_server.url.set(database="faults_upgrade").render_as_string(hide_password=False)
    await tell(crashing_server.url, "drop database faults_upgrade with (force)")


def start_earlier(fleet: Fleet, setup: Setup, source: Path, count: int = 1) -> list[EarlierWorkerProcess]:
    started = [EarlierWorkerProcess(setup, source) for _ in range(count)]
    fleet.all += started
    for process in started:
        process.await_ready()
    return started


async def migrate(url: str) -> None:
    """What `planar prod` of this version does when it starts."""
    manager = DatabaseManager(url)
    await manager.connect()
    await manager.migrate(application=[])
    await manager.disconnect()


async def test_on_one_sqlite_file_a_worker_of_the_version_before_goes_on_beside_this_one(
    earlier: Path, tmp_path: Path, report: Callable[[str], None]
) -> None:
    world = OldSqliteWorld(f"sqlite:///{tmp_path / 'app.db'}?timeout=30", tmp_path)
    with Fleet() as fleet:
        setup = Setup(world.url, str(tmp_path))
        (old,) = start_earlier(fleet, setup, earlier)
        await world.open()
        try:
            before = await world.ask("select version_num from planar_alembic_version")
            await start_orders(world, IN_FLIGHT, 0.5)
            await busiest(world, fleet, IN_FLIGHT // 2)
            (new,) = await asyncio.to_thread(fleet.start, setup)  # it migrates when it starts
            assert await world.ask("select version_num from planar_alembic_version") == [(HEAD,)] != before
            await start_orders(world, IN_FLIGHT, 0.5, first=IN_FLIGHT)
            await until(lambda: _hold(world, old.worker, new.worker), "both to hold runs")
            # Each takes over from the other.
            new.kill()
            await world.until_ended(60)
            (new,) = await asyncio.to_thread(fleet.start, setup)
            await start_orders(world, IN_FLIGHT, 0.5, first=2 * IN_FLIGHT)
            await until(lambda: _hold(world, old.worker), "the one of the version before to hold runs")
            old.terminate()
            assert await asyncio.to_thread(old.await_end, 20) == 0, old.log
            await world.until_ended(60)
            kept = await check(world, fleet, ORDER_EFFECTS * 3 * IN_FLIGHT)
            assert kept.late == 0
            report(f"SQLite, migrated from {before[0][0]} to {HEAD} beside a worker of the version before: {kept}")
        finally:
            await world.close()


async def test_on_postgresql_the_tables_are_migrated_under_load_and_the_version_before_goes_on(
    earlier: Path, empty_database: str, tmp_path: Path, report: Callable[[str], None]
) -> None:
    world = World(empty_database, tmp_path)
    with Fleet() as fleet:
        setup = Setup(empty_database, str(tmp_path))
        old, victim = await asyncio.to_thread(start_earlier, fleet, setup, earlier, 2)
        connection = await connect(empty_database)
        for statement in (*TABLES, AUDIT):
            await connection.execute(statement)
        await connection.close()
        await world.open()
        try:
            before = (await world.ask("select version_num from planar.alembic_version"))[0][0]
            load = Trickle(world, 40 if LONG else 15)
            await until(lambda: _hold(world, old.worker, victim.worker), "both of the version before to hold runs")
            await migrate(empty_database)
            migrated = load.count
            assert (await world.ask("select version_num from planar.alembic_version"))[0][0] == HEAD != before
            await until(lambda: _is(load.count >= 2 * migrated + 10), "as many orders again under the older code")
            (new,) = await asyncio.to_thread(fleet.start, setup)
            await until(lambda: _hold(world, old.worker, new.worker), "both versions to hold runs")
            victim.kill()
            await until(lambda: _is(load.count >= 3 * migrated + 20), "as many orders again under both")
            old.terminate()
            assert await asyncio.to_thread(old.await_end, 20) == 0, old.log
            count = await load.stop()
            await world.until_ended(60)
            kept = await check(world, fleet, ORDER_EFFECTS * count)
            report(f"PostgreSQL, migrated from {before} to {HEAD} under load, {migrated} orders before of {count}: {kept}")
        finally:
            await world.close()


async def _is(answer: bool) -> bool:
    return answer


async def _hold(world: World, *workers: object) -> bool:
    holders = {holder for holder, _ in (await world.claims()).values()}
    return holders.issuperset(workers)
