"""A step's commit whose answer is lost: what was recorded is not executed again."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy import text

from planar import get_session
from planar.db.session import SessionScope
from planar.workflows import RetryPolicy, step, workflow
from tests.integration.engine.conftest import Opener

pytestmark = pytest.mark.anyio

begun: list[int] = []


@step(retry=RetryPolicy(max_retries=3))
async def book(amount: int) -> int:
    begun.append(amount)
    connection = await get_session().connection()
    await connection.execute(text("create table if not exists booked (amount int)"))
    await connection.execute(text("insert into booked values (:amount)"), {"amount": amount})
    return amount


@workflow()
async def booking(amount: int) -> int:
    return await book(amount)


async def test_the_body_is_not_executed_again(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    begun.clear()
    commit = SessionScope.commit

    async def lose_answer(scope: SessionScope) -> None:
        await commit(scope)
        raise ConnectionResetError("the answer was lost")

    monkeypatch.setattr(SessionScope, "commit", lose_answer)
    async with open_app(booking):
        run = await booking.start(7)
        assert await asyncio.wait_for(booking.wait_for_completion(run.id), 10) == 7
    assert begun == [7]
