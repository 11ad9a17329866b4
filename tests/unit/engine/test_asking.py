"""Asking PostgreSQL: again if the connection was lost, but not for somebody who has given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from planar.engine.store.postgres.connection import READ_ATTEMPTS, ask

pytestmark = pytest.mark.anyio


class Pool:
    """Connections that break: at once, or when the question is given up, as the driver's do if the server is not there to be told."""

    def __init__(self, *, breaks_at_once: bool) -> None:
        self.breaks_at_once = breaks_at_once
        self.asked = 0
        self.is_asked = asyncio.Event()

    @asynccontextmanager
    async def acquire(self, timeout: float) -> AsyncGenerator[Pool]:
        yield self

    async def fetch(self, query: str, *args: Any, timeout: float) -> list[Any]:
        self.asked += 1
        self.is_asked.set()
        if not self.breaks_at_once:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise ConnectionError("lost while the question was given up") from None
        raise ConnectionError("lost")

    def terminate(self) -> None: ...


async def test_a_question_is_asked_again_if_its_connection_was_lost() -> None:
    pool = Pool(breaks_at_once=True)
    with pytest.raises(ConnectionError, match="lost"):
        await ask(pool, "select 1")
    assert pool.asked == READ_ATTEMPTS


async def test_a_question_is_not_asked_again_for_somebody_who_has_given_up() -> None:
    pool = Pool(breaks_at_once=False)
    asking = asyncio.create_task(ask(pool, "select 1"))
    await pool.is_asked.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asking, 5)
    assert pool.asked == 1


async def test_somebody_who_was_cancelled_before_may_ask_and_is_answered_as_others_are() -> None:
    """As code that cleans up does."""
    pool = Pool(breaks_at_once=True)

    async def clean_up() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            await ask(pool, "select 1")

    cleaning = asyncio.create_task(clean_up())
    await asyncio.sleep(0)
    cleaning.cancel()
    with pytest.raises(ConnectionError, match="lost"):
        await cleaning
    assert pool.asked == READ_ATTEMPTS
