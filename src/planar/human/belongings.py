"""What belongs to a task? What was said about it, its files, its answers and what happened to it: in pages, the oldest first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from uuid import UUID

from sqlalchemy import and_, func, or_, select
from sqlmodel import col

from planar.db.session import PlanarSession
from planar.human.models import HumanTaskActivity, HumanTaskAnswer, HumanTaskAttachment, HumanTaskComment
from planar.human.queries import Condition, everything, first
from planar.modeling.errors import Misfits

R = TypeVar("R")
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Part(Generic[K]):
    """Which part: *limit* rows after the one whose key is *after*; *total*: whether to count all."""

    limit: int = 100
    after: K | None = None
    total: bool = True


@dataclass(frozen=True, slots=True)
class Page(Generic[R]):
    """Part of the rows; *total* counts all of them, None if nobody asked. *has_more*: there is a next page."""

    items: list[R]
    total: int | None
    has_more: bool


async def comments_of(session: PlanarSession, task_id: UUID, part: Part[UUID]) -> Page[HumanTaskComment]:
    """What was said about a task. A page goes on after the id of a comment."""
    beyond = None if part.after is None else col(HumanTaskComment.id) > part.after
    return await _page(session, HumanTaskComment, [col(HumanTaskComment.task_id) == task_id], beyond, part, col(HumanTaskComment.id))


async def attachments_of(session: PlanarSession, task_id: UUID, part: Part[UUID]) -> Page[HumanTaskAttachment]:
    """The files of a task. A page goes on after the id of a file.

    Raises:
        Misfits: the task has no file ``part.after``.
    """
    at, file_id = col(HumanTaskAttachment.created_at), col(HumanTaskAttachment.file_id)
    beyond: Condition | None = None
    if part.after is not None:
        last = await session.get(HumanTaskAttachment, (task_id, part.after))
        if last is None:
            raise Misfits([{"type": "unknown_file", "loc": ("query", "after"), "msg": "The task has no such file."}])
        beyond = or_(at > last.created_at, and_(at == last.created_at, file_id > last.file_id))
    return await _page(session, HumanTaskAttachment, [col(HumanTaskAttachment.task_id) == task_id], beyond, part, at, file_id)


async def answers_to(session: PlanarSession, task_id: UUID, part: Part[UUID]) -> Page[HumanTaskAnswer]:
    """What each of several people answered. A page goes on after the id of an answer."""
    mine = [col(HumanTaskAnswer.task_id) == task_id, col(HumanTaskAnswer.is_draft).is_(False)]
    beyond = None if part.after is None else col(HumanTaskAnswer.id) > part.after
    return await _page(session, HumanTaskAnswer, mine, beyond, part, col(HumanTaskAnswer.id))


async def activity_of(session: PlanarSession, task_id: UUID, part: Part[int]) -> Page[HumanTaskActivity]:
    """What happened to a task. A page goes on after a version of it."""
    beyond = None if part.after is None else col(HumanTaskActivity.version) > part.after
    return await _page(
        session, HumanTaskActivity, [col(HumanTaskActivity.task_id) == task_id], beyond, part, col(HumanTaskActivity.version)
    )


async def _page(
    session: PlanarSession, table: type[R], mine: list[Condition], beyond: Condition | None, part: Part[Any], *order: Any
) -> Page[R]:
    conditions = mine if beyond is None else [*mine, beyond]
    # One more than was asked for tells whether there is a next page.
    items = await everything(session, select(table).where(*conditions).order_by(*order).limit(part.limit + 1))
    total = await first(session, select(func.count()).select_from(table).where(*mine)) if part.total else None
    return Page(items[: part.limit], total, len(items) > part.limit)
