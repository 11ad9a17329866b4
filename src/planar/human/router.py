"""HTTP for tasks for people. Who acts is whoever sends the request; permission is asked once, for the task as it is."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from planar.context import current_services
from planar.db.session import get_session
from planar.engine.client import Client
from planar.human import queries, service
from planar.human.belongings_router import HUMAN_TASK_ROUTES  # with its routes in it
from planar.human.lifecycle import HumanTaskStatus
from planar.human.people import check_name, resource_of, who_asks
from planar.human.queries import Sort, TaskFilter, TaskPage, View
from planar.human.routing import NO_TASK, PAGED, UNREADABLE, Limit, TaskId, WithTotal, on_task, tell_page
from planar.human.schemas import CompleteRequest, DelegateRequest, DraftInfo, DraftRequest, HumanTaskInfo, TaskCancelRequest
from planar.security.actions import HumanTaskAction
from planar.security.authorization import filter_allowed
from planar.security.guard import requires
from planar.security.problem import problems
from planar.workflows.schemas import Included, StorableText

__all__ = ["HUMAN_TASK_ROUTES", "create_human_task_routes"]

MAX_OFFSET: Final = 2**31 - 1

Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many to leave out. Pages by `after` stay stable under inserts.")]
Include = Annotated[list[Included] | None, Query(description="What else to show of each: `payload`.")]
Word = Annotated[StorableText | None, Query(max_length=255)]

_CHANGES: Final = {**NO_TASK, **problems({409: "It has ended, or somebody else has it.", 413: "The body is larger than this app allows."})}


def create_human_task_routes() -> APIRouter:
    """The routes of tasks for people, below ``/human-tasks``."""
    return HUMAN_TASK_ROUTES.router()


@HUMAN_TASK_ROUTES.get("/", dependencies=[requires(HumanTaskAction.LIST)], response_model_exclude_unset=True, responses=PAGED)
async def list_human_tasks(
    request: Request,
    response: Response,
    status: Annotated[list[HumanTaskStatus] | None, Query(description="Only tasks in one of these states.")] = None,
    view: Annotated[
        View | None,
        Query(description="`mine`: for me, or claimed by me; `my_roles`: for a role of mine; `unassigned`: for everybody, and free."),
    ] = None,
    overdue: Annotated[bool, Query(description="Only open tasks whose due time is over.")] = False,
    name: Word = None,
    workflow: Annotated[StorableText | None, Query(max_length=255, description="Only tasks of runs of this workflow.")] = None,
    workflow_id: Annotated[UUID | None, Query(description="Only tasks of this run.")] = None,
    assignee: Word = None,
    role: Word = None,
    sort: Annotated[Sort, Query(description="`created`: newest first; `due`: soonest first; `priority`: highest first.")] = Sort.CREATED,
    after: Annotated[UUID | None, Query(description="Only tasks that come after this one: the next page.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
    total: WithTotal = True,
    include: Include = None,
) -> list[HumanTaskInfo]:
    """Tasks; those that the caller may not see are left out of the page. `X-Total-Count` has the total, `Link` the next page."""
    who, now = who_asks(), current_services().get(Client).now() if overdue else None
    which = TaskFilter(tuple(status or ()), workflow_id, workflow, name, assignee, role, view, who.names, who.roles, who.key, now)
    payload = Included.PAYLOAD in (include or ())
    # One more than was asked for tells whether there is a next page.
    found = await queries.list_tasks(get_session(), which, TaskPage(limit + 1, offset, after, total, payload, sort))
    tell_page(request, response, found.total, found.items[limit - 1].id if len(found.items) > limit else None)
    shown = filter_allowed(found.items[:limit], HumanTaskAction.VIEW_DETAILS, resource_of)
    return [HumanTaskInfo.of(task, payload=payload) for task in shown]


@HUMAN_TASK_ROUTES.get("/{task_id}", dependencies=[on_task(HumanTaskAction.VIEW_DETAILS)], responses=NO_TASK)
async def get_human_task(task_id: TaskId) -> HumanTaskInfo:
    """One task: what is asked, and what an answer has to look like."""
    return HumanTaskInfo.of(await service.find_task(get_session(), task_id))


@HUMAN_TASK_ROUTES.post("/{task_id}/complete", dependencies=[on_task(HumanTaskAction.COMPLETE)], responses={**UNREADABLE, **_CHANGES})
async def complete_human_task(task_id: TaskId, body: CompleteRequest) -> HumanTaskInfo:
    """Answer a task. If the answer fits, its run goes on with it; if not, nothing has happened."""
    who = who_asks()
    check_name(who, body.completed_by, "completed_by")
    return HumanTaskInfo.of(await service.complete(task_id, body.output_data, who))


@HUMAN_TASK_ROUTES.post("/{task_id}/cancel", dependencies=[on_task(HumanTaskAction.CANCEL)], responses={**UNREADABLE, **_CHANGES})
async def cancel_human_task(task_id: TaskId, body: TaskCancelRequest | None = None) -> HumanTaskInfo:
    """End a task without an answer: its run is told so."""
    asked, who = body or TaskCancelRequest(), who_asks()
    check_name(who, asked.cancelled_by, "cancelled_by")
    return HumanTaskInfo.of(await service.cancel(task_id, asked.reason, who))


# -- who has it -------------------------------------------------------------------------------------------------------------


@HUMAN_TASK_ROUTES.post("/{task_id}/claim", dependencies=[on_task(HumanTaskAction.CLAIM)], responses=_CHANGES)
async def claim_human_task(task_id: TaskId) -> HumanTaskInfo:
    """Take a task, so that nobody else answers it."""
    return HumanTaskInfo.of(await service.claim(task_id, who_asks()))


@HUMAN_TASK_ROUTES.post("/{task_id}/release", dependencies=[on_task(HumanTaskAction.CLAIM)], responses=_CHANGES)
async def release_human_task(task_id: TaskId) -> HumanTaskInfo:
    """Give back a task that one has claimed."""
    return HumanTaskInfo.of(await service.release(task_id, who_asks()))


@HUMAN_TASK_ROUTES.post("/{task_id}/delegate", dependencies=[on_task(HumanTaskAction.ASSIGN)], responses={**UNREADABLE, **_CHANGES})
async def delegate_human_task(task_id: TaskId, body: DelegateRequest) -> HumanTaskInfo:
    """Say anew whom a task is for. A claim on it ends."""
    return HumanTaskInfo.of(await service.delegate(task_id, who_asks(), body.assignee, body.assigned_role, body.priority))


# -- drafts -----------------------------------------------------------------------------------------------------


@HUMAN_TASK_ROUTES.put("/{task_id}/draft", dependencies=[on_task(HumanTaskAction.COMPLETE)], responses={**UNREADABLE, **_CHANGES})
async def save_human_task_draft(task_id: TaskId, body: DraftRequest) -> DraftInfo:
    """Keep an unfinished answer. Nobody else sees it."""
    return DraftInfo.of(await service.save_draft(task_id, body.data, who_asks()))


@HUMAN_TASK_ROUTES.get("/{task_id}/draft", dependencies=[on_task(HumanTaskAction.COMPLETE)], responses=NO_TASK)
async def get_human_task_draft(task_id: TaskId) -> DraftInfo | None:
    """The unfinished answer of whoever asks; null if there is none."""
    draft = await service.find_draft(get_session(), task_id, who_asks())
    return None if draft is None else DraftInfo.of(draft)
