"""HTTP for the history of entities. A row that is gone keeps its history."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import Path, Query
from pydantic import AfterValidator, AwareDatetime

from planar.db.history import ChangeAction
from planar.entities.history_reading import ChangeFilter, ChangePage, FoundChanges, entity_history, row_history
from planar.entities.history_schemas import EntityHistory
from planar.entities.request_parts import MISFIT
from planar.modeling.texts import Storable
from planar.security.actions import EntityAction
from planar.security.guard import InPath, requires
from planar.security.problem import problems
from planar.security.resources import EntityResource
from planar.security.route_table import RouteTable

HISTORY_ROUTES: Final = RouteTable(prefix="/entities", tags=["Entities"], responses=MISFIT)

_VIEW: Final = requires(EntityAction.VIEW_HISTORY, InPath(EntityResource, "entity_name"))


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it lies outside of the years 1 to 9999 in UTC") from None


Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
EntityName = Annotated[str, Path(description="The entity's name.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
After = Annotated[UUID | None, Query(description="Only changes older than this one: the next page.")]
WithTotal = Annotated[bool, Query(description="`false` leaves the total out, which costs a count.")]


@HISTORY_ROUTES.get(
    "/{entity_name}/history",
    dependencies=[_VIEW],
    responses=problems({404: "There is no such entity, or no history of it."}),
)
async def list_changes(
    entity_name: EntityName,
    who: Annotated[Storable | None, Query(max_length=500, description="Only changes by this subject or e-mail address.")] = None,
    run_id: Annotated[UUID | None, Query(description="Only changes that this run made.")] = None,
    since: Annotated[Moment | None, Query(description="Only changes of this time or later; with its offset.")] = None,
    until: Annotated[Moment | None, Query(description="Only changes before this time; with its offset.")] = None,
    action: Annotated[ChangeAction | None, Query(description="Only changes of this kind.")] = None,
    after: After = None,
    limit: Limit = 50,
    total: WithTotal = True,
) -> EntityHistory:
    """Who changed rows of an entity, when and how; the newest change first."""
    which = ChangeFilter(who, run_id, since, until, action)
    return _answer(await entity_history(entity_name, which, ChangePage(limit, after, total)), limit)


@HISTORY_ROUTES.get(
    "/{entity_name}/instances/{instance_id}/history",
    dependencies=[_VIEW],
    responses=problems({404: "There is no such entity, no history of it, or there never was such a row."}),
)
async def list_changes_of_instance(
    entity_name: EntityName,
    instance_id: Annotated[str, Path(description="The key of the row, which may be gone.")],
    after: After = None,
    limit: Limit = 50,
    total: WithTotal = True,
) -> EntityHistory:
    """Who changed one row, when and how; the newest change first."""
    return _answer(await row_history(entity_name, instance_id, ChangePage(limit, after, total)), limit)


def _answer(found: FoundChanges, limit: int) -> EntityHistory:
    return EntityHistory(items=found.items, total=found.total, limit=limit, next=found.next)
