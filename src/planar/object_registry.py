"""What does this app serve? One registry an app; two apps in a process do not see each other's."""

from __future__ import annotations

from typing import Any, cast

from planar.engine.catalog import Registry
from planar.entities.registration import EntityRegistry
from planar.rules.decorator import RuleWrapper
from planar.rules.models import Rule
from planar.rules.registration import RuleRegistry
from planar.workflows.registration import RegisteredWorkflow
from planar.workflows.wrappers import WorkflowWrapper


class ObjectRegistry:
    """The objects that one app serves, each kind in the order of registration.

    Args:
        workflows: the engine's registry, which is kept in step; by default a new one.
        entities: the registry of entities; by default a new one.
        rules: the registry of rules; by default a new one.
    """

    def __init__(
        self, workflows: Registry | None = None, entities: EntityRegistry | None = None, rules: RuleRegistry | None = None
    ) -> None:
        self.rules = rules if rules is not None else RuleRegistry()
        self.entities = entities if entities is not None else EntityRegistry()
        self.workflows = workflows if workflows is not None else Registry()
        self._registered: dict[str, RegisteredWorkflow] = {}

    def register(self, obj: object) -> None:
        """Serve *obj*, a workflow, a rule or the class of an entity. The same again (a reloaded module) replaces itself.

        Raises:
            NotAnEntity: (a TypeError) a class is not a table with a key of one column.
            UnusableOptions, EntityNameTaken: (ValueErrors) it cannot be served with its options, or under its name.
            UnusableSignature: (a TypeError) a parameter cannot be an input.
            WorkflowNameTaken, RuleNameTaken: (ValueErrors) another one of this app has the name.
            TypeError: it is nothing that an app can serve.
        """
        if isinstance(obj, type):
            self.entities.register(obj)
            return
        if isinstance(obj, RuleWrapper):
            self.rules.register(cast("RuleWrapper[..., Any]", obj).definition)
            return
        if not isinstance(obj, WorkflowWrapper):
            raise TypeError(f"An app can serve what @workflow() and @rule() return and classes of entities, not {obj!r}.")
        wrapper = cast("WorkflowWrapper[..., Any]", obj)
        item = RegisteredWorkflow.of(wrapper)
        self.workflows.register(wrapper.definition)
        self._registered[item.name] = item

    def get_workflows(self) -> list[RegisteredWorkflow]:
        """The workflows."""
        return list(self._registered.values())

    def get_entities(self) -> list[type[Any]]:
        """The classes of the entities."""
        return [entity.cls for entity in self.entities]

    def get_rules(self) -> list[Rule]:
        """The rules."""
        return [definition.rule for definition in self.rules]

    def get_agents(self) -> list[Any]:
        """The agents; this version has none."""
        return []

    def reset(self) -> None:
        """Forget everything."""
        self._registered.clear()
        self.workflows.reset()
        self.entities.reset()
        self.rules.reset()
