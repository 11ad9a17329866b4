"""HTTP for what belongs to a task: what happened to it, what was said about it, its files, and what each of several people answered."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from planar.db.session import get_session
from planar.human import belongings, remarks
from planar.human.belongings import Part
from planar.human.people import who_asks
from planar.human.routing import HUMAN_TASK_ROUTES, NO_TASK, PAGED, UNREADABLE, Limit, TaskId, WithTotal, on_task, tell_page
from planar.human.schemas import ActivityInfo, AnswerInfo, AttachmentInfo, AttachRequest, CommentInfo, CommentRequest
from planar.security.actions import HumanTaskAction
from planar.security.problem import problems

_LIST = {**PAGED, **NO_TASK}


def _after(what: str) -> object:
    return Query(description=f"The {what} of the last one of the page before.")


@HUMAN_TASK_ROUTES.get("/{task_id}/activity", dependencies=[on_task(HumanTaskAction.VIEW_DETAILS)], responses=_LIST)
async def list_human_task_activity(
    task_id: TaskId,
    request: Request,
    response: Response,
    limit: Limit = 100,
    after: Annotated[int | None, Query(ge=0, le=2**31 - 1, description="The `version` of the last one of the page before.")] = None,
    total: WithTotal = True,
) -> list[ActivityInfo]:
    """What happened to a task, by whom and when, the oldest first."""
    page = await belongings.activity_of(get_session(), task_id, Part(limit, after, total))
    tell_page(request, response, page.total, page.items[-1].version if page.has_more else None)
    return [ActivityInfo.of(each) for each in page.items]


@HUMAN_TASK_ROUTES.get("/{task_id}/answers", dependencies=[on_task(HumanTaskAction.VIEW_DETAILS)], responses=_LIST)
async def list_human_task_answers(
    task_id: TaskId,
    request: Request,
    response: Response,
    limit: Limit = 100,
    after: Annotated[UUID | None, _after("`id`")] = None,
    total: WithTotal = True,
) -> list[AnswerInfo]:
    """What each of several people answered, the oldest first."""
    page = await belongings.answers_to(get_session(), task_id, Part(limit, after, total))
    tell_page(request, response, page.total, page.items[-1].id if page.has_more else None)
    return [AnswerInfo.of(answer) for answer in page.items]


@HUMAN_TASK_ROUTES.get("/{task_id}/comments", dependencies=[on_task(HumanTaskAction.VIEW_DETAILS)], responses=_LIST)
async def list_human_task_comments(
    task_id: TaskId,
    request: Request,
    response: Response,
    limit: Limit = 100,
    after: Annotated[UUID | None, _after("`id`")] = None,
    total: WithTotal = True,
) -> list[CommentInfo]:
    """What was said about a task, the oldest first."""
    page = await belongings.comments_of(get_session(), task_id, Part(limit, after, total))
    tell_page(request, response, page.total, page.items[-1].id if page.has_more else None)
    return [CommentInfo.of(comment) for comment in page.items]


@HUMAN_TASK_ROUTES.post(
    "/{task_id}/comments", status_code=201, dependencies=[on_task(HumanTaskAction.COMMENT)], responses={**UNREADABLE, **NO_TASK}
)
async def comment_on_human_task(task_id: TaskId, body: CommentRequest) -> CommentInfo:
    """Say something about a task."""
    return CommentInfo.of(await remarks.comment(get_session(), task_id, body.text, who_asks()))


@HUMAN_TASK_ROUTES.get("/{task_id}/attachments", dependencies=[on_task(HumanTaskAction.VIEW_DETAILS)], responses=_LIST)
async def list_human_task_attachments(
    task_id: TaskId,
    request: Request,
    response: Response,
    limit: Limit = 100,
    after: Annotated[UUID | None, _after("`file_id`")] = None,
    total: WithTotal = True,
) -> list[AttachmentInfo]:
    """The files of a task, the oldest first."""
    page = await belongings.attachments_of(get_session(), task_id, Part(limit, after, total))
    tell_page(request, response, page.total, page.items[-1].file_id if page.has_more else None)
    return [AttachmentInfo.of(each) for each in page.items]


@HUMAN_TASK_ROUTES.post(
    "/{task_id}/attachments",
    status_code=201,
    dependencies=[on_task(HumanTaskAction.COMMENT)],
    responses={**UNREADABLE, **problems({404: "There is no such task, or no such file."})},
)
async def attach_to_human_task(task_id: TaskId, body: AttachRequest) -> AttachmentInfo:
    """Add a file that was uploaded before."""
    return AttachmentInfo.of(await remarks.attach(task_id, body.file_id, who_asks()))
