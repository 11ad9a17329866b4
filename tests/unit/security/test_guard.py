from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from starlette.types import ASGIApp, Receive, Scope, Send

from planar.context import Services, bind_services
from planar.routers.problems import install_problem_handlers
from planar.security import Principal, as_principal
from planar.security.actions import Action, HealthAction, RuleAction, SystemAction, WorkflowAction
from planar.security.authorization import Authorizer, Decision, ResourceDescriptor
from planar.security.errors import ActionMismatch, RouteWithoutAction
from planar.security.guard import ACTION_EXTENSION, GuardedRoute, InPath, requires
from planar.security.problem import problems
from planar.security.resources import RuleResource, WorkflowResource

pytestmark = pytest.mark.anyio

RUN = requires(WorkflowAction.RUN, InPath(WorkflowResource, "workflow_name"))


class Order(BaseModel):
    amount: int


class AdminsOnly:
    """Allows `admin` everything, and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[Action, str | None]] = []

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        self.asked.append((action, resource.resource_id))
        return Decision(principal is not None and "admin" in principal.roles)


class Bound:
    """An application with its services and its caller, as the binding of a real app would set them."""

    def __init__(self, app: ASGIApp, authorizer: Authorizer) -> None:
        self.app = app
        self.services = Services()
        self.services.add(Authorizer, authorizer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = dict(scope["headers"]).get(b"x-name", b"").decode()
        with bind_services(self.services), as_principal(Principal(sub=name, role=name) if name else None):
            await self.app(scope, receive, send)


@pytest.fixture
def authorizer() -> AdminsOnly:
    return AdminsOnly()


@pytest.fixture
def app() -> FastAPI:
    router = APIRouter(prefix="/workflows", route_class=GuardedRoute)

    @router.post("/{workflow_name}/start", dependencies=[RUN], responses=problems({404: "No such workflow."}))
    async def start(workflow_name: str, order: Order) -> dict[str, str]:
        return {"started": workflow_name}

    @router.get("/{workflow_name}/runs/{run_id}", dependencies=[requires(WorkflowAction.VIEW_DETAILS)])
    async def show(workflow_name: str, run_id: int) -> dict[str, int]:
        return {"run": run_id}

    @router.get("/health", dependencies=[requires(HealthAction.VIEW)])
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    plain = APIRouter()

    @plain.get("/plain", dependencies=[requires(SystemAction.VIEW_INFO)])
    async def info() -> dict[str, str]:
        return {"title": "t"}

    outer = APIRouter(prefix="/planar/v1")
    outer.include_router(router)
    outer.include_router(plain)
    app = FastAPI()
    app.include_router(outer)
    install_problem_handlers(app)
    return app


@pytest.fixture
async def client(app: FastAPI, authorizer: AdminsOnly) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=Bound(app, authorizer))
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver/planar/v1") as client:
        yield client


@pytest.mark.parametrize("body", [b"", b"{", b'{"amount": "many"}', b"[" * 100_000])
@pytest.mark.parametrize(("name", "status", "code"), [(None, 401, "not_authenticated"), ("bob", 403, "not_authorized")])
async def test_without_permission_a_wrong_body_is_never_looked_at(
    client: httpx2.AsyncClient, body: bytes, name: str | None, status: int, code: str
) -> None:
    headers = {"content-type": "application/json"} | ({"x-name": name} if name else {})

    answer = await client.post("/workflows/w/start", content=body, headers=headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert "amount" not in answer.text


async def test_without_permission_a_malformed_path_is_never_looked_at(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/workflows/w/runs/not-a-number")).status_code == 401


async def test_with_permission_the_request_is_checked_and_answered(client: httpx2.AsyncClient, authorizer: AdminsOnly) -> None:
    headers = {"x-name": "admin"}

    answer = await client.post("/workflows/w/start", json={"amount": 1}, headers=headers)

    assert (answer.status_code, answer.json()) == (200, {"started": "w"})
    assert authorizer.asked == [(WorkflowAction.RUN, "w")], "asked once, about the workflow in the path"
    assert (await client.post("/workflows/w/start", json={}, headers=headers)).status_code == 422


async def test_an_encoded_name_is_judged_as_the_route_reads_it(client: httpx2.AsyncClient, authorizer: AdminsOnly) -> None:
    await client.post("/workflows/a%20b%22/start", json={"amount": 1}, headers={"x-name": "admin"})

    assert authorizer.asked == [(WorkflowAction.RUN, 'a b"')]


async def test_a_public_route_answers_nobody(client: httpx2.AsyncClient, authorizer: AdminsOnly) -> None:
    assert (await client.get("/workflows/health")).status_code == 200
    assert authorizer.asked == []


async def test_a_route_of_another_class_asks_as_well(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/plain")).status_code == 401
    assert (await client.get("/plain", headers={"x-name": "admin"})).json() == {"title": "t"}


def test_the_openapi_document_names_the_action_of_each_guarded_route_and_its_refusals(app: FastAPI) -> None:
    paths = app.openapi()["paths"]

    start = paths["/planar/v1/workflows/{workflow_name}/start"]["post"]
    assert start[ACTION_EXTENSION] == "Workflow::Run"
    assert {"200", "401", "403", "404", "422"} == set(start["responses"])
    health = paths["/planar/v1/workflows/health"]["get"]
    assert (health[ACTION_EXTENSION], set(health["responses"])) == ("Health::View", {"200"})
    assert ACTION_EXTENSION not in paths["/planar/v1/plain"]["get"], (
        "so that a walk over the document finds a route that is not guarded early"
    )


@pytest.mark.parametrize(
    ("path", "dependencies", "message"),
    [
        ("/x", None, "names no actions"),
        ("/x", [], "names no actions"),
        ("/{workflow_name}", [RUN, requires(SystemAction.VIEW_INFO)], "names 2 actions"),
        ("/{name}", [RUN], "has no parameter {workflow_name}"),
    ],
)
def test_a_route_that_does_not_say_what_it_needs_cannot_be_declared(path: str, dependencies: list[object] | None, message: str) -> None:
    router = APIRouter(route_class=GuardedRoute)

    async def endpoint() -> None: ...

    with pytest.raises(RouteWithoutAction, match=message):
        router.add_api_route(path, endpoint, dependencies=dependencies)  # type: ignore[arg-type]


def test_an_action_that_its_resource_does_not_have_cannot_be_required() -> None:
    with pytest.raises(ActionMismatch):
        requires(RuleAction.LIST, InPath(WorkflowResource, "workflow_name"))
    with pytest.raises(ActionMismatch):
        requires(WorkflowAction.LIST, InPath(RuleResource, "rule_name"))


def test_a_parameter_that_spans_segments_is_a_parameter() -> None:
    router = APIRouter(route_class=GuardedRoute)

    @router.post("/{workflow_name:path}", dependencies=[RUN])
    async def start(workflow_name: str) -> None: ...

    assert len(router.routes) == 1
