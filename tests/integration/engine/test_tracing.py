"""A trace point stops where a tracer says, and costs its caller nothing else: not its work, and not its life."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from planar.context import ServiceNotFound, bind_services, current_services
from planar.workflows import step, workflow
from planar.workflows.lock import lock_resource
from planar.workflows.tracing import LoggingTracer, TraceArg, Tracer, trace, tracer_context, tracer_var
from tests.integration.engine.conftest import Opener

pytestmark = pytest.mark.anyio


class Recorder(Tracer):
    """Remembers every point, and stops at those that are closed."""

    def __init__(self) -> None:
        self.points: list[tuple[str, str, str, str, int, dict[str, Any]]] = []
        self.closed: dict[str, asyncio.Event] = {}
        self.reached: dict[str, asyncio.Event] = {}

    def close(self, message: str) -> asyncio.Event:
        self.closed[message], self.reached[message] = asyncio.Event(), asyncio.Event()
        return self.reached[message]

    async def trace(
        self, module_name: str, function_name: str, message: str, task_name: str, pid: int, kwargs: Mapping[str, TraceArg]
    ) -> None:
        self.points.append((module_name, function_name, message, task_name, pid, dict(kwargs)))
        if message in self.closed:
            self.reached[message].set()
            await self.closed[message].wait()

    @property
    def messages(self) -> list[str]:
        return [point[2] for point in self.points]


class Place:
    async def method(self) -> None:
        await trace("in a method", number=1)


async def test_a_point_says_where_it_is_and_what_of(open_app: Opener) -> None:
    recorder = Recorder()
    async with open_app(), tracer_context(recorder):
        task = asyncio.create_task(Place().method(), name="somebody")
        await task
    assert recorder.points == [(__name__, "Place.method", "in a method", "somebody", os.getpid(), {"number": 1})]


@step()
async def traced() -> None:
    await trace("in a step")


@workflow()
async def tracing() -> None:
    await traced()


async def test_runs_of_the_app_are_traced_too(open_app: Opener) -> None:
    recorder = Recorder()
    async with open_app(tracing) as app:
        app.tracer = recorder
        await tracing()
    assert recorder.messages == ["in a step"]


async def test_code_waits_at_a_point_until_the_tracer_lets_it_go(open_app: Opener) -> None:
    recorder = Recorder()
    async with open_app(), tracer_context(recorder):
        reached = recorder.close("lock acquired")
        first = asyncio.create_task(_lock())
        await reached.wait()
        second = asyncio.create_task(_lock(retry_count=0))
        with pytest.raises(Exception, match="till"):
            await second
        recorder.closed["lock acquired"].set()
        assert await first == 1
    assert recorder.messages == ["lock acquired", "lock released"]


async def _lock(**options: Any) -> int:
    async with lock_resource("till", timedelta(hours=1), **options) as number:
        return number


async def test_a_tracer_that_fails_hurts_nobody(open_app: Opener, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(Tracer):
        async def trace(self, *_: Any) -> None:
            raise RuntimeError("a tracer's own trouble")

    async with open_app(tracing):
        with caplog.at_level(logging.ERROR, "planar"):
            async with tracer_context(Broken()):
                await tracing()
    assert "a tracer failed" in caplog.text


async def test_an_app_logs_its_trace_points_at_debug_at_first(open_app: Opener, caplog: pytest.LogCaptureFixture) -> None:
    async with open_app() as app:
        assert isinstance(app.tracer, LoggingTracer)
        await trace("unseen")
        with caplog.at_level(logging.DEBUG, "planar.workflows.tracing"):
            await trace("seen", key="till")
    (record,) = [record for record in caplog.records if record.message == "trace point"]
    assert record.planar_fields["point"] == "seen"  # type: ignore[attr-defined]
    assert record.planar_fields["details"] == {"key": "till"}  # type: ignore[attr-defined]


async def test_two_apps_have_tracers_of_their_own(open_app: Opener) -> None:
    mine, yours = Recorder(), Recorder()
    async with open_app(database="one.db") as one, open_app(database="two.db") as two:
        one.tracer, two.tracer = mine, yours
        with bind_services(one.services):
            await trace("one")
        with bind_services(two.services):
            await trace("two")
    assert (mine.messages, yours.messages) == (["one"], ["two"])


async def test_the_variable_gives_back_what_was_there_before(open_app: Opener) -> None:
    outer, inner = Recorder(), Recorder()
    async with open_app():
        token = tracer_var.set(outer)
        async with tracer_context(inner):
            assert tracer_var.get() is inner
        assert tracer_var.get() is outer
        tracer_var.reset(token)
        assert isinstance(tracer_var.get(), LoggingTracer)
        tracer_var.set(None)
        assert tracer_var.get(inner) is inner
        assert current_services()


async def test_without_an_app_a_point_is_nothing_and_a_tracer_has_no_place() -> None:
    await trace("nobody hears")
    assert tracer_var.get() is None
    with pytest.raises(ServiceNotFound):
        async with tracer_context(Recorder()):
            raise AssertionError("there is no app")
