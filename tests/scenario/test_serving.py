"""What `planar dev` promises of runs: they survive a reload, a move of the entry file, and a stop."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenario.service import Service, until

ENTRY = """
from datetime import timedelta
from planar import PlanarApp
from planar.workflows import step, suspend, wait_for_event, workflow

@step()
async def version() -> str:
    return "first"

@step()
async def slow() -> str:
    import asyncio
    await asyncio.sleep(1.0)
    return "slow"

@workflow()
async def tell() -> str:
    return await version()

@workflow()
async def tell_later() -> list[str]:
    told = await version()
    await wait_for_event("go")
    return [told, await version()]

@workflow()
async def take_time() -> str:
    return await slow()

app = PlanarApp().register_workflow(tell).register_workflow(tell_later).register_workflow(take_time)
"""

API = "/planar/v1/workflows"

RELOAD_SECONDS = 10.0
"""The promise is 3 s on a machine that has time; a test must not fail because other work runs beside it."""


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "app").mkdir()
    entry = tmp_path / "app" / "main.py"
    entry.write_text(ENTRY)
    service = Service(entry, tmp_path)
    yield service
    service.close()


def result(service: Service, workflow: str, run_id: str) -> object:
    run = service.ended(workflow, run_id)
    assert run["status"] == "succeeded", run
    return run["result"]


def test_editing_a_workflow_changes_the_next_run_and_leaves_runs_intact(service: Service) -> None:
    service.start()
    asleep = service.post(f"{API}/tell_later/start")["id"]
    until(lambda: service.status("tell_later", asleep) == "suspended", "the run to wait")
    assert result(service, "tell", service.post(f"{API}/tell/start")["id"]) == "first"

    service.entry.write_text(ENTRY.replace('"first"', '"second"'))

    def told() -> object:
        answer = service.http.post(f"{API}/tell/start", params={"wait": 2})
        return answer.status_code == 200 and answer.json()["result"] == "second"

    until(told, "a run of the edited code", RELOAD_SECONDS)
    service.post(f"{API}/events/emit", {"event_key": "go"})
    assert result(service, "tell_later", asleep) == ["first", "second"]


def test_a_run_begun_from_one_folder_ends_from_another(service: Service) -> None:
    service.start("app/main.py", cwd=service.folder)
    run = service.post(f"{API}/tell_later/start")["id"]
    until(lambda: service.status("tell_later", run) == "suspended", "the run to wait")
    service.kill()
    service.start("main.py", cwd=service.folder / "app")
    service.post(f"{API}/events/emit", {"event_key": "go"})
    assert result(service, "tell_later", run) == ["first", "first"]


def test_a_stop_lets_a_step_in_progress_end(service: Service) -> None:
    service.start()
    run = service.post(f"{API}/take_time/start")["id"]
    until(lambda: service.get(f"{API}/take_time/runs/{run}/steps")["items"], "the step to be seen running")
    assert service.stop() == 0
    service.start()
    assert result(service, "take_time", run) == "slow"
    steps = service.get(f"{API}/take_time/runs/{run}/steps")["items"]
    assert [step["status"] for step in steps] == ["succeeded"]


def test_the_same_code_serves_as_prod(tmp_path: Path) -> None:
    entry = tmp_path / "main.py"
    entry.write_text(ENTRY)
    service = Service(entry, tmp_path, command="prod")
    try:
        service.start()
        run = service.post(f"{API}/tell_later/start")["id"]
        until(lambda: service.status("tell_later", run) == "suspended", "the run to wait")
        service.kill()
        service.start()
        service.post(f"{API}/events/emit", {"event_key": "go"})
        assert result(service, "tell_later", run) == ["first", "first"]
    finally:
        service.close()
