"""Which function is the workflow of that name?

Decorators fill the catalogue, which is the process's; what an app serves stands in its own `Registry`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from planar.engine.errors import WorkflowNameTaken, WorkflowNotRegistered


class CallCoding(Protocol):
    """How arguments and results of one function are written and read: `planar.engine.codec.CallCodec`."""

    def dump_call(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, str]: ...
    def load_call(self, args: str, kwargs: str) -> tuple[tuple[Any, ...], dict[str, Any]]: ...
    def roundtrip_result(self, value: Any) -> tuple[str, Any]: ...
    def load_result(self, text: str | None) -> Any: ...


@dataclass(frozen=True, slots=True)
class Definition:
    """A workflow: its name, its function, and how its values are written. ``home`` is ``module:qualname``."""

    name: str
    function: Callable[..., Any]
    codec: CallCoding
    home: str

    def is_same(self, other: Definition) -> bool:
        """Whether both mean one function: a function that makes workflows makes different ones at one place."""
        return self.home == other.home and self.function is other.function


class Catalogue:
    """Every workflow that was decorated in this process, by where it stands: two apps and two tests may reuse a name."""

    def __init__(self) -> None:
        self._by_home: dict[str, Definition] = {}
        self._homes_of: dict[str, set[str]] = {}

    def add(self, definition: Definition) -> None:
        """Remember *definition*; one that stood at the same place before (a reloaded module) is replaced."""
        earlier = self._by_home.get(definition.home)
        if earlier is not None:
            self._homes_of[earlier.name].discard(earlier.home)
        self._by_home[definition.home] = definition
        self._homes_of.setdefault(definition.name, set()).add(definition.home)

    def find(self, name: str) -> Definition | None:
        """The only workflow of that name; None if there is none, or more than one."""
        homes = self._homes_of.get(name, set())
        return self._by_home[next(iter(homes))] if len(homes) == 1 else None

    def homes(self, name: str) -> list[str]:
        """Where workflows of that name stand."""
        return sorted(self._homes_of.get(name, set()))

    def names(self) -> frozenset[str]:
        """The names that only one workflow has."""
        return frozenset(name for name, homes in self._homes_of.items() if len(homes) == 1)


CATALOGUE = Catalogue()
"""Filled by decorators as modules are imported, because a restarted process must find what its runs were made of."""


class Registry:
    """The workflows of one app. What it does not register itself is looked for in the catalogue."""

    def __init__(self, catalogue: Catalogue = CATALOGUE) -> None:
        self._catalogue = catalogue
        self._registered: dict[str, Definition] = {}

    def register(self, definition: Definition) -> None:
        """Serve *definition*.

        Raises:
            WorkflowNameTaken: another workflow of this app has the name.
        """
        earlier = self._registered.get(definition.name)
        if earlier is not None and not earlier.is_same(definition):
            raise WorkflowNameTaken(
                f"The workflow name '{definition.name}' is taken by {earlier.home}; {definition.home}"
                f"{_made_again(earlier, definition)} needs another: give it one with @workflow(name=...)."
            )
        self._registered[definition.name] = definition

    def registered(self) -> Iterable[Definition]:
        """What this app serves, in the order of registration."""
        return list(self._registered.values())

    def reset(self) -> None:
        """Serve nothing any more."""
        self._registered.clear()

    def find(self, name: str) -> Definition | None:
        """The workflow of that name, as this app knows it."""
        return self._registered.get(name) or self._catalogue.find(name)

    def get(self, name: str) -> Definition:
        """The workflow of that name.

        Raises:
            WorkflowNotRegistered: nobody here knows it, or two share the name and none is registered.
        """
        found = self.find(name)
        if found is not None:
            return found
        homes = self._catalogue.homes(name)
        if homes:
            raise WorkflowNotRegistered(
                f"{len(homes)} workflows share the name '{name}' ({', '.join(homes)}): register the one you mean, or rename one."
            )
        raise WorkflowNotRegistered(f"Workflow '{name}' not found")

    def check(self, definition: Definition) -> None:
        """Whether a run of *definition* would find its way back to it.

        Raises:
            WorkflowNameTaken: the name means another workflow here.
        """
        found = self.find(definition.name)
        if found is None or not found.is_same(definition):
            others = [found.home] if found else [home for home in self._catalogue.homes(definition.name) if home != definition.home]
            raise WorkflowNameTaken(
                f"The name '{definition.name}' of {definition.home} means {', '.join(others) or 'nothing'} here"
                f"{_made_again(found, definition)}: register the workflow that you mean, or give one another name with @workflow(name=...)."
            )

    def names(self) -> frozenset[str]:
        """Every name that a worker of this app can execute."""
        return frozenset(self._registered) | self._catalogue.names()


def _made_again(earlier: Definition | None, definition: Definition) -> str:
    return " (another function, made at the same place)" if earlier is not None and earlier.home == definition.home else ""
