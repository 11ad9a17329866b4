"""Who decides: the function, or the graph that was promoted; and what a run keeps."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest

from planar.db.session import get_session
from planar.object_config.choosing import VersionChooser
from planar.rules.errors import RuleEvaluationFailed, RuleResultMisfit
from planar.rules.graph import starting_graph
from planar.rules.rule_configuration import rule_configuration
from planar.workflows.waiting import emit_event
from tests.integration.rules.conftest import OpenRules
from tests.integration.rules.world import (
    APPROVE_ALL,
    EVERYTHING,
    Approval,
    Everything,
    Expense,
    approve,
    approve_later,
    between,
    echo,
    table,
)

pytestmark = pytest.mark.anyio

BIG = Expense(amount=Decimal(5000))


async def test_outside_of_an_app_a_rule_is_a_plain_call() -> None:
    assert await approve(Expense(amount=Decimal(5))) == Approval(approved=True)
    assert await approve(expense=BIG) == Approval(approved=False)
    assert await approve_later(BIG) == Approval(approved=False)


async def test_the_function_decides_until_a_graph_is_promoted_and_again_after_a_revert(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        assert (await api.finish("pay", amount=5000))["result"] is False
        saved = (await api.save(APPROVE_ALL)).json()["saved_id"]
        assert (await api.finish("pay", amount=5000))["result"] is False, "a saved version decides nothing"
        await api.promote(saved)
        assert (await api.finish("pay", amount=5000))["result"] is True
        assert await api.ask(lambda: approve(expense=BIG)) == Approval(approved=True, limit=Decimal(10000))
        await api.promote("00000000-0000-0000-0000-000000000000")
        assert (await api.finish("pay", amount=5000))["result"] is False


async def test_an_asynchronous_rule_is_overridden_as_well(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        await api.use(APPROVE_ALL, "approve_later")
        assert (await api.ask(lambda: approve_later(BIG))).approved


async def test_a_run_keeps_the_version_that_it_used_first_and_its_steps_say_which(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        first = await api.use(table({"approved": "false", "limit": "0"}))
        run_id = await api.start("pay_twice", amount=5, wait=True)
        await api.until(run_id, "suspended")
        second = await api.use(APPROVE_ALL)
        await api.ask(lambda: emit_event("go"))
        assert (await api.until(run_id, "succeeded"))["result"] == [False, False]
        steps = (await api.get(f"/workflows/pay_twice/runs/{run_id}/steps", step_type="rule")).json()["items"]
        assert [step["meta"]["rule"]["version"] for step in steps] == [1, 1]
        assert {step["meta"]["rule"]["config_id"] for step in steps} == {first}
        later = await api.finish("pay_twice", amount=5)
        assert later["result"] == [True, True]
        steps = (await api.get(f"/workflows/pay_twice/runs/{later['id']}/steps", step_type="rule")).json()["items"]
        assert [step["meta"]["rule"]["config_id"] for step in steps] == [second, second]
        assert steps[0]["meta"]["rule"]["name"] == "approve"


async def test_a_run_by_code_says_version_zero(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        run = await api.finish("pay", amount=5)
        steps = (await api.get(f"/workflows/pay/runs/{run['id']}/steps", step_type="rule")).json()["items"]
        assert [step["meta"]["rule"]["version"] for step in steps] == [0]


async def test_every_type_comes_back_from_a_graph_as_it_went_in(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        assert await api.ask(lambda: echo(EVERYTHING)) == EVERYTHING
        graph = starting_graph(Everything, Everything)
        graph.nodes[1].content.rules[0].model_extra.clear()  # type: ignore[union-attr]
        await api.use(graph, "echo")
        back = await api.ask(lambda: echo(EVERYTHING))
        aware = EVERYTHING.naive.replace(tzinfo=EVERYTHING.at.tzinfo)
        assert back == EVERYTHING.model_copy(update={"naive": aware})
        assert str(back.amount) == "1234567890123456789.12345678"


async def test_a_graph_that_gives_too_little_fails_the_run_with_the_field(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        await api.use(table({"amount": "> 100", "approved": "true", "limit": "1"}))
        with pytest.raises(RuleResultMisfit, match=r"Rule 'approve' version 1 .*no value for the field 'approved'") as caught:
            await api.ask(lambda: approve(Expense(amount=Decimal(5))))
        assert caught.value.fields == ("approved",)
        run_id = await api.start("pay", amount=5)
        run = await api.until(run_id, "failed")
        assert run["error"]["type"] == "RuleResultMisfit"
        assert "approved" in run["error"]["message"]


async def test_a_node_that_fails_is_named(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        await api.use(table({"approved": "true", "limit": "amount"}, through=True))
        content = {"expressions": [{"id": "1", "key": "approved", "value": "true"}, {"id": "2", "key": "limit", "value": "amount + tier"}]}
        await api.use(between({"id": "sum", "type": "expressionNode", "content": content}))
        with pytest.raises(RuleEvaluationFailed) as caught:
            await api.ask(lambda: approve(BIG))
        assert (caught.value.node_id, caught.value.node_name) == ("sum", "sum")
        assert "amount + tier" in caught.value.reason


async def test_errors_keep_their_fields_through_the_journal() -> None:
    error = RuleEvaluationFailed("said", "n1", "name", "why")
    again = type(error)(*error.args)
    assert (again.message, again.node_id, again.node_name, again.reason) == ("said", "n1", "name", "why")


async def test_a_run_that_another_process_takes_up_keeps_its_decision_and_its_version(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        first = await api.use(table({"approved": "false", "limit": "0"}))
        run_id = await api.start("pay_twice", amount=5, wait=True)
        await api.until(run_id, "suspended")
    async with open_rules() as api:
        await api.use(APPROVE_ALL)
        await api.ask(lambda: emit_event("go"))
        assert (await api.until(run_id, "succeeded"))["result"] == [False, False]
        steps = (await api.get(f"/workflows/pay_twice/runs/{run_id}/steps", step_type="rule")).json()["items"]
        assert [step["meta"]["rule"]["config_id"] for step in steps] == [first, first]


async def test_a_version_is_at_hand_after_its_first_use_until_another_may_decide(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        chooser, key = api.app.services.get(VersionChooser), approve.definition.key
        chooser._fresh_seconds = 3600

        async def decided() -> tuple[bool, int | None]:
            result = await approve(Expense(amount=Decimal(500)))
            known = chooser.at_hand(key)
            return result.approved, None if known is None else known.version

        assert await api.ask(decided) == (False, None), "the code's own is not kept at hand"
        first = await api.use(APPROVE_ALL)
        assert [await api.ask(decided), await api.ask(decided)] == [(True, 1), (True, 1)]
        await api.use(table({"approved": "false", "limit": "0"}))
        assert [await api.ask(decided), await api.ask(decided)] == [(False, 2), (False, 2)]
        await api.promote(first)
        assert await api.ask(decided) == (True, 1)
        await api.post(f"/object-configurations/{first}/validate", {})
        assert chooser.at_hand(key) is None, "it was checked anew"
        assert await api.ask(decided) == (True, 1)
        chooser._fresh_seconds = 0
        assert await api.ask(decided) == (True, None), "the database is asked again"


async def test_what_is_at_hand_is_not_used_in_a_run_nor_in_a_session_that_has_written(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        chooser, key = api.app.services.get(VersionChooser), approve.definition.key
        chooser._fresh_seconds = 3600
        await api.use(APPROVE_ALL)
        waiting = await api.start("pay_twice", amount=500, wait=True)
        await api.until(waiting, "suspended")
        second = await api.save(table({"approved": "false", "limit": "0"}))

        async def promoted_here() -> list[bool]:
            async with get_session().begin():
                before = (await approve(Expense(amount=Decimal(500)))).approved
                assert chooser.at_hand(key) is not None
                await rule_configuration.promote_config(UUID(second.json()["saved_id"]), "approve")
                assert chooser.at_hand(key) is None
                return [before, (await approve(Expense(amount=Decimal(500)))).approved]

        assert await api.ask(promoted_here) == [True, False]
        assert (await api.post("/workflows/events/emit", {"event_key": "go", "payload": {}})).status_code == 200
        assert (await api.until(waiting, "succeeded"))["result"] == [True, True]
