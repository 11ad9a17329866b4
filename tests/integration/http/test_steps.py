"""Looking at the steps of a run over HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from planar import PlanarApp
from planar.workflows import StepType
from planar.workflows.queries import Record
from planar.workflows.step_details import StepDetails
from tests.integration.http.conftest import OpenApi, invalid, problem_of

pytestmark = pytest.mark.anyio


async def test_steps_come_in_the_order_of_their_numbers(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("three_steps")
        path = f"/workflows/three_steps/runs/{run['id']}/steps"
        page = (await api.get(path)).json()
        assert [step["step_id"] for step in page["items"]] == [1, 2, 3]
        assert page["total"] == 3
        assert [step["step_id"] for step in (await api.get(path, after=1, limit=1)).json()["items"]] == [2]
        assert (await api.get(path, total="false")).json()["total"] is None


async def test_a_step_says_what_it_is(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("summing", left=1)
        step = (await api.get(f"/workflows/summing/runs/{run['id']}/steps/1")).json()
        assert (step["workflow_id"], step["step_type"], step["status"]) == (run["id"], "compute", "succeeded")
        assert (step["display_name"], step["is_internal_step"], step["meta"], step["description"]) == ("Add up", False, None, None)
        assert (step["args"], step["kwargs"], step["result"], step["error"]) == ([1, 2], {}, 3, None)
        assert step["function_name"].endswith(".sample.add_up")


async def test_a_sleep_is_a_step_of_planar_itself(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("napping", seconds=0)
        (step,) = (await api.get(f"/workflows/napping/runs/{run['id']}/steps")).json()["items"]
        assert step["is_internal_step"]
        assert not {"args", "kwargs", "result", "error"} & step.keys()


async def test_steps_are_found_by_status_and_kind(open_api: OpenApi) -> None:
    async with open_api() as api:
        run_id = await api.start("awaiting", key="door")
        await api.until(run_id, "suspended")
        path = f"/workflows/awaiting/runs/{run_id}/steps"
        assert (await api.get(path, status="running")).json()["total"] == 1
        assert (await api.get(path, status="succeeded", step_type="compute")).json()["total"] == 0
        assert (await api.get(path, step_type="agent")).json() == {"items": [], "total": 0, "offset": 0, "limit": 10}


async def test_a_parameter_that_does_not_fit_is_refused(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("nothing")
        for parameter, value in (("status", "pending"), ("step_type", "robot"), ("limit", "0"), ("after", "-1"), ("include", "meta")):
            answer = await api.get(f"/workflows/nothing/runs/{run['id']}/steps", **{parameter: value})
            assert [place.split(".")[:2] for place, _ in invalid(answer)] == [["query", parameter]]


async def test_a_step_belongs_to_its_run(open_api: OpenApi) -> None:
    async with open_api() as api:
        run, other = await api.finish("summing", left=1), await api.finish("nothing")
        problem_of(await api.get(f"/workflows/nothing/runs/{other['id']}/steps/1"), 404, "step_not_found")
        problem_of(await api.get(f"/workflows/summing/runs/{run['id']}/steps/2"), 404, "step_not_found")
        assert invalid(await api.get(f"/workflows/summing/runs/{run['id']}/steps/0")) == [("path.step_id", "greater_than_equal")]


async def test_features_describe_their_kind_of_step_and_a_broken_one_hurts_nobody(open_api: OpenApi) -> None:
    asked: list[int] = []

    async def describe(steps: Sequence[Record]) -> Mapping[int, dict[str, Any]]:
        asked.append(len(steps))
        return {steps[0]["step_id"]: {"about": steps[0]["function_name"]}}

    async def break_down(steps: Sequence[Record]) -> Mapping[int, dict[str, Any]]:
        raise RuntimeError("no details today")

    details = StepDetails()
    details.add(StepType.COMPUTE, describe)
    details.add(StepType.AGENT, break_down)

    def prepare(app: PlanarApp) -> None:
        app.services.add(StepDetails, details)

    async with open_api(prepare=prepare) as api:
        run = await api.finish("three_steps")
        path = f"/workflows/three_steps/runs/{run['id']}/steps"
        listed = (await api.get(path)).json()["items"]
        assert [step["meta"] and step["meta"]["step_type"] for step in listed] == ["compute", None, None]
        assert (await api.get(f"{path}/2")).json()["meta"]["about"].endswith("add_up")
        assert asked == [3, 1]

    with pytest.raises(ValueError, match="describer already"):
        details.add(StepType.COMPUTE, describe)
    assert await details.describe([{"step_type": StepType.AGENT, "step_id": 1}]) == {}
