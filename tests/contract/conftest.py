"""The adapters that a contract is tried on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from planar.engine.store.port import Store
from planar.files.storage.base import Storage
from tests import stores
from tests.contract.storage_world import PLACES, Place, s3_server
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


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """A server that speaks S3."""
    with s3_server() as address:
        yield address


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Place]:
    """A storage of files, and a view of what is behind it."""
    address = request.getfixturevalue("s3_address") if request.param == "s3" else ""
    opened = PLACES[request.param](tmp_path, address)
    yield opened
    await opened.close()


@pytest.fixture
def storage(place: Place) -> Storage:
    """A storage of files."""
    return place.storage
