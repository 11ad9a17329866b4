"""The adapters that a contract is tried on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from planar.engine.store.port import Store
from tests.contract.store_world import HandClock, MemoryWorld, SqliteWorld, World


@pytest.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A database that any number of processes may open."""
    world: World = MemoryWorld() if request.param == "memory" else SqliteWorld(tmp_path)
    yield world
    await world.close()


@pytest.fixture
async def store(world: World) -> Store:
    """One process."""
    return await world.store()


@pytest.fixture
def clock(world: World) -> HandClock:
    """The time of that database."""
    return world.clock
