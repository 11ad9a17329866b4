"""Which rules does an app serve? One registry an app; a rule that is not in it decides all the same, and nobody can edit it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Protocol

from pydantic import BaseModel

from planar.engine.codec import CallCodec
from planar.object_config.models import ConfigurableObjectType
from planar.object_config.storing import ObjectKey
from planar.rules.errors import RuleNameTaken, RuleNotFound
from planar.rules.graph import schema_of
from planar.rules.models import Rule, RuleEngineConfig

RESERVED_NAMES: Final = frozenset({"simulate"})
"""Segments of routes, under which a rule could not be reached."""


class RuleFunction(Protocol):
    """The function of a rule, as its `RuleWrapper` calls it."""

    codec: CallCodec
    function_name: str
    original_fn: Any

    async def body(self, value: BaseModel) -> BaseModel: ...


@dataclass(frozen=True)
class RuleDefinition:
    """A rule, where it is defined (``module:qualname``), and its function."""

    rule: Rule
    source: str
    function: RuleFunction = field(repr=False)

    @property
    def name(self) -> str:
        """The rule's name."""
        return self.rule.name

    @property
    def output(self) -> type[BaseModel]:
        """What it gives."""
        return self.rule.output

    @cached_property
    def key(self) -> ObjectKey:
        """Under which its versions are stored."""
        return ObjectKey(ConfigurableObjectType.RULE.value, self.rule.name)

    @cached_property
    def config(self) -> RuleEngineConfig:
        """The graph that an editor begins with. Shared: do not change it."""
        return self.rule.to_config()

    @cached_property
    def input_schema(self) -> dict[str, Any]:
        """What the rule takes, as a form shows it."""
        return schema_of(self.rule.input)

    @cached_property
    def output_schema(self) -> dict[str, Any]:
        """What it gives."""
        return schema_of(self.rule.output)


class RuleRegistry:
    """The rules of one app, in the order of registration. A service."""

    def __init__(self) -> None:
        self._by_name: dict[str, RuleDefinition] = {}

    def register(self, definition: RuleDefinition) -> RuleDefinition:
        """Serve a rule. The same again (a reloaded module) replaces itself.

        Raises:
            RuleNameTaken: (a ValueError) another rule of this app has the name, or a route has it.
        """
        name = definition.name
        if name in RESERVED_NAMES:
            raise RuleNameTaken(f"No rule can be called '{name}': POST /rules/{name} is a route of its own. Rename the function.")
        known = self._by_name.get(name)
        if known is not None and known.source != definition.source:
            raise RuleNameTaken(f"Two rules are called '{name}': {known.source} and {definition.source}. Rename one of them.")
        self._by_name[name] = definition
        return definition

    def find(self, name: str) -> RuleDefinition | None:
        """The rule of that name, or None."""
        return self._by_name.get(name)

    def get(self, name: str) -> RuleDefinition:
        """The rule of that name.

        Raises:
            RuleNotFound: the app serves none.
        """
        found = self._by_name.get(name)
        if found is None:
            raise RuleNotFound
        return found

    def names(self) -> list[str]:
        """The names of all, sorted."""
        return sorted(self._by_name)

    def reset(self) -> None:
        """Forget everything."""
        self._by_name.clear()

    def __iter__(self) -> Iterator[RuleDefinition]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)
