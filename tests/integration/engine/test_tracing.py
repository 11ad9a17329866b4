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
from planar.workflows import cancel, emit_event, step, wait_for_event, workflow
from planar.workflows.lock import lock_resource
from planar.workflows.tracing import LoggingTracer, TraceArg, Tracer, trace, tracer_context, tracer_var
from tests.integration.engine.conftest import Opener, until_status

pytestmark = [pytest.mark.anyio, pytest.mark.store_independent]


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
    assert recorder.messages == ["run claimed", "in a step"]


@workflow()
async def waiting(seconds: float) -> Any:
    return await wait_for_event("go", seconds)


@pytest.mark.parametrize("parked", [0, 100])
async def test_a_wait_is_traced_from_its_beginning_to_its_end(open_app: Opener, parked: int) -> None:
    recorder = Recorder()
    async with open_app(waiting, max_parked_runs=parked), tracer_context(recorder):
        run = await waiting.start(-1)
        await until_status(run.id, "suspended")
        await emit_event("go", {"answer": 42})
        assert await waiting.wait_for_completion(run.id) == {"answer": 42}
    begins = ["run claimed", "waiting for event", "run suspended", "event emitted"]
    assert recorder.messages[:4] == begins
    assert recorder.messages[-1] == "event found"
    assert set(recorder.messages[4:-1]) == ({"run resumed"} if parked else {"run claimed", "waiting for event"})
    assert all(point[5]["run_id"] == run.id for point in recorder.points if "run_id" in point[5])
    found = recorder.points[-1]
    assert found[:2] == ("planar.engine.execution.waits", "take_event")
    assert found[5]["key"] == "go"


async def test_a_wait_in_vain_is_traced(open_app: Opener) -> None:
    recorder = Recorder()
    async with open_app(waiting), tracer_context(recorder):
        with pytest.raises(TimeoutError):
            await waiting(0.05)
    assert recorder.messages[-1] == "event did not come in time"


async def test_an_event_that_comes_just_before_the_run_would_sleep_is_not_slept_through(open_app: Opener) -> None:
    recorder = Recorder()
    reached = recorder.close("waiting for event")
    async with open_app(waiting), tracer_context(recorder):
        run = await waiting.start(-1)
        await reached.wait()
        await emit_event("go", {"answer": 42})
        recorder.closed["waiting for event"].set()
        assert await asyncio.wait_for(waiting.wait_for_completion(run.id), 5) == {"answer": 42}
    assert "run suspended" not in recorder.messages


async def test_a_run_that_is_stopped_at_a_point_before_its_code_begins_can_be_cancelled(open_app: Opener) -> None:
    recorder = Recorder()
    reached = recorder.close("run claimed")
    async with open_app(waiting), tracer_context(recorder):
        run = await waiting.start(-1)
        await reached.wait()
        await cancel(run.id)
        recorder.closed["run claimed"].set()
        await until_status(run.id, "cancelled")


async def test_without_a_tracer_that_listens_no_point_of_the_engine_is_passed(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    passed: list[str] = []

    def note(message: str, **_: Any) -> None:
        passed.append(message)

    for module in ("client", "live_runs", "execution.parking", "execution.waits"):
        monkeypatch.setattr(f"planar.engine.{module}.trace", note)
    async with open_app(waiting) as app:
        for tracer in (app.tracer, None):
            app.tracer = tracer
            run = await waiting.start(-1)
            await until_status(run.id, "suspended")
            await emit_event("go", workflow_id=run.id)
            await waiting.wait_for_completion(run.id)
    assert passed == []


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
    async with open_app(database="one") as one, open_app(database="two") as two:
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
