"""Where the scenarios are played, and what each leaves for the figures at the end (`tests/conftest.py`)."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import CRASHES
from tests.scenario.crashes.harness import Points, Scenario, Stage, crash_everywhere
from tests.scenario.crashes.virtual_time import make_time_exact
from tests.scenario.crashes.world import make_template

LONG = "PLANAR_LONG"
"""Set in the environment, every point is tried on SQLite as well of the scenarios that are played in memory, where all always are."""

SHORT_EVERY = 3
"""Else one in so many, by turns before and after a write."""

Everywhere = Callable[[Scenario], Points]


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


@pytest.fixture(autouse=True)
def exact_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing depends on how fast a thread was."""
    make_time_exact(monkeypatch)


@pytest.fixture(params=["memory", "sqlite"])
def everywhere(request: pytest.FixtureRequest, folder: Path, template: Path) -> Everywhere:
    """Play a scenario with a crash at every write, in memory and, at one in three if the time is short, on SQLite."""
    thinned = request.param == "sqlite" and not os.environ.get(LONG)
    return _player(request, folder, template, request.param, SHORT_EVERY if thinned else 1)


@pytest.fixture
def everywhere_on_sqlite(request: pytest.FixtureRequest, folder: Path, template: Path) -> Everywhere:
    """The same for what uses sessions, which the memory store has not."""
    return _player(request, folder, template, "sqlite", 1)


def _player(request: pytest.FixtureRequest, folder: Path, template: Path, database: str, every: int) -> Everywhere:
    def play(scenario: Scenario) -> Points:
        points = crash_everywhere(scenario, Stage(folder, template if database == "sqlite" else None), every)
        # A property of the test reaches the process that prints the summary, whichever process played it.
        request.node.user_properties.append((CRASHES, (scenario.name, database, points.writes, len(points.tried))))
        return points

    return play
