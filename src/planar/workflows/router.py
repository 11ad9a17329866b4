"""HTTP for workflows, runs, steps and events. Each route names its action; permission is asked before anything is read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Header, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import AfterValidator, AwareDatetime, ValidationError

from planar.engine.errors import ArgumentNotStorable
from planar.security.actions import EventAction, WorkflowAction
from planar.security.guard import InPath, requires
from planar.security.problem import ValidationProblem, problems
from planar.security.resources import WorkflowResource
from planar.security.route_table import RouteTable
from planar.workflows import service
from planar.workflows.errors import ArgumentsRefused
from planar.workflows.models import StepStatus, StepType, WorkflowStatus
from planar.workflows.queries import PageRequest, RunFilter
from planar.workflows.schemas import (
    CancelRequest,
    CancelResponse,
    EmittedEvent,
    EventEmitRequest,
    EventKey,
    EventResponse,
    Included,
    StorableText,
    WorkflowDefinition,
    WorkflowList,
    WorkflowRun,
    WorkflowRunList,
    WorkflowStartResponse,
    WorkflowStatusResponse,
    WorkflowStepInfo,
    WorkflowStepList,
)

MAX_OFFSET: Final = 2**31 - 1
MAX_SEQ: Final = 2**63 - 1
MAX_SECONDS: Final = 100 * 366 * 24 * 3600
MAX_WAIT_SECONDS: Final = 60


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it lies outside of the years 1 to 9999 in UTC") from None


Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
Offset = Annotated[int, Query(ge=0, le=MAX_OFFSET, description="How many to leave out. Pages by `after` stay stable under inserts.")]
WithTotal = Annotated[bool, Query(description="`false` leaves the total out, which costs a count.")]
Include = Annotated[list[Included] | None, Query(description="What else to show of each: `payload`.")]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]
WorkflowName = Annotated[StorableText, Path(description="The workflow's name.")]
RunId = Annotated[UUID, Path(description="The run's id.")]
StepNumber = Annotated[int, Path(ge=1, le=MAX_OFFSET, description="The step's number in its run.")]

VIEW: Final = requires(WorkflowAction.VIEW_DETAILS, InPath(WorkflowResource, "workflow_name"))

_NO_WORKFLOW: Final = problems({404: "There is no such workflow."})
_UNREADABLE: Final = problems({400: "The body is not text.", 413: "The body is larger than this app allows."})
_NO_RUN: Final = problems({404: "There is no such run of that workflow."})

_MISFIT: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ValidationProblem, "description": "Something in the request does not fit."}
}

WORKFLOW_ROUTES: Final = RouteTable(prefix="/workflows", tags=["Workflow Management"], responses=_MISFIT)
EVENT_ROUTES: Final = RouteTable(prefix="/workflows/events", tags=["Workflow Management"], responses=_MISFIT)


def create_workflow_event_routes() -> APIRouter:
    """The routes of events, below ``/workflows/events``."""
    return EVENT_ROUTES.router()


def create_workflow_router() -> APIRouter:
    """The routes of workflows, runs, steps and events, below ``/workflows``. Fixed paths come before those with parameters."""
    router = APIRouter()
    router.include_router(EVENT_ROUTES.router())
    router.include_router(WORKFLOW_ROUTES.router())
    return router


# -- events ---------------------------------------------------------------------------------------------------------------


@EVENT_ROUTES.post(
    "/emit",
    dependencies=[requires(EventAction.EMIT)],
    responses={**_UNREADABLE, **problems({404: "There is no run `workflow_id`."})},
)
async def emit_event(event: EventEmitRequest) -> EmittedEvent:
    """Announce something: to one run, or to every run that waits for the key and to those that will."""
    stored, woken = await service.emit(event.event_key, event.payload, event.workflow_id, event.idempotency_key)
    return EmittedEvent(
        id=stored.id,
        seq=stored.seq or 0,
        event_key=stored.event_key,
        timestamp=stored.timestamp,
        payload=stored.payload,
        workflow_id=stored.workflow_id,
        woken=woken,
    )


@EVENT_ROUTES.get(
    "/list",
    dependencies=[requires(EventAction.LIST)],
    response_model_exclude_unset=True,
    responses={
        200: {
            "headers": {
                "X-Total-Count": {"schema": {"type": "integer"}, "description": "How many there are in all, unless `total=false`."},
                "Link": {"schema": {"type": "string"}, "description": "The next page, if there is one."},
            }
        }
    },
)
async def list_events(
    request: Request,
    response: Response,
    event_key: Annotated[EventKey | None, Query(description="Only events of this key.")] = None,
    after: Annotated[int | None, Query(ge=0, le=MAX_SEQ, description="Only events before this `seq`: the next page.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
    total: WithTotal = True,
    include: Include = None,
) -> list[EventResponse]:
    """Events, newest first. The header `X-Total-Count` has the total, `Link` the next page."""
    # One more than was asked for tells whether there is a next page.
    found = await service.list_events(event_key, PageRequest(limit + 1, offset, after, total, _payload(include)))
    if found.total is not None:
        response.headers["X-Total-Count"] = str(found.total)
    events = [EventResponse.of(event) for event in found.items[:limit]]
    if len(found.items) > limit:
        response.headers["Link"] = _next_page(request, events[-1].seq)
    return events


# -- workflows ------------------------------------------------------------------------------------------------------------


@WORKFLOW_ROUTES.get("/", dependencies=[requires(WorkflowAction.LIST)])
async def list_workflows(
    seconds_ago: Annotated[
        int | None, Query(ge=0, le=MAX_SECONDS, description="Count only runs that were started so many seconds ago, or later.")
    ] = None,
    after: Annotated[StorableText | None, Query(description="Only workflows whose name comes after this one: the next page.")] = None,
    limit: Limit = 10,
    offset: Offset = 0,
    total: WithTotal = True,
) -> WorkflowList:
    """The workflows that this app serves, by name, with the counts and durations of their runs."""
    found, count = await service.list_workflows(PageRequest(limit, offset, after), seconds_ago)
    return WorkflowList(items=[_definition(item) for item in found], total=count if total else None, offset=offset, limit=limit)


@WORKFLOW_ROUTES.get("/{workflow_name}", dependencies=[VIEW], responses=_NO_WORKFLOW)
async def get_workflow(workflow_name: WorkflowName) -> WorkflowDefinition:
    """One workflow: what it takes and gives, and how its runs fare."""
    return _definition(await service.describe_workflow(workflow_name))


@WORKFLOW_ROUTES.post(
    "/{workflow_name}/start",
    status_code=202,
    dependencies=[requires(WorkflowAction.RUN, InPath(WorkflowResource, "workflow_name"))],
    responses={
        **problems({404: "There is no such workflow.", 413: "The arguments are larger than this app allows."}),
        200: {"model": WorkflowRun, "description": "The run ended within the time given by `wait`."},
        202: {
            "description": "The run was started.",
            "headers": {"Location": {"schema": {"type": "string"}, "description": "Where the run can be looked at."}},
        },
    },
    openapi_extra={
        "requestBody": {
            "description": "The workflow's parameters by name: see `input_schema` of its definition. Without parameters, nothing.",
            "content": {"application/json": {"schema": {"type": "object", "title": "Arguments", "additionalProperties": True}}},
        }
    },
)
async def start_workflow(
    request: Request,
    response: Response,
    workflow_name: WorkflowName,
    wait: Annotated[
        float,
        Query(ge=0, le=MAX_WAIT_SECONDS, allow_inf_nan=False, description="Seconds to wait for the end: then the answer is the run."),
    ] = 0,
    idempotency_key: Annotated[
        StorableText | None, Header(min_length=1, max_length=255, description="A second start with the same key is the first one's run.")
    ] = None,
) -> WorkflowStartResponse:
    """Start a run of a workflow."""
    body = await _json_body(request)
    try:
        run_id = await service.start(workflow_name, body, idempotency_key)
    except ValidationError as error:
        raise RequestValidationError([{**entry, "loc": ("body", *entry["loc"])} for entry in error.errors(include_url=False)]) from None
    except ArgumentsRefused as error:
        raise RequestValidationError(error.entries()) from None
    except ArgumentNotStorable as error:
        raise _unfit(("body",), error.code, error.message) from None
    location = _beside(request, f"/{workflow_name}/start", f"/{quote(workflow_name, safe='')}/runs/{run_id}")
    run = await service.ended_run(run_id, wait) if wait > 0 else None
    if run is not None:
        content = WorkflowRun.of(run).model_dump_json(exclude_unset=True)
        return Response(content, 200, {"Location": location}, "application/json")  # type: ignore[return-value] - FastAPI sends it as it is
    response.headers["Location"] = location
    return WorkflowStartResponse(id=run_id)


@WORKFLOW_ROUTES.get(
    "/{run_id}/status", dependencies=[requires(WorkflowAction.VIEW_DETAILS)], responses=problems({404: "There is no such run."})
)
async def get_run_status(run_id: RunId) -> WorkflowStatusResponse:
    """One run, whatever its workflow is."""
    return WorkflowStatusResponse(workflow=WorkflowRun.of(await service.find_any_run(run_id)))


# -- runs -----------------------------------------------------------------------------------------------------------------


@WORKFLOW_ROUTES.get("/{workflow_name}/runs", dependencies=[VIEW], responses=_NO_WORKFLOW, response_model_exclude_unset=True)
async def list_runs(
    workflow_name: WorkflowName,
    status: Annotated[WorkflowStatus | None, Query()] = None,
    parent_id: Annotated[UUID | None, Query(description="Only runs that this run started as its children.")] = None,
    created_after: Annotated[Moment | None, Query(description="Only runs that were started after this time; with its offset.")] = None,
    created_before: Annotated[Moment | None, Query(description="Only runs that were started before this time; with its offset.")] = None,
    after: Annotated[UUID | None, Query(description="Only runs older than this one: the next page.")] = None,
    limit: Limit = 10,
    offset: Offset = 0,
    total: WithTotal = True,
    include: Include = None,
) -> WorkflowRunList:
    """The runs of a workflow, newest first."""
    which = RunFilter(status, parent_id, created_after, created_before)
    found = await service.list_runs(workflow_name, which, PageRequest(limit, offset, after, total, _payload(include)))
    return WorkflowRunList(items=[WorkflowRun.of(run) for run in found.items], total=found.total, offset=offset, limit=limit)


@WORKFLOW_ROUTES.get("/{workflow_name}/runs/{run_id}", dependencies=[VIEW], responses=_NO_RUN)
async def get_run(workflow_name: WorkflowName, run_id: RunId) -> WorkflowRun:
    """One run."""
    return WorkflowRun.of(await service.find_run(workflow_name, run_id))


@WORKFLOW_ROUTES.post(
    "/{workflow_name}/runs/{run_id}/cancel",
    status_code=202,
    dependencies=[requires(WorkflowAction.CANCEL, InPath(WorkflowResource, "workflow_name"))],
    responses={**_UNREADABLE, **_NO_RUN, **problems({409: "The run has ended."})},
)
async def cancel_run(workflow_name: WorkflowName, run_id: RunId, body: CancelRequest | None = None) -> CancelResponse:
    """Ask for the end of a run and of its children. One that sleeps or waits ends at once, one that executes gets time to clean up."""
    status = await service.cancel_run(workflow_name, run_id, (body or CancelRequest()).reason)
    return CancelResponse(id=run_id, status=status)


# -- steps ----------------------------------------------------------------------------------------------------------------


@WORKFLOW_ROUTES.get("/{workflow_name}/runs/{run_id}/steps", dependencies=[VIEW], responses=_NO_RUN, response_model_exclude_unset=True)
async def list_steps(
    workflow_name: WorkflowName,
    run_id: RunId,
    status: Annotated[StepStatus | None, Query()] = None,
    step_type: Annotated[StepType | None, Query()] = None,
    after: Annotated[int | None, Query(ge=0, le=MAX_OFFSET, description="Only steps with a higher number: the next page.")] = None,
    limit: Limit = 10,
    offset: Offset = 0,
    total: WithTotal = True,
    include: Include = None,
) -> WorkflowStepList:
    """The steps of a run, in the order of their numbers."""
    found = await service.list_steps(workflow_name, run_id, status, step_type, PageRequest(limit, offset, after, total, _payload(include)))
    return WorkflowStepList(items=[WorkflowStepInfo.of(step) for step in found.items], total=found.total, offset=offset, limit=limit)


@WORKFLOW_ROUTES.get(
    "/{workflow_name}/runs/{run_id}/steps/{step_id}",
    dependencies=[VIEW],
    responses=problems({404: "There is no such run of that workflow, or no such step in it."}),
)
async def get_step(workflow_name: WorkflowName, run_id: RunId, step_id: StepNumber) -> WorkflowStepInfo:
    """One step of a run."""
    return WorkflowStepInfo.of(await service.find_step(workflow_name, run_id, step_id))


# -- parts ----------------------------------------------------------------------------------------------------------------


def _definition(item: service.Overview) -> WorkflowDefinition:
    found = item.signature
    return WorkflowDefinition.of(item.name, found.description, found.input_schema, found.output_schema, item.stats)


def _payload(include: list[Included] | None) -> bool:
    return Included.PAYLOAD in (include or ())


async def _json_body(request: Request) -> bytes:
    """The body, for a model to read; nothing counts as an object without members.

    Only what says that it is JSON is read, as everywhere in the API: a page of another origin cannot send that unasked.
    """
    body = (await request.body()).strip()
    if not body:
        return b"{}"
    kind, _, subtype = request.headers.get("content-type", "").partition(";")[0].strip().lower().partition("/")
    if kind != "application" or not (subtype == "json" or subtype.endswith("+json")):
        raise _unfit(("header", "content-type"), "not_json", "Send the arguments as JSON, with the header Content-Type: application/json.")
    return body


def _unfit(loc: tuple[str, ...], kind: str, message: str) -> RequestValidationError:
    return RequestValidationError([{"type": kind, "loc": loc, "msg": message}])


def _beside(request: Request, tail: str, other: str) -> str:
    """The path of this request with *other* in place of its *tail*."""
    return quote(str(request.scope["path"]).removesuffix(tail)) + other


def _next_page(request: Request, after: Any) -> str:
    """The ``Link`` header of a page that ends with the key *after*."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name not in ("after", "offset")]
    query = urlencode([*kept, ("after", str(after))])
    return f'<{quote(str(request.scope["path"]))}?{query}>; rel="next"'
