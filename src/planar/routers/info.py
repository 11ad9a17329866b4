"""What does this app contain, and how busy is it?"""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from planar.db.session import get_session
from planar.engine.core.model import ENDED
from planar.human.queries import count_open
from planar.security.actions import SystemAction
from planar.security.guard import requires
from planar.security.route_table import RouteTable
from planar.workflows.models import WorkflowStatus
from planar.workflows.queries import count_by_status


class SystemInfo(BaseModel):
    """The app and its runs in numbers."""

    title: str
    description: str
    total_workflow_runs: int
    completed_runs: int
    in_progress_runs: int
    pending_human_tasks: int
    active_agents: int


def create_info_router(title: str, description: str) -> APIRouter:
    """The route ``/system-info`` of an app with that *title* and *description*."""
    return info_routes(title, description).router()


def info_routes(title: str, description: str) -> RouteTable:
    """The same, for `planar.routers.framework`."""
    table = RouteTable()

    @table.get("/system-info", dependencies=[requires(SystemAction.VIEW_INFO)])
    async def get_system_info() -> SystemInfo:
        """What this app is called, and how many runs it has. Completed runs are those that succeeded."""
        return await system_info(title, description)

    return table


async def system_info(title: str, description: str) -> SystemInfo:
    """The numbers as they are now; what cannot be counted is an error, never a zero."""
    counts = await count_by_status(get_session())
    return SystemInfo(
        title=title,
        description=description,
        total_workflow_runs=sum(counts.values()),
        completed_runs=counts.get(WorkflowStatus.SUCCEEDED, 0),
        in_progress_runs=sum(count for status, count in counts.items() if status not in ENDED),
        pending_human_tasks=await count_open(get_session()),
        # This version has no agents, so there are none.
        active_agents=0,
    )
