"""What are actions done to? A kind of thing, or one thing of that kind by its name.

A resource without a name stands for the kind as a whole; it is not the same as one that is called ``"None"``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, TypeAlias
from uuid import UUID

from planar.security.actions import (
    AgentAction,
    EntityAction,
    EventAction,
    FileAction,
    HealthAction,
    LinkAction,
    ObjectConfigAction,
    RuleAction,
    SystemAction,
    WorkflowAction,
)


class ResourceType(StrEnum):
    """The kinds of things that actions are done to."""

    WORKFLOW = "Workflow"
    AGENT = "Agent"
    RULE = "Rule"
    ENTITY = "Entity"
    EVENT = "Event"
    FILE = "File"
    OBJECT_CONFIG = "ObjectConfig"
    SYSTEM = "System"


@dataclass(frozen=True, slots=True)
class WorkflowResource:
    """A workflow with its runs, by the workflow's name."""

    function_name: str | None = None

    type: ClassVar[ResourceType] = ResourceType.WORKFLOW
    actions: ClassVar[tuple[type[StrEnum], ...]] = (WorkflowAction,)

    @property
    def resource_id(self) -> str | None:
        return self.function_name


@dataclass(frozen=True, slots=True)
class AgentResource:
    """An agent, by its name."""

    id: str | None = None

    type: ClassVar[ResourceType] = ResourceType.AGENT
    actions: ClassVar[tuple[type[StrEnum], ...]] = (AgentAction,)

    @property
    def resource_id(self) -> str | None:
        return self.id


@dataclass(frozen=True, slots=True)
class RuleResource:
    """A rule, by its name."""

    rule_name: str | None = None

    type: ClassVar[ResourceType] = ResourceType.RULE
    actions: ClassVar[tuple[type[StrEnum], ...]] = (RuleAction,)

    @property
    def resource_id(self) -> str | None:
        return self.rule_name


@dataclass(frozen=True, slots=True)
class EntityResource:
    """An entity with its rows, by the entity's name."""

    entity_name: str | None = None

    type: ClassVar[ResourceType] = ResourceType.ENTITY
    actions: ClassVar[tuple[type[StrEnum], ...]] = (EntityAction,)

    @property
    def resource_id(self) -> str | None:
        return self.entity_name


@dataclass(frozen=True, slots=True)
class EventResource:
    """Events, by their key."""

    event_key: str | None = None

    type: ClassVar[ResourceType] = ResourceType.EVENT
    actions: ClassVar[tuple[type[StrEnum], ...]] = (EventAction,)

    @property
    def resource_id(self) -> str | None:
        return self.event_key


@dataclass(frozen=True, slots=True)
class FileResource:
    """A file, by its id."""

    file_id: str | None = None

    type: ClassVar[ResourceType] = ResourceType.FILE
    actions: ClassVar[tuple[type[StrEnum], ...]] = (FileAction, LinkAction)

    def __post_init__(self) -> None:
        # An id can be written in several ways, and means the same file to the database: a policy sees one of them.
        if self.file_id is not None:
            with suppress(ValueError):
                object.__setattr__(self, "file_id", str(UUID(self.file_id)))

    @property
    def resource_id(self) -> str | None:
        return self.file_id


@dataclass(frozen=True, slots=True)
class ObjectConfigResource:
    """The versions of an object that users edit, by its type and name: ``type/name``."""

    object_id: str | None = None

    type: ClassVar[ResourceType] = ResourceType.OBJECT_CONFIG
    actions: ClassVar[tuple[type[StrEnum], ...]] = (ObjectConfigAction,)

    @property
    def resource_id(self) -> str | None:
        return self.object_id


@dataclass(frozen=True, slots=True)
class SystemResource:
    """The app itself."""

    type: ClassVar[ResourceType] = ResourceType.SYSTEM
    actions: ClassVar[tuple[type[StrEnum], ...]] = (SystemAction, HealthAction)

    @property
    def resource_id(self) -> str | None:
        return None


ResourceDescriptor: TypeAlias = (
    WorkflowResource | AgentResource | RuleResource | EntityResource | EventResource | FileResource | ObjectConfigResource | SystemResource
)
