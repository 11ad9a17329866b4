"""What is still being taken when the app stops is given back before it has stopped."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from planar.context import Services
from planar.workflows.holding import Locks
from planar.workflows.leases import Taken

pytestmark = pytest.mark.anyio


class SlowLeases:
    """Leases in a database that answers when it is told to."""

    def __init__(self) -> None:
        self.may_answer = asyncio.Event()
        self.given_back: list[int] = []

    async def take(self, key: str, duration: timedelta) -> Taken:
        await self.may_answer.wait()
        return Taken(1, 0.0)

    async def give_back(self, key: str, number: int) -> bool:
        for _ in range(10):
            await asyncio.sleep(0)
        self.given_back.append(number)
        return True


async def test_a_lock_that_is_taken_after_its_taker_is_gone_is_given_back_before_the_close_ends() -> None:
    locks, leases = Locks(Services()), SlowLeases()
    locks.leases = cast_leases(leases)
    taking = asyncio.create_task(locks.acquire("till", timedelta(hours=1), 0, 1))
    await asyncio.sleep(0)
    taking.cancel()
    await asyncio.wait([taking])
    closing = asyncio.create_task(locks.close())
    await asyncio.sleep(0)
    leases.may_answer.set()
    await closing
    assert leases.given_back == [1]


def cast_leases(leases: SlowLeases) -> Any:
    """In the place of the real ones."""
    return leases
