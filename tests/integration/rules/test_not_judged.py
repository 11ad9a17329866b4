"""A process for scripts that stands still, ends or cannot start says nothing of a graph: it is asked again."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from planar.object_config.choosing import VersionChooser
from planar.rules.errors import RuleCrashed, RuleNotChecked, RuleSandboxError, RuleTimeout
from planar.rules.sandbox.pool import DraftPool, ScriptPool
from tests.integration.rules.conftest import OpenRules, RulesApi
from tests.integration.rules.world import APPROVE_ALL, Expense, approve, script

pytestmark = pytest.mark.anyio

FINE = script("export const handler = async (input) => ({ approved: true, limit: 3 })")
FAILURES: tuple[Exception, ...] = (RuleTimeout("A script took longer."), RuleCrashed(), RuleSandboxError("The app stops."))


def fails(monkeypatch: pytest.MonkeyPatch, pool: type[ScriptPool], failure: Exception, times: int = 1_000) -> None:
    """Let the processes of *pool* fail so many times."""
    evaluate, left = ScriptPool.evaluate, [times]

    async def failing(self: ScriptPool, *args: Any, **options: Any) -> Any:
        if type(self) is pool and left[0] > 0:
            left[0] -= 1
            raise failure
        return await evaluate(self, *args, **options)

    monkeypatch.setattr(ScriptPool, "evaluate", failing)


async def forgetful(api: RulesApi) -> None:
    """As in a process that begins, with a script in use."""
    await api.use(FINE)
    api.app.services.get(VersionChooser).forget_all()


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_version_whose_check_was_stopped_is_checked_again_at_the_next_use(
    open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async with open_rules() as api:
        await forgetful(api)
        with monkeypatch.context() as patch:
            fails(patch, ScriptPool, failure)
            with pytest.raises(RuleNotChecked):
                await api.ask(lambda: approve(Expense(amount=Decimal(5))))
        assert (await api.ask(lambda: approve(Expense(amount=Decimal(5))))).approved


async def test_a_run_tries_again_by_itself(open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_rules() as api:
        await forgetful(api)
        fails(monkeypatch, ScriptPool, FAILURES[0], times=1)
        run = await api.finish("pay", amount=5)
        assert (run["status"], run["result"]) == ("succeeded", True), run


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: type(failure).__name__)
async def test_a_save_or_a_promotion_that_cannot_be_checked_is_503_and_changes_nothing(
    open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    async with open_rules() as api:
        first = await api.use(APPROVE_ALL)
        second = (await api.save(FINE)).json()["saved_id"]
        versions = (await api.get("/rules/approve/versions")).json()
        fails(monkeypatch, DraftPool, failure)
        promote = {"object_type": "rule", "object_name": "approve", "config_id": second}
        stored = {"object_type": "rule", "object_name": "approve", "data": {"jdm": FINE.model_dump(mode="json")}}
        for answer in (
            await api.save(FINE),
            await api.post("/object-configurations/", stored),
            await api.post("/object-configurations/promote", promote),
            await api.post(f"/object-configurations/{second}/validate", {}),
            await api.post("/rules/approve/check", FINE.model_dump(mode="json")),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "rule_not_checked"), answer.text
        assert (await api.get("/rules/approve/versions")).json() == versions
        assert [each["id"] for each in versions if each["active"]] == [first]


async def test_what_the_processes_for_drafts_say_does_not_count_where_a_version_is_used(
    open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_rules() as api:
        await forgetful(api)
        answer = {"error": '{"type": "NodeError", "nodeId": "script", "source": "SyntaxError: not one"}'}
        evaluate = ScriptPool.evaluate

        async def wrong(self: ScriptPool, *args: Any, **options: Any) -> Any:
            return answer if type(self) is DraftPool else await evaluate(self, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(ScriptPool, "evaluate", wrong)
            shown = (await api.get("/rules/approve")).json()["configs"]
            assert [each["is_broken"] for each in shown if each["version"] == 1] == [True]
            assert (await api.ask(lambda: approve(Expense(amount=Decimal(5))))).approved
        shown = (await api.get("/rules/approve")).json()["configs"]
        assert [each["is_broken"] for each in shown if each["version"] == 1] == [False], "what was found in use counts for those who look"


async def test_a_process_that_cannot_be_started_and_one_without_memory_say_nothing_of_the_graph(
    open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_process(*_: object, **__: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    async def no_memory(*_: object, **__: object) -> Any:
        return {"error": '{"type": "NodeError", "source": "out of memory"}'}

    async with open_rules() as api:
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "create_subprocess_exec", no_process)
            assert (await api.save(FINE)).json()["code"] == "rule_not_checked"
        monkeypatch.setattr(ScriptPool, "evaluate", no_memory)
        assert (await api.save(FINE)).json()["code"] == "rule_not_checked"
