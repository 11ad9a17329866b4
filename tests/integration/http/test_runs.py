"""Looking at runs over HTTP: one status everywhere, bounded pages, and nothing about the inside."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from planar.clock import Clock
from planar.testing.clock import ManualClock
from tests.integration.http import sample
from tests.integration.http.conftest import Api, OpenApi, invalid, problem_of

pytestmark = pytest.mark.anyio

PAYLOAD = {"args", "kwargs", "result", "error"}


async def ids_of(api: Api, path: str, **params: Any) -> list[str]:
    return [run["id"] for run in (await api.get(path, **params)).json()["items"]]


async def test_every_answer_tells_the_same_status(open_api: OpenApi) -> None:
    clock = ManualClock()
    async with open_api(prepare=lambda app: app.services.add(Clock, clock)) as api:
        run_id = await api.start("napping", seconds=60)
        for status, reason in (("suspended", "timer"), ("succeeded", None)):
            run = await api.until(run_id, status)
            assert run["reason"] == reason
            assert (run["wakeup_at"] is not None) == (status == "suspended")
            assert (await api.get(f"/workflows/napping/runs/{run_id}")).json() == run
            listed = (await api.get("/workflows/napping/runs", include="payload")).json()["items"]
            assert listed == [run]
            for asked in ("pending", "running", "suspended", "succeeded", "failed", "cancelled"):
                found = (await api.get("/workflows/napping/runs", status=asked)).json()
                assert (len(found["items"]), found["total"]) == ((1, 1) if asked == status else (0, 0))
            counts = (await api.get("/workflows/napping")).json()["run_statuses"]
            assert {name for name, count in counts.items() if count} == {status}
            clock.move_to(clock.now() + timedelta(seconds=60))


async def test_a_run_that_waits_says_what_for(open_api: OpenApi) -> None:
    async with open_api() as api:
        parent = await api.start("parenting", key="door")
        run = await api.until(parent, "suspended")
        assert run["reason"] == "child"
        (child,) = (await api.get("/workflows/awaiting/runs", parent_id=parent)).json()["items"]
        child = await api.until(child["id"], "suspended")
        assert (child["reason"], child["waiting_for_event"], child["wakeup_at"]) == ("event", "door", None)
        assert child["parent_id"] == parent


async def test_a_run_whose_workflow_nobody_here_knows_says_so(open_api: OpenApi) -> None:
    async with open_api() as api:
        run_id = await api.start("summing", left=1)
        await api.until(run_id, "succeeded")
        stored = UUID(run_id).hex
        await api.databases.ask(f"update {{planar}}workflow_run set function_name = 'gone', status = 'pending' where id = '{stored}'")
        await api.databases.ask(
            "insert into {planar}workflow_claim (run_id, function_name, due_at, epoch, reason)"
            f" select id, 'gone', created_at, 0, 'ready' from {{planar}}workflow_run where id = '{stored}'"
        )
        run = await api.run(run_id)
        assert (run["status"], run["reason"]) == ("pending", "unknown_workflow")
        assert (await api.get("/workflows/gone/runs")).json()["items"][0]["reason"] == "unknown_workflow"


async def test_runs_come_newest_first_with_a_true_total(open_api: OpenApi) -> None:
    async with open_api() as api:
        started = [await api.start("nothing") for _ in range(5)][::-1]
        page = (await api.get("/workflows/nothing/runs", limit=2)).json()
        assert [run["id"] for run in page["items"]] == started[:2]
        assert (page["total"], page["offset"], page["limit"]) == (5, 0, 2)
        assert await ids_of(api, "/workflows/nothing/runs", limit=2, offset=4) == started[4:]
        assert (await api.get("/workflows/nothing/runs", total=False)).json()["total"] is None


async def test_pages_by_key_stay_as_they_are_when_runs_are_added(open_api: OpenApi) -> None:
    async with open_api() as api:
        started = [await api.start("nothing") for _ in range(4)][::-1]
        seen = await ids_of(api, "/workflows/nothing/runs", limit=2)
        await api.start("nothing")
        seen += await ids_of(api, "/workflows/nothing/runs", limit=2, after=seen[-1])
        assert seen == started
        assert await ids_of(api, "/workflows/nothing/runs", after=seen[-1]) == []


async def test_payloads_are_listed_only_when_they_are_asked_for(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("summing", left=1)
        (slim,) = (await api.get("/workflows/summing/runs")).json()["items"]
        assert slim == {name: value for name, value in run.items() if name not in PAYLOAD}
        assert (await api.get("/workflows/summing/runs", include="payload")).json()["items"] == [run]


async def test_runs_are_found_by_the_time_of_their_start(open_api: OpenApi) -> None:
    async with open_api() as api:
        first, second = [(await api.run(await api.start("nothing"))) for _ in range(2)]
        middle = datetime.fromisoformat(first["created_at"])
        assert middle.utcoffset() == timedelta(0)
        assert await ids_of(api, "/workflows/nothing/runs", created_after=middle.isoformat()) == [second["id"]]
        assert await ids_of(api, "/workflows/nothing/runs", created_before=second["created_at"]) == [first["id"]]
        shifted = middle.astimezone(tz=datetime.fromisoformat("2026-01-01T00:00:00+05:30").tzinfo)
        assert await ids_of(api, "/workflows/nothing/runs", created_after=shifted.isoformat()) == [second["id"]]


MISFITS = [
    ("limit", "0"),
    ("limit", "1001"),
    ("limit", "many"),
    ("offset", "-1"),
    ("offset", str(2**70)),
    ("status", "done"),
    ("status", ""),
    ("include", "everything"),
    ("after", "42"),
    ("parent_id", "me"),
    ("created_after", "2026-01-01T00:00:00"),
    ("created_before", "0001-01-01T00:00:00+14:00"),
    ("total", "maybe"),
]


async def test_a_parameter_that_does_not_fit_is_refused(open_api: OpenApi) -> None:
    async with open_api() as api:
        for parameter, value in MISFITS:
            answer = await api.get("/workflows/nothing/runs", **{parameter: value})
            assert [place.split(".")[:2] for place, _ in invalid(answer)] == [["query", parameter]]


async def test_an_unknown_workflow_has_no_runs_to_list(open_api: OpenApi) -> None:
    async with open_api() as api:
        for name in ("missing", sample.not_served.name):
            problem_of(await api.get(f"/workflows/{name}/runs"), 404, "workflow_not_found")
        assert (await api.get("/workflows/nothing/runs")).json() == {"items": [], "total": 0, "offset": 0, "limit": 10}


async def test_runs_of_a_workflow_that_is_served_no_more_can_still_be_seen(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("summing", left=1)
    async with open_api([sample.nothing]) as api:
        assert await ids_of(api, "/workflows/summing/runs") == [run["id"]]
        assert (await api.get(f"/workflows/summing/runs/{run['id']}")).json() == run
        problem_of(await api.get("/workflows/summing"), 404, "workflow_not_found")
        problem_of(await api.post("/workflows/summing/start", {"left": 1}), 404, "workflow_not_found")


async def test_a_run_is_found_under_its_own_workflow_only(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("summing", left=1)
        problem_of(await api.get(f"/workflows/nothing/runs/{run['id']}"), 404, "run_not_found")
        problem_of(await api.get(f"/workflows/nothing/runs/{run['id']}/steps"), 404, "run_not_found")
        problem_of(await api.get(f"/workflows/nothing/runs/{run['id']}/steps/1"), 404, "run_not_found")


async def test_an_unknown_run_is_not_found(open_api: OpenApi) -> None:
    async with open_api() as api:
        unknown = uuid4()
        for path in (f"/workflows/{unknown}/status", f"/workflows/nothing/runs/{unknown}", f"/workflows/nothing/runs/{unknown}/steps"):
            problem_of(await api.get(path), 404, "run_not_found")
        assert invalid(await api.get("/workflows/nothing/runs/first")) == [("path.run_id", "uuid_parsing")]


async def test_an_error_is_told_without_the_inside(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("failing", message="no such customer")
        assert run["status"] == "failed"
        assert run["error"] == {"type": "ValueError", "message": "no such customer", "traceback": None}
        leaky = "(sqlite3.IntegrityError) UNIQUE constraint failed: ledger.id\n[SQL: INSERT INTO ledger VALUES (?)]\n[parameters: (1,)]"
        run = await api.finish("failing", message=leaky)
        assert "INSERT" not in json.dumps(run["error"])
        assert run["error"]["message"].endswith("ledger.id")


async def test_times_are_aware(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("nothing")
        assert all(datetime.fromisoformat(run[name]).utcoffset() == timedelta(0) for name in ("created_at", "updated_at"))
        assert run["created_at"].endswith("Z")
