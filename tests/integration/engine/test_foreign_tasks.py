"""Steps, children and waits in tasks and threads that the engine does not know: each is refused with the remedy, none runs unrecorded."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any

import anyio
import pytest
from sqlmodel import col, select

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.workflows import (
    Workflow,
    WorkflowEvent,
    cancel,
    emit_event,
    gather,
    map,
    race,
    step,
    suspend,
    timeout,
    wait,
    wait_for_event,
    workflow,
)
from planar.workflows.exceptions import ForeignTaskError
from tests.integration.engine.conftest import Opener, steps_of, until_status

pytestmark = [pytest.mark.anyio, pytest.mark.store_independent]

BODIES: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    BODIES.clear()


@step()
async def one() -> int:
    BODIES.append("one")
    return 1


@step()
def synchronous() -> int:
    BODIES.append("synchronous")
    return 2


@step(max_retries=2)
async def retried() -> None:
    BODIES.append("retried")
    raise ConnectionError("again")


@wait(poll_interval=0.01)
async def ready() -> bool:
    BODIES.append("ready")
    return True


@workflow()
async def child() -> int:
    BODIES.append("child")
    return await one()


async def two_steps() -> int:
    return await one() + await synchronous()


# What is called, as a coroutine that has not begun.
WHATS: dict[str, Callable[[], Coroutine[Any, Any, Any]]] = {
    "a step": one,
    "a synchronous step": synchronous,
    "a retried step": retried,
    "a coroutine with steps": two_steps,
    "a child": child,
    "a start": child.start,
    "a recorded start": child.start_step,
    "a sleep": lambda: suspend(interval=timedelta(milliseconds=1)),
    "a wait for an event": lambda: wait_for_event("here"),
    "a poll": ready,
    "an event": lambda: emit_event("elsewhere"),
    "a gather": lambda: gather(one(), one()),
    "a map": lambda: map(one_of, [1, 2]),
    "a race": lambda: race(one(), one()),
    "a timeout": lambda: timeout(one(), 5),
    "a cancellation": lambda: cancel(CANCELLED[0]),
}

CANCELLED: list[Any] = []


@step()
async def one_of(number: int) -> int:
    BODIES.append("one_of")
    return number


async def with_gather(what: Callable[[], Awaitable[Any]]) -> Any:
    return await asyncio.gather(what(), asyncio.sleep(0))


async def with_task(what: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return await asyncio.create_task(what())


async def with_task_group(what: Callable[[], Coroutine[Any, Any, Any]]) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(what())


async def with_shield(what: Callable[[], Awaitable[Any]]) -> Any:
    return await asyncio.shield(what())


async def with_wait(what: Callable[[], Awaitable[Any]]) -> Any:
    (done,), _ = await asyncio.wait([asyncio.ensure_future(what())])
    return done.result()


async def with_as_completed(what: Callable[[], Awaitable[Any]]) -> Any:
    for each in asyncio.as_completed([what()]):
        return await each


async def with_callback(what: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    made: asyncio.Future[asyncio.Task[Any]] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_soon(lambda: made.set_result(asyncio.ensure_future(what())))
    return await (await made)


async def with_anyio_group(what: Callable[[], Awaitable[Any]]) -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(what)


async def with_thread(what: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    return await asyncio.to_thread(lambda: asyncio.run(what()))


async def with_thread_and_back(what: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    loop = asyncio.get_running_loop()
    return await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(what(), loop).result())


async def with_anyio_thread(what: Callable[[], Awaitable[Any]]) -> Any:
    return await anyio.to_thread.run_sync(lambda: anyio.from_thread.run(what))


async def with_generator(what: Callable[[], Awaitable[Any]]) -> Any:
    """The cleaning up of a generator that is dropped: the loop does that in a task of its own."""
    loop, closing = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()

    async def numbers() -> Any:
        try:
            yield 1
        finally:
            try:
                closing.set_result(await what())
            except BaseException as error:
                closing.set_exception(error)

    async for _ in numbers():
        break
    del loop
    return await closing


WAYS: dict[str, Callable[[Callable[[], Coroutine[Any, Any, Any]]], Coroutine[Any, Any, Any]]] = {
    "asyncio.gather": with_gather,
    "create_task": with_task,
    "TaskGroup": with_task_group,
    "shield": with_shield,
    "asyncio.wait": with_wait,
    "as_completed": with_as_completed,
    "call_soon": with_callback,
    "anyio's task group": with_anyio_group,
    "to_thread": with_thread,
    "run_coroutine_threadsafe": with_thread_and_back,
    "anyio's threads": with_anyio_thread,
    "a dropped generator": with_generator,
}


def _only(error: BaseException) -> BaseException:
    """The error in a group of one."""
    while isinstance(error, BaseExceptionGroup):
        (error,) = error.exceptions
    return error


async def _refused(way: str, what: str) -> str:
    try:
        await WAYS[way](WHATS[what])
    except BaseException as error:
        only = _only(error)
        if not isinstance(only, ForeignTaskError):
            raise
        return str(only)
    return "not refused"


@workflow()
async def in_the_workflow(way: str, what: str) -> str:
    return await _refused(way, what)


@workflow()
async def in_a_branch(way: str, what: str) -> str:
    (said,) = await gather(_refused(way, what))
    return said


@step()
async def refusing(way: str, what: str) -> str:
    return await _refused(way, what)


@workflow()
async def in_a_step(way: str, what: str) -> str:
    return await refusing(way, what)


async def _runs() -> list[str]:
    async with current_services().get(DatabaseManager).get_session() as session:
        return [run.function_name for run in (await session.exec(select(Workflow).order_by(col(Workflow.created_at)))).all()]


async def _events() -> list[str]:
    async with current_services().get(DatabaseManager).get_session() as session:
        return [event.event_key for event in (await session.exec(select(WorkflowEvent))).all()]


@pytest.mark.parametrize("place", [in_the_workflow, in_a_branch, in_a_step], ids=lambda place: place.name)
@pytest.mark.parametrize("way", WAYS)
async def test_nothing_durable_happens_where_the_engine_cannot_place_it(open_app: Opener, way: str, place: Any) -> None:
    async with open_app(place, child):
        for number, what in enumerate(WHATS, 1):
            run = await place.start(way, what)
            CANCELLED[:] = [run.id]
            said = await place.wait_for_completion(run.id)
            assert "use gather, map or race of planar.workflows" in said, what
            assert BODIES == [], what
            recorded = [each.function_name.rpartition(".")[2] for each in await steps_of(run.id)]
            assert recorded == (["refusing"] if place is in_a_step else []), what
            assert await _runs() == [place.name] * number, what
            assert await _events() == [], what


# -- wait_for is a task of its own until Python 3.11, and none from 3.12 on ---------------------------------------------------


@workflow()
async def limited_by_wait_for(what: str) -> str:
    try:
        await asyncio.wait_for(WHATS[what](), 30)
    except ForeignTaskError as error:
        return str(error)
    await wait_for_event("go on")
    return "durable"


# What may be limited so, the bodies that run for it, and the steps that it leaves.
LIMITED: dict[str, tuple[list[str], list[str]]] = {
    "a step": (["one"], ["one"]),
    "a synchronous step": (["synchronous"], ["synchronous"]),
    "a coroutine with steps": (["one", "synchronous"], ["one", "synchronous"]),
    "a child": (["child", "one"], ["child"]),
    "a recorded start": ([], ["child"]),
    "a sleep": ([], ["suspend"]),
    "a poll": (["ready"], ["ready", "get_deadline"]),
    "a gather": (["one", "one"], ["one", "one"]),
    "a race": (["one"], ["one", "one", "race"]),
}


@pytest.mark.parametrize("what", LIMITED)
async def test_wait_for_is_refused_where_it_makes_a_task_and_durable_where_not(open_app: Opener, what: str) -> None:
    async with open_app(limited_by_wait_for, child, max_parked_runs=0):
        run = await limited_by_wait_for.start(what)
        if sys.version_info < (3, 12):
            assert "asyncio.wait_for on Python 3.11" in await limited_by_wait_for.wait_for_completion(run.id)
            assert (BODIES, await steps_of(run.id)) == ([], [])
            return
        await until_status(run.id, "suspended")
        await emit_event("go on", workflow_id=run.id)
        assert await limited_by_wait_for.wait_for_completion(run.id) == "durable"
        bodies, steps = LIMITED[what]
        recorded = [each.function_name.rpartition(".")[2] for each in await steps_of(run.id)]
        assert sorted(recorded) == sorted([*steps, "wait_for_event"])
        if what != "a recorded start":  # whose run may have begun, or not
            assert sorted(BODIES) == sorted(bodies)


# -- what is not durable may be in as many tasks as it likes ------------------------------------------------------------------


@workflow()
async def with_plain_tasks() -> list[int]:
    async def plain(number: int) -> int:
        await asyncio.sleep(0)
        return number

    first, second = await asyncio.gather(plain(1), plain(2))
    async with asyncio.TaskGroup() as group:
        third = group.create_task(plain(3))
    return [first, second, third.result(), await asyncio.to_thread(lambda: 4), await one()]


async def test_tasks_without_steps_are_nobody_elses_business(open_app: Opener) -> None:
    async with open_app(with_plain_tasks):
        assert await with_plain_tasks() == [1, 2, 3, 4, 1]


LATE: dict[str, Any] = {}


@workflow()
async def leaving_a_task_behind() -> None:
    async def late() -> int:
        await LATE["until"].wait()
        return await one()

    LATE["task"] = asyncio.create_task(late())


async def test_a_task_that_outlives_its_run_runs_no_step(open_app: Opener) -> None:
    LATE["until"] = asyncio.Event()
    async with open_app(leaving_a_task_behind):
        run = await leaving_a_task_behind.start()
        await leaving_a_task_behind.wait_for_completion(run.id)
        LATE["until"].set()
        with pytest.raises(ForeignTaskError):
            await LATE["task"]
        assert (BODIES, await steps_of(run.id)) == ([], [])
