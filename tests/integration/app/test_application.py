"""What is an app before it runs, while it runs and after it has stopped?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import select

from planar import PlanarApp, PlanarConfig, get_session, sqlite_config
from planar.app import PLANAR_BASE_PATH
from planar.modeling.orm import PlanarBaseEntity
from planar.security.guard import GuardedRoute
from planar.workflows import step, workflow

pytestmark = pytest.mark.anyio

ORIGIN = "http://127.0.0.1:3000"


class AppNote(PlanarBaseEntity, table=True):
    text: str


@step()
async def write(text: str) -> str:
    get_session().add(AppNote(text=text))
    return text


@workflow()
async def noting(text: str) -> str:
    return await write(text)


@pytest.fixture
def config(tmp_path: Path) -> PlanarConfig:
    return sqlite_config(str(tmp_path / "app.db"))


@asynccontextmanager
async def served(app: PlanarApp, asgi: Any = None) -> AsyncGenerator[httpx.AsyncClient]:
    async with app._lifespan(app.fastapi), httpx.AsyncClient(transport=httpx.ASGITransport(asgi or app), base_url="http://test") as client:
        yield client


def with_origins(config: PlanarConfig, **cors: Any) -> PlanarConfig:
    return config.model_copy(update={"cors": config.cors.model_copy(update=cors)})


def test_an_app_is_made_of_its_settings_and_named_by_its_author(config: PlanarConfig) -> None:
    app = PlanarApp(config=config, title="Ledger", description="Keeps the books")
    assert app.config is config
    assert (app.fastapi.title, app.fastapi.description) == ("Ledger", "Keeps the books")
    assert PlanarApp(config=config).fastapi.title == "Planar API"


def test_without_settings_those_of_the_environment_are_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "planar.yaml").write_text("db_connections: {app: {driver: sqlite, path: mine.db}}\napp: {db_connection: app}\n")
    monkeypatch.setenv("PLANAR_CONFIG", str(tmp_path / "planar.yaml"))
    assert str(PlanarApp().config.connection_url().database).endswith("mine.db")


def test_the_routes_of_the_framework_stand_under_one_prefix(config: PlanarConfig) -> None:
    app = PlanarApp(config=config)
    assert app.router_v1.prefix == f"{PLANAR_BASE_PATH}/v1" == "/planar/v1"
    assert all(path.startswith("/planar/v1/") for path in app.fastapi.openapi()["paths"])


async def test_a_route_that_is_added_to_their_router_is_served_below_the_prefix(config: PlanarConfig) -> None:
    app = PlanarApp(config=config)

    @app.router_v1.get("/extra")
    async def extra() -> str:
        return "served"

    async with served(app) as client:
        assert (await client.get("/planar/v1/extra")).json() == "served"


def test_a_further_app_costs_hardly_any_analysis_of_types_and_shares_no_route(
    config: PlanarConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = PlanarApp(config=config)
    declared: list[str] = []
    declare = GuardedRoute.__init__

    def counted(self: GuardedRoute, path: str, endpoint: Callable[..., object], **options: object) -> None:
        declared.append(path)
        declare(self, path, endpoint, **options)

    monkeypatch.setattr(GuardedRoute, "__init__", counted)
    second = PlanarApp(config=config, title="Second")
    assert declared == ["/planar/v1/system-info"]
    assert not {id(route) for route in first.fastapi.routes} & {id(route) for route in second.fastapi.routes}


async def test_the_database_is_connected_while_the_app_runs(config: PlanarConfig) -> None:
    app = PlanarApp(config=config)
    with pytest.raises(RuntimeError):
        app.db_manager.get_engine()
    async with served(app):
        assert isinstance(app.db_manager.get_engine(), AsyncEngine)
    with pytest.raises(RuntimeError):
        app.db_manager.get_engine()


def test_registering_returns_the_app_and_refuses_what_is_no_workflow(config: PlanarConfig) -> None:
    app = PlanarApp(config=config)
    assert app.register_workflow(noting) is app
    assert app.register_workflow(noting) is app
    assert [item.name for item in app._object_registry.get_workflows()] == ["noting"]
    with pytest.raises(TypeError, match="@workflow"):
        app.register_workflow(write)  # type: ignore[arg-type]


async def test_a_router_of_ones_own_stands_at_the_root_under_a_heading_of_its_own(config: PlanarConfig) -> None:
    router = APIRouter()

    @router.get("/balance")
    async def balance() -> dict[str, int]:
        return {"balance": 3}

    app = PlanarApp(config=config)
    assert app.register_router(router, prefix="/book-keeping") is app
    async with served(app) as client:
        assert (await client.get("/book-keeping/balance")).json() == {"balance": 3}
    assert app.fastapi.openapi()["paths"]["/book-keeping/balance"]["get"]["tags"] == ["Book Keeping"]


async def test_a_request_has_a_session_that_keeps_what_it_commits_only(config: PlanarConfig) -> None:
    router = APIRouter()

    @router.post("/notes/{text}")
    async def add(text: str, commit: bool) -> int:
        get_session().add(AppNote(text=text))
        await (get_session().commit() if commit else get_session().flush())
        return len((await get_session().exec(select(AppNote))).all())

    app = PlanarApp(config=config).register_router(router, prefix="/own")
    async with served(app) as client:
        assert (await client.post("/own/notes/lost", params={"commit": False})).json() == 1
        assert (await client.post("/own/notes/kept", params={"commit": True})).json() == 1


async def test_a_middleware_of_ones_own_sees_every_answer(config: PlanarConfig) -> None:
    app = PlanarApp(config=config)

    @app.middleware("http")
    async def mark(request: Request, call_next: Any) -> Response:
        response: Response = await call_next(request)
        response.headers["x-mark"] = request.url.path
        return response

    async with served(app) as client:
        assert (await client.get("/planar/v1/health")).headers["x-mark"] == "/planar/v1/health"


async def test_a_script_runs_in_the_started_app_again_and_again(config: PlanarConfig) -> None:
    app = PlanarApp(config=config).register_workflow(noting)

    async def script(first: str, *, second: str) -> list[str]:
        assert await asyncio.gather(noting(first), noting(second)) == [first, second]
        return sorted(note.text for note in (await get_session().exec(select(AppNote))).all())

    assert await app.run_standalone(script, "a", second="b") == ["a", "b"]
    assert await app.run_standalone(script, "c", second="d") == ["a", "b", "c", "d"]


@pytest.mark.parametrize("use_alembic", [True, False, None])
async def test_the_tables_are_there_whatever_use_alembic_says(use_alembic: bool | None, config: PlanarConfig) -> None:
    app = PlanarApp(config=config.model_copy(update={"use_alembic": use_alembic})).register_workflow(noting)
    assert await app.run_standalone(noting, "made") == "made"


async def test_on_startup_is_awaited_once_everything_runs(config: PlanarConfig) -> None:
    seen: list[str] = []

    async def on_startup(engine: AsyncEngine) -> None:
        seen.append(f"{engine.dialect.name} {await noting('started')}")

    app = PlanarApp(config=config, on_startup=on_startup).register_workflow(noting)
    async with served(app):
        assert seen == ["sqlite started"]


async def test_a_start_that_fails_leaves_nothing_running(config: PlanarConfig) -> None:
    async def on_startup(_: AsyncEngine) -> None:
        raise LookupError("no such ledger")

    app = PlanarApp(config=config, on_startup=on_startup)
    before = asyncio.all_tasks()
    with pytest.raises(LookupError, match="no such ledger"):
        async with served(app):
            pass
    assert asyncio.all_tasks() == before
    with pytest.raises(RuntimeError):
        app.db_manager.get_engine()


async def test_an_app_runs_once_at_a_time_and_the_first_stays_unharmed(config: PlanarConfig) -> None:
    app = PlanarApp(config=config).register_workflow(noting)

    async def script() -> str:
        with pytest.raises(RuntimeError, match=r"running already.*await them together in one function"):
            await app.run_standalone(noting, "inner")
        return await noting("outer")

    assert await app.run_standalone(script) == "outer"
    assert await app.run_standalone(noting, "again") == "again"


async def test_what_is_no_config_or_no_coroutine_function_is_told(config: PlanarConfig) -> None:
    with pytest.raises(TypeError, match=r"config is a PlanarConfig, as from load_config\(\) or sqlite_config\(\), not a dict"):
        PlanarApp(config={"app": {}})  # type: ignore[arg-type]  (the mistake)
    app = PlanarApp(config=config, on_startup=lambda engine: None)  # type: ignore[arg-type,return-value]  (the mistake)
    with pytest.raises(TypeError, match="on_startup is an `async def`"):
        await app.run_standalone(noting, "never")


async def test_the_limit_on_bodies_holds_below_another_app_too(config: PlanarConfig) -> None:
    app = PlanarApp(config=config).register_workflow(noting)
    outer = FastAPI()
    outer.mount("/sub", app)
    async with served(app, outer) as client:
        answer = await client.post(
            "/sub/planar/v1/workflows/noting/start", content=b" " * 2_000_000, headers={"content-type": "application/json"}
        )
        assert answer.status_code == 413


@pytest.mark.parametrize("mounted", [False, True])
async def test_a_preflight_is_answered_however_the_app_is_driven(config: PlanarConfig, mounted: bool) -> None:
    app = PlanarApp(config=with_origins(config, allow_origins=[ORIGIN], allow_methods=["*"]))
    headers = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST"}
    for _ in range(2):  # A second lifespan is a start like the first.
        async with served(app, app.fastapi if mounted else app) as client:
            answer = await client.options("/planar/v1/workflows/noting/start", headers=headers)
            assert answer.status_code == 200
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            elsewhere = await client.options("/planar/v1/workflows/", headers=headers | {"Origin": "http://elsewhere.example"})
            assert "access-control-allow-origin" not in elsewhere.headers
