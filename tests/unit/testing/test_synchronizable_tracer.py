"""Code stops at the trace points that a test names, and nowhere else."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from planar.testing import SynchronizableTracer, TraceSpec, WaitTimeout
from planar.testing.synchronizable_tracer import TracePoint

pytestmark = pytest.mark.anyio


def reach(tracer: SynchronizableTracer, message: str = "here", **kwargs: Any) -> asyncio.Task[None]:
    """A task that comes to a trace point."""
    return asyncio.create_task(tracer.trace("shop.till", "Till.charge", message, "somebody", os.getpid(), kwargs))


def point(message: str = "here", **kwargs: Any) -> TracePoint:
    return TracePoint("shop.till", "Till.charge", message, "somebody", 1, kwargs)


@pytest.mark.parametrize(
    ("spec", "means"),
    [
        (TraceSpec(), True),
        (TraceSpec(module_name="shop.till"), True),
        (TraceSpec(module_name="shop"), False),
        (TraceSpec(function_name="Till.charge", message="here"), True),
        (TraceSpec(function_name="charge"), False),
        (TraceSpec(message="there"), False),
        (TraceSpec(kwargs={"number": 1}), True),
        (TraceSpec(kwargs={"number": 2}), False),
        (TraceSpec(kwargs={"other": None}), False),
        (TraceSpec(message="here", kwargs={"number": 1, "key": "a"}), True),
    ],
)
def test_a_spec_means_the_points_that_agree_with_all_it_says(spec: TraceSpec, means: bool) -> None:
    assert spec.matches(point(number=1, key="a")) is means


async def test_a_point_that_nobody_named_stops_nobody() -> None:
    tracer = SynchronizableTracer()
    tracer.instrument(TraceSpec(message="elsewhere"))
    await asyncio.wait_for(reach(tracer), 1)
    assert [each.message for each in tracer.passed] == ["here"]


async def test_code_stops_until_it_is_resumed() -> None:
    tracer = SynchronizableTracer()
    controller = tracer.instrument(TraceSpec(message="here"))
    task = reach(tracer, number=7)
    stopped = await controller.wait(auto_resume=False)
    assert stopped is not None
    assert (stopped.kwargs, stopped.is_stopped, task.done()) == ({"number": 7}, True, False)
    controller.resume()
    await task


async def test_by_default_it_goes_on_when_the_test_has_seen_it() -> None:
    tracer = SynchronizableTracer()
    controller = tracer.instrument(TraceSpec(message="here"))
    waiting = asyncio.create_task(controller.wait())
    await reach(tracer)
    assert (await waiting) is not None


async def test_code_that_came_before_the_wait_is_still_there() -> None:
    tracer = SynchronizableTracer()
    controller = tracer.instrument(TraceSpec())
    tasks = [reach(tracer, str(number)) for number in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)
    assert [(await _stand(controller)).message for _ in range(3)] == ["0", "1", "2"]
    controller.resume()
    await tasks[0]
    assert not tasks[1].done()
    tracer.release_all()
    await asyncio.gather(*tasks)


async def _stand(controller: Any) -> TracePoint:
    found = await controller.wait(auto_resume=False)
    assert found is not None
    return found


async def test_a_point_goes_on_in_the_order_that_the_test_chooses() -> None:
    tracer, order = SynchronizableTracer(), []
    controller = tracer.instrument(TraceSpec())
    tasks = [reach(tracer, name) for name in ("a", "b")]
    for task, name in zip(tasks, "ab", strict=True):
        task.add_done_callback(lambda _, name=name: order.append(name))
    first, second = await _stand(controller), await _stand(controller)
    second.resume()
    await tasks[1]
    first.resume()
    await tasks[0]
    assert order == ["b", "a"]
    with pytest.raises(RuntimeError, match="No code stands at"):
        controller.resume()


async def test_a_deadline_names_the_points_that_were_passed() -> None:
    tracer = SynchronizableTracer()
    controller = tracer.instrument(TraceSpec(message="lock acquired"))
    await reach(tracer, "lock is busy", key="till")
    with pytest.raises(
        WaitTimeout, match=r"'lock acquired'.* within 0\.01 seconds.*'lock is busy' in shop.till.Till.charge \(key='till'\)"
    ):
        await controller.wait(timeout=0.01)
    assert await controller.wait(timeout=0.01, raise_timeout=False) is None


async def test_after_its_block_a_controller_stops_nobody() -> None:
    tracer = SynchronizableTracer()
    with tracer.instrument(TraceSpec()) as controller:
        seen, unseen = reach(tracer, "seen"), reach(tracer, "unseen")
        await controller.wait(auto_resume=False)
    await asyncio.gather(seen, unseen, reach(tracer, "later"))


async def test_code_that_is_cancelled_while_it_stands_there_is_not_given_to_a_wait() -> None:
    tracer = SynchronizableTracer()
    controller = tracer.instrument(TraceSpec())
    gone, there = reach(tracer, "gone"), reach(tracer, "there")
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    assert gone.cancelled()
    found = await controller.wait()
    assert found is not None
    assert found.message == "there"
    await there


async def test_joined_points_wait_for_each_other_and_go_on_together() -> None:
    tracer = SynchronizableTracer()
    meeting = tracer.join(TraceSpec(message="read"), TraceSpec(message="write"), timeout=10)
    for round in (1, 2):
        first = reach(tracer, "read")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not first.done()
        await asyncio.gather(first, reach(tracer, "write"))
        assert meeting.races_detected == tracer.races_detected == round


async def test_two_tasks_may_meet_at_one_point() -> None:
    tracer = SynchronizableTracer()
    with tracer.join(TraceSpec(message="inside"), TraceSpec(message="inside"), timeout=10) as meeting:
        await asyncio.gather(reach(tracer, "inside"), reach(tracer, "inside"))
    assert meeting.races_detected == 1


async def test_what_never_meets_goes_on_and_is_no_race() -> None:
    tracer, lock = SynchronizableTracer(), asyncio.Lock()
    meeting = tracer.join(TraceSpec(message="inside"), TraceSpec(message="inside"), timeout=0.02)

    async def alone() -> None:
        async with lock:
            await reach(tracer, "inside")

    await asyncio.gather(alone(), alone())
    assert meeting.races_detected == 0


async def test_one_that_leaves_a_meeting_is_not_counted_later() -> None:
    tracer = SynchronizableTracer()
    meeting = tracer.join(TraceSpec(message="a"), TraceSpec(message="b"), timeout=0.02)
    gone = reach(tracer, "a")
    await asyncio.sleep(0)
    gone.cancel()
    await asyncio.wait([gone])
    await reach(tracer, "b")
    assert meeting.races_detected == 0
    meeting.release()
    await reach(tracer, "a")


def test_one_alone_cannot_meet() -> None:
    with pytest.raises(ValueError, match="at least two"):
        SynchronizableTracer().join(TraceSpec())
