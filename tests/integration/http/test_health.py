"""Whether the app lives, whether it is fit to serve, and its numbers."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from planar import PlanarApp
from planar.clock import utc_now
from planar.db import migrations
from planar.routers.checks import Check, Readiness
from tests.integration.http.conftest import Api, OpenApi, problem_of

pytestmark = pytest.mark.anyio


async def failed_checks(api: Api) -> dict[str, Any]:
    """The checks that failed; the app must say that it is not ready."""
    answer = await api.get("/health/ready")
    assert answer.status_code == 503, answer.text
    body = answer.json()
    assert (body["code"], body["status"]) == ("not_ready", "not_ready")
    failed = {name: check for name, check in body["checks"].items() if not check["ok"]}
    assert all(name in body["detail"] and check["detail"] for name, check in failed.items())
    return failed


async def until_ready(api: Api) -> dict[str, Any]:
    """Wait for the worker's first look; the answer then."""
    async with asyncio.timeout(20):
        while True:
            answer = await api.get("/health/ready")
            if answer.status_code == 200:
                return answer.json()
            await asyncio.sleep(0.005)


async def test_a_running_app_is_ready(open_api: OpenApi) -> None:
    async with open_api() as api:
        assert (await api.get("/health")).json() == {"status": "ok"}
        body = await until_ready(api)
        assert body["status"] == "ok"
        assert body["checks"].keys() >= {"database", "migrations", "worker", "lag"}
        assert all(check["ok"] for check in body["checks"].values())


async def test_tables_of_an_older_version_are_not_fit_and_those_of_a_newer_one_are(open_api: OpenApi) -> None:
    async with open_api() as api:
        await until_ready(api)
        table = "planar_alembic_version" if api.databases.is_sqlite else "planar.alembic_version"
        await api.databases.ask(f"update {table} set version_num = '0000'")
        assert (await failed_checks(api)).keys() == {"migrations"}
        await api.databases.ask(f"update {table} set version_num = '9999'")
        assert (await api.get("/health/ready")).status_code == 200
        # The next test may have this database.
        await api.databases.ask(f"update {table} set version_num = '{migrations.HEAD}'")


async def test_runs_that_wait_too_long_for_a_worker_are_told(open_api: OpenApi) -> None:
    async with open_api() as api:
        await until_ready(api)
        late = (utc_now() - timedelta(seconds=600)).replace(tzinfo=None).isoformat(" ", "microseconds")

        async def claim(number: int, name: str) -> None:
            values = f"'{number:032}', '{name}', '{late}', 0, 'ready'"
            await api.databases.ask(
                f"insert into {{planar}}workflow_claim (run_id, function_name, due_at, epoch, reason) values ({values})"
            )

        await claim(0, "gone")
        assert (await api.get("/health/ready")).status_code == 200, "a workflow that nobody here knows is not ours to execute"
        await api.app.worker.stop()
        await claim(1, "summing")
        failed = await failed_checks(api)
        assert failed.keys() == {"lag", "worker"}
        assert failed["lag"]["seconds"] >= 600


async def test_without_a_database_nothing_is_ready_and_nothing_is_told_of_it(open_api: OpenApi) -> None:
    async with open_api() as api:
        await until_ready(api)
        await api.app.db_manager.disconnect()
        failed = await failed_checks(api)
        assert failed.keys() == {"database"}
        assert "app.db" not in str(failed)
        assert "select" not in str(failed).lower()
        detail = problem_of(await api.get("/system-info"), 500, "database_not_connected")
        assert detail == "Internal server error"
        await api.app.db_manager.connect()
        assert (await api.get("/health/ready")).status_code == 200


async def test_an_app_without_a_worker_is_not_ready(open_api: OpenApi) -> None:
    class Stopping:
        works = True

        async def checks(self) -> dict[str, Check]:
            return {"worker": Check(ok=False, detail="It stops.")}

    def prepare(app: PlanarApp) -> None:
        app.services.add(Readiness, Stopping())

    async with open_api(prepare=prepare) as api:
        assert await failed_checks(api) == {"worker": {"ok": False, "detail": "It stops.", "seconds": None}}


async def test_a_process_that_only_serves_is_ready_and_says_how_long_runs_wait(open_api: OpenApi) -> None:
    async with open_api(prepare=lambda app: app.take_role(works=False)) as api:
        run_id = await api.start("summing", left=1)
        late = (utc_now() - timedelta(minutes=5)).replace(tzinfo=None).isoformat(" ", "microseconds")
        await api.databases.ask(f"update {{planar}}workflow_claim set due_at = '{late}'")
        body = (await api.get("/health/ready")).json()
        assert body["status"] == "ok"
        assert body["checks"]["lag"]["ok"]
        assert body["checks"]["lag"]["seconds"] > 200
        assert "planar worker" in body["checks"]["lag"]["detail"]
        assert body["checks"]["worker"] == {
            "ok": True, "detail": "This process has no worker: other processes execute the runs.", "seconds": None
        }  # fmt: skip
        assert (await api.run(run_id))["status"] == "pending"
        with pytest.raises(RuntimeError, match="only serves"):
            _ = api.app.worker
        with pytest.raises(RuntimeError, match="before it starts"):
            api.app.take_role()


async def test_system_info_counts_what_there_is(open_api: OpenApi) -> None:
    async with open_api() as api:
        await api.finish("nothing")
        await api.finish("failing", message="no")
        await api.until(await api.start("awaiting", key="never"), "suspended")
        assert (await api.get("/system-info")).json() == {
            "title": "Tested",
            "description": "An app of the tests",
            "total_workflow_runs": 3,
            "completed_runs": 1,
            "in_progress_runs": 1,
            "pending_human_tasks": 0,
            "active_agents": 0,
        }
