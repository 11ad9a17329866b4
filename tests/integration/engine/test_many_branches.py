"""A thousand branches: that sleep, each for another time, and that each run a child. How long that takes is printed, and judged loosely."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest
from sqlmodel import col, func, select

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.workflows import Workflow, WorkflowStatus, gather, map, step, suspend, workflow
from tests.integration.engine.conftest import Opener, run_of, steps_of

pytestmark = [pytest.mark.anyio, pytest.mark.store_independent]

WOKEN: list[int] = []
BODIES: list[int] = []
COUNT = 1000


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    WOKEN.clear()
    BODIES.clear()


@step()
async def body(number: int) -> int:
    BODIES.append(number)
    return number


@workflow()
async def sleepers(count: int) -> list[int]:
    async def branch(number: int) -> int:
        # The last begins with the shortest time.
        await suspend(interval=timedelta(milliseconds=1000 + (count - number)))
        WOKEN.append(number)
        return await body(number)

    return list(await gather(*(branch(number) for number in range(count))))


@pytest.mark.parametrize("parked", [100, 0], ids=["in memory", "evicted"])
async def test_a_thousand_branches_that_each_sleep_for_another_time(open_app: Opener, parked: int) -> None:
    async with open_app(sleepers, max_parked_runs=parked):
        began = time.monotonic()
        run = await sleepers.start(COUNT)
        assert await asyncio.wait_for(sleepers.wait_for_completion(run.id), 60) == list(range(COUNT))
        print(f"\n{COUNT} branches that sleep for 1.0 to 2.0 s: {time.monotonic() - began:.2f} s")
        assert sorted(BODIES) == list(range(COUNT)), "a body ran twice, or never"
        assert sorted(set(WOKEN)) == list(range(COUNT))
        steps = await steps_of(run.id)
        assert len(steps) == 2 * COUNT
        slept = {each.path: each for each in steps if each.function_name == "planar.workflows.suspend"}
        assert all(each.updated_at - each.created_at >= timedelta(seconds=1) for each in slept.values()), "one was cut short"


LIMIT = 50
OPEN = {"now": 0, "most": 0}
ALL_OPEN: dict[str, asyncio.Event] = {}


@step()
async def meet(number: int) -> int:
    """The first ones wait for each other: fewer at once than the limit would never end."""
    OPEN["now"] += 1
    OPEN["most"] = max(OPEN["most"], OPEN["now"])
    if OPEN["most"] == LIMIT:
        ALL_OPEN["reached"].set()
    await ALL_OPEN["reached"].wait()
    BODIES.append(number)
    OPEN["now"] -= 1
    return number


@workflow()
async def child(number: int) -> int:
    return await meet(number)


@workflow()
async def children(count: int, limit: int) -> list[int]:
    return await map(child, range(count), limit=limit)


async def test_a_thousand_children_fifty_at_a_time(open_app: Opener) -> None:
    OPEN.update(now=0, most=0)
    ALL_OPEN["reached"] = asyncio.Event()
    async with open_app(children, child):
        began = time.monotonic()
        run = await children.start(COUNT, LIMIT)
        assert await asyncio.wait_for(children.wait_for_completion(run.id), 60) == list(range(COUNT))
        print(f"\n{COUNT} children, {LIMIT} at a time: {time.monotonic() - began:.2f} s")
        assert OPEN["most"] == LIMIT
        assert sorted(BODIES) == list(range(COUNT))
        async with current_services().get(DatabaseManager).get_session() as session:
            ended = select(func.count()).where(col(Workflow.parent_id) == run.id, col(Workflow.status) == WorkflowStatus.SUCCEEDED)
            assert (await session.exec(ended)).one() == COUNT
        assert (await run_of(run.id)).status is WorkflowStatus.SUCCEEDED
