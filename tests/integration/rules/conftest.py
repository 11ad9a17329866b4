"""An app with the rules of the shop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID

import httpx2 as httpx
import pytest

from planar import PlanarApp
from planar.app.lifespan import script_session
from planar.context import bind_services
from planar.rules.config import RulesConfig
from planar.rules.graph import JDMGraph
from planar.rules.rule_configuration import rule_configuration
from tests.databases import Databases
from tests.integration.http.conftest import Api, OpenApi, open_api
from tests.integration.rules.world import RULES, WORKFLOWS

__all__ = ["open_api"]


class RulesApi(Api):
    """An app with rules, and a client of it."""

    async def save(self, graph: JDMGraph, rule: str = "approve", **params: Any) -> httpx.Response:
        """Save a graph."""
        return await self.post(f"/rules/{rule}", graph.model_dump(mode="json"), params=params)

    async def promote(self, config_id: str, rule: str = "approve") -> None:
        """Let a version decide; the zero id is the code."""
        await self.ask(lambda: rule_configuration.promote_config(UUID(config_id), rule))

    async def use(self, graph: JDMGraph, rule: str = "approve") -> str:
        """Save a graph and let it decide; its id."""
        answer = await self.save(graph, rule)
        assert answer.status_code == 200, answer.text
        await self.promote(answer.json()["saved_id"], rule)
        return answer.json()["saved_id"]

    async def ask(self, call: Callable[[], Any]) -> Any:
        """Await *call* in a session of its own."""
        with bind_services(self.app.services):
            async with script_session(self.app.services, "test"):
                return await call()


OpenRules = Callable[..., AbstractAsyncContextManager[RulesApi]]


@pytest.fixture
def open_rules(open_api: OpenApi, databases: Databases) -> OpenRules:
    """`async with open_rules() as api:` serves the rules and the workflows of the shop; options are settings of `rules`."""

    @asynccontextmanager
    async def opener(*, prepare: Callable[[PlanarApp], object] | None = None, **settings: Any) -> AsyncGenerator[RulesApi]:
        def ready(app: PlanarApp) -> None:
            app.config.rules = RulesConfig(**settings)
            for each in RULES:
                app.register_rule(each)
            if prepare is not None:
                prepare(app)

        async with open_api(WORKFLOWS, prepare=ready) as api:
            yield RulesApi(api.app, api.client, databases)

    return opener
