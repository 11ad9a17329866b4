"""Saves, promotions, reverts, deletions and looks, one after another and several at once: nothing differs from plain Python."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planar import PlanarApp
from planar.app.lifespan import script_session
from planar.context import bind_services
from planar.object_config import DEFAULT_UUID, ConfigNotFoundError, VersionChooser, chosen_version
from planar.object_config.errors import ConfigNotDeletable
from tests import stores
from tests.databases import Databases, databases_of
from tests.integration.object_config.world import LIMITS, NAMES, Limits, have_limits


@dataclass
class Model:
    """What should be stored, of one object."""

    last: int = 0
    versions: dict[int, UUID] = field(default_factory=dict[int, UUID])
    once_active: set[int] = field(default_factory=set[int])
    active: int = 0
    history: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    def save(self, version: int, config_id: UUID) -> None:
        assert version == self.last + 1
        self.last = version
        self.versions[version] = config_id

    def promote(self, version: int) -> None:
        if version != self.active:
            self.history.append((self.active, version))
            self.active = version
            self.once_active.add(version)

    def refuses_deletion(self, version: int) -> type[Exception] | None:
        if version not in self.versions:
            return ConfigNotFoundError
        return ConfigNotDeletable if version in self.once_active else None


ACTIONS = st.lists(
    st.tuples(st.sampled_from(("save", "promote", "revert", "delete", "look")), st.sampled_from(NAMES[:2]), st.integers(1, 6)),
    min_size=1,
    max_size=25,
)
AT_ONCE = st.lists(
    st.lists(st.tuples(st.sampled_from(("save", "promote", "revert", "delete")), st.integers(1, 6)), min_size=1, max_size=4),
    min_size=2,
    max_size=5,
)


@asynccontextmanager
async def tables(databases: Databases) -> AsyncGenerator[PlanarApp]:
    """An app on empty tables."""
    app = PlanarApp(config=(await databases.config()).model_copy(update={"storage": None}))
    have_limits(app)
    async with app._lifespan(app.fastapi):
        with bind_services(app.services):
            yield app


async def empty(app: PlanarApp) -> None:
    app.services.get(VersionChooser).forget_all()
    databases: Databases = app.services.get(Databases)
    for table in ("object_configuration", "object_configuration_promotion", "configured_object"):
        await databases.ask(f"delete from {{planar}}{table}")


@pytest.fixture(scope="module", params=stores.kinds(stores.SQLITE, stores.POSTGRESQL))
def tested(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """An app for all examples of a test, in an event loop of its own."""
    folder: Path = tmp_path_factory.mktemp("model")
    with asyncio.Runner() as runner:
        stack = databases_of(request.param, folder)
        databases = runner.run(stack.__aenter__())
        opened = tables(databases)
        app = runner.run(opened.__aenter__())
        app.services.add(Databases, databases)
        yield runner, app
        runner.run(opened.__aexit__(None, None, None))
        runner.run(stack.__aexit__(None, None, None))


async def act(app: PlanarApp, models: dict[str, Model], what: str, name: str, version: int) -> None:
    model = models[name]
    if what == "save":
        saved = await LIMITS.write_config(name, Limits(ceiling=version))
        model.save(saved.version, saved.id)
    elif what == "promote" and version in model.versions:
        assert await LIMITS.promote(model.versions[version], name) is (model.active != version)
        model.promote(version)
    elif what == "revert":
        await LIMITS.promote_config(DEFAULT_UUID, name)
        model.promote(0)
    elif what == "delete" and version in model.versions:
        expected = model.refuses_deletion(version)
        if expected is None:
            await LIMITS.delete(model.versions.pop(version))
        else:
            with pytest.raises(expected):
                await LIMITS.delete(model.versions[version])
    await compare(app, name, model)


async def compare(app: PlanarApp, name: str, model: Model) -> None:
    """What every way of looking shows."""
    chosen = await chosen_version("limits", name, Limits)
    assert chosen.version == model.active
    assert chosen.config_id == model.versions.get(model.active, DEFAULT_UUID)
    listed = await LIMITS.list(name, limit=100)
    assert [(each.version, each.id, each.active) for each in listed] == [
        (version, model.versions[version], version == model.active) for version in sorted(model.versions, reverse=True)
    ]
    assert await history(app, name) == model.history


async def history(app: PlanarApp, name: str) -> list[tuple[int, int]]:
    rows = await app.services.get(Databases).ask(
        f"select from_version, to_version from {{planar}}object_configuration_promotion where object_name = '{name}' order by number"
    )
    return [(int(row[0]), int(row[1])) for row in rows]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS)
def test_one_after_another_nothing_differs_from_the_model(tested: Any, actions: list[tuple[str, str, int]]) -> None:
    runner, app = tested

    async def story() -> None:
        await empty(app)
        models = {name: Model() for name in NAMES}
        async with script_session(app.services, "model"):
            for what, name, version in actions:
                await act(app, models, what, name, version)

    with bind_services(app.services):
        runner.run(story())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(AT_ONCE)
def test_several_at_once_leave_what_one_order_of_them_leaves(tested: Any, tasks: list[list[tuple[str, int]]]) -> None:
    """What was answered to each is the same as if they had come in the order that the history tells."""
    runner, app = tested
    ids: dict[int, UUID] = {}
    deleted: set[int] = set()
    promotions: list[int] = []

    async def one(task: list[tuple[str, int]], number: int) -> None:
        async with script_session(app.services, f"task {number}"):
            for what, version in task:
                try:
                    if what == "save":
                        saved = await LIMITS.write_config("limits", Limits(ceiling=version))
                        assert saved.version not in ids
                        ids[saved.version] = saved.id
                    elif what == "revert":
                        if await LIMITS.revert("limits"):
                            promotions.append(0)
                    elif version in ids and what == "promote":
                        if await LIMITS.promote(ids[version]):
                            promotions.append(version)
                    elif version in ids:
                        await LIMITS.delete(ids[version])
                        deleted.add(version)
                except (ConfigNotFoundError, ConfigNotDeletable):
                    pass

    async def story() -> None:
        await empty(app)
        await asyncio.gather(*(one(task, number) for number, task in enumerate(tasks)))
        told = await history(app, "limits")
        # Each begins where the one before it ended.
        assert [before for before, _ in told] == [0, *(after for _, after in told)][: len(told)]
        assert sorted(after for _, after in told) == sorted(promotions)
        assert not deleted & {version for change in told for version in change}
        assert sorted(ids) == list(range(1, len(ids) + 1))
        async with script_session(app.services, "look"):
            listed = await LIMITS.list("limits", limit=100)
            assert {each.version for each in listed} == set(ids) - deleted
            active = told[-1][1] if told else 0
            assert [each.version for each in listed if each.active] == ([active] if active else [])
            assert (await chosen_version("limits", "limits", Limits)).version == active

    with bind_services(app.services):
        runner.run(story())
