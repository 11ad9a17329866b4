"""How does a route say what it needs, so that nobody without permission learns anything from it?

Each route of ours is a `GuardedRoute` that names its action::

    router = APIRouter(route_class=GuardedRoute)

    @router.post("/{workflow_name}/start", dependencies=[requires(WorkflowAction.RUN, InPath(WorkflowResource, "workflow_name"))])

FastAPI reads and checks a body before it asks a dependency. A `GuardedRoute` therefore asks first, before the body is read: a
caller without permission gets 401 or 403, never a 422 that shows the schema or a 404 that shows what exists.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from fastapi import Request, Response
from fastapi.params import Depends as Dependency
from fastapi.routing import APIRoute

from planar.security.actions import (
    PUBLIC_ACTIONS,
    Action,
    AgentAction,
    EntityAction,
    EventAction,
    FileAction,
    HumanTaskAction,
    LinkAction,
    ObjectConfigAction,
    RuleAction,
    WorkflowAction,
)
from planar.security.authorization import check_action, validate_authorization_for
from planar.security.errors import RouteWithoutAction
from planar.security.problem import problems
from planar.security.resources import (
    AgentResource,
    EntityResource,
    EventResource,
    FileResource,
    HumanTaskResource,
    ObjectConfigResource,
    ResourceDescriptor,
    RuleResource,
    SystemResource,
    WorkflowResource,
)

ACTION_EXTENSION: Final = "x-planar-action"
"""The key of an operation in the OpenAPI document that holds the action."""

_PATH_PARAMETER: Final = re.compile(r"\{(\w+)(?::\w+)?\}")
_CHECKED: Final = "planar.checked"
_REQUIREMENT: Final = "planar_requirement"

NamedResource: TypeAlias = (
    type[WorkflowResource]
    | type[AgentResource]
    | type[RuleResource]
    | type[EntityResource]
    | type[EventResource]
    | type[FileResource]
    | type[HumanTaskResource]
)


@dataclass(frozen=True, slots=True)
class InPath:
    """The resource that a parameter of the route's path names.

    Args:
        kind: the resource's class.
        parameter: the path parameter that holds its name.
    """

    kind: NamedResource
    parameter: str

    def resource(self, path_params: Mapping[str, Any]) -> ResourceDescriptor:
        return self.kind(str(path_params[self.parameter]))


Asking: TypeAlias = Callable[[ResourceDescriptor, Action], Awaitable[object]]
"""Asks for permission in place of the guard: finds what a policy may decide by, and raises if the action is not permitted."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a route needs: an action, on a kind of thing or on the one that its path names."""

    action: Action
    where: InPath | None
    ask: Asking | None = None

    async def check(self, request: Request) -> None:
        """Let the request pass, or raise `Unauthenticated` or `Forbidden`, or what *ask* raises."""
        resource = self.where.resource(request.path_params) if self.where is not None else _whole_kind(self.action)
        if self.ask is not None:
            await self.ask(resource, self.action)
        else:
            validate_authorization_for(resource, self.action)
        request.scope[_CHECKED] = self


def requires(action: Action, where: InPath | None = None, ask: Asking | None = None) -> Dependency:
    """The dependency that makes a route ask for permission; one a route, in its ``dependencies``.

    Args:
        action: what the caller must be allowed to do.
        where: the resource that the path names; None asks for the kind as a whole.
        ask: asks in place of the guard, where policies decide by more than the path says. It is given *where*'s resource.

    Returns:
        What FastAPI's ``dependencies=[...]`` takes.

    Raises:
        ActionMismatch: the action does not belong to that kind of resource.
    """
    check_action(where.kind() if where is not None else _whole_kind(action), action)
    requirement = Requirement(action, where, ask)

    async def permission(request: Request) -> None:
        # A route of another class has not asked yet.
        if request.scope.get(_CHECKED) is not requirement:
            await requirement.check(request)

    setattr(permission, _REQUIREMENT, requirement)
    return Dependency(permission)


class GuardedRoute(APIRoute):
    """A route that asks for permission before it reads the request, and shows its action in the OpenAPI document.

    Raises:
        RouteWithoutAction: when it is declared, if it names no action, two, or a path parameter that its path does not have.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self.requirement = _requirement_of(path, options.get("dependencies"))
        options["openapi_extra"] = {**(options.get("openapi_extra") or {}), ACTION_EXTENSION: self.requirement.action.value}
        if self.requirement.action not in PUBLIC_ACTIONS:
            refusals = problems({401: "Nobody is known, and the action is not for everybody.", 403: "Not permitted."})
            options["responses"] = {**refusals, **(options.get("responses") or {})}
        super().__init__(path, endpoint, **options)

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()

        async def guarded(request: Request) -> Response:
            await self.requirement.check(request)
            return await handler(request)

        return guarded


def _requirement_of(path: str, dependencies: Sequence[Dependency] | None) -> Requirement:
    stated = [getattr(dependency.dependency, _REQUIREMENT, None) for dependency in dependencies or ()]
    found = [cast("Requirement", requirement) for requirement in stated if requirement is not None]
    if len(found) != 1:
        raise RouteWithoutAction(f"The route {path} names {len(found) or 'no'} actions: give it `dependencies=[requires(...)]` with one.")
    (requirement,) = found
    if requirement.where is not None and requirement.where.parameter not in _PATH_PARAMETER.findall(path):
        raise RouteWithoutAction(f"The route {path} has no parameter {{{requirement.where.parameter}}}, which its action's resource needs.")
    return requirement


def _whole_kind(action: Action) -> ResourceDescriptor:
    match action:
        case WorkflowAction():
            return WorkflowResource()
        case AgentAction():
            return AgentResource()
        case RuleAction():
            return RuleResource()
        case EntityAction():
            return EntityResource()
        case EventAction():
            return EventResource()
        case FileAction() | LinkAction():
            return FileResource()
        case ObjectConfigAction():
            return ObjectConfigResource()
        case HumanTaskAction():
            return HumanTaskResource()
        case _:
            return SystemResource()
