"""HTTP for changing many rows: all of them, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from fastapi import Request, Response
from sqlmodel import SQLModel

from planar.context import current_services
from planar.entities import browsing, service
from planar.entities.bodies import change_of, read_keys, read_objects
from planar.entities.config import EntitiesConfig
from planar.entities.registration import RegisteredEntity
from planar.entities.request_parts import MISFIT, NO_ENTITY, NO_ROW, OBJECT, STALE, UNFIT, EntityName, body, json_answer, of_entity, sent
from planar.entities.schemas import BulkDeleted, BulkResult
from planar.entities.stored_rows import Change
from planar.entities.validation import BadRows, entry
from planar.modeling.errors import Misfits
from planar.security.actions import EntityAction
from planar.security.route_table import RouteTable

_MANY: Final = body("The rows' fields: see `create_schema` of `GET /entities/{entity_name}`.", {"type": "array", "items": OBJECT})
_CHANGES: Final = body(
    "Which rows to change, each with the fields to set and, perhaps, the entity tag that it must have.",
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["id", "data"],
            "properties": {"id": {"title": "Id"}, "data": OBJECT, "etag": {"type": "string"}},
        },
    },
)
_KEYS: Final = body("The keys of the rows to delete: each alone, or as an object with `id` and `etag`.", {"type": "array", "items": {}})

BULK_ROUTES: Final = RouteTable(prefix="/entities", tags=["Entities"], responses=MISFIT)


@BULK_ROUTES.post(
    "/{entity_name}/instances/bulk",
    status_code=201,
    dependencies=of_entity(EntityAction.CREATE),
    responses={**NO_ENTITY, **UNFIT},
    response_model=BulkResult,
    openapi_extra=_MANY,
)
async def create_instances(request: Request, entity_name: EntityName) -> Response:
    """Make rows: all, or none if one of them does not fit. What is wrong is told by the index of each row."""
    entity, limits = service.find_entity(entity_name), current_services().get(EntitiesConfig)
    rows = await service.bulk_create(entity, await read_objects(sent(request), limits.max_bulk_bytes, limits.max_bulk_rows))
    return await _bulk_result(entity, rows, 201)


@BULK_ROUTES.patch(
    "/{entity_name}/instances/bulk",
    dependencies=of_entity(EntityAction.UPDATE),
    responses={**NO_ROW, **UNFIT, **STALE},
    response_model=BulkResult,
    openapi_extra=_CHANGES,
)
async def update_instances(request: Request, entity_name: EntityName) -> Response:
    """Change rows: all, or none if one of them does not fit, does not exist or has changed meanwhile."""
    entity, limits = service.find_entity(entity_name), current_services().get(EntitiesConfig)
    items = await read_objects(sent(request), limits.max_bulk_bytes, limits.max_bulk_rows)
    return await _bulk_result(entity, await service.bulk_update(entity, _changes(entity, items, with_data=True)))


@BULK_ROUTES.delete(
    "/{entity_name}/instances/bulk",
    dependencies=of_entity(EntityAction.DELETE),
    responses={**NO_ROW, **UNFIT, **STALE},
    response_model=BulkDeleted,
    openapi_extra=_KEYS,
)
async def delete_instances(request: Request, entity_name: EntityName) -> Response:
    """Delete rows: all, or none if one of them does not exist, has changed meanwhile, or is referred to."""
    entity, limits = service.find_entity(entity_name), current_services().get(EntitiesConfig)
    changes = _changes(entity, await read_keys(sent(request), limits.max_bulk_bytes, limits.max_bulk_rows), with_data=False)
    await service.bulk_delete(entity, changes)
    return json_answer({"count": len(changes)})


async def _bulk_result(entity: RegisteredEntity, rows: Sequence[SQLModel], status: int = 200) -> Response:
    return json_answer({"items": await browsing.show_instances(entity, rows), "count": len(rows)}, status)


def _changes(entity: RegisteredEntity, items: Sequence[Mapping[str, Any]], *, with_data: bool) -> list[Change]:
    bad = BadRows(("body",))
    found: list[Change] = []
    for index, item in enumerate(items):
        with bad.at(index):
            if "id" not in item:
                raise Misfits([entry("missing", ("id",), "Field required")])
            found.append(change_of(item, service.read_key(entity, item["id"], ("id",)), with_data=with_data))
    bad.raise_if_any()
    return found
