"""A test client starts an app on a database of its own, and leaves the app as it was."""

from __future__ import annotations

import asyncio
import logging
import warnings
from pathlib import Path

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from sqlmodel import col, select
from starlette.types import Receive, Scope, Send

from planar import PlanarApp, get_session, sqlite_config
from planar.clock import SYSTEM_CLOCK, Clock
from planar.context import ServiceNotFound, current_services
from planar.db.manager import DatabaseManager
from planar.testing import ManualClock, PlanarTestClient, SynchronizableTracer, WorkflowObserver, planar_test_client
from planar.workflows import Workflow, emit_event, wait_for_event, workflow
from tests.databases import Databases

pytestmark = pytest.mark.anyio


@workflow()
async def greet(name: str) -> str:
    return f"hello {name}"


@workflow()
async def wait_for_go() -> str:
    return (await wait_for_event("go"))["word"]


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "of-the-app.db"


@pytest.fixture
def app(database: Path) -> PlanarApp:
    return PlanarApp(config=sqlite_config(str(database))).register_workflow(greet).register_workflow(wait_for_go)


async def test_the_app_answers_over_http(app: PlanarApp) -> None:
    async with planar_test_client(app) as client:
        assert isinstance(client, httpx2.AsyncClient)
        assert str(client.base_url) == "http://testserver"
        answer = await client.post("/planar/v1/workflows/greet/start", json={"name": "ann"}, params={"wait": 10})
        assert answer.json()["result"] == "hello ann"


async def test_workflows_events_and_sessions_work_in_the_tests_own_task(app: PlanarApp) -> None:
    async with planar_test_client(app):
        run = await wait_for_go.start()
        await emit_event("go", {"word": "now"})
        assert await wait_for_go.wait_for_completion(run.id) == "now"
        assert (await get_session().exec(select(Workflow.status).where(col(Workflow.id) == run.id))).one() == "succeeded"


async def test_the_apps_own_database_is_not_touched(app: PlanarApp, database: Path) -> None:
    async with planar_test_client(app) as client:
        assert await greet("ann") == "hello ann"
        private = client.app.db_manager.sqlite_path
        assert private is not None
        assert private.exists()
    assert not database.exists()
    assert not private.exists()


async def test_a_test_may_name_the_database(app: PlanarApp, database: Path) -> None:
    async with planar_test_client(app, app.config.connection_url()):
        await greet("ann")
    assert database.exists()
    async with planar_test_client(app, f"sqlite:///{database}"):
        assert len((await get_session().exec(select(Workflow.id))).all()) == 1
    async with planar_test_client(app):
        assert len((await get_session().exec(select(Workflow.id))).all()) == 0


async def test_the_app_is_afterwards_what_it_was_before(app: PlanarApp) -> None:
    manager, tracer = app.db_manager, app.tracer
    for _ in range(2):
        with pytest.raises(LookupError, match="the test's own"):
            async with planar_test_client(app, clock=ManualClock(), tracer=SynchronizableTracer()):
                assert app.db_manager is not manager
                assert isinstance(app.services.get(Clock), ManualClock)
                raise LookupError("the test's own")
        assert app.db_manager is manager
        assert app.services.get(DatabaseManager) is manager
        assert app.services.get(Clock) is SYSTEM_CLOCK
        assert app.tracer is tracer
        assert not app.notices.listeners
        with pytest.raises(ServiceNotFound):
            current_services()
        with pytest.raises(RuntimeError, match="not running"):
            _ = app.worker


async def test_an_app_that_cannot_start_is_given_back_as_well(app: PlanarApp, tmp_path: Path) -> None:
    manager = app.db_manager
    with pytest.raises(Exception, match="does not exist"):
        async with planar_test_client(app, f"sqlite:///{tmp_path}/no/such/folder/app.db"):
            raise AssertionError("it has started")
    assert app.db_manager is manager
    async with planar_test_client(app):
        assert await greet("again") == "hello again"


async def test_a_running_app_is_not_lent_a_second_time(app: PlanarApp) -> None:
    async with planar_test_client(app):
        manager = app.db_manager
        with pytest.raises(RuntimeError, match="running already"):
            async with planar_test_client(app):
                raise AssertionError("it was lent")
        assert app.services.get(DatabaseManager) is manager
        assert await greet("still there") == "hello still there"


async def test_it_starts_and_stops_without_a_warning(app: PlanarApp, caplog: pytest.LogCaptureFixture) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        async with planar_test_client(app) as client:
            await client.get("/planar/v1/health")
    assert not caplog.records


async def test_every_middleware_of_the_app_sees_the_requests(database: Path) -> None:
    seen: list[str] = []

    class Doored(PlanarApp):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            seen.append("at the door")
            await super().__call__(scope, receive, send)

    app = Doored(config=sqlite_config(str(database)))

    @app.middleware("http")
    async def count(request: Request, call_next: object) -> Response:
        seen.append(request.url.path)
        return await call_next(request)  # type: ignore[operator]

    async with planar_test_client(app) as client:
        await client.get("/planar/v1/health")
    assert seen[-2:] == ["at the door", "/planar/v1/health"]


async def test_an_unexpected_error_is_the_answer_that_users_would_get(app: PlanarApp) -> None:
    router = APIRouter(prefix="/broken")

    @router.get("")
    async def broken() -> None:
        raise LookupError("a secret")

    app.register_router(router)
    async with planar_test_client(app) as client:
        answer = await client.get("/broken")
    assert answer.status_code == 500
    assert "secret" not in answer.text


async def test_startup_code_runs_on_the_tests_database(database: Path) -> None:
    seen: list[str] = []

    async def on_startup(engine: object) -> None:
        seen.append(str(engine.url))  # type: ignore[attr-defined]

    app = PlanarApp(config=sqlite_config(str(database)), on_startup=on_startup)
    async with planar_test_client(app):
        pass
    assert len(seen) == 1
    assert str(database) not in seen[0]


async def test_an_observer_hears_also_what_an_earlier_process_left_to_do(app: PlanarApp, databases: Databases) -> None:
    url, observer = await databases.url(), WorkflowObserver()
    async with planar_test_client(app, url):
        run = await wait_for_go.start()
    async with planar_test_client(app, url, observer) as client:
        assert client.observer is observer
        await emit_event("go", {"word": "late"})
        assert (await observer.wait_for_status(run, "succeeded")).result == "late"


async def test_what_the_app_itself_is_told_goes_on(database: Path) -> None:
    told: list[str] = []
    app = PlanarApp(config=sqlite_config(str(database)), on_workflow_notification=lambda each: told.append(each.kind.value))
    app.register_workflow(greet)
    async with planar_test_client(app) as client:
        run = await greet.start("ann")
        await client.observer.wait_for_status(run, "succeeded")
    assert told.count("workflow-succeeded") == 1


async def test_a_client_made_by_hand_asks_an_app_that_runs_already(app: PlanarApp) -> None:
    async def ask() -> int:
        async with PlanarTestClient(app, headers={"x-from": "a test"}) as client:
            assert client.headers["x-from"] == "a test"
            with pytest.raises(RuntimeError, match="no observer"):
                _ = client.observer
            return (await client.get("/planar/v1/health")).status_code

    assert await app.run_standalone(ask) == 200


async def test_tasks_that_were_begun_meanwhile_have_ended(app: PlanarApp) -> None:
    ended: list[bool] = []

    async def slow() -> None:
        for _ in range(50):
            await asyncio.sleep(0)
        ended.append(True)

    before = asyncio.all_tasks()
    async with planar_test_client(app):
        task = asyncio.create_task(slow())
    assert ended == [True]
    assert task.done()
    assert asyncio.all_tasks() == before


async def test_a_task_that_goes_on_is_named(app: PlanarApp, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planar.testing.client.LINGER_SECONDS", 0.01)
    never = asyncio.Event()
    async with planar_test_client(app):
        task = asyncio.create_task(never.wait(), name="the endless one")
    assert "tasks outlive the test client" in caplog.text
    assert not task.done()
    never.set()
    await task


async def test_the_lifespan_of_the_fastapi_app_is_what_runs(app: PlanarApp) -> None:
    assert isinstance(app.fastapi, FastAPI)
    async with planar_test_client(app):
        assert app.worker.is_alive()
