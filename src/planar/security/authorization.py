"""May whoever acts do this to that? Asked here, decided by the app's `Authorizer`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar
from uuid import uuid4

from planar.context import find_services
from planar.logging import get_logger
from planar.security.actions import (
    PUBLIC_ACTIONS,
    Action,
    AgentAction,
    EntityAction,
    FileAction,
    HumanTaskAction,
    RuleAction,
    WorkflowAction,
)
from planar.security.auth_context import Principal, get_current_principal
from planar.security.errors import ActionMismatch, Forbidden, Unauthenticated
from planar.security.resources import (
    AgentResource,
    EntityResource,
    EventResource,
    FileResource,
    HumanTaskResource,
    ResourceDescriptor,
    ResourceType,
    RuleResource,
    SystemResource,
    WorkflowResource,
)

__all__ = [
    "AgentAction",
    "AgentResource",
    "AllowAll",
    "Authorizer",
    "Decision",
    "EntityAction",
    "EntityResource",
    "EventResource",
    "FileAction",
    "FileResource",
    "HumanTaskAction",
    "HumanTaskResource",
    "ResourceDescriptor",
    "ResourceType",
    "RuleAction",
    "RuleResource",
    "SystemResource",
    "WorkflowAction",
    "WorkflowResource",
    "filter_allowed",
    "is_allowed",
    "validate_authorization_for",
]

logger = get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Decision:
    """An authorizer's answer, and what it was founded on (names of policies, for the log)."""

    allowed: bool
    reasons: tuple[str, ...] = ()


class Authorizer(Protocol):
    """Decides. The app finds it among its services, so that another can take its place."""

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        """Whether *principal* (None is nobody) may do *action* to *resource*. Must not block: it is asked for every request."""
        ...


class AllowAll:
    """Allows everything to everybody, nobody included. An app without an `Authorizer` does the same."""

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        return _NO_POLICY


_NO_POLICY: Final = Decision(True)


def validate_authorization_for(descriptor: ResourceDescriptor, action: Action) -> None:
    """Let whoever acts in this task pass, if *action* on *descriptor* is allowed.

    Raises:
        ActionMismatch: (a ValueError) the action belongs to another kind of resource.
        Unauthenticated: it is not allowed, and nobody is known; becomes 401.
        Forbidden: it is not allowed to the one who acts; becomes 403.
    """
    principal, allowed = _ask(descriptor, action)
    if not allowed:
        raise Unauthenticated if principal is None else Forbidden


def is_allowed(descriptor: ResourceDescriptor, action: Action) -> bool:
    """Whether whoever acts in this task may do *action* to *descriptor*.

    Raises:
        ActionMismatch: (a ValueError) the action belongs to another kind of resource.
    """
    return _ask(descriptor, action)[1]


def filter_allowed(items: Iterable[T], action: Action, describe: Callable[[T], ResourceDescriptor]) -> list[T]:
    """Those of *items* to which whoever acts may do *action*, in their order.

    Args:
        items: what a list would show.
        action: what is asked for each of them.
        describe: gives the resource of an item.

    Raises:
        ActionMismatch: (a ValueError) the action belongs to another kind of resource.
    """
    principal = get_current_principal()
    allowed: list[T] = []
    for item in items:
        resource = describe(item)
        check_action(resource, action)
        if _decide(principal, action, resource).allowed:
            allowed.append(item)
    return allowed


def check_action(descriptor: ResourceDescriptor, action: Action) -> None:
    """Make sure that *action* is one of those that *descriptor*'s kind has.

    Raises:
        ActionMismatch: it is not.
    """
    if not isinstance(action, descriptor.actions):
        possible = ", ".join(member.value for kind in descriptor.actions for member in kind)
        raise ActionMismatch(f"{action} is not an action on {descriptor.type.value}: use one of {possible}.")


def _ask(descriptor: ResourceDescriptor, action: Action) -> tuple[Principal | None, bool]:
    """Who acts, and whether the action is allowed; what a policy decided is logged."""
    check_action(descriptor, action)
    principal = get_current_principal()
    decision = _decide(principal, action, descriptor)
    if decision is not _NO_POLICY:
        _tell(principal, action, descriptor, decision)
    return principal, decision.allowed


def _decide(principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
    services = find_services()
    authorizer = services.find(Authorizer) if services is not None else None
    if authorizer is None or action in PUBLIC_ACTIONS:
        return _NO_POLICY
    return authorizer.decide(principal, action, resource)


def _tell(principal: Principal | None, action: Action, resource: ResourceDescriptor, decision: Decision) -> None:
    """Log a decision under an id of its own."""
    say = logger.info if decision.allowed else logger.warning
    say(
        "authorization granted" if decision.allowed else "authorization denied",
        decision_id=uuid4(),
        principal=principal.sub if principal is not None else None,
        action=action.value,
        resource_type=resource.type.value,
        resource_id=resource.resource_id,
        reasons=list(decision.reasons),
    )
