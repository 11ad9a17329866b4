"""Processes with different parts: some serve, some work, and what one begins another goes on with."""

from __future__ import annotations

import json
import os
import signal
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.postgres_server import migrated_database
from tests.scenario.cli_process import Command, fetch, planar, until

pytestmark = pytest.mark.anyio

ENTRY = """
import asyncio, os, pathlib

from planar import PlanarApp
from planar.workflows import step, wait_for_event, workflow

TURNS = pathlib.Path(__file__).with_name("turns.txt")


@step()
async def executed_by() -> int:
    return os.getpid()


@step()
async def take_turns() -> int:
    with TURNS.open("a") as turns:
        turns.write(f"{os.getpid()}\\n")
    if len(TURNS.read_text().split()) == 1:
        await asyncio.sleep(3600)
    return os.getpid()


@step()
async def hang() -> None:
    await asyncio.sleep(3600)


@workflow()
async def hanging() -> None:
    await hang()


@workflow()
async def told() -> int:
    return await executed_by()


@workflow()
async def awaiting() -> int:
    await wait_for_event("go")
    return await executed_by()


@workflow()
async def long() -> int:
    return await take_turns()


app = PlanarApp().register_workflow(told).register_workflow(awaiting).register_workflow(long).register_workflow(hanging)
"""

SETTINGS = """
app: {{db_connection: app}}
db_connections: {{app: '{url}'}}
workflows: {{drain_seconds: 0.2, lease_seconds: 1}}
"""

WORKFLOWS = "/planar/v1/workflows"
SERVE = ("prod", "main.py", "--port", "0", "--host", "127.0.0.1")


def prepare(folder: Path, url: str) -> None:
    """Write the app, and the settings for its database."""
    (folder / "main.py").write_text(ENTRY)
    (folder / "planar.prod.yaml").write_text(SETTINGS.format(url=url))


@pytest.fixture(params=["sqlite", "postgresql"])
async def folder(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Path]:
    if request.param == "sqlite":
        prepare(tmp_path, f"sqlite:///{tmp_path / 'app.db'}")
        yield tmp_path
        return
    async with migrated_database() as url:
        prepare(tmp_path, url)
        yield tmp_path


def ask(address: str, method: str, path: str, body: Any = None) -> Any:
    """The answer, which must be a success."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(address + path, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            raise AssertionError((error.code, error.read().decode())) from None


def started(address: str, workflow: str) -> str:
    return ask(address, "POST", f"{WORKFLOWS}/{workflow}/start", {})["id"]


def status(address: str, run_id: str) -> str:
    return ask(address, "GET", f"{WORKFLOWS}/{run_id}/status")["workflow"]["status"]


def ended(address: str, workflow: str, run_id: str) -> dict[str, Any]:
    until(lambda: status(address, run_id) in ("succeeded", "failed", "cancelled"), within=20)
    return ask(address, "GET", f"{WORKFLOWS}/{workflow}/runs/{run_id}")


def turns(folder: Path) -> list[int]:
    file = folder / "turns.txt"
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def checks_of(address: str) -> dict[str, Any]:
    return ask(address, "GET", "/planar/v1/health/ready")["checks"]


async def test_what_is_started_where_nobody_works_is_done_by_a_worker_and_handed_over_when_it_stops(folder: Path) -> None:
    with ExitStack() as stack:

        def run(name: str, *arguments: str) -> Command:
            return stack.enter_context(planar(*arguments, folder=folder, output=f"{name}.txt"))

        serving = run("serving", *SERVE, "--no-worker")
        address = serving.address()
        assert ", without a worker" in serving.output
        # Nobody works yet: that is no fault of this process, and a start is durable.
        assert checks_of(address)["worker"]["ok"]
        run_id = started(address, "told")
        asleep, unwanted = started(address, "awaiting"), started(address, "hanging")
        assert [status(address, waiting) for waiting in (run_id, asleep, unwanted)] == ["pending"] * 3

        one = run("one", "worker", "main.py", "--health-port", "0", "--health-host", "127.0.0.1", "--concurrency", "7")
        two = run("two", "worker", "main.py")
        workers = {worker.process.pid: worker for worker in (one, two)}
        health = one.said(r"Planar worker is ready: main:app, up to 7 runs at once \(health: (\S+)/planar/v1/health/ready\)")
        assert ended(address, "told", run_id)["result"] in workers
        until(lambda: fetch(f"{health}/planar/v1/health/ready")[0] == 200, within=10)
        assert fetch(f"{health}{WORKFLOWS}")[0] == 404

        until(lambda: (status(address, asleep), status(address, unwanted)) == ("suspended", "running"), within=10)
        assert ask(address, "POST", f"{WORKFLOWS}/told/start?wait=10", {})["result"] in workers
        ask(address, "POST", f"{WORKFLOWS}/hanging/runs/{unwanted}/cancel")
        ask(address, "POST", f"{WORKFLOWS}/events/emit", {"event_key": "go"})
        assert ended(address, "awaiting", asleep)["result"] in workers
        assert ended(address, "hanging", unwanted)["status"] == "cancelled"

        long = started(address, "long")
        two.said("Planar worker is ready")
        (first,) = until(lambda: turns(folder), within=10)
        workers[first].signal(signal.SIGTERM)
        assert workers.pop(first).exit_code() == 0
        assert ended(address, "long", long)["result"] in workers
        assert turns(folder) == [first, *workers]
        assert ask(address, "GET", f"{WORKFLOWS}/long/runs/{long}")["recoveries"] == 0


def test_of_several_processes_on_one_sqlite_file_another_one_goes_on_when_one_is_killed(tmp_path: Path) -> None:
    folder = tmp_path
    prepare(folder, f"sqlite:///{folder / 'app.db'}")
    with planar(*SERVE, folder=folder, PLANAR_WORKERS="2") as command:
        address = command.address()
        command.said("All 2 processes are ready.")
        run_id = started(address, "long")
        (killed,) = until(lambda: turns(folder), within=10)
        assert killed != command.process.pid
        os.kill(killed, signal.SIGKILL)
        assert ended(address, "long", run_id)["result"] not in (killed, command.process.pid)
        command.said(rf"Process {killed} ended \(killed by SIGKILL\). Another one starts.")
        command.signal(signal.SIGTERM)
        assert command.exit_code() == 0
