"""HTTP for changing one row."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from fastapi import Request, Response

from planar.context import current_services
from planar.entities import browsing, service
from planar.entities.bodies import read_object
from planar.entities.browsing import View
from planar.entities.config import EntitiesConfig
from planar.entities.registration import RegisteredEntity
from planar.entities.request_parts import (
    MISFIT,
    NO_ENTITY,
    NO_ROW,
    OBJECT,
    STALE,
    UNFIT,
    EntityName,
    IfMatch,
    InstanceId,
    body,
    json_answer,
    of_entity,
    sent,
)
from planar.entities.schemas import EntityInstance
from planar.entities.stored_rows import Change
from planar.security.actions import EntityAction
from planar.security.problem import problems
from planar.security.route_table import RouteTable

_UPDATE: Final = of_entity(EntityAction.UPDATE)

_ONE: Final = body("The row's fields: see the schemas of `GET /entities/{entity_name}`.", OBJECT)

CHANGE_ROUTES: Final = RouteTable(prefix="/entities", tags=["Entities"], responses=MISFIT)


@CHANGE_ROUTES.post(
    "/{entity_name}/instances",
    status_code=201,
    dependencies=of_entity(EntityAction.CREATE),
    responses={
        **NO_ENTITY,
        **UNFIT,
        201: {
            "description": "The row was made.",
            "headers": {
                "Location": {"schema": {"type": "string"}, "description": "Where the row is."},
                "ETag": {"schema": {"type": "string"}, "description": "For `If-Match`."},
            },
        },
    },
    response_model=EntityInstance,
    openapi_extra=_ONE,
)
async def create_instance(request: Request, entity_name: EntityName) -> Response:
    """Make a row."""
    entity = service.find_entity(entity_name)
    row = await service.create(entity, await _object(request))
    shown = await browsing.show_instance(entity, row, View())
    location = f"{request.url.path}/{quote(shown['id'], safe='')}"
    return json_answer(shown, 201, {"Location": location, "ETag": shown["etag"]})


@CHANGE_ROUTES.put(
    "/{entity_name}/instances/{instance_id}",
    dependencies=_UPDATE,
    responses={**NO_ROW, **UNFIT, **STALE},
    response_model=EntityInstance,
    openapi_extra=_ONE,
)
async def replace_instance(request: Request, entity_name: EntityName, instance_id: InstanceId, if_match: IfMatch = None) -> Response:
    """Give a row its whole new content: what is left out gets its default."""
    entity = service.find_entity(entity_name)
    key = service.read_key(entity, instance_id)
    return await _changed(entity, Change(key, await _object(request), whole=True, if_match=if_match))


@CHANGE_ROUTES.patch(
    "/{entity_name}/instances/{instance_id}",
    dependencies=_UPDATE,
    responses={**NO_ROW, **UNFIT, **STALE},
    response_model=EntityInstance,
    openapi_extra=_ONE,
)
async def update_instance(request: Request, entity_name: EntityName, instance_id: InstanceId, if_match: IfMatch = None) -> Response:
    """Change some fields of a row: what is left out stays, what is null becomes null."""
    entity = service.find_entity(entity_name)
    key = service.read_key(entity, instance_id)
    return await _changed(entity, Change(key, await _object(request), if_match=if_match))


@CHANGE_ROUTES.delete(
    "/{entity_name}/instances/{instance_id}",
    status_code=204,
    dependencies=of_entity(EntityAction.DELETE),
    responses={**NO_ROW, **STALE, **problems({409: "Other rows refer to it."})},
    response_class=Response,
)
async def delete_instance(entity_name: EntityName, instance_id: InstanceId, if_match: IfMatch = None) -> Response:
    """Delete a row; where the entity asks for that, it is only marked, and can be restored."""
    entity = service.find_entity(entity_name)
    await service.delete(entity, Change(service.read_key(entity, instance_id), if_match=if_match))
    return Response(status_code=204)


@CHANGE_ROUTES.post(
    "/{entity_name}/instances/{instance_id}/restore",
    dependencies=_UPDATE,
    responses={**NO_ROW, **STALE, **problems({409: "The entity keeps nothing of what was deleted, or the database refuses it."})},
    response_model=EntityInstance,
)
async def restore_instance(entity_name: EntityName, instance_id: InstanceId, if_match: IfMatch = None) -> Response:
    """Take back the deletion of a row."""
    entity = service.find_entity(entity_name)
    row = await service.restore(entity, Change(service.read_key(entity, instance_id), if_match=if_match))
    shown = await browsing.show_instance(entity, row, View())
    return json_answer(shown, headers={"ETag": shown["etag"]})


async def _object(request: Request) -> dict[str, Any]:
    return await read_object(sent(request), current_services().get(EntitiesConfig).max_bulk_bytes)


async def _changed(entity: RegisteredEntity, change: Change) -> Response:
    row = await service.update(entity, change)
    shown = await browsing.show_instance(entity, row, View())
    return json_answer(shown, headers={"ETag": shown["etag"]})
