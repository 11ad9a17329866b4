"""HTTP for entities and their rows. Each route names its action; permission is asked before anything is read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote

from fastapi import APIRouter, Header, Path, Query, Request, Response
from pydantic_core import to_json
from sqlmodel import SQLModel

from planar.context import current_services
from planar.entities import browsing, service
from planar.entities.bodies import Sent, change_of, read_keys, read_object, read_objects
from planar.entities.browsing import ListRequest, Page, View
from planar.entities.config import EntitiesConfig
from planar.entities.describing import describe_field
from planar.entities.etags import etag_of, matches_weakly
from planar.entities.history_router import HISTORY_ROUTES
from planar.entities.querying import Deleted
from planar.entities.registration import RegisteredEntity
from planar.entities.schemas import (
    BulkDeleted,
    BulkResult,
    EntityDetails,
    EntityFieldInfo,
    EntityGroupList,
    EntityInstance,
    EntityInstanceList,
    EntityMetadata,
    EntityOptionList,
    EntityRelationInfo,
)
from planar.entities.transfer_router import TRANSFER_ROUTES
from planar.entities.validation import BadRows, entry
from planar.entities.writing import Change
from planar.modeling.errors import Misfits
from planar.security.actions import EntityAction
from planar.security.guard import InPath, requires
from planar.security.problem import ValidationProblem, problems
from planar.security.resources import EntityResource
from planar.security.route_table import RouteTable

MAX_OFFSET: Final = 2**31 - 1
MAX_LIMIT: Final = 1000
MAX_TEXT: Final = 1000

EntityName = Annotated[str, Path(description="The entity's name.")]
InstanceId = Annotated[str, Path(description="The row's key.")]
Filters = Annotated[
    list[str] | None,
    Query(alias="filter", description="`field:operator:value`, repeated; all have to hold.", examples=[["status:eq:open", "total:ge:10"]]),
]
Sort = Annotated[str | None, Query(max_length=MAX_TEXT, description="Fields separated by commas; a minus before one: largest first.")]
Search = Annotated[str | None, Query(max_length=200, description="Words, each of which some text of the row holds.")]
Fields = Annotated[str | None, Query(max_length=MAX_TEXT, description="The fields to show, separated by commas.")]
Expand = Annotated[str | None, Query(max_length=MAX_TEXT, description="The relations to show whole, separated by commas.")]
ExpandLimit = Annotated[int, Query(ge=1, le=100, description="How many rows of each relation to show at most.")]
References = Annotated[bool, Query(description="`false` leaves out the labels of what the row refers to.")]
WhichDeleted = Annotated[Deleted, Query(description="Whether to show rows that are only marked as deleted.")]
Limit = Annotated[int | None, Query(ge=1, le=MAX_LIMIT, description="How many at most; 100 unless the entity allows fewer.")]
Offset = Annotated[int | None, Query(ge=0, le=MAX_OFFSET, description="How many to leave out. Pages by `after` stay stable under inserts.")]
Skip = Annotated[int | None, Query(ge=0, le=MAX_OFFSET, description="The same as `offset`.")]
After = Annotated[str | None, Query(description="`next` of the page before: rows after that page.")]
WithTotal = Annotated[bool, Query(description="`false` leaves the total out, which costs a count.")]
IfMatch = Annotated[str | None, Header(description="Entity tags, of which the row must have one.")]
IfNoneMatch = Annotated[str | None, Header(description="Entity tags that are known already.")]


def _of_entity(action: EntityAction) -> list[Any]:
    return [requires(action, InPath(EntityResource, "entity_name"))]


_LIST: Final = _of_entity(EntityAction.LIST)
_VIEW: Final = _of_entity(EntityAction.VIEW_DETAILS)
_CREATE: Final = _of_entity(EntityAction.CREATE)
_UPDATE: Final = _of_entity(EntityAction.UPDATE)
_DELETE: Final = _of_entity(EntityAction.DELETE)

_NO_ENTITY: Final = problems({404: "There is no such entity."})
_NO_ROW: Final = problems({404: "There is no such entity, or no such row."})
_UNFIT: Final = problems({400: "The body is not JSON.", 409: "The database refuses it.", 413: "The body is too large."})
_STALE: Final = problems({412: "The row has changed since it was read."})


def _body(what: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"requestBody": {"required": True, "description": what, "content": {"application/json": {"schema": dict(schema)}}}}


_OBJECT: Final = {"type": "object", "title": "Fields", "additionalProperties": True}
_ONE: Final = _body("The row's fields: see the schemas of `GET /entities/{entity_name}`.", _OBJECT)
_MANY: Final = _body("The rows' fields: see `create_schema` of `GET /entities/{entity_name}`.", {"type": "array", "items": _OBJECT})
_CHANGES: Final = _body(
    "Which rows to change, each with the fields to set and, perhaps, the entity tag that it must have.",
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["id", "data"],
            "properties": {"id": {"title": "Id"}, "data": _OBJECT, "etag": {"type": "string"}},
        },
    },
)
_KEYS: Final = _body("The keys of the rows to delete: each alone, or as an object with `id` and `etag`.", {"type": "array", "items": {}})

_MISFIT: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ValidationProblem, "description": "Something in the request does not fit."}
}

ENTITY_ROUTES: Final = RouteTable(prefix="/entities", tags=["Entities"], responses=_MISFIT)


def create_entities_router() -> APIRouter:
    """The routes of entities, of their history and of files of rows, below ``/entities``. Fixed paths come before those with parameters."""
    router = APIRouter()
    for table in (ENTITY_ROUTES, HISTORY_ROUTES, TRANSFER_ROUTES):
        router.include_router(table.router())
    return router


# -- entities -------------------------------------------------------------------------------------------------------------


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


@ENTITY_ROUTES.get("/{entity_name}", dependencies=_VIEW, responses=_NO_ENTITY)
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


# -- looking at rows ------------------------------------------------------------------------------------------------------


@ENTITY_ROUTES.get("/{entity_name}/instances", dependencies=_LIST, responses=_NO_ENTITY, response_model=EntityInstanceList)
async def list_instances(
    entity_name: EntityName,
    filters: Filters = None,
    sort: Sort = None,
    search: Search = None,
    fields: Fields = None,
    expand: Expand = None,
    expand_limit: ExpandLimit = 20,
    references: References = True,
    deleted: WhichDeleted = Deleted.EXCLUDE,
    after: After = None,
    limit: Limit = None,
    offset: Offset = None,
    skip: Skip = None,
    total: WithTotal = True,
) -> Response:
    """A page of rows, in the order of their keys unless `sort` says otherwise."""
    entity = service.find_entity(entity_name)
    asked = ListRequest(filters or (), sort, search, deleted, after, _offset(offset, skip), limit, total)
    return _page(await browsing.list_instances(entity, asked, View(fields, expand, expand_limit, references)))


@ENTITY_ROUTES.get("/{entity_name}/options", dependencies=_LIST, responses=_NO_ENTITY, response_model=EntityOptionList)
async def list_options(
    entity_name: EntityName,
    search: Search = None,
    filters: Filters = None,
    limit: Limit = None,
    offset: Offset = None,
    total: WithTotal = True,
) -> Response:
    """Rows to choose from, with labels for people, in the order of their labels."""
    entity = service.find_entity(entity_name)
    asked = ListRequest(filters or (), search=search, offset=offset or 0, limit=limit, total=total)
    return _page(await browsing.list_options(entity, asked))


@ENTITY_ROUTES.get("/{entity_name}/groups", dependencies=_LIST, responses=_NO_ENTITY, response_model=EntityGroupList)
async def list_groups(
    entity_name: EntityName,
    by: Annotated[str, Query(max_length=MAX_TEXT, description="Fields separated by commas.")],
    filters: Filters = None,
    search: Search = None,
    deleted: WhichDeleted = Deleted.EXCLUDE,
    limit: Limit = None,
    offset: Offset = None,
    skip: Skip = None,
    total: WithTotal = True,
) -> Response:
    """How many rows there are of each combination of values, the most frequent first."""
    entity = service.find_entity(entity_name)
    asked = ListRequest(filters or (), None, search, deleted, None, _offset(offset, skip), limit, total)
    return _page(await browsing.list_groups(entity, by, asked))


@ENTITY_ROUTES.get("/{entity_name}/instances/{instance_id}", dependencies=_VIEW, responses=_NO_ROW, response_model=EntityInstance)
async def get_instance(
    entity_name: EntityName,
    instance_id: InstanceId,
    fields: Fields = None,
    expand: Expand = None,
    expand_limit: ExpandLimit = 20,
    references: References = True,
    deleted: WhichDeleted = Deleted.EXCLUDE,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """One row. Its entity tag is of the row itself, not of what it refers to."""
    entity = service.find_entity(entity_name)
    row = await service.find(entity, instance_id, deleted)
    etag = etag_of(entity, row)
    if if_none_match is not None and expand is None and matches_weakly(if_none_match, etag):
        return Response(status_code=304, headers={"ETag": etag})
    return _json(await browsing.show_instance(entity, row, View(fields, expand, expand_limit, references)), headers={"ETag": etag})


# -- changing many rows ---------------------------------------------------------------------------------------------------


@ENTITY_ROUTES.post(
    "/{entity_name}/instances/bulk",
    status_code=201,
    dependencies=_CREATE,
    responses={**_NO_ENTITY, **_UNFIT},
    response_model=BulkResult,
    openapi_extra=_MANY,
)
async def create_instances(request: Request, entity_name: EntityName) -> Response:
    """Make rows: all, or none if one of them does not fit. What is wrong is told by the index of each row."""
    entity, limits = service.find_entity(entity_name), current_services().get(EntitiesConfig)
    rows = await service.bulk_create(entity, await read_objects(_sent(request), limits.max_bulk_bytes, limits.max_bulk_rows))
    return await _bulk_result(entity, rows, 201)


@ENTITY_ROUTES.patch(
    "/{entity_name}/instances/bulk",
    dependencies=_UPDATE,
    responses={**_NO_ROW, **_UNFIT, **_STALE},
    response_model=BulkResult,
    openapi_extra=_CHANGES,
)
async def update_instances(request: Request, entity_name: EntityName) -> Response:
    """Change rows: all, or none if one of them does not fit, does not exist or has changed meanwhile."""
    entity, limits = service.find_entity(entity_name), current_services().get(EntitiesConfig)
    items = await read_objects(_sent(request), limits.max_bulk_bytes, limits.max_bulk_rows)
    return await _bulk_result(entity, await service.bulk_update(entity, _changes(entity, items, with_data=True)))


@ENTITY_ROUTES.delete(
    "/{entity_name}/instances/bulk",
    dependencies=_DELETE,
    responses={**_NO_ROW, **_UNFIT, **_STALE},
    response_model=BulkDeleted,
    openapi_extra=_KEYS,
)
async def delete_instances(request: Request, entity_name: EntityName) -> Response:
    """Delete rows: all, or none if one of them does not exist, has changed meanwhile, or is referred to."""
    entity, limits = service.find_entity(entity_name), current_services().get(EntitiesConfig)
    changes = _changes(entity, await read_keys(_sent(request), limits.max_bulk_bytes, limits.max_bulk_rows), with_data=False)
    await service.bulk_delete(entity, changes)
    return _json({"count": len(changes)})


# -- changing one row -----------------------------------------------------------------------------------------------------


@ENTITY_ROUTES.post(
    "/{entity_name}/instances",
    status_code=201,
    dependencies=_CREATE,
    responses={
        **_NO_ENTITY,
        **_UNFIT,
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
    return _json(shown, 201, {"Location": location, "ETag": shown["etag"]})


@ENTITY_ROUTES.put(
    "/{entity_name}/instances/{instance_id}",
    dependencies=_UPDATE,
    responses={**_NO_ROW, **_UNFIT, **_STALE},
    response_model=EntityInstance,
    openapi_extra=_ONE,
)
async def replace_instance(request: Request, entity_name: EntityName, instance_id: InstanceId, if_match: IfMatch = None) -> Response:
    """Give a row its whole new content: what is left out gets its default."""
    entity = service.find_entity(entity_name)
    key = service.read_key(entity, instance_id)
    return await _changed(entity, Change(key, await _object(request), whole=True, if_match=if_match))


@ENTITY_ROUTES.patch(
    "/{entity_name}/instances/{instance_id}",
    dependencies=_UPDATE,
    responses={**_NO_ROW, **_UNFIT, **_STALE},
    response_model=EntityInstance,
    openapi_extra=_ONE,
)
async def update_instance(request: Request, entity_name: EntityName, instance_id: InstanceId, if_match: IfMatch = None) -> Response:
    """Change some fields of a row: what is left out stays, what is null becomes null."""
    entity = service.find_entity(entity_name)
    key = service.read_key(entity, instance_id)
    return await _changed(entity, Change(key, await _object(request), if_match=if_match))


@ENTITY_ROUTES.delete(
    "/{entity_name}/instances/{instance_id}",
    status_code=204,
    dependencies=_DELETE,
    responses={**_NO_ROW, **_STALE, **problems({409: "Other rows refer to it."})},
    response_class=Response,
)
async def delete_instance(entity_name: EntityName, instance_id: InstanceId, if_match: IfMatch = None) -> Response:
    """Delete a row; where the entity asks for that, it is only marked, and can be restored."""
    entity = service.find_entity(entity_name)
    await service.delete(entity, Change(service.read_key(entity, instance_id), if_match=if_match))
    return Response(status_code=204)


@ENTITY_ROUTES.post(
    "/{entity_name}/instances/{instance_id}/restore",
    dependencies=_UPDATE,
    responses={**_NO_ROW, **_STALE, **problems({409: "The entity keeps nothing of what was deleted, or the database refuses it."})},
    response_model=EntityInstance,
)
async def restore_instance(entity_name: EntityName, instance_id: InstanceId, if_match: IfMatch = None) -> Response:
    """Take back the deletion of a row."""
    entity = service.find_entity(entity_name)
    row = await service.restore(entity, Change(service.read_key(entity, instance_id), if_match=if_match))
    shown = await browsing.show_instance(entity, row, View())
    return _json(shown, headers={"ETag": shown["etag"]})


# -- parts ----------------------------------------------------------------------------------------------------------------


def _sent(request: Request) -> Sent:
    return Sent(request.headers.get("content-type", ""), request.stream())


async def _object(request: Request) -> dict[str, Any]:
    return await read_object(_sent(request), current_services().get(EntitiesConfig).max_bulk_bytes)


async def _changed(entity: RegisteredEntity, change: Change) -> Response:
    row = await service.update(entity, change)
    shown = await browsing.show_instance(entity, row, View())
    return _json(shown, headers={"ETag": shown["etag"]})


async def _bulk_result(entity: RegisteredEntity, rows: Sequence[SQLModel], status: int = 200) -> Response:
    return _json({"items": await browsing.show_instances(entity, rows), "count": len(rows)}, status)


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


def _offset(offset: int | None, skip: int | None) -> int:
    if offset is not None and skip is not None and offset != skip:
        raise Misfits([entry("value_error", ("query", "skip"), "skip and offset mean the same: give one of them")])
    return offset if offset is not None else skip or 0


def _page(page: Page) -> Response:
    return _json(page.shown())


def _json(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    # Written at once: a page of rows is not checked a second time against a model of them.
    return Response(to_json(content, inf_nan_mode="null"), status, headers, "application/json")
