"""A server of these tests' own, which they may let crash; for each test a database, a world and a fleet."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import URL

from tests.postgres_server import OwnServer, own_server
from tests.scenario.faults.fleet import Fleet
from tests.scenario.faults.world import World, make_template, tell

_numbers = count(1)
_template: list[str] = []

LONG = bool(os.environ.get("PLANAR_LONG"))

MARGIN = 1.0 if LONG else 1.5
"""Beyond a lease, or a drain time: the second that is promised, and in the short form what other tests on the machine may take."""


@pytest.fixture(scope="session")
def crashing_server() -> OwnServer:
    return own_server("max_connections=120")


@pytest.fixture
async def world(crashing_server: OwnServer, tmp_path: Path) -> AsyncIterator[World]:
    if not _template:
        _template.append(await make_template(crashing_server.url))
    name = f"faults_{next(_numbers)}"
    await tell(crashing_server.url, f"create database {name} template {_template[0]}")
    world = World(_text(crashing_server.url.set(database=name)), tmp_path)
    await world.open()
    yield world
    await world.close()
    await tell(crashing_server.url, f"drop database {name} with (force)")


@pytest.fixture
def fleet(world: World) -> Any:
    """Ends before the world does."""
    with Fleet() as fleet:
        yield fleet


@pytest.fixture
def report(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Callable[[str], None]:
    """Show a figure, whether the test is watched or not."""

    def show(line: str) -> None:
        with capsys.disabled():
            print(f"\n[{request.node.name}] {line}", flush=True)

    return show


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)
