"""Where the scenarios are played, and what each leaves for the figures at the end (`tests/conftest.py`)."""

from __future__ import annotations

import asyncio
import gc
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from tests import stores
from tests.conftest import CRASHES
from tests.postgres_server import migrated_database
from tests.scenario.crashes.harness import Points, Scenario, Stage, crash_everywhere
from tests.scenario.crashes.postgres_world import PostgresWorld, make_tables
from tests.scenario.crashes.virtual_time import make_time_exact
from tests.scenario.crashes.world import MemoryWorld, SqliteWorld, World, make_template

SHORT = {stores.MEMORY: 1, stores.SQLITE: 3, stores.POSTGRESQL: 23}
"""In the short form one point in so many is tried of the scenarios that are played in memory, by turns before and after a write."""

SHORT_WITH_SESSIONS = {stores.SQLITE: 3, stores.POSTGRESQL: 13}
"""And of those that use sessions, which the memory store has not."""

ABANDONED = "ignore:The garbage collector is trying to clean up non-checked-in connection"
"""What a process that died has left open is closed by the collector, as by the system after ``kill -9``."""

Everywhere = Callable[[Scenario], Points]
StageOn = Callable[[str], Stage]


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder in memory, if there is one: what a process wrote is there after its death, on disk or not, so nobody need wait for disks."""
    in_memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=in_memory if os.access(in_memory, os.W_OK) else None, prefix="planar-crashes-") as made:
        yield Path(made)


@pytest.fixture(scope="session")
def template(folder: Path) -> Path:
    """An SQLite file in which every table stands."""
    return asyncio.run(make_template(folder / "template.db"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.filterwarnings(ABANDONED))


@pytest.fixture(autouse=True)
def buried() -> Iterator[None]:
    """Nothing of the dead is left for another test's collector."""
    yield
    gc.collect()


@pytest.fixture(autouse=True)
def exact_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing depends on how fast a thread was."""
    make_time_exact(monkeypatch)


@pytest.fixture(scope="session")
def server_database() -> Iterator[str]:
    """The URL of a PostgreSQL database in which every table stands. It is emptied between two tellings."""
    with asyncio.Runner() as runner:
        database = migrated_database()
        url = runner.run(database.__aenter__())
        runner.run(make_tables(url))
        yield url
        runner.run(database.__aexit__(None, None, None))


@pytest.fixture
def stage_on(request: pytest.FixtureRequest, folder: Path) -> StageOn:
    """Where a scenario is played on the store that is named."""
    return lambda store: Stage(folder, _world_maker(request, store))


@pytest.fixture(params=stores.kinds(*stores.STORES))
def everywhere(request: pytest.FixtureRequest, stage_on: StageOn) -> Everywhere:
    """Play a scenario with a crash at every write, in memory and, at some of them if the time is short, on the other stores."""
    return _player(request, stage_on, SHORT)


@pytest.fixture(params=stores.kinds(stores.SQLITE, stores.POSTGRESQL))
def everywhere_with_sessions(request: pytest.FixtureRequest, stage_on: StageOn) -> Everywhere:
    """The same for what uses sessions, which the memory store has not."""
    return _player(request, stage_on, SHORT_WITH_SESSIONS)


def _player(request: pytest.FixtureRequest, stage_on: StageOn, short: Mapping[str, int]) -> Everywhere:
    store = request.param
    stage = stage_on(store)
    every = 1 if os.environ.get(stores.LONG) else short[store]

    def play(scenario: Scenario) -> Points:
        points = crash_everywhere(scenario, stage, every)
        # A property of the test reaches the process that prints the summary, whichever process played it.
        request.node.user_properties.append((CRASHES, (scenario.name, store, points.writes, len(points.tried), points.every)))
        return points

    return play


def _world_maker(request: pytest.FixtureRequest, store: str) -> Callable[[Path], World]:
    if store == stores.MEMORY:
        return lambda _: MemoryWorld()
    if store == stores.SQLITE:
        template: Path = request.getfixturevalue("template")
        return lambda folder: SqliteWorld(folder, template)
    url: str = request.getfixturevalue("server_database")
    return lambda _: PostgresWorld(url)
