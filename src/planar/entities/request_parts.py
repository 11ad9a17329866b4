"""What do the routes of entities have in common? Parameters, permissions, and the form of answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Header, Path, Request, Response
from pydantic_core import to_json

from planar.entities.bodies import Sent
from planar.security.actions import EntityAction
from planar.security.guard import InPath, requires
from planar.security.problem import ValidationProblem, problems
from planar.security.resources import EntityResource

EntityName = Annotated[str, Path(description="The entity's name.")]
InstanceId = Annotated[str, Path(description="The row's key.")]
IfMatch = Annotated[str | None, Header(description="Entity tags, of which the row must have one.")]


def of_entity(action: EntityAction) -> list[Any]:
    """The permission that a route of one entity asks for."""
    return [requires(action, InPath(EntityResource, "entity_name"))]


NO_ENTITY: Final = problems({404: "There is no such entity."})
NO_ROW: Final = problems({404: "There is no such entity, or no such row."})
UNFIT: Final = problems({400: "The body is not JSON.", 409: "The database refuses it.", 413: "The body is too large."})
STALE: Final = problems({412: "The row has changed since it was read."})
MISFIT: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ValidationProblem, "description": "Something in the request does not fit."}
}

OBJECT: Final = {"type": "object", "title": "Fields", "additionalProperties": True}


def body(what: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """How the document of the API describes a body that the route reads by itself."""
    return {"requestBody": {"required": True, "description": what, "content": {"application/json": {"schema": dict(schema)}}}}


def sent(request: Request) -> Sent:
    """The body of a request, unread."""
    return Sent(request.headers.get("content-type", ""), request.stream())


def json_answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    # Written at once: a page of rows is not checked a second time against a model of them.
    return Response(to_json(content, inf_nan_mode="null"), status, headers, "application/json")
