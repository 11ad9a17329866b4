"""First come, first served, and nothing is kept of who has gone."""

from __future__ import annotations

import asyncio

import pytest

from planar.workflows.lock_errors import LockResourceFailed
from planar.workflows.lock_queue import LockQueues

pytestmark = pytest.mark.anyio


async def test_turns_come_in_the_order_of_asking() -> None:
    queues, served = LockQueues(), list[int]()

    async def work(number: int) -> None:
        turn = await queues.enter("till", 5)
        served.append(number)
        await asyncio.sleep(0)
        turn.leave()

    await asyncio.gather(*(work(number) for number in range(10)))
    assert served == sorted(served)
    assert len(queues) == 0


async def test_names_do_not_wait_for_each_other() -> None:
    queues = LockQueues()
    one, two = await queues.enter("one", 0), await queues.enter("two", 0)
    one.leave()
    assert len(queues) == 1
    two.leave()
    assert len(queues) == 0


async def test_a_turn_that_is_left_twice_is_left_once() -> None:
    queues = LockQueues()
    first = await queues.enter("till", 0)
    second = asyncio.create_task(queues.enter("till", 5))
    await asyncio.sleep(0)
    first.leave()
    first.leave()
    (await second).leave()
    assert len(queues) == 0


async def test_who_does_not_wait_gets_a_free_turn_and_no_other() -> None:
    queues = LockQueues()
    turn = await queues.enter("till", 0)
    with pytest.raises(LockResourceFailed, match="till"):
        await asyncio.create_task(queues.enter("till", 0))
    turn.leave()
    assert len(queues) == 0


async def test_who_stops_waiting_is_not_in_the_way() -> None:
    queues = LockQueues()
    turn = await queues.enter("till", 0)
    gone, next_one = (asyncio.create_task(queues.enter("till", 5)) for _ in range(2))
    await asyncio.sleep(0)
    gone.cancel()
    turn.leave()
    (await next_one).leave()
    with pytest.raises(asyncio.CancelledError):
        await gone
    assert len(queues) == 0


async def test_a_task_does_not_wait_for_itself() -> None:
    queues = LockQueues()
    turn = await queues.enter("till", 0)
    with pytest.raises(LockResourceFailed, match="already"):
        await queues.enter("till", 5)
    turn.leave()
    assert len(queues) == 0
