"""A task's value is its own: neither its children nor its neighbours see it."""

from __future__ import annotations

import asyncio

import pytest

from planar.task_local import TaskLocal

pytestmark = pytest.mark.anyio


async def test_a_value_stays_with_its_task() -> None:
    local: TaskLocal[int] = TaskLocal()
    assert not local.is_set()
    local.set(1)
    assert local.get() == 1

    async def child() -> bool:
        return local.is_set()

    assert not await asyncio.create_task(child())
    assert await child()
    local.clear()
    local.clear()
    assert not local.is_set()


async def test_tasks_do_not_see_each_other() -> None:
    local: TaskLocal[int] = TaskLocal()
    together = asyncio.Barrier(5)

    async def hold(number: int) -> int:
        local.set(number)
        await together.wait()
        return local.get()

    assert await asyncio.gather(*(hold(number) for number in range(5))) == [0, 1, 2, 3, 4]


async def test_no_value_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="No execution context"):
        TaskLocal[int]().get()


def test_outside_a_task_there_is_no_value() -> None:
    with pytest.raises(RuntimeError, match="No execution context"):
        TaskLocal[int]().set(1)
