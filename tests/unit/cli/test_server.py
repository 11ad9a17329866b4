from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from planar.cli.duty import Duty
from planar.cli.entry import Entry
from planar.cli.server import PlanarServer, StopLimits, ready_line, stop_limits, worker_line
from planar.config import sqlite_config

pytestmark = pytest.mark.anyio


def test_a_stop_may_take_what_the_settings_of_the_app_allow() -> None:
    config = sqlite_config("x.db")
    config.workflows.drain_seconds = 6.5
    config.workflows.cancel_seconds = 20
    assert stop_limits(SimpleNamespace(config=config)) == StopLimits(connections=8, total=2 * 8 + 6.5 + 20 + 3)


def test_an_app_without_settings_is_stopped_by_the_defaults() -> None:
    assert stop_limits(object()) == stop_limits(SimpleNamespace(config=sqlite_config("x.db"))) == StopLimits(connections=4, total=24)


@pytest.mark.parametrize(
    ("app", "line"),
    [
        (SimpleNamespace(fastapi=SimpleNamespace(docs_url="/docs")), "Planar is ready: http://h (API docs: http://h/docs)"),
        (SimpleNamespace(docs_url="/d"), "Planar is ready: http://h (API docs: http://h/d)"),
        (SimpleNamespace(docs_url=None), "Planar is ready: http://h"),
        (
            SimpleNamespace(fastapi=SimpleNamespace(docs_url=None, routes=[object(), SimpleNamespace(path="/docs")])),
            "Planar is ready: http://h (API docs: http://h/docs)",
        ),
        (object(), "Planar is ready: http://h"),
    ],
)
def test_the_ready_line_names_the_docs_if_there_are_any(app: object, line: str) -> None:
    assert ready_line(app, "http://h") == line


@pytest.mark.parametrize(
    ("app", "concurrency", "address", "line"),
    [
        (SimpleNamespace(config=sqlite_config("x.db")), None, None, "Planar worker is ready: a.b:x, up to 1000 runs at once"),
        (SimpleNamespace(config=sqlite_config("x.db")), 7, None, "Planar worker is ready: a.b:x, up to 7 runs at once"),
        (object(), None, "http://h", "Planar worker is ready: a.b:x (health: http://h/planar/v1/health/ready)"),
    ],
)
def test_a_worker_says_what_it_executes_and_where_its_health_is(
    app: object, concurrency: int | None, address: str | None, line: str
) -> None:
    assert worker_line(Duty(Entry(Path(), Path(), "a.b"), "x", serves=False, concurrency=concurrency), app, address) == line


def test_the_server_is_configured_as_decided() -> None:
    config = PlanarServer(lambda: None, StopLimits(4, 24), lambda: None, root=Path()).config
    assert (config.lifespan, config.server_header, config.log_config, config.timeout_graceful_shutdown) == ("on", False, None, 4)


async def told(app: Any, limit: float = 5) -> None:
    await PlanarServer(app, StopLimits(limit, 9), lambda: None, root=Path())._tell_app()  # type: ignore[arg-type]  (a short limit, for the test)


async def test_the_app_is_told_whether_it_answers_at_once_or_later() -> None:
    calls: list[str] = []

    async def later() -> None:
        await asyncio.sleep(0)
        calls.append("later")

    await told(SimpleNamespace(graceful_shutdown=later))
    await told(SimpleNamespace(graceful_shutdown=lambda: calls.append("at once")))
    await told(SimpleNamespace())
    assert calls == ["later", "at once"]


async def test_an_app_that_fails_or_hangs_does_not_hold_up_the_stop(caplog: pytest.LogCaptureFixture) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    def fail() -> None:
        raise RuntimeError("broken")

    async with asyncio.timeout(5):
        await told(SimpleNamespace(graceful_shutdown=hang), limit=0.01)
        await told(SimpleNamespace(graceful_shutdown=fail))
    assert [record.message for record in caplog.records] == [
        "graceful_shutdown took too long, going on without it",
        "graceful_shutdown failed, going on without it",
    ]
