"""Lists of rules and of versions take a number of statements that does not grow with them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import event

from planar.object_config.choosing import VersionChooser
from planar.rules.graph import JDMGraph
from planar.rules.models import RuleEngineConfig
from planar.rules.rule_configuration import rule_configuration
from tests.integration.rules.conftest import OpenRules, RulesApi
from tests.integration.rules.world import APPROVE_ALL

pytestmark = pytest.mark.anyio

MANY = 50


@contextmanager
def statements(api: RulesApi) -> Iterator[list[str]]:
    """What is asked of the database in the block, by requests."""
    engine = api.app.db_manager.get_engine().sync_engine
    told: list[str] = []

    def tell(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        told.append(statement)

    event.listen(engine, "before_cursor_execute", tell)
    try:
        yield told
    finally:
        event.remove(engine, "before_cursor_execute", tell)


async def cost(api: RulesApi, path: str, **params: Any) -> int:
    """How many statements a list takes in a process that knows nothing of versions yet."""
    api.app.services.get(VersionChooser).forget_all()
    with statements(api) as told:
        assert (await api.get(path, **params)).status_code == 200
    assert told
    return len(told)


async def fill(api: RulesApi, rule: str, graph: JDMGraph, count: int) -> list[Any]:
    async def write() -> list[Any]:
        return [await rule_configuration.draft(rule, RuleEngineConfig(jdm=graph)) for _ in range(count)]

    return await api.ask(write)


async def test_fifty_versions_take_as_many_statements_as_one(open_rules: OpenRules) -> None:
    lists: tuple[tuple[str, dict[str, Any]], ...] = (
        ("/rules/approve/versions", {"limit": 100}),
        ("/rules/approve/versions", {"limit": 100, "include": "payload"}),
        ("/object-configurations/", {"object_type": "rule", "limit": 100}),
        ("/rules/approve", {}),
    )
    async with open_rules() as api:
        await fill(api, "approve", APPROVE_ALL, 1)
        one = [await cost(api, path, **params) for path, params in lists]
        await fill(api, "approve", APPROVE_ALL, MANY)
        assert [await cost(api, path, **params) for path, params in lists] == one
        assert len((await api.get("/rules/approve/versions", limit=100)).json()) == MANY + 1


async def test_a_list_of_many_rules_with_their_versions_takes_as_many_statements_as_one(open_rules: OpenRules) -> None:
    async with open_rules() as api:
        first = (await fill(api, "approve", APPROVE_ALL, 25))[0]
        await api.promote(str(first.id), "approve")
        await fill(api, "approve_later", APPROVE_ALL, 2)
        one = await cost(api, "/rules/", include="payload", limit=1)
        assert await cost(api, "/rules/", include="payload") == one
        shown = {each["name"]: each["configs"] for each in (await api.get("/rules/", include="payload")).json()}
        assert [each["version"] for each in shown["approve"]] == [*range(25, 5, -1), 1, 0], "the active one is older than the newest twenty"
        assert [each["version"] for each in shown["approve_later"]] == [2, 1, 0]
        assert [each["version"] for each in shown["echo"]] == [0]
        for name, configs in shown.items():
            alone = (await api.get(f"/rules/{name}")).json()["configs"]
            assert [(each["id"], each["active"]) for each in configs] == [(each["id"], each["active"]) for each in alone]


async def test_a_page_with_graphs_has_a_hundred_at_most_and_names_the_next(open_rules: OpenRules, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planar.rules.router.MOST_WITH_PAYLOAD", 2)
    monkeypatch.setattr("planar.object_config.router.MOST_WITH_PAYLOAD", 2)
    async with open_rules() as api:
        await fill(api, "approve", APPROVE_ALL, 3)
        for path in ("/rules/", "/rules/approve/versions", "/object-configurations/?object_type=rule"):
            separator = "&" if "?" in path else "?"
            assert "link" not in (await api.client.get(f"/planar/v1{path}{separator}limit=1000")).headers
            page = await api.client.get(f"/planar/v1{path}{separator}limit=1000&include=payload")
            items = page.json() if isinstance(page.json(), list) else page.json()["items"]
            assert len(items) == 2, path
            rest = await api.client.get(page.headers["link"].partition(">")[0].removeprefix("<"))
            items = rest.json() if isinstance(rest.json(), list) else rest.json()["items"]
            assert len(items) == 1, path
