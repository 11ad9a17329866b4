"""Announce events, and look at those that were: from steps, requests and scripts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlmodel import col, or_, select

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.workflows.models import WorkflowEvent
from planar.workflows.waiting import emit_event

__all__ = ["check_event_exists", "emit_event", "get_latest_event"]


async def get_latest_event(event_key: str, since: datetime | None = None, workflow_id: UUID | None = None) -> WorkflowEvent | None:
    """The newest event of *event_key*: global ones, and with *workflow_id* those targeted at that run as well.

    It only looks: nothing is taken, and a workflow that decides by it must do so in a step.

    Args:
        event_key: the key under which it was emitted.
        since: only events after this time.
        workflow_id: the run whose own events count too.
    """
    query = select(WorkflowEvent).where(WorkflowEvent.event_key == event_key)
    mine = col(WorkflowEvent.workflow_id).is_(None)
    query = query.where(mine if workflow_id is None else or_(mine, WorkflowEvent.workflow_id == workflow_id))
    if since is not None:
        query = query.where(WorkflowEvent.timestamp > since)
    async with current_services().get(DatabaseManager).get_session() as session:
        return (await session.exec(query.order_by(col(WorkflowEvent.seq).desc()).limit(1))).first()


async def check_event_exists(event_key: str, since: datetime | None = None, workflow_id: UUID | None = None) -> bool:
    """Whether `get_latest_event` would find one."""
    return await get_latest_event(event_key, since, workflow_id) is not None
