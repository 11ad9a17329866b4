"""HTTP for versions of what users edit. Permission is asked before a body is read, and that of the object before anything of it is."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator

from planar.object_config import service
from planar.object_config.diagnostics import ConfigValidationErrorResponse
from planar.object_config.models import NAME_LENGTH
from planar.object_config.schemas import (
    MOST_WITH_PAYLOAD,
    ConfigurationDiff,
    ConfigurationList,
    ConfigurationSave,
    ConfigurationVersion,
    Included,
    ObjectConfigurationResponse,
    PromoteRequest,
    Promotion,
    PromotionList,
    VersionDifference,
    VersionUse,
    storable,
)
from planar.security.actions import ObjectConfigAction
from planar.security.guard import requires
from planar.security.problem import Problem, ValidationProblem, problems
from planar.security.route_table import RouteTable

MAX_OFFSET: Final = 2**31 - 1

ConfigId = Annotated[UUID, Path(description="The version's id.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many to leave out. Pages by `after` stay stable under inserts.")]
WithTotal = Annotated[bool, Query(description="`false` leaves the total out, which costs a count.")]
Text = Annotated[str, AfterValidator(storable)]


class RefusedConfiguration(Problem, ConfigValidationErrorResponse):
    """A version does not fit the code, and where."""


_MISFIT: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ValidationProblem, "description": "Something in the request does not fit."}
}
_BODY: Final = problems({413: "The body is larger than this app allows."})
_NO_VERSION: Final = problems({404: "There is no such version."})
_NOT_NOW: Final = problems({503: "Whether the version fits the code cannot be found out now; nothing was changed: try again."})

OBJECT_CONFIG_ROUTES: Final = RouteTable(prefix="/object-configurations", tags=["Object Configuration"], responses=_MISFIT)


def create_object_config_router() -> APIRouter:
    """The routes of versions, below ``/object-configurations``. Fixed paths come before those with parameters."""
    return OBJECT_CONFIG_ROUTES.router()


@OBJECT_CONFIG_ROUTES.post(
    "/promote",
    dependencies=[requires(ObjectConfigAction.PROMOTE)],
    responses={
        **_BODY,
        **_NOT_NOW,
        **problems({404: "There is no such object, or no such version.", 409: "The version belongs to another object."}),
        400: {"model": RefusedConfiguration | Problem, "description": "The version does not fit the code, or the body is not text."},
    },
)
async def promote_configuration(body: PromoteRequest) -> ObjectConfigurationResponse:
    """Make a version the one that is used, or with the id of zeros the code's own. Runs that have used another keep that."""
    return _configs(await service.promote(body.object_type, body.config_id, body.object_name, body.comment))


@OBJECT_CONFIG_ROUTES.get(
    "/",
    dependencies=[requires(ObjectConfigAction.LIST)],
    responses=problems({404: "This app has no objects of that type."}),
    response_model_exclude_unset=True,
)
async def list_configurations(
    request: Request,
    response: Response,
    object_type: Annotated[Text, Query(max_length=NAME_LENGTH, description="Of this type, such as `rule`.")],
    object_name: Annotated[Text | None, Query(max_length=NAME_LENGTH, description="Only of the object of this name.")] = None,
    after: Annotated[UUID | None, Query(description="Only versions older than this one: the next page.")] = None,
    limit: Limit = 20,
    offset: Offset = 0,
    total: WithTotal = True,
    include: Annotated[list[Included] | None, Query(description="What else to show of each: `payload`.")] = None,
) -> ConfigurationList:
    """Versions, newest first; with their data 100 at most. `Link` has the next page."""
    payload = Included.PAYLOAD in (include or ())
    page = service.Page(min(limit, MOST_WITH_PAYLOAD) if payload else limit, offset, after, total, payload)
    found = await service.list_configurations(object_type, object_name, page)
    if found.next_after is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("after", "offset")]
        response.headers["Link"] = f'<{request.url.path}?{urlencode([*kept, ("after", str(found.next_after))])}>; rel="next"'
    items = [ConfigurationVersion.of(each.version, each.data, payload=page.payload) for each in found.items]
    return ConfigurationList(items=items, total=found.total, offset=offset, limit=page.limit)


@OBJECT_CONFIG_ROUTES.post(
    "/",
    status_code=201,
    dependencies=[requires(ObjectConfigAction.UPDATE)],
    responses={
        **_BODY,
        **_NOT_NOW,
        **problems({400: "The body is not text.", 404: "There is no such object."}),
        422: {"model": Problem | ValidationProblem, "description": "The request does not fit, or its data is no such object."},
    },
)
async def save_configuration(body: ConfigurationSave) -> ConfigurationVersion:
    """Save a version. It is not used before it is promoted; one that does not fit the code is kept as a draft."""
    return _whole(await service.save(body.object_type, body.object_name, body.data, body.comment))


@OBJECT_CONFIG_ROUTES.get("/uses", dependencies=[requires(ObjectConfigAction.LIST)])
async def list_uses(run_id: Annotated[UUID, Query(description="The run.")]) -> list[VersionUse]:
    """Which versions a run used: of each object one, which holds for all that belongs to the run; up to 1000."""
    return [VersionUse.model_validate(row) for row in await service.uses(run_id)]


@OBJECT_CONFIG_ROUTES.get("/{config_id}", dependencies=[requires(ObjectConfigAction.VIEW_DETAILS)], responses=_NO_VERSION)
async def get_configuration(config_id: ConfigId) -> ConfigurationVersion:
    """One version, with its data and what is wrong with it."""
    return _whole(await service.find(config_id))


@OBJECT_CONFIG_ROUTES.get(
    "/{config_id}/diff",
    dependencies=[requires(ObjectConfigAction.VIEW_DETAILS)],
    responses=problems({404: "There is no such version.", 409: "The two belong to different objects."}),
)
async def get_configuration_diff(
    config_id: ConfigId, against: Annotated[UUID, Query(description="The version to start from; the id of zeros is the code's own.")]
) -> ConfigurationDiff:
    """What differs between two versions of an object, place by place."""
    found = await service.diff(config_id, against)
    return ConfigurationDiff(
        from_id=against,
        from_version=found.from_version,
        to_id=config_id,
        to_version=found.to_version,
        differences=[VersionDifference.of(each) for each in found.differences],
    )


@OBJECT_CONFIG_ROUTES.get("/{config_id}/promotions", dependencies=[requires(ObjectConfigAction.VIEW_DETAILS)], responses=_NO_VERSION)
async def list_promotions(
    config_id: ConfigId,
    after: Annotated[UUID | None, Query(description="Only promotions before this one: the next page.")] = None,
    limit: Limit = 50,
    total: WithTotal = True,
) -> PromotionList:
    """Who changed which version of this version's object is used, newest first."""
    found, count = await service.promotions(config_id, limit, after, total)
    return PromotionList(items=[Promotion.model_validate(row) for row in found], total=count, limit=limit)


@OBJECT_CONFIG_ROUTES.post(
    "/{config_id}/validate", dependencies=[requires(ObjectConfigAction.UPDATE)], responses={**_NO_VERSION, **_NOT_NOW}
)
async def validate_configuration(config_id: ConfigId) -> ConfigurationVersion:
    """Check a version anew against the code as it is now, and keep what was found."""
    return _whole(await service.check(config_id))


@OBJECT_CONFIG_ROUTES.delete(
    "/{config_id}",
    status_code=204,
    dependencies=[requires(ObjectConfigAction.UPDATE)],
    responses=problems({404: "There is no such version.", 409: "It was active once: runs may have used it."}),
)
async def delete_configuration(config_id: ConfigId) -> None:
    """Delete a version that was never active."""
    await service.delete(config_id)


# -- parts ----------------------------------------------------------------------------------------------------------------


def _whole(shown: service.Shown) -> ConfigurationVersion:
    return ConfigurationVersion.of(shown.version, shown.data)


def _configs(shown: list[service.Shown]) -> ObjectConfigurationResponse:
    return ObjectConfigurationResponse(configs=[_whole(each) for each in shown])
