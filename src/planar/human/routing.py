"""What have the routes of tasks in common? Their table, their parameters, how they ask for permission, and how their lists are paged."""

from __future__ import annotations

from typing import Annotated, Any, Final
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Path, Query, Request, Response

from planar.human.permission import permit
from planar.security.actions import HumanTaskAction
from planar.security.guard import InPath, requires
from planar.security.problem import ValidationProblem, problems
from planar.security.resources import HumanTaskResource
from planar.security.route_table import RouteTable

TaskId = Annotated[UUID, Path(description="The task's id.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
WithTotal = Annotated[bool, Query(description="`false` leaves the total out, which costs a count.")]

_MISFIT: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ValidationProblem, "description": "Something in the request does not fit. The task stays as it is."}
}
PAGED: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "headers": {
            "X-Total-Count": {"schema": {"type": "integer"}, "description": "How many there are in all, unless `total=false`."},
            "Link": {"schema": {"type": "string"}, "description": "The next page, if there is one."},
        }
    }
}
NO_TASK: Final = problems({404: "There is no such task."})
UNREADABLE: Final = problems({400: "The body is not text.", 413: "The body is larger than this app allows."})

HUMAN_TASK_ROUTES: Final = RouteTable(prefix="/human-tasks", tags=["Human Tasks"], responses=_MISFIT)


def on_task(action: HumanTaskAction) -> Any:
    """The dependency of a route that does *action* to the task of its path."""
    return requires(action, InPath(HumanTaskResource, "task_id"), permit)


def tell_page(request: Request, response: Response, total: int | None, after: object | None) -> None:
    """The headers of a page: how many there are in all, if that is known, and where it goes on, after the key *after*, if it does."""
    if total is not None:
        response.headers["X-Total-Count"] = str(total)
    if after is not None:
        kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("after", "offset")]
        response.headers["Link"] = f'<{request.url.path}?{urlencode([*kept, ("after", str(after))])}>; rel="next"'
