"""Which types of objects does this app let people edit, and who may?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from planar.object_config.errors import ConfigurableNotFound, ObjectTypeTaken, UnknownObjectType
from planar.object_config.object_config import ObjectConfigurationIO
from planar.security.actions import Action, ObjectConfigAction
from planar.security.resources import ObjectConfigResource, ResourceDescriptor


@dataclass(frozen=True, slots=True)
class ConfigurableType:
    """A type of objects.

    Args:
        io: reads and stores its versions.
        default: the code's own version of an object, by its name; None if there is no such object.
        resource: what permission is asked for, by an object's name; by default ``ObjectConfig``, by type and name.
        view: the action that looking at its versions takes.
        update: the action that saving, checking and deleting take.
        promote: the action that promoting and reverting take.
        permit: given an object's name and content, raises an error if whoever asks may not save it for what is in it, such as
            objects that it refers to. Asked of what is sent by HTTP.
    """

    io: ObjectConfigurationIO[Any]
    default: Callable[[str], BaseModel | None]
    resource: Callable[[str], ResourceDescriptor] | None = None
    view: Action = ObjectConfigAction.VIEW_DETAILS
    update: Action = ObjectConfigAction.UPDATE
    promote: Action = ObjectConfigAction.PROMOTE
    permit: Callable[[str, Any], Awaitable[None]] | None = None

    @property
    def name(self) -> str:
        """How the type is called."""
        return self.io.object_type

    def resource_of(self, object_name: str) -> ResourceDescriptor:
        """What permission is asked for."""
        return ObjectConfigResource(f"{self.name}/{object_name}") if self.resource is None else self.resource(object_name)

    def default_of(self, object_name: str) -> BaseModel:
        """The code's own version.

        Raises:
            ConfigurableNotFound: there is no such object.
        """
        found = self.default(object_name)
        if found is None:
            raise ConfigurableNotFound(self.name, object_name)
        return found


class ConfigurableTypes:
    """The types of one app, by name. A service."""

    def __init__(self) -> None:
        self._types: dict[str, ConfigurableType] = {}

    def add(self, kind: ConfigurableType) -> ConfigurableType:
        """Register a type. The same again (a reloaded module) replaces itself.

        Raises:
            ObjectTypeTaken: (a ValueError) another type has the name.
        """
        known = self._types.get(kind.name)
        if known is not None and known.io.model_class.__qualname__ != kind.io.model_class.__qualname__:
            raise ObjectTypeTaken(
                f"'{kind.name}' is the type of {known.io.model_class.__qualname__} already; call that of "
                f"{kind.io.model_class.__qualname__} otherwise."
            )
        self._types[kind.name] = kind
        return kind

    def find(self, name: str) -> ConfigurableType | None:
        """The type of that name."""
        return self._types.get(name)

    def get(self, name: str) -> ConfigurableType:
        """The type of that name.

        Raises:
            UnknownObjectType: this app has none.
        """
        found = self._types.get(name)
        if found is None:
            raise UnknownObjectType(f"This app has no objects of the type '{name}'; it has {', '.join(sorted(self._types)) or 'none'}.")
        return found

    def __iter__(self) -> Iterator[ConfigurableType]:
        return iter(self._types.values())
