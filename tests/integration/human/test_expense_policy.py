"""The example with a rule and a person: the rule is changed while runs wait, and each run's record names the version that it used."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from planar import PlanarApp, sqlite_config
from planar.testing import planar_test_client
from tests.integration.engine.conftest import until

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[3] / "examples" / "expense_policy" / "main.py"
V1 = "/planar/v1"


def example() -> Any:
    spec = spec_from_file_location("expense_policy_example", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_a_policy_that_is_changed_while_runs_wait_decides_for_later_ones_only(tmp_path: Path) -> None:
    service = example()
    app = PlanarApp(config=sqlite_config(str(tmp_path / "app.db"))).register_workflow(service.reimburse).register_rule(service.policy)
    async with planar_test_client(app) as client:

        async def start(amount: str) -> str:
            body = {"expense": {"employee": "Ada", "category": "travel", "amount": amount}}
            return str((await client.post(f"{V1}/workflows/reimburse/start", json=body)).json()["id"])

        async def ended(run_id: str) -> dict[str, Any]:
            async def has_ended() -> bool:
                return (await client.get(f"{V1}/workflows/reimburse/runs/{run_id}")).json()["status"] == "succeeded"

            await until(has_ended)
            return dict((await client.get(f"{V1}/workflows/reimburse/runs/{run_id}")).json()["result"])

        async def task_of(run_id: str) -> str:
            tasks: list[Any] = []

            async def is_asked() -> bool:
                tasks[:] = (await client.get(f"{V1}/human-tasks/", params={"workflow_id": run_id})).json()
                return bool(tasks)

            await until(is_asked)
            return str(tasks[0]["id"])

        async def versions(run_id: str) -> tuple[list[int], list[int]]:
            steps = await client.get(f"{V1}/workflows/reimburse/runs/{run_id}/steps", params={"step_type": "rule"})
            uses = await client.get(f"{V1}/object-configurations/uses", params={"run_id": run_id})
            return [step["meta"]["rule"]["version"] for step in steps.json()["items"]], [use["version"] for use in uses.json()]

        waiting = await start("500")
        task = await task_of(waiting)

        shown = (await client.get(f"{V1}/rules/policy")).json()
        graph = shown["configs"][-1]["data"]["jdm"]
        table = next(node for node in graph["nodes"] if node["type"] == "decisionTableNode")["content"]
        table["rules"] = [
            {"_id": "1", "input-employee": "", "output-needs_approval": "amount > 1000", "output-daily_allowance": "14"},
        ]
        saved = await client.post(f"{V1}/rules/policy", json=graph)
        assert saved.status_code == 200, saved.text
        config = saved.json()["configs"][0]
        promotion = {"object_type": "rule", "object_name": "policy", "config_id": config["id"], "comment": "less to approve"}
        assert (await client.post(f"{V1}/object-configurations/promote", json=promotion)).status_code == 200

        later = await start("500")
        assert await ended(later) == {"paid": "514", "note": "paid"}, "the table decides, and nobody was asked"

        refused = await client.post(f"{V1}/human-tasks/{task}/complete", json={"output_data": {"approved": "perhaps"}})
        assert refused.status_code == 422
        assert (await client.get(f"{V1}/human-tasks/{task}")).json()["status"] == "pending"
        assert (await client.post(f"{V1}/human-tasks/{task}/complete", json={"output_data": {"approved": True}})).status_code == 200
        assert await ended(waiting) == {"paid": "528", "note": "paid"}, "the function decided, as when the run began"

        assert await versions(waiting) == ([0, 0], [0])
        assert await versions(later) == ([1, 1], [1])
