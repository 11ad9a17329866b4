"""HTTP for rules. Each route names its action; permission is asked before anything is read."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from urllib.parse import quote, urlencode
from uuid import UUID

from fastapi import APIRouter, Body, Path, Query, Request, Response

from planar.object_config.models import ObjectConfigurationBase
from planar.object_config.schemas import MOST_WITH_PAYLOAD
from planar.rules import case_service, service
from planar.rules.cases import RuleTestCase
from planar.rules.graph import JDMGraph
from planar.rules.models import RuleEngineConfig
from planar.rules.runner import EvaluateError, EvaluateResponse
from planar.rules.schemas import (
    CaseBody,
    CaseInfo,
    CaseList,
    CaseReport,
    CheckReport,
    ReplayReport,
    ReplayRequest,
    RuleVersions,
    SavedRule,
    SimulateRequest,
)
from planar.security.actions import RuleAction
from planar.security.guard import InPath, requires
from planar.security.problem import Problem, ValidationProblem, problems
from planar.security.resources import RuleResource
from planar.security.route_table import RouteTable
from planar.workflows.schemas import StorableText

_MISFIT: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": ValidationProblem, "description": "Something in the request does not fit."}
}
RULE_ROUTES: Final = RouteTable(prefix="/rules", tags=["Rules"], responses=_MISFIT)

RuleName = Annotated[str, Path(description="The rule's name.")]
CaseId = Annotated[UUID, Path(description="The test case's id.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]
AfterName = Annotated[StorableText | None, Query(max_length=255, description="The name of the last one of the page before.")]
WithTotal = Annotated[bool, Query(description="`false` leaves the total out, which costs a count.")]
Include = Annotated[list[Literal["payload"]] | None, Query(description="What else to show of each: `payload`.")]
Comment = Annotated[StorableText | None, Query(max_length=2000, description="Why, for people.")]

_IN_PATH: Final = InPath(RuleResource, "rule_name")
_NOT_FOUND: Final = problems({404: "The app serves no rule of that name."})
_NO_CASE: Final = problems({404: "There is no such rule, or no such test case of it."})
_BAD_DRAFT: Final[dict[int | str, dict[str, Any]]] = {
    422: {"model": Problem | ValidationProblem, "description": "The body does not fit, or the graph asks a rule that has no graph."}
}
_NO_JSON: Final = problems({400: "The body is not JSON."})
_BUSY: Final = problems({503: "Too many scripts wait for their turn, or they cannot be checked now: try again."})


def create_rule_router() -> APIRouter:
    """The routes of rules, below ``/rules``. Fixed paths come before those with parameters."""
    return RULE_ROUTES.router()


@RULE_ROUTES.get("/", dependencies=[requires(RuleAction.LIST)])
async def list_rules(
    request: Request, response: Response, limit: Limit = 100, after: AfterName = None, include: Include = None
) -> list[RuleVersions]:
    """The rules of the app, by name; with `include=payload` their versions, of 100 at most, whose graphs have 8,000,000 characters
    together: of further ones `data` is null and `data_left_out` true. `X-Total-Count` has the total, `Link` the next page."""
    limit = min(limit, MOST_WITH_PAYLOAD) if include else limit
    found, total, has_more = await service.list_rules(limit, after, payload=bool(include))
    response.headers["X-Total-Count"] = str(total)
    if has_more:
        _link(request, response, found[-1].name)
    return found


@RULE_ROUTES.post("/simulate", dependencies=[requires(RuleAction.SIMULATE)], responses=_NO_JSON)
async def simulate(body: SimulateRequest) -> EvaluateResponse | EvaluateError:
    """Evaluate a graph, with what each node did. A graph that fails is answered with 200 as well: `success` is false then."""
    return await service.simulate(body.input, body.graph)


@RULE_ROUTES.get("/{rule_name}", dependencies=[requires(RuleAction.VIEW_DETAILS, _IN_PATH)], responses=_NOT_FOUND)
async def get_rule(rule_name: RuleName) -> RuleVersions:
    """One rule with its newest versions; the code's own stands at the end."""
    return await service.find_rule(rule_name)


@RULE_ROUTES.post(
    "/{rule_name}",
    dependencies=[requires(RuleAction.UPDATE, _IN_PATH)],
    responses={
        **_NOT_FOUND,
        **problems({400: "The body is not JSON; or the graph is wrong: `diagnostics` says where, and suggests one that is right."}),
        **_BUSY,
    },
)
async def save_rule(rule_name: RuleName, graph: JDMGraph, comment: Comment = None) -> SavedRule:
    """Save a graph as a new version. It decides nothing before it is promoted. The test cases are run with it; what fails does not
    keep it from being saved."""
    return await service.save(rule_name, graph, comment)


@RULE_ROUTES.get("/{rule_name}/versions", dependencies=[requires(RuleAction.VIEW_DETAILS, _IN_PATH)], responses=_NOT_FOUND)
async def list_versions(
    rule_name: RuleName,
    request: Request,
    response: Response,
    limit: Limit = 20,
    after: Annotated[UUID | None, Query(description="The id of the last one of the page before.")] = None,
    include: Include = None,
) -> list[ObjectConfigurationBase[RuleEngineConfig]]:
    """The stored versions of a rule, the newest first; with `include=payload` their graphs, 100 at most. `Link` has the next page."""
    limit = min(limit, MOST_WITH_PAYLOAD) if include else limit
    found = await service.list_versions(rule_name, limit + 1, after, payload=bool(include))
    if len(found) > limit:
        _link(request, response, str(found[limit - 1].id))
    return found[:limit]


@RULE_ROUTES.post(
    "/{rule_name}/check", dependencies=[requires(RuleAction.SIMULATE, _IN_PATH)], responses={**_NOT_FOUND, **_NO_JSON, **_BUSY}
)
async def check_rule(rule_name: RuleName, graph: JDMGraph) -> CheckReport:
    """What is wrong with a graph as a version of this rule. Nothing is saved."""
    return await service.check(rule_name, graph)


@RULE_ROUTES.post(
    "/{rule_name}/replay",
    dependencies=[requires(RuleAction.UPDATE, _IN_PATH)],
    responses={**_NOT_FOUND, **_NO_JSON, **_BAD_DRAFT, **_BUSY},
)
async def replay_rule(rule_name: RuleName, body: ReplayRequest) -> ReplayReport:
    """Decide the newest recorded decisions of this rule again, with a draft: what would change. It shows what runs were given, so it
    takes the permission to update."""
    return await service.replay_draft(rule_name, body.graph, body.last)


# -- test cases -----------------------------------------------------------------------------------------------------------


@RULE_ROUTES.get("/{rule_name}/test-cases", dependencies=[requires(RuleAction.VIEW_DETAILS, _IN_PATH)], responses=_NOT_FOUND)
async def list_cases(rule_name: RuleName, limit: Limit = 100, after: AfterName = None, total: WithTotal = True) -> CaseList:
    """The test cases of a rule, by name."""
    found, count = await case_service.list_cases(rule_name, limit, after, total=total)
    return CaseList(items=[_shown(case) for case in found], total=count)


@RULE_ROUTES.post(
    "/{rule_name}/test-cases",
    status_code=201,
    dependencies=[requires(RuleAction.UPDATE, _IN_PATH)],
    responses={**_NOT_FOUND, **_NO_JSON, **problems({409: "The rule has a case of that name, or as many as it may."})},
)
async def add_case(rule_name: RuleName, body: CaseBody, response: Response) -> CaseInfo:
    """Keep a test case: an input, and those fields of the result that are to come out."""
    case = await case_service.add_case(rule_name, body)
    response.headers["Location"] = str(case.id)
    return _shown(case)


@RULE_ROUTES.post(
    "/{rule_name}/test-cases/run", dependencies=[requires(RuleAction.SIMULATE, _IN_PATH)], responses={**_NOT_FOUND, **_NO_JSON, **_BUSY}
)
async def run_cases(
    rule_name: RuleName,
    graph: Annotated[JDMGraph | None, Body(description="A draft; without one a stored version is run.")] = None,
    config_id: Annotated[UUID | None, Query(description="The version; by default the active one. The zero id is the code.")] = None,
) -> CaseReport:
    """Run the test cases of a rule, with a draft or with a version, and say which rows of its tables took part."""
    if graph is not None:
        return await service.run_draft_cases(rule_name, graph)
    return await service.run_stored_cases(rule_name, config_id)


@RULE_ROUTES.get("/{rule_name}/test-cases/{case_id}", dependencies=[requires(RuleAction.VIEW_DETAILS, _IN_PATH)], responses=_NO_CASE)
async def get_case(rule_name: RuleName, case_id: CaseId) -> CaseInfo:
    """One test case."""
    return _shown(await case_service.find_case(rule_name, case_id))


@RULE_ROUTES.put(
    "/{rule_name}/test-cases/{case_id}",
    dependencies=[requires(RuleAction.UPDATE, _IN_PATH)],
    responses={**_NO_CASE, **_NO_JSON, **problems({409: "The rule has another case of that name."})},
)
async def change_case(rule_name: RuleName, case_id: CaseId, body: CaseBody) -> CaseInfo:
    """Replace what a test case says."""
    return _shown(await case_service.change_case(rule_name, case_id, body))


@RULE_ROUTES.delete(
    "/{rule_name}/test-cases/{case_id}",
    status_code=204,
    dependencies=[requires(RuleAction.UPDATE, _IN_PATH)],
    responses=_NO_CASE,
)
async def remove_case(rule_name: RuleName, case_id: CaseId) -> None:
    """Forget a test case."""
    await case_service.remove_case(rule_name, case_id)


def _shown(case: RuleTestCase) -> CaseInfo:
    return CaseInfo.model_validate(case, from_attributes=True)


def _link(request: Request, response: Response, after: str) -> None:
    """The ``Link`` header of a page that ends with the key *after*."""
    kept = [(name, value) for name, value in request.query_params.multi_items() if name != "after"]
    path = quote(str(request.scope["path"]))
    response.headers["Link"] = f'<{path}?{urlencode([*kept, ("after", after)])}>; rel="next"'
