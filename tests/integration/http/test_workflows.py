"""Looking at workflows over HTTP: what they take, and how their runs fare."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import event

from planar.workflows import workflow
from tests.integration.http import sample
from tests.integration.http.conftest import Api, OpenApi, invalid, problem_of

pytestmark = pytest.mark.anyio


async def test_the_list_has_what_the_app_serves_by_name_with_a_true_total(open_api: OpenApi) -> None:
    async with open_api() as api:
        names = sorted(served.name for served in sample.ALL)
        page = (await api.get("/workflows/", limit=2)).json()
        assert [item["fully_qualified_name"] for item in page["items"]] == names[:2]
        assert (page["total"], page["limit"], page["offset"]) == (len(names), 2, 0)
        rest = (await api.get("/workflows/", after=names[1], limit=1000, total="false")).json()
        assert [item["fully_qualified_name"] for item in rest["items"]] == names[2:]
        assert rest["total"] is None
        assert [item["name"] for item in (await api.get("/workflows/", offset=len(names) - 1)).json()["items"]] == names[-1:]


async def test_a_path_without_its_slash_is_redirected(open_api: OpenApi) -> None:
    async with open_api() as api:
        answer = await api.get("/workflows")
        assert answer.status_code == 307
        assert answer.headers["location"].endswith("/planar/v1/workflows/")


async def test_a_definition_says_what_the_workflow_takes_and_gives(open_api: OpenApi) -> None:
    async with open_api() as api:
        found = (await api.get("/workflows/summing")).json()
        assert (found["name"], found["description"]) == ("summing", "Add two numbers, in a step.")
        assert found["input_schema"]["title"] == "SummingStartRequest"
        assert found["input_schema"]["required"] == ["left"]
        assert found["input_schema"]["properties"]["right"]["default"] == 2
        assert found["output_schema"]["properties"]["output_type"]["type"] == "integer"
        assert (found["total_runs"], found["durations"]) == (0, None)
        problem_of(await api.get("/workflows/missing"), 404, "workflow_not_found")


async def test_counts_and_durations_are_those_of_the_runs(open_api: OpenApi) -> None:
    async with open_api() as api:
        for left in range(3):
            await api.finish("summing", left=left)
        await api.finish("failing", message="no")
        await api.until(await api.start("awaiting", key="never"), "suspended")
        listed = {item["name"]: item for item in (await api.get("/workflows/", limit=100)).json()["items"]}
        assert listed["summing"]["run_statuses"]["succeeded"] == listed["summing"]["total_runs"] == 3
        assert listed["failing"]["run_statuses"]["failed"] == 1
        assert listed["awaiting"]["run_statuses"]["suspended"] == 1
        assert listed["awaiting"]["durations"] is None
        durations = listed["summing"]["durations"]
        assert 0 <= durations["min_seconds"] <= durations["avg_seconds"] <= durations["max_seconds"] < 20
        assert listed["summing"] == (await api.get("/workflows/summing")).json()


async def test_counts_can_be_limited_to_runs_of_late(open_api: OpenApi) -> None:
    async with open_api() as api:
        await api.finish("nothing")
        found = {item["name"]: item for item in (await api.get("/workflows/", seconds_ago=3600, limit=100)).json()["items"]}
        assert found["nothing"]["total_runs"] == 1
        found = {item["name"]: item for item in (await api.get("/workflows/", seconds_ago=0, limit=100)).json()["items"]}
        assert found["nothing"]["total_runs"] == 0
        for wrong in ("-1", str(10**12), "today"):
            assert [place for place, _ in invalid(await api.get("/workflows/", seconds_ago=wrong))] == ["query.seconds_ago"]


async def statements_of(api: Api, path: str, **params: Any) -> list[str]:
    """What the request asked the database."""
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    engine = api.app.db_manager.get_engine().sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        assert (await api.get(path, **params)).status_code == 200
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return asked


async def test_a_list_costs_the_same_few_statements_whatever_its_length(open_api: OpenApi) -> None:
    def served(number: int) -> Any:
        @workflow(name=f"numbered_{number}")
        async def numbered() -> None: ...

        return numbered

    async with open_api([served(number) for number in range(30)]) as api:
        await api.finish("numbered_7")
        for limit in (1, 30):
            assert len(await statements_of(api, "/workflows/", limit=limit)) == 1
        assert len(await statements_of(api, "/workflows/numbered_7")) == 1
        assert len(await statements_of(api, "/workflows/numbered_7/runs")) == 2
        assert len(await statements_of(api, "/workflows/numbered_7/runs", total="false")) == 1
        run_id = (await api.finish("numbered_7"))["id"]
        assert len(await statements_of(api, f"/workflows/{run_id}/status")) == 1
        assert len(await statements_of(api, f"/workflows/numbered_7/runs/{run_id}/steps")) == 3
