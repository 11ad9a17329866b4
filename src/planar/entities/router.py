"""HTTP for entities: which there are, and all routes below them. Each names its action, which is asked for before anything is read."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import APIRouter, Query

from planar.entities import browsing, service
from planar.entities.bulk_router import BULK_ROUTES
from planar.entities.change_router import CHANGE_ROUTES
from planar.entities.describing import describe_field
from planar.entities.history_router import HISTORY_ROUTES
from planar.entities.request_parts import MISFIT, NO_ENTITY, EntityName, of_entity
from planar.entities.row_router import ROW_ROUTES
from planar.entities.schemas import EntityDetails, EntityFieldInfo, EntityMetadata, EntityRelationInfo
from planar.entities.transfer_router import TRANSFER_ROUTES
from planar.security.actions import EntityAction
from planar.security.guard import requires
from planar.security.route_table import RouteTable

ENTITY_ROUTES: Final = RouteTable(prefix="/entities", tags=["Entities"], responses=MISFIT)

ENTITY_TABLES: Final = (ENTITY_ROUTES, ROW_ROUTES, BULK_ROUTES, CHANGE_ROUTES, HISTORY_ROUTES, TRANSFER_ROUTES)
"""The routes of entities, of their rows, of their history and of files of rows. Fixed paths come before those with parameters."""


def create_entities_router() -> APIRouter:
    """All routes of entities, below ``/entities``."""
    router = APIRouter()
    for table in ENTITY_TABLES:
        router.include_router(table.router())
    return router


@ENTITY_ROUTES.get("/", dependencies=[requires(EntityAction.LIST)])
async def list_entities(
    counts: Annotated[bool, Query(description="`false` leaves the numbers of rows out.")] = True,
) -> list[EntityMetadata]:
    """The entities that this app serves, by name, with their schemas and the numbers of their rows."""
    found = await browsing.overview(counts=counts)
    return [
        EntityMetadata(
            name=entity.name,
            description=entity.description,
            json_schema=browsing.description_of(entity).json_schema,
            instance_count=count,
        )
        for entity, count in found
    ]


@ENTITY_ROUTES.get("/{entity_name}", dependencies=of_entity(EntityAction.VIEW_DETAILS), responses=NO_ENTITY)
async def get_entity(
    entity_name: EntityName, counts: Annotated[bool, Query(description="`false` leaves the number of rows out.")] = True
) -> EntityDetails:
    """One entity: its schemas and forms, what its fields can be asked, and what it is tied to."""
    entity = service.find_entity(entity_name)
    description = browsing.description_of(entity)
    return EntityDetails(
        name=entity.name,
        description=entity.description,
        json_schema=description.json_schema,
        instance_count=await browsing.count_of(entity) if counts else None,
        create_schema=description.create_schema,
        update_schema=description.update_schema,
        replace_schema=description.replace_schema,
        key=entity.key,
        display_field=entity.display_field,
        search_fields=list(entity.searchable),
        soft_delete=entity.options.soft_delete,
        read_only=entity.options.read_only,
        max_page=entity.options.max_page,
        fields=[EntityFieldInfo(**describe_field(field)) for field in entity.fields.values() if not field.hidden],
        relations=[
            EntityRelationInfo(name=relation.name, entity=relation.target.name, many=relation.many, field=relation.local)
            for relation in service.visible_relations(entity).values()
        ],
    )
