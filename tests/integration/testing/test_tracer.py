"""A test stops runs at a trace point of a real app, and says which goes on first."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from planar import PlanarApp, sqlite_config
from planar.testing import SynchronizableTracer, TraceSpec, planar_test_client
from planar.workflows import lock_resource, step, workflow
from planar.workflows.tracing import trace

pytestmark = pytest.mark.anyio

DONE: list[str] = []


@step()
async def charge(order: str) -> None:
    await trace("charging", order=order)
    DONE.append(order)


@workflow()
async def handle(order: str) -> None:
    await charge(order)


@pytest.fixture
def app() -> PlanarApp:
    DONE.clear()
    return PlanarApp(config=sqlite_config(":memory:")).register_workflow(handle)


async def test_two_runs_go_on_in_the_order_that_the_test_chooses(app: PlanarApp) -> None:
    tracer = SynchronizableTracer()
    async with planar_test_client(app, tracer=tracer) as client:
        with tracer.instrument(TraceSpec(message="charging")) as charging:
            runs = {order: await handle.start(order) for order in ("A", "B")}
            stopped = [await charging.wait(auto_resume=False) for _ in runs]
            points = {point.kwargs["order"]: point for point in stopped if point is not None}
            assert DONE == []
            for order in ("B", "A"):
                points[order].resume()
                await client.observer.wait_for_status(runs[order], "succeeded")
    assert DONE == ["B", "A"]


async def test_the_end_of_the_client_lets_everything_go_on(app: PlanarApp) -> None:
    tracer = SynchronizableTracer()
    point = tracer.instrument(TraceSpec(message="charging"))
    async with planar_test_client(app, tracer=tracer):
        await handle.start("A")
        await point.wait(auto_resume=False)
    assert DONE == ["A"]


async def test_a_lock_keeps_apart_what_would_meet_without_it(app: PlanarApp) -> None:
    async def inside(key: str) -> None:
        async with lock_resource(key, timedelta(minutes=1), retry_count=100, retry_interval_seconds=0.01):
            await trace("inside")

    tracer = SynchronizableTracer()
    async with planar_test_client(app, tracer=tracer):
        inside_twice = (TraceSpec(message="inside"), TraceSpec(message="inside"))
        with tracer.join(*inside_twice, timeout=0.1) as same:
            await asyncio.gather(inside("till"), inside("till"))
        assert same.races_detected == 0
        with tracer.join(*inside_twice, timeout=10) as different:
            await asyncio.gather(inside("till"), inside("door"))
        assert different.races_detected == 1
