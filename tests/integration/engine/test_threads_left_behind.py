"""Synchronous steps whose threads go on after the step was given up, and more of them than there are threads."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest
from sqlmodel import select

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.db.session import get_session
from planar.db.thread_session import get_sync_session
from planar.engine.execution.threads import MAX_THREADS
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import map, race, step, workflow
from tests import stores
from tests.integration.engine.conftest import Opener

pytestmark = pytest.mark.anyio


class ThreadNote(PlanarBaseEntity, table=True):
    text: str


GATES: dict[str, threading.Event] = {}
HELD: dict[str, asyncio.Event] = {}


@pytest.fixture(autouse=True)
def closed() -> None:
    GATES.update(begun=threading.Event(), write=threading.Event(), ended=threading.Event())
    HELD.update(held=asyncio.Event(), release=asyncio.Event())


def write_when_told(text: str) -> str:
    """The write waits for the lock that another step holds, while this step's time runs out."""
    session = get_sync_session()
    GATES["begun"].set()
    GATES["write"].wait(10)
    try:
        session.add(ThreadNote(text=text))
        session.flush()
    finally:
        GATES["ended"].set()
    return text


late = step(timeout=0.2)(write_when_told)
lost = step()(write_when_told)


@step()
async def nap() -> str:
    await HELD["held"].wait()
    await asyncio.sleep(0.1)
    return "napped"


@step()
async def hold() -> None:
    get_session().add(ThreadNote(text="held"))
    await get_session().flush()
    HELD["held"].set()
    await HELD["release"].wait()


@workflow()
async def holding() -> None:
    await hold()


@workflow()
async def late_writer() -> str:
    try:
        return await late("late")
    except TimeoutError:
        return "too late"


@workflow()
async def lost_writer() -> str:
    return await race(lost("lost"), nap())


@step()
def write_at_once(text: str) -> str:
    get_sync_session().add(ThreadNote(text=text))
    return text


@workflow()
async def writing(text: str) -> str:
    return await write_at_once(text)


async def _until(gate: threading.Event) -> None:
    await asyncio.to_thread(gate.wait, 10)


@stores.only(stores.SQLITE)  # there is no such lock elsewhere
@pytest.mark.parametrize("flow", [late_writer, lost_writer], ids=lambda flow: flow.name)
async def test_a_thread_left_behind_while_it_waits_for_the_write_lock_hurts_nobody(open_app: Opener, flow: Any) -> None:
    async with open_app(flow, holding, writing), asyncio.timeout(8):
        given_up = asyncio.ensure_future(flow())
        await _until(GATES["begun"])
        holder = asyncio.ensure_future(holding())
        await HELD["held"].wait()
        GATES["write"].set()
        # The thread is told that it is over while the lock is still the other's.
        await _until(GATES["ended"])
        HELD["release"].set()
        await holder
        assert await given_up == ("too late" if flow is late_writer else "napped")
        began = time.monotonic()
        assert [await writing(text) for text in "abc"] == ["a", "b", "c"]
        assert time.monotonic() - began < 5, "the write lock was left to nobody"
        async with current_services().get(DatabaseManager).get_session() as session:
            assert sorted((await session.exec(select(ThreadNote.text))).all()) == ["a", "b", "c", "held"]


BLOCKED = {"now": 0, "most": 0}
LOCK = threading.Lock()


@step()
def block(number: int) -> int:
    with LOCK:
        BLOCKED["now"] += 1
        BLOCKED["most"] = max(BLOCKED["most"], BLOCKED["now"])
        if BLOCKED["now"] == MAX_THREADS:
            GATES["begun"].set()
    GATES["write"].wait(10)
    with LOCK:
        BLOCKED["now"] -= 1
    return number


@step()
async def beside() -> str:
    return "beside"


@workflow()
async def blocking(count: int) -> list[int]:
    return await map(block, range(count))


@workflow()
async def asynchronous() -> str:
    return await beside()


async def test_more_synchronous_steps_than_threads_wait_for_a_thread_and_block_nobody_else(open_app: Opener) -> None:
    BLOCKED.update(now=0, most=0)
    async with open_app(blocking, asynchronous), asyncio.timeout(20):
        run = asyncio.ensure_future(blocking(MAX_THREADS + 6))
        await _until(GATES["begun"])
        assert await asynchronous() == "beside"
        GATES["write"].set()
        assert await run == list(range(MAX_THREADS + 6))
        assert BLOCKED["most"] == MAX_THREADS
        assert await blocking(3) == [0, 1, 2]
