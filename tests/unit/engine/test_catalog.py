"""Which function is the workflow of a name: the app's own first, then the only one of that name, and never a guess."""

from __future__ import annotations

import pytest

from planar.engine.catalog import Catalogue, Definition, Registry
from planar.engine.errors import WorkflowNameTaken, WorkflowNotRegistered
from planar.errors import PlanarError


class NoCodec:
    """What is written and read does not matter here."""

    def dump_call(self, args: tuple[object, ...], kwargs: dict[str, object]) -> tuple[str, str]:
        raise AssertionError

    def load_call(self, args: str, kwargs: str) -> tuple[tuple[object, ...], dict[str, object]]:
        raise AssertionError

    def roundtrip_result(self, value: object) -> tuple[str, object]:
        raise AssertionError

    def load_result(self, text: str | None) -> object:
        raise AssertionError


async def function() -> None:
    raise AssertionError


def definition(name: str = "order", home: str = "app:order") -> Definition:
    return Definition(name, function, NoCodec(), home)


@pytest.fixture
def catalogue() -> Catalogue:
    return Catalogue()


@pytest.fixture
def registry(catalogue: Catalogue) -> Registry:
    return Registry(catalogue)


# -- the catalogue --------------------------------------------------------------------------------------------------------


def test_what_was_decorated_is_found_by_its_name(catalogue: Catalogue) -> None:
    order = definition()
    catalogue.add(order)
    assert catalogue.find("order") is order
    assert catalogue.find("refund") is None
    assert catalogue.names() == {"order"}


def test_a_name_that_two_share_means_none_of_them(catalogue: Catalogue) -> None:
    catalogue.add(definition(home="one:order"))
    catalogue.add(definition(home="two:order"))
    assert catalogue.find("order") is None
    assert catalogue.names() == frozenset()
    assert catalogue.homes("order") == ["one:order", "two:order"]


def test_a_reloaded_module_replaces_its_workflows(catalogue: Catalogue) -> None:
    catalogue.add(definition())
    again = definition()
    catalogue.add(again)
    assert catalogue.find("order") is again
    assert catalogue.homes("order") == ["app:order"]


def test_a_workflow_that_was_renamed_in_a_reloaded_module_loses_its_old_name(catalogue: Catalogue) -> None:
    catalogue.add(definition("order"))
    catalogue.add(definition("new order"))
    assert catalogue.find("order") is None
    assert catalogue.find("new order") is not None
    assert catalogue.names() == {"new order"}
    assert catalogue.homes("order") == []


def test_renaming_one_of_two_that_shared_a_name_frees_it_for_the_other(catalogue: Catalogue) -> None:
    catalogue.add(definition(home="one:order"))
    other = definition(home="two:order")
    catalogue.add(other)
    catalogue.add(definition("renamed", home="one:order"))
    assert catalogue.find("order") is other


# -- an app's registry ----------------------------------------------------------------------------------------------------


def test_an_app_knows_what_it_registered(registry: Registry) -> None:
    order, refund = definition(), definition("refund", "app:refund")
    registry.register(order)
    registry.register(refund)
    assert list(registry.registered()) == [order, refund]
    assert registry.get("order") is order
    assert registry.names() == {"order", "refund"}


def test_two_workflows_of_one_name_in_one_app_are_refused_with_the_remedy(registry: Registry) -> None:
    registry.register(definition(home="one:order"))
    with pytest.raises(WorkflowNameTaken, match=r"one:order.*two:order.*@workflow\(name=") as caught:
        registry.register(definition(home="two:order"))
    assert isinstance(caught.value, PlanarError)
    assert isinstance(caught.value, ValueError)
    assert registry.get("order").home == "one:order"


def test_registering_one_workflow_again_keeps_the_newest(registry: Registry) -> None:
    registry.register(definition())
    again = definition()
    registry.register(again)
    assert registry.get("order") is again
    assert list(registry.registered()) == [again]


def test_two_workflows_made_by_one_function_are_two(catalogue: Catalogue, registry: Registry) -> None:
    """Else a run of the first would execute the second."""

    async def other() -> None:
        raise AssertionError

    first, second = definition(), Definition("order", other, NoCodec(), "app:order")
    catalogue.add(first)
    catalogue.add(second)
    with pytest.raises(WorkflowNameTaken, match=r"app:order here \(another function, made at the same place\)"):
        registry.check(first)
    registry.register(first)
    registry.check(first)
    with pytest.raises(WorkflowNameTaken, match=r"app:order \(another function, made at the same place\) needs another"):
        registry.register(second)


def test_two_apps_may_give_one_name_to_different_workflows(catalogue: Catalogue) -> None:
    one, two = Registry(catalogue), Registry(catalogue)
    first, second = definition(home="one:order"), definition(home="two:order")
    for each in (first, second):
        catalogue.add(each)
    one.register(first)
    two.register(second)
    assert (one.get("order"), two.get("order")) == (first, second)
    assert one.names() == {"order"}


def test_a_child_that_no_app_registered_is_found_in_the_catalogue(catalogue: Catalogue, registry: Registry) -> None:
    child = definition("child", "app:child")
    catalogue.add(child)
    assert registry.get("child") is child
    assert registry.names() == {"child"}
    assert list(registry.registered()) == []


def test_an_unknown_name_is_not_found(registry: Registry) -> None:
    with pytest.raises(WorkflowNotRegistered, match="'order' not found") as caught:
        registry.get("order")
    assert caught.value.status == 404


def test_a_name_that_two_share_is_not_guessed(catalogue: Catalogue, registry: Registry) -> None:
    catalogue.add(definition(home="one:order"))
    catalogue.add(definition(home="two:order"))
    with pytest.raises(WorkflowNotRegistered, match=r"2 workflows share the name 'order' \(one:order, two:order\)"):
        registry.get("order")


def test_a_workflow_whose_name_means_another_here_is_refused_before_it_starts(catalogue: Catalogue, registry: Registry) -> None:
    mine, other = definition(home="one:order"), definition(home="two:order")
    catalogue.add(mine)
    registry.check(mine)
    registry.register(other)
    with pytest.raises(WorkflowNameTaken, match=r"one:order means two:order here"):
        registry.check(mine)
    registry.check(other)


def test_a_workflow_whose_name_two_share_is_refused_before_it_starts(catalogue: Catalogue, registry: Registry) -> None:
    mine = definition(home="one:order")
    catalogue.add(mine)
    catalogue.add(definition(home="two:order"))
    with pytest.raises(WorkflowNameTaken, match=r"one:order means two:order here"):
        registry.check(mine)
