"""The adapters that a contract is tried on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from planar.engine.store.port import Store
from tests import stores
from tests.contract.store_world import HandClock, MemoryWorld, PostgresWorld, SqliteWorld, World
from tests.postgres_server import migrated_database


@pytest.fixture(params=stores.kinds(*stores.STORES))
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A database that any number of processes may open."""
    async with AsyncExitStack() as stack:
        if request.param == stores.POSTGRESQL:
            world: World = PostgresWorld(await stack.enter_async_context(migrated_database()))
        else:
            world = MemoryWorld() if request.param == stores.MEMORY else SqliteWorld(tmp_path)
        stack.push_async_callback(world.close)
        yield world


@pytest.fixture
async def store(world: World) -> Store:
    """One process."""
    return await world.store()


@pytest.fixture
def clock(world: World) -> HandClock:
    """The time of that database."""
    return world.clock
