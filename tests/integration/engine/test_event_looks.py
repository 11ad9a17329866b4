"""Looking for events without taking them, and times that a replay keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from planar.workflows import emit_event, step, wait_for_event, workflow
from planar.workflows.contrib import get_deadline
from planar.workflows.events import check_event_exists, get_latest_event
from tests.integration.engine.conftest import Opener, until_status

pytestmark = pytest.mark.anyio


@step()
async def look() -> list[Any]:
    newest = await get_latest_event("news")
    return [await check_event_exists("news"), newest.payload if newest is not None else None]


@workflow()
async def looking() -> list[Any]:
    before = await look()
    first = await wait_for_event("news")
    second = await wait_for_event("news")
    return [before, await look(), first, second]


async def test_a_look_finds_the_newest_and_takes_nothing(open_app: Opener) -> None:
    async with open_app(looking):
        run = await looking.start()
        await until_status(run.id, "suspended")
        for number in (1, 2):
            await emit_event("news", {"number": number})
        assert await looking.wait_for_completion(run.id) == [[False, None], [True, {"number": 2}], {"number": 1}, {"number": 2}]


async def test_a_look_sees_what_is_for_everybody_and_for_the_run_that_it_names(open_app: Opener) -> None:
    async with open_app(looking):
        run, other = await looking.start(), await looking.start()
        event, _ = await emit_event("letter", {"for": "one"}, run.id)
        assert await check_event_exists("letter", workflow_id=run.id)
        assert not await check_event_exists("letter", workflow_id=other.id)
        assert not await check_event_exists("letter")
        newest = await get_latest_event("letter", workflow_id=run.id)
        assert newest is not None
        assert newest.id == event.id
        assert not await check_event_exists("letter", since=event.timestamp + timedelta(seconds=1), workflow_id=run.id)


SEEN: list[datetime] = []


@workflow()
async def having_a_deadline() -> None:
    SEEN.append(await get_deadline(60))
    await wait_for_event("go on")


async def test_a_deadline_is_kept_by_a_replay(open_app: Opener) -> None:
    SEEN.clear()
    async with open_app(having_a_deadline, max_parked_runs=0):
        run = await having_a_deadline.start()
        await until_status(run.id, "suspended")
        await emit_event("go on")
        await having_a_deadline.wait_for_completion(run.id)
    assert len(SEEN) == 2
    assert SEEN[0] == SEEN[1]
    assert timedelta() < SEEN[0] - datetime.now(UTC) < timedelta(seconds=60)
