"""Ten graphs that are wrong: each is refused, or reported, at its place; and the service goes on meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from planar.object_config.choosing import VersionChooser
from planar.rules.graph import JDMGraph
from planar.rules.sandbox.pool import DraftPool
from tests.integration.http.conftest import invalid
from tests.integration.rules.conftest import OpenRules, RulesApi
from tests.integration.rules.world import APPROVE_ALL, between, script, table

pytestmark = pytest.mark.anyio

ENDLESS = "export const handler = async (input) => { while (true) {} }"
GIANT = "export const handler = async (input) => { const all = []; while (true) all.push(new Uint8Array(10000000)); }"


async def refused(api: RulesApi, graph: JDMGraph, code: str, **place: Any) -> dict[str, Any]:
    """Saving *graph* is refused because of *code* at *place*; the issue. Nothing was saved, and a right graph is suggested."""
    answer = await api.save(graph)
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["code"] == "configuration_invalid"
    assert JDMGraph.model_validate(body["diagnostics"]["suggested_fix"]["jdm"])
    (issue, *_) = [each for each in body["diagnostics"]["issues"] if each["error_code"] == code]
    assert issue["severity"] == "error"
    assert {name: issue["place"][name] for name in place} == place
    assert (await api.get("/rules/approve")).json()["configs"][0]["version"] == 0
    return issue


async def test_a_bad_cell(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = table({"amount": "< 5", "approved": "true", "limit": "1"}, {"amount": "> > 5", "approved": "false", "limit": "0"})
        issue = await refused(api, graph, "BAD_CELL", node_name="approvals", row=2, column="amount")
        assert "Operator" in issue["message"]
        assert issue["suggestion"]


async def test_a_bad_expression(open_rules: OpenRules) -> None:
    content = {"expressions": [{"id": "1", "key": "approved", "value": "amount > > 1"}, {"id": "2", "key": "limit", "value": "1"}]}
    async with open_rules() as api:
        graph = between({"id": "sums", "type": "expressionNode", "content": content})
        await refused(api, graph, "BAD_EXPRESSION", node_id="sums", column="approved")


async def test_a_bad_condition_of_a_switch(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        statements = [{"id": "s1", "condition": "amount > > 1"}]
        graph = between({"id": "way", "type": "switchNode", "content": {"hitPolicy": "first", "statements": statements}}, after_table=True)
        graph.edges[2].sourceHandle = "s1"
        await refused(api, graph, "BAD_CONDITION", node_id="way", row=1)


async def test_a_circle(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = table({"approved": "true", "limit": "1"})
        content = {"expressions": [], "passThrough": True}
        graph = between({"id": "again", "type": "expressionNode", "content": content}, after_table=True)
        back = {"id": "back", "type": "edge", "sourceId": "again", "targetId": "decision-table-1"}
        graph = JDMGraph.model_validate({**graph.model_dump(), "edges": [*graph.model_dump()["edges"], back]})
        issue = await refused(api, graph, "CYCLE")
        assert "approvals → again → approvals" in issue["message"] or "again → approvals → again" in issue["message"]


async def test_a_missing_output(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = table({"limit": "1"}, outputs=("limit",))
        issue = await refused(api, graph, "MISSING_OUTPUT", node_id="output")
        assert issue["field_path"] == "approved"


async def test_an_unknown_field(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = table({"approved": "true", "limit": "1"}, inputs=("amuont",))
        issue = await refused(api, graph, "UNKNOWN_FIELD", node_name="approvals", column="amuont")
        assert issue["field_path"] == "amuont"


async def test_an_unknown_field_in_an_expression_is_told_with_what_was_saved(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        answer = await api.save(table({"approved": "true", "limit": "amuont * 2"}))
        assert answer.status_code == 200, answer.text
        (finding,) = answer.json()["findings"]
        assert (finding["code"], finding["severity"], finding["field_path"], finding["row"]) == ("UNKNOWN_FIELD", "warning", "amuont", 1)


async def test_a_wrong_type(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = table({"amount": "'much'", "approved": "true", "limit": "1"})
        await refused(api, graph, "WRONG_TYPE", node_name="approvals", row=1, column="amount")
        graph = table({"approved": '"perhaps"', "limit": "1"})
        await refused(api, graph, "WRONG_TYPE", node_name="approvals", row=1, column="approved")


async def test_a_script_that_cannot_be_read(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = script("export const handler = async (input) => {\n  const a = ;\n}")
        issue = await refused(api, graph, "BAD_SCRIPT", node_id="script", row=2)
        assert "unexpected token" in issue["message"]


async def test_a_script_that_fails_says_at_which_line(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = script("export const handler = async (input) => {\n  throw new Error('no money');\n}")
        await api.use(graph)
        run = await api.until(await api.start("pay", amount=5), "failed")
        assert run["error"]["type"] == "RuleEvaluationFailed"
        assert run["error"]["message"] == "Rule 'approve' version 1 failed at node 'script' (line 2): no money."


async def test_an_endless_script_is_stopped_while_other_requests_are_served(open_rules: OpenRules) -> None:
    async with open_rules(script_seconds=0.6) as api:
        body = {"input": {"amount": 5}, "graph": script(ENDLESS).model_dump(mode="json")}
        simulation = asyncio.create_task(api.post("/rules/simulate", body))
        served = 0
        while not simulation.done():
            assert (await api.get("/rules/approve")).status_code == 200
            served += 1
            await asyncio.sleep(0)
        answer = simulation.result()
        assert answer.status_code == 200
        assert (answer.json()["success"], answer.json()["code"]) == (False, "rule_timeout")
        assert served > 3
        # The place of the process is taken by a new one.
        fine = await api.post("/rules/simulate", {"input": {"amount": 1}, "graph": script(FINE).model_dump(mode="json")})
        assert fine.json()["result"] == {"approved": True, "limit": 3}


FINE = "export const handler = async (input) => ({ approved: true, limit: 3 })"


async def test_versions_in_use_decide_while_endless_drafts_take_all_that_is_there_for_drafts(open_rules: OpenRules) -> None:
    async with open_rules(script_seconds=30, script_processes=1, draft_processes=2) as api:
        await api.use(script(FINE))
        api.app.services.get(VersionChooser).forget_all()  # so that the version is read anew, script and all
        body = {"input": {"amount": 5}, "graph": script(ENDLESS).model_dump(mode="json")}
        drafts = [asyncio.create_task(api.post("/rules/simulate", body)) for _ in range(4)]
        async with asyncio.timeout(20):
            while len(api.app.services.get(DraftPool).pids) < 2:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
            assert (await api.finish("pay", amount=5000))["result"] is True
        assert not any(draft.done() for draft in drafts)
        for draft in drafts:
            draft.cancel()
        await asyncio.wait(drafts)


async def test_an_endless_script_with_test_cases_is_stopped_at_the_save(open_rules: OpenRules) -> None:
    async with open_rules(script_seconds=0.4) as api:
        for name in ("a", "b", "c"):
            case = {"name": name, "input": {"amount": 5}, "expected": {"approved": True}}
            assert (await api.post("/rules/approve/test-cases", case)).status_code == 201
        answer = await api.save(script(ENDLESS))
        assert answer.status_code == 200, answer.text
        cases = answer.json()["cases"]
        assert (cases["passed"], cases["failed"]) == (0, 3)
        assert {outcome["error"]["code"] for outcome in cases["outcomes"]} == {"rule_timeout"}
        assert "Not run" in cases["outcomes"][2]["error"]["message"]


async def test_an_endless_script_fails_its_run_and_nothing_else(open_rules: OpenRules) -> None:
    async with open_rules(script_seconds=0.4) as api:
        await api.use(script(ENDLESS))
        run = await api.until(await api.start("pay", amount=5), "failed")
        assert run["error"]["type"] == "RuleTimeout"
        await api.use(APPROVE_ALL)
        assert (await api.finish("pay", amount=5))["result"] is True


async def test_a_giant_script_is_refused_and_one_that_takes_all_memory_is_stopped(open_rules: OpenRules) -> None:
    async with open_rules(script_memory_mb=512) as api:
        long = script("export const handler = async (input) => ({});" + " " * 100_000)
        await refused(api, long, "SCRIPT_TOO_LARGE", node_id="script")
        answer = await api.post("/rules/simulate", {"input": {"amount": 1}, "graph": script(GIANT).model_dump(mode="json")})
        assert answer.json()["success"] is False
        assert answer.json()["code"] in ("rule_evaluation_failed", "rule_crashed", "rule_timeout")


async def test_an_unknown_nested_rule(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = between({"id": "other", "type": "decisionNode", "content": {"key": "nobody"}})
        issue = await refused(api, graph, "UNKNOWN_NESTED_RULE", node_id="other")
        assert "approve, approve_later, echo" in issue["suggestion"]
        await refused(api, between({"id": "self", "type": "decisionNode", "content": {"key": "approve"}}), "NESTED_CYCLE", node_id="self")


async def test_a_node_of_an_unknown_type_is_refused_at_its_place(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = APPROVE_ALL.model_dump(mode="json")
        graph["nodes"][1]["type"] = "magicNode"
        places = invalid(await api.post("/rules/approve", graph))
        assert places[0][0].startswith("body.nodes.1")


async def test_a_graph_that_leads_nowhere(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = APPROVE_ALL.model_dump(mode="json")
        graph["edges"] = graph["edges"][:1]
        await refused(api, JDMGraph.model_validate(graph), "OUTPUT_UNREACHABLE", node_id="output")
        graph["edges"].append({"id": "e", "type": "edge", "sourceId": "input", "targetId": "gone"})
        issue = await refused(api, JDMGraph.model_validate(graph), "DANGLING_EDGE")
        assert "gone" in issue["message"]
        nothing = {"nodes": [], "edges": []}
        await refused_plainly(api, nothing, {"INPUT_COUNT", "OUTPUT_COUNT"})


async def refused_plainly(api: RulesApi, graph: dict[str, Any], codes: set[str]) -> None:
    """Saving *graph* is refused because of *codes*."""
    answer = await api.post("/rules/approve", graph)
    assert answer.status_code == 400
    assert codes <= {issue["error_code"] for issue in answer.json()["diagnostics"]["issues"]}
