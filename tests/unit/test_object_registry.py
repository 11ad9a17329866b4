"""One registry an app."""

from __future__ import annotations

import pytest

from planar.engine.catalog import Registry
from planar.engine.errors import WorkflowNameTaken
from planar.object_registry import ObjectRegistry
from planar.workflows import step, workflow


@workflow(name="object_registry_sample")
async def sample() -> None: ...


@workflow(name="object_registry_sample")
async def namesake() -> None: ...


@step()
async def a_step() -> None: ...


def test_two_registries_do_not_see_each_other() -> None:
    one, two = ObjectRegistry(), ObjectRegistry()
    one.register(sample)
    assert [item.obj for item in one.get_workflows()] == [sample]
    assert two.get_workflows() == []
    assert list(two.workflows.registered()) == []
    assert (one.get_entities(), one.get_rules(), one.get_agents()) == ([], [], [])


def test_the_engine_knows_what_is_registered() -> None:
    registry = Registry()
    objects = ObjectRegistry(registry)
    objects.register(sample)
    assert registry.find("object_registry_sample") is sample.definition
    objects.reset()
    assert objects.get_workflows() == []
    assert list(registry.registered()) == []


def test_the_same_workflow_may_be_registered_again_and_another_of_its_name_not() -> None:
    objects = ObjectRegistry()
    objects.register(sample)
    objects.register(sample)
    with pytest.raises(WorkflowNameTaken):
        objects.register(namesake)
    assert [item.obj for item in objects.get_workflows()] == [sample]


@pytest.mark.parametrize("thing", [a_step, 1, Registry])
def test_what_no_app_can_serve_is_refused(thing: object) -> None:
    with pytest.raises(TypeError, match=r"@workflow|table=True"):
        ObjectRegistry().register(thing)
