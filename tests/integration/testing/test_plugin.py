"""The pytest plugin, in a pytest of its own: its fixtures work, and cost nothing where no test uses them."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

from tests.docs.pages import ROOT

SERVICE = """
from datetime import timedelta

from planar import PlanarApp, sqlite_config
from planar.workflows import suspend, workflow

@workflow()
async def nap(days: int) -> str:
    await suspend(interval=timedelta(days=days))
    return "awake"

app = PlanarApp(config=sqlite_config("production.db")).register_workflow(nap)
"""

TESTS = """
import asyncio
import pytest
from service import app, nap

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_year_passes(anyio_backend, planar_client, planar_clock, planar_observer):
    async with planar_client(app) as client:
        assert client.observer is planar_observer
        run = await nap.start(365)
        await planar_clock.advance(days=365)
        assert await nap.wait_for_completion(run.id) == "awake"
        assert [told.kind for told in planar_observer.heard(run)][-1] == "workflow-succeeded"

@pytest.fixture
async def opened(planar_client, anyio_backend):
    async with planar_client(app) as client:
        yield client

@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_the_block_may_be_a_fixture(opened, planar_clock):
    run = await nap.start(2)
    await planar_clock.advance(days=2)
    assert await nap.wait_for_completion(run.id) == "awake"
    assert (await opened.get("/planar/v1/health")).status_code == 200

def test_without_any_plugin_for_async_tests(planar_client, planar_clock):
    async def story():
        async with planar_client(app):
            run = await nap.start(1)
            await planar_clock.advance_until(lambda: planar_clock.monotonic() > 0)
            return await nap.wait_for_completion(run.id)
    assert planar_clock.monotonic() == 0, "each test has a clock of its own"
    assert asyncio.run(story()) == "awake"
"""

OTHERS = """
import sys

def test_somebody_elses():
    loaded = {"fastapi", "sqlmodel", "sqlalchemy", "pydantic", "httpx2", "planar.app", "planar.engine"} & set(sys.modules)
    assert not loaded
"""


def run_pytest(folder: Path) -> subprocess.CompletedProcess[str]:
    # Without the plugins that are installed: the test is of the one that is named, whether or not it is installed as well.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    options = ["-q", "-W", "error", "-p", "planar.testing.plugin", "-p", "anyio", "-p", "no:cacheprovider"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, "."],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_its_fixtures_serve_a_test_suite(tmp_path: Path) -> None:
    (tmp_path / "service.py").write_text(SERVICE)
    (tmp_path / "test_service.py").write_text(TESTS)
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout
    assert not (tmp_path / "production.db").exists()


def test_it_loads_nothing_for_a_suite_that_does_not_use_it(tmp_path: Path) -> None:
    (tmp_path / "test_others.py").write_text(OTHERS)
    done = run_pytest(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_installed_planar_brings_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    module = import_module(project["entry-points"]["pytest11"]["planar"])
    for name in ("planar_client", "planar_clock", "planar_observer"):
        assert hasattr(module, name)
