"""HTTP for looking at rows: one, a page, choices, groups."""

from __future__ import annotations

from typing import Annotated, Final

from fastapi import Header, Query, Response

from planar.entities import browsing, service
from planar.entities.browsing import ListRequest, Page, View
from planar.entities.etags import etag_of, matches_weakly
from planar.entities.querying import Deleted
from planar.entities.request_parts import MISFIT, NO_ENTITY, NO_ROW, EntityName, InstanceId, json_answer, of_entity
from planar.entities.schemas import EntityGroupList, EntityInstance, EntityInstanceList, EntityOptionList
from planar.entities.validation import entry
from planar.modeling.errors import Misfits
from planar.security.actions import EntityAction
from planar.security.route_table import RouteTable

MAX_OFFSET: Final = 2**31 - 1
MAX_LIMIT: Final = 1000
MAX_TEXT: Final = 1000

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
IfNoneMatch = Annotated[str | None, Header(description="Entity tags that are known already.")]

_LIST: Final = of_entity(EntityAction.LIST)
_VIEW: Final = of_entity(EntityAction.VIEW_DETAILS)

ROW_ROUTES: Final = RouteTable(prefix="/entities", tags=["Entities"], responses=MISFIT)


@ROW_ROUTES.get("/{entity_name}/instances", dependencies=_LIST, responses=NO_ENTITY, response_model=EntityInstanceList)
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


@ROW_ROUTES.get("/{entity_name}/options", dependencies=_LIST, responses=NO_ENTITY, response_model=EntityOptionList)
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


@ROW_ROUTES.get("/{entity_name}/groups", dependencies=_LIST, responses=NO_ENTITY, response_model=EntityGroupList)
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


@ROW_ROUTES.get("/{entity_name}/instances/{instance_id}", dependencies=_VIEW, responses=NO_ROW, response_model=EntityInstance)
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
    return json_answer(await browsing.show_instance(entity, row, View(fields, expand, expand_limit, references)), headers={"ETag": etag})


def _offset(offset: int | None, skip: int | None) -> int:
    if offset is not None and skip is not None and offset != skip:
        raise Misfits([entry("value_error", ("query", "skip"), "skip and offset mean the same: give one of them")])
    return offset if offset is not None else skip or 0


def _page(page: Page) -> Response:
    return json_answer(page.shown())
