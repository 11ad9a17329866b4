"""Rules over HTTP: looking, saving, trying, test cases, replay, and who may."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import update

from planar import PlanarApp
from planar.db.session import get_session
from planar.object_config.choosing import VersionChooser
from planar.object_config.models import DEFAULT_UUID
from planar.object_config.statements import VERSIONS
from planar.rules import case_service, replaying, rule, service
from planar.rules.decorator import RuleWrapper
from planar.rules.errors import RuleNameTaken, RuleNotFound, RuleSandboxBusy, RuleTimeout
from planar.rules.models import RuleEngineConfig
from planar.rules.rule_configuration import rule_configuration
from planar.rules.sandbox.pool import ScriptPool
from planar.security.actions import RuleAction
from planar.security.authorization import Authorizer, Decision
from tests.integration.http.conftest import invalid, problem_of
from tests.integration.rules.conftest import OpenRules, RulesApi
from tests.integration.rules.world import APPROVE_ALL, Approval, Expense, approve, between, script, table

pytestmark = pytest.mark.anyio

SMALL = table({"amount": "< 100", "approved": "true", "limit": "100"}, {"amount": ">= 100", "approved": "false", "limit": "0"})


async def test_rules_are_listed_by_name_in_pages(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        answer = await api.get("/rules/", limit=2)
        assert [each["name"] for each in answer.json()] == ["approve", "approve_later"]
        assert answer.json()[0]["configs"] == []
        assert answer.headers["x-total-count"] == "3"
        assert "after=approve_later" in answer.headers["link"]
        rest = await api.get("/rules/", after="approve_later", include="payload")
        assert [each["name"] for each in rest.json()] == ["echo"]
        assert [each["version"] for each in rest.json()[0]["configs"]] == [0]
        assert invalid(await api.get("/rules/", limit=0))


async def test_a_rule_shows_its_schemas_and_its_versions_newest_first(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        await api.save(SMALL)
        await api.save(APPROVE_ALL)
        shown = (await api.get("/rules/approve")).json()
        assert shown["description"] == "Small expenses are paid at once."
        assert set(shown["input_schema"]["properties"]) == {"amount", "tier", "days"}
        assert [each["version"] for each in shown["configs"]] == [2, 1, 0]
        assert [each["active"] for each in shown["configs"]] == [False, False, True]
        stored = shown["configs"][1]["data"]["jdm"]
        assert stored == SMALL.model_dump(mode="json")
        assert stored["nodes"][1]["content"]["rules"][0]["_id"] == "row-1"
        assert "schema" in stored["nodes"][0]["content"]
        assert shown["configs"][2]["data"] == (await api.get("/rules/approve")).json()["configs"][2]["data"], (
            "the code's is the same each time"
        )
        newest = await api.get("/rules/approve/versions", limit=1)
        assert [(each["version"], each["data"]) for each in newest.json()] == [(2, None)]
        assert (await api.get("/rules/approve/versions", limit=1, after=newest.json()[0]["id"])).json()[0]["version"] == 1


async def test_an_unknown_rule_is_404_on_every_route(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = APPROVE_ALL.model_dump(mode="json")
        case = {"name": "a", "input": {}, "expected": {}}
        for answer in (
            await api.get("/rules/nobody"),
            await api.post("/rules/nobody", graph),
            await api.get("/rules/nobody/versions"),
            await api.post("/rules/nobody/check", graph),
            await api.post("/rules/nobody/replay", {"graph": graph}),
            await api.get("/rules/nobody/test-cases"),
            await api.post("/rules/nobody/test-cases", case),
            await api.post("/rules/nobody/test-cases/run"),
        ):
            assert problem_of(answer, 404, "rule_not_found") == "rule not found"


async def test_a_check_saves_nothing(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = table({"amount": "< 100", "approved": "true", "limit": "1"}).model_dump(mode="json")
        answer = (await api.post("/rules/approve/check", graph)).json()
        assert answer["is_valid"] is True
        (gap,) = answer["findings"]
        assert (gap["code"], gap["node_name"]) == ("UNCOVERED_VALUES", "approvals")
        assert "amount = 100" in gap["message"]
        assert len((await api.get("/rules/approve")).json()["configs"]) == 1


async def test_a_simulation_has_a_trace(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        answer = await api.post("/rules/simulate", {"input": {"amount": 5}, "graph": SMALL.model_dump(mode="json")})
        body = answer.json()
        assert (body["success"], body["result"]) == (True, {"approved": True, "limit": 100})
        assert body["trace"]["decision-table-1"]["traceData"]["index"] == 0


async def test_a_simulation_that_fails_names_the_node(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        graph = between({"id": "sum", "type": "expressionNode", "content": {"expressions": [{"id": "1", "key": "x", "value": "1 +"}]}})
        graph.nodes[0].content.schema_ = ""  # type: ignore[union-attr]
        answer = (await api.post("/rules/simulate", {"input": {}, "graph": graph.model_dump(mode="json")})).json()
        assert (answer["success"], answer["code"], answer["data"]["nodeId"]) == (False, "rule_evaluation_failed", "sum")
        assert answer["data"]["findings"][0]["code"] == "BAD_EXPRESSION"
        empty = (await api.post("/rules/simulate", {"input": {}, "graph": {"nodes": [], "edges": []}})).json()
        assert empty["success"] is False
        assert "exactly one input" in empty["message"]


async def test_a_nested_decision_asks_the_active_version_of_the_other_rule(open_rules: OpenRules) -> None:
    nested = between({"id": "other", "type": "decisionNode", "content": {"key": "approve_later"}})
    async with open_rules() as api:
        saved = await api.save(nested)
        assert [each["code"] for each in saved.json()["findings"]] == ["NESTED_RULE_IN_CODE"]
        await api.promote(saved.json()["saved_id"])
        run = await api.until(await api.start("pay", amount=5), "failed")
        assert "whose active version is code" in run["error"]["message"]
        await api.use(APPROVE_ALL, "approve_later")
        assert (await api.finish("pay", amount=5000))["result"] is True
        await api.use(table({"approved": "false", "limit": "0"}), "approve_later")
        assert (await api.finish("pay", amount=5000))["result"] is False


async def test_test_cases_are_kept_changed_and_removed(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        base = "/rules/approve/test-cases"
        body: dict[str, Any] = {"name": "small", "input": {"amount": "5.10"}, "expected": {"approved": True}}
        made = await api.post(base, body)
        assert made.status_code == 201
        case = made.json()
        assert case["created_by"]
        problem_of(await api.post(base, body), 409, "rule_case_taken")
        assert (await api.get(f"{base}/{case['id']}")).json() == case
        await api.post(base, {**body, "name": "another"})
        listed = (await api.get(base)).json()
        assert ([each["name"] for each in listed["items"]], listed["total"]) == (["another", "small"], 2)
        assert [each["name"] for each in (await api.get(base, after="another", total=False)).json()["items"]] == ["small"]
        changed = await api.client.put(f"/planar/v1{base}/{case['id']}", json={**body, "name": "smaller"})
        assert changed.json()["name"] == "smaller"
        problem_of(await api.client.put(f"/planar/v1{base}/{case['id']}", json={**body, "name": "another"}), 409, "rule_case_taken")
        assert (await api.client.delete(f"/planar/v1{base}/{case['id']}")).status_code == 204
        problem_of(await api.get(f"{base}/{case['id']}"), 404, "rule_case_not_found")
        problem_of(await api.get(f"{base}/{uuid4()}"), 404, "rule_case_not_found")
        assert invalid(await api.post(base, {**body, "name": ""}))
        assert invalid(await api.post(base, {**body, "name": "a\0b"}))


async def test_a_case_of_one_rule_is_not_found_below_another(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        case = (await api.post("/rules/approve/test-cases", {"name": "a", "input": {}, "expected": {}})).json()
        problem_of(await api.get(f"/rules/echo/test-cases/{case['id']}"), 404, "rule_case_not_found")


async def test_test_cases_run_at_each_save_and_say_which_rows_took_part(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        cases = "/rules/approve/test-cases"
        await api.post(cases, {"name": "limit", "input": {"amount": 5}, "expected": {"approved": True, "limit": "100.00"}})
        await api.post(cases, {"name": "wrong", "input": {"amount": 7}, "expected": {"approved": False}})
        await api.post(cases, {"name": "misfit", "input": {"amount": "much"}, "expected": {}})
        report = (await api.save(SMALL)).json()["cases"]
        assert (report["total"], report["passed"], report["failed"]) == (3, 1, 2)
        by_name = {outcome["name"]: outcome for outcome in report["outcomes"]}
        assert by_name["limit"]["passed"], "100 is 100.00"
        assert by_name["wrong"]["differences"] == [{"field": "approved", "expected": False, "actual": True}]
        assert by_name["misfit"]["error"]["code"] == "rule_input_misfit"
        assert report["coverage"] == [{"node_id": "decision-table-1", "node_name": "approvals", "rows": 2, "hit": [1], "missed": [2]}]


async def test_test_cases_run_with_the_code_a_version_or_a_draft(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        await api.post("/rules/approve/test-cases", {"name": "large", "input": {"amount": 500}, "expected": {"approved": True}})
        run = "/rules/approve/test-cases/run"
        assert (await api.post(run)).json()["passed"] == 0, "the code refuses it"
        saved = (await api.save(APPROVE_ALL)).json()["saved_id"]
        assert (await api.post(run, params={"config_id": saved})).json()["passed"] == 1
        assert (await api.post(run, APPROVE_ALL.model_dump(mode="json"))).json()["passed"] == 1
        await api.promote(saved)
        assert (await api.post(run)).json()["passed"] == 1
        assert (await api.post(run, params={"config_id": "00000000-0000-0000-0000-000000000000"})).json()["passed"] == 0
        problem_of(await api.post(run, params={"config_id": str(uuid4())}), 404, "configuration_not_found")


async def test_a_replay_says_what_a_draft_would_change(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        for amount in (5, 50, 500):
            await api.finish("pay", amount=amount)
        strict = table({"amount": "< 10", "approved": "true", "limit": "0"}, {"approved": "false", "limit": "0"})
        answer = await api.post("/rules/approve/replay", {"graph": strict.model_dump(mode="json")})
        report = answer.json()
        assert (report["replayed"], report["changed"], report["complete"]) == (3, 1, True)
        (change,) = report["changes"]
        assert change["input"]["amount"] == "50"
        assert change["differences"] == [{"field": "approved", "expected": True, "actual": False}]
        again = await api.post("/rules/approve/replay", {"graph": strict.model_dump(mode="json")})
        assert again.json() == report, "the same draft gives the same report"
        newest = await api.post("/rules/approve/replay", {"graph": strict.model_dump(mode="json"), "last": 1})
        assert (newest.json()["replayed"], newest.json()["changed"]) == (1, 0)
        failing = script("export const handler = async (input) => { if (input.amount > 100) throw new Error('no'); return input }")
        broken = (await api.post("/rules/approve/replay", {"graph": failing.model_dump(mode="json")})).json()
        assert {change["error"]["code"] for change in broken["changes"]} == {"rule_evaluation_failed", "rule_result_misfit"}


async def test_a_rule_that_is_called_like_a_route_is_refused_when_it_is_registered(open_rules: OpenRules) -> None:
    @rule(description="It has an unlucky name.")
    def simulate(expense: Expense) -> Approval:
        return Approval(approved=True)

    @rule(description="It has the name of another one.")
    def approve(expense: Expense) -> Approval:
        return Approval(approved=True)

    async with open_rules() as api:
        with pytest.raises(RuleNameTaken, match="simulate"):
            api.app.register_rule(simulate)
        with pytest.raises(RuleNameTaken, match="Two rules are called 'approve'"):
            api.app.register_rule(approve)
        with pytest.raises(ValueError, match="rule max not found"):
            api.app.register_rule(max)  # type: ignore[arg-type]
        with pytest.raises(RuleNameTaken, match="has the same name"):
            await api.ask(lambda: approve(Expense(amount=1)))


async def test_who_may_do_nothing_learns_nothing(open_rules: OpenRules) -> None:
    class Nothing:
        def decide(self, principal: object, action: object, resource: object) -> Decision:
            return Decision(False)

    def forbid(app: PlanarApp) -> None:
        app.services.add(Authorizer, Nothing())

    async with open_rules(prepare=forbid) as api:
        for answer in (
            await api.get("/rules/"),
            await api.get("/rules/nobody"),
            await api.post("/rules/simulate", {}),
            await api.post("/rules/approve", {"wrong": True}),
            await api.post("/rules/approve/replay", {}),
            await api.post("/rules/approve/test-cases", {}),
            await api.post("/rules/approve/check", {}),
        ):
            assert answer.status_code in (401, 403), answer.text


async def test_a_text_that_cannot_be_stored_is_refused(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        assert (await api.save(SMALL, comment="a\0b")).status_code == 422
        assert (await api.get("/rules/", after="a\0b")).status_code == 422


async def test_a_version_that_cannot_be_judged_now_is_not_called_broken(open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: object, **__: object) -> None:
        raise RuleSandboxBusy

    async with open_rules() as api:
        graph = script("export const handler = async (input) => ({approved: true, limit: 1});")
        await api.use(graph)
        api.app.services.get(VersionChooser).forget_all()
        evaluate = ScriptPool.evaluate
        monkeypatch.setattr(ScriptPool, "evaluate", busy)
        saved = await api.save(graph)
        assert (saved.status_code, saved.json()["code"]) == (503, "rule_sandbox_busy")
        with pytest.raises(RuleSandboxBusy):
            await api.ask(lambda: approve(Expense(amount=Decimal(5))))
        monkeypatch.setattr(ScriptPool, "evaluate", evaluate)
        assert (await api.ask(lambda: approve(Expense(amount=Decimal(5))))).approved


async def test_a_simulation_shows_no_nested_rule_that_may_not_be_seen(open_rules: OpenRules) -> None:
    class NotLater:
        def decide(self, principal: object, action: object, resource: object) -> Decision:
            return Decision(not (action is RuleAction.VIEW_DETAILS and getattr(resource, "resource_id", None) == "approve_later"))

    nested = between({"id": "other", "type": "decisionNode", "content": {"key": "approve_later"}})
    async with open_rules(prepare=lambda app: app.services.add(Authorizer, NotLater())) as api:
        stored = await api.ask(lambda: rule_configuration.write_config("approve", RuleEngineConfig(jdm=nested)))
        await api.promote(str(stored.id))
        hidden = between({"id": "deeper", "type": "decisionNode", "content": {"key": "approve"}})
        assert (await api.post("/rules/simulate", {"input": {}, "graph": nested.model_dump(mode="json")})).status_code == 401
        saved = await api.save(APPROVE_ALL, "approve_later")
        await api.promote(saved.json()["saved_id"], "approve_later")
        for graph in (nested, hidden):
            answer = await api.post("/rules/simulate", {"input": {"amount": 5}, "graph": graph.model_dump(mode="json")})
            assert answer.status_code == 401, answer.text


def hides(rule: str) -> Any:
    """An authorizer that shows everything but one rule."""

    class Hiding:
        def decide(self, principal: object, action: object, resource: object) -> Decision:
            return Decision(not (action is RuleAction.VIEW_DETAILS and getattr(resource, "resource_id", None) == rule))

    return lambda app: app.services.add(Authorizer, Hiding())


async def test_a_draft_that_asks_a_rule_is_for_those_who_may_see_that_rule(open_rules: OpenRules) -> None:
    hidden = between({"id": "other", "type": "decisionNode", "content": {"key": "approve_later"}})
    through_another = between({"id": "far", "type": "decisionNode", "content": {"key": "echo"}})
    async with open_rules(prepare=hides("echo")) as api:
        await api.post("/rules/approve/test-cases", {"name": "a", "input": {"amount": 5}, "expected": {"approved": True}})
        stored = await api.ask(
            lambda: rule_configuration.write_config(
                "approve_later", RuleEngineConfig(jdm=between({"id": "e", "type": "decisionNode", "content": {"key": "echo"}}))
            )
        )
        await api.promote(str(stored.id), "approve_later")
        for graph in (hidden, through_another):
            body = graph.model_dump(mode="json")
            for answer in (
                await api.post("/rules/approve/check", body),
                await api.post("/rules/approve", body),
                await api.post("/rules/approve/test-cases/run", body),
                await api.post("/rules/approve/replay", {"graph": body}),
                await api.post("/rules/simulate", {"input": {"amount": 5}, "graph": body}),
            ):
                assert answer.status_code == 401, answer.text
        assert [each["version"] for each in (await api.get("/rules/approve")).json()["configs"]] == [0], "nothing was saved"


async def test_a_save_that_asks_a_broken_rule_is_stored_and_says_so(open_rules: OpenRules) -> None:
    nested = between({"id": "other", "type": "decisionNode", "content": {"key": "approve_later"}})
    async with open_rules() as api:
        await api.post("/rules/approve/test-cases", {"name": "a", "input": {"amount": 5}, "expected": {"approved": True}})
        other = await api.use(APPROVE_ALL, "approve_later")
        await break_version(api, other)
        saved = await api.save(nested)
        assert saved.status_code == 200, saved.text
        body = saved.json()
        assert [each["code"] for each in body["findings"]] == ["NESTED_RULE_BROKEN"]
        (outcome,) = body["cases"]["outcomes"]
        assert (outcome["passed"], outcome["error"]["code"]) == (False, "rule_evaluation_failed")
        assert "does not fit the code" in outcome["error"]["message"]
        assert [each["id"] for each in body["configs"]] == [body["saved_id"], "00000000-0000-0000-0000-000000000000"]
        assert [each["id"] for each in (await api.get("/rules/approve")).json()["configs"]] == [each["id"] for each in body["configs"]]
        graph = nested.model_dump(mode="json")
        simulated = await api.post("/rules/simulate", {"input": {"amount": 5}, "graph": graph})
        assert (simulated.status_code, simulated.json()["code"]) == (200, "rule_evaluation_failed")
        problem_of(await api.post("/rules/approve/replay", {"graph": graph}), 422, "rule_evaluation_failed")


async def test_a_case_whose_model_fails_in_its_own_way_is_told_of_and_the_others_run(
    open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(value: Any) -> Any:
        raise KeyError("a serializer of the app")

    async with open_rules() as api:
        for name in ("a", "b"):
            await api.post("/rules/approve/test-cases", {"name": name, "input": {"amount": 5}, "expected": {}})
        monkeypatch.setattr("planar.rules.case_service.json_of", fail)
        saved = await api.save(APPROVE_ALL)
        assert saved.status_code == 200, saved.text
        assert [each["error"]["code"] for each in saved.json()["cases"]["outcomes"]] == ["rule_error", "rule_error"]


async def break_version(api: RulesApi, config_id: str) -> None:
    """Make a stored version one that does not fit the code, as a change of the code would."""

    async def write() -> None:
        session = get_session()
        await session.exec(update(VERSIONS).where(VERSIONS.c.id == UUID(config_id)).values(data='{"jdm": 1}'))
        await session.commit()

    await api.ask(write)
    api.app.services.get(VersionChooser).forget_all()


async def test_a_step_shows_its_rule_to_those_only_who_may_see_it(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        run = await api.finish("pay", amount=5)
        path = f"/workflows/pay/runs/{run['id']}/steps"
        assert (await api.get(path, step_type="rule")).json()["items"][0]["meta"]["rule"]["input_schema"]
        hides("approve")(api.app)
        assert (await api.get(path, step_type="rule")).json()["items"][0]["meta"] is None


async def test_a_graph_that_is_saved_as_a_version_asks_only_rules_that_its_giver_may_see(open_rules: OpenRules) -> None:
    nested = between({"id": "other", "type": "decisionNode", "content": {"key": "approve_later"}})
    body = {"object_type": "rule", "object_name": "approve", "data": {"jdm": nested.model_dump(mode="json")}}
    async with open_rules() as api:
        await api.use(APPROVE_ALL, "approve_later")
        stored = (await api.save(nested)).json()["saved_id"]
        hides("approve_later")(api.app)
        assert (await api.post("/object-configurations/", body)).status_code == 401
        run = "/rules/approve/test-cases/run"
        assert (await api.post(run, params={"config_id": stored})).status_code == 401
        await api.promote(stored)
        assert (await api.post(run)).status_code == 200, "what is active, everybody learns who uses the rule"
        assert len((await api.get("/rules/approve/versions")).json()) == 1


async def test_a_list_shows_versions_of_those_rules_only_whose_details_may_be_seen(open_rules: OpenRules) -> None:
    async with open_rules(prepare=hides("approve")) as api:
        await api.save(SMALL)
        shown = {each["name"]: len(each["configs"]) for each in (await api.get("/rules/", include="payload")).json()}
        assert shown == {"approve": 0, "approve_later": 1, "echo": 1}


async def test_the_last_page_names_no_next_one(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        for _ in range(2):
            await api.save(SMALL)
        for path, count in (("/rules/", 3), ("/rules/approve/versions", 2)):
            assert "link" not in (await api.get(path, limit=count)).headers
            assert "link" in (await api.get(path, limit=count - 1)).headers


@pytest.mark.parametrize("value", ["NaN", "1e999", '"\\ud800"', "[" * 300 + "]" * 300])
async def test_a_value_that_cannot_be_shown_again_is_refused(open_rules: OpenRules, value: str) -> None:
    graph = SMALL.model_dump_json()
    async with open_rules() as api:
        for path, body in (
            ("/rules/approve/test-cases", f'{{"name": "a", "input": {{"amount": {value}}}, "expected": {{}}}}'),
            ("/rules/approve/test-cases", f'{{"name": "a", "input": {{}}, "expected": {{"limit": {value}}}}}'),
            ("/rules/simulate", f'{{"input": {{"amount": {value}}}, "graph": {graph}}}'),
        ):
            answer = await api.client.post(f"/planar/v1{path}", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 422, answer.text
        assert (await api.get("/rules/approve/test-cases")).json()["items"] == []


async def test_cases_and_replays_end_after_a_while(open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_rules() as api:
        await api.post("/rules/approve/test-cases", {"name": "a", "input": {"amount": 5}, "expected": {}})
        await api.finish("pay", amount=5)
        monkeypatch.setattr(case_service, "LONGEST_SECONDS", -1)
        monkeypatch.setattr(replaying, "LONGEST_SECONDS", -1)
        (outcome,) = (await api.save(APPROVE_ALL)).json()["cases"]["outcomes"]
        assert (outcome["error"]["code"], outcome["passed"]) == ("rule_timeout", False)
        report = (await api.post("/rules/approve/replay", {"graph": APPROVE_ALL.model_dump(mode="json")})).json()
        assert (report["replayed"], report["complete"]) == (0, False)


async def test_a_replay_that_has_to_wait_too_long_says_nothing_of_the_draft(open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch) -> None:
    async def busy(*_: object, **__: object) -> None:
        raise RuleSandboxBusy

    async with open_rules() as api:
        await api.finish("pay", amount=5)
        monkeypatch.setattr(ScriptPool, "evaluate", busy)
        problem_of(await api.post("/rules/approve/replay", {"graph": SMALL.model_dump(mode="json")}), 503, "rule_sandbox_busy")


async def test_after_a_script_that_cannot_be_read_in_time_no_other_is_read(open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    async def slow(*_: object, **__: object) -> None:
        nonlocal asked
        asked += 1
        raise RuleTimeout("A script took too long.")

    graph = script("export const handler = async (input) => input").model_dump(mode="json")
    graph["nodes"] += [{**graph["nodes"][1], "id": f"more-{number}"} for number in range(20)]
    async with open_rules() as api:
        monkeypatch.setattr(ScriptPool, "evaluate", slow)
        problem_of(await api.post("/rules/approve/check", graph), 503, "rule_not_checked")
        assert asked == 1


async def test_a_graph_with_half_a_character_is_refused_on_every_route(open_rules: OpenRules) -> None:
    graph = SMALL.model_dump(mode="json")
    graph["nodes"][1]["content"]["note"] = "\ud800"
    async with open_rules() as api:
        for path, body in (
            ("/rules/approve", graph),
            ("/rules/approve/check", graph),
            ("/rules/simulate", {"input": {"amount": 5}, "graph": graph}),
            ("/rules/approve/test-cases/run", graph),
            ("/rules/approve/replay", {"graph": graph}),
            ("/object-configurations/", {"object_type": "rule", "object_name": "approve", "data": {"jdm": graph}}),
        ):
            answer = await api.post(path, body)
            assert answer.status_code == 422, (path, answer.text)


async def test_a_page_of_rules_has_a_bounded_weight_and_says_what_it_leaves_out(
    open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_rules() as api:
        await api.use(SMALL)
        for rule in ("approve", "approve_later"):
            await api.save(SMALL, rule)
        shown = (await api.get("/rules/", include="payload")).json()
        assert not any(config["data_left_out"] for each in shown for config in each["configs"])

        (length,) = {row[0] for row in await api.databases.ask("select length(data) from {planar}object_configuration")}
        monkeypatch.setattr(service, "MOST_CHARACTERS", 2 * length)
        api.app.services.get(VersionChooser).forget_all()
        shown = (await api.get("/rules/", include="payload")).json()
        told = {each["name"]: [(c["version"], c["data"] is None, c["data_left_out"]) for c in each["configs"]] for each in shown}
        assert told["approve"] == [(2, False, False), (1, False, False), (0, False, False)]
        assert told["approve_later"] == [(1, True, True), (0, False, False)]
        (left_out,) = [config for each in shown for config in each["configs"] if config["data_left_out"]]
        assert (left_out["is_broken"], left_out["state"]) == (False, "validated")
        assert (await api.get("/rules/approve_later")).json()["configs"][0]["data"] is not None


async def test_what_the_apps_code_raises_in_a_test_case_is_told_by_its_class_only(
    open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "insert into /etc/passwd"
    failures: list[Exception] = [ValueError(secret), RuleNotFound("There is no such customer.")]

    async def body(_: object, value: object) -> Approval:
        raise failures[0]

    async with open_rules() as api:
        case = {"name": "one", "input": {"amount": 5}, "expected": {"approved": True}}
        await api.post("/rules/approve/test-cases", case)
        monkeypatch.setattr(RuleWrapper, "body", body)
        run = f"/rules/approve/test-cases/run?config_id={DEFAULT_UUID}"
        for told in ("The function failed: ValueError; the log says more.", "The function failed: There is no such customer."):
            answer = await api.client.post(f"/planar/v1{run}")
            assert answer.json()["outcomes"][0]["error"]["message"] == told, answer.text
            assert secret not in answer.text
            failures.pop(0)
