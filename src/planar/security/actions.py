"""What can somebody do? Every action that a route, or code below one, asks permission for."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, TypeAlias


class WorkflowAction(StrEnum):
    """What can be done with a workflow and its runs."""

    LIST = "Workflow::List"
    VIEW_DETAILS = "Workflow::ViewDetails"
    RUN = "Workflow::Run"
    CANCEL = "Workflow::Cancel"


class AgentAction(StrEnum):
    """What can be done with an agent."""

    LIST = "Agent::List"
    VIEW_DETAILS = "Agent::ViewDetails"
    RUN = "Agent::Run"
    UPDATE = "Agent::Update"
    SIMULATE = "Agent::Simulate"


class RuleAction(StrEnum):
    """What can be done with a rule."""

    LIST = "Rule::List"
    VIEW_DETAILS = "Rule::ViewDetails"
    UPDATE = "Rule::Update"
    SIMULATE = "Rule::Simulate"


class EntityAction(StrEnum):
    """What can be done with an entity and its rows."""

    LIST = "Entity::List"
    VIEW_DETAILS = "Entity::ViewDetails"
    CREATE = "Entity::Create"
    UPDATE = "Entity::Update"
    DELETE = "Entity::Delete"
    VIEW_HISTORY = "Entity::ViewHistory"
    IMPORT = "Entity::Import"
    EXPORT = "Entity::Export"


class EventAction(StrEnum):
    """What can be done with events."""

    LIST = "Event::List"
    EMIT = "Event::Emit"


class FileAction(StrEnum):
    """What can be done with files."""

    LIST = "File::List"
    VIEW_DETAILS = "File::ViewDetails"
    DOWNLOAD = "File::Download"
    UPLOAD = "File::Upload"
    DELETE = "File::Delete"
    SHARE = "File::Share"


class LinkAction(StrEnum):
    """What whoever holds a signed link may do: what the link says, and nothing else."""

    FOLLOW = "Link::Follow"


class ObjectConfigAction(StrEnum):
    """What can be done with versions of what users edit, beside what the object's own type asks for."""

    LIST = "ObjectConfig::List"
    VIEW_DETAILS = "ObjectConfig::ViewDetails"
    UPDATE = "ObjectConfig::Update"
    PROMOTE = "ObjectConfig::Promote"


class SystemAction(StrEnum):
    """What can be asked about the app itself."""

    VIEW_INFO = "System::ViewInfo"


class HealthAction(StrEnum):
    """Whether the app lives and is ready; asked by machines that have no identity."""

    VIEW = "Health::View"


Action: TypeAlias = (
    WorkflowAction
    | AgentAction
    | RuleAction
    | ObjectConfigAction
    | EntityAction
    | EventAction
    | FileAction
    | LinkAction
    | SystemAction
    | HealthAction
)

PUBLIC_ACTIONS: Final[frozenset[Action]] = frozenset({HealthAction.VIEW, LinkAction.FOLLOW})
"""Allowed to everybody, whatever the policies say."""
