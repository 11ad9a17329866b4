"""A step that writes, emits, starts and then waits with the write lock in its hand: slow for 64 other runs, and no more than that.

The form that holds the lock for three seconds, with the figures, is `benchmarks/contention.py`.
"""

from __future__ import annotations

import asyncio
import time
from uuid import UUID

import pytest
from sqlmodel import select

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.db.session import get_session
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import emit_event, gather, step, wait_for_event, workflow
from tests.integration.engine.conftest import Opener, run_of, steps_of, until_status

pytestmark = pytest.mark.anyio

OTHERS = 64
HELD_SECONDS = 0.3
BODIES: list[str] = []
MOMENTS: dict[str, float] = {}


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    BODIES.clear()
    MOMENTS.clear()


class ContentionNote(PlanarBaseEntity, table=True):
    text: str


@workflow()
async def started() -> str:
    MOMENTS.setdefault("started", time.monotonic())
    return "started"


@step()
async def write_emit_start_and_wait(key: str, seconds: float) -> UUID:
    BODIES.append(key)
    session = get_session()
    session.add(ContentionNote(text=key))
    await session.flush()
    await emit_event(key, {"from": key})
    run = await started.start()
    MOMENTS["held"] = time.monotonic()
    await asyncio.sleep(seconds)
    MOMENTS["released"] = time.monotonic()
    return run.id


@workflow()
async def holding(key: str, seconds: float) -> UUID:
    return await write_emit_start_and_wait(key, seconds)


@workflow()
async def holding_in_branches(seconds: float) -> list[UUID]:
    return list(await gather(*(write_emit_start_and_wait(f"branch {number}", seconds) for number in range(4))))


@workflow()
async def listening(key: str) -> dict[str, str]:
    heard = await wait_for_event(key)
    MOMENTS.setdefault("heard", time.monotonic())
    return heard


@step()
async def increase(number: int) -> int:
    return number + 1


@step()
async def note(number: int) -> int:
    get_session().add(ContentionNote(text="other"))
    return number + 1


@workflow()
async def three_steps(number: int) -> int:
    """Every fourth writes to the user's tables as well."""
    middle = note if number % 4 == 0 else increase
    return await increase(await middle(await increase(number)))


async def _notes() -> list[str]:
    async with current_services().get(DatabaseManager).get_session() as session:
        return sorted((await session.exec(select(ContentionNote.text))).all())


async def test_sixty_four_runs_end_beside_a_step_that_holds_the_write_lock(open_app: Opener, caplog: pytest.LogCaptureFixture) -> None:
    async with open_app(holding, listening, three_steps, started):
        listener = await listening.start("news")
        await until_status(listener.id, "suspended")
        holder = await holding.start("news", HELD_SECONDS)
        async with asyncio.timeout(30):
            results = await asyncio.gather(*(three_steps(number) for number in range(OTHERS)))
            assert results == [number + 3 for number in range(OTHERS)]
            begun = await holding.wait_for_completion(holder.id)
            assert await started.wait_for_completion(begun) == "started"
            assert await listening.wait_for_completion(listener.id) == {"from": "news"}
        assert BODIES == ["news"], "the step ran again"
        # Nothing that stands on the step's transaction is seen before that is committed.
        assert min(MOMENTS["started"], MOMENTS["heard"]) >= MOMENTS["released"]
        assert await _notes() == ["news", *["other"] * (OTHERS // 4)]
        assert [each.status.value for each in await steps_of(holder.id)] == ["succeeded"]
        assert (await run_of(begun)).status.value == "succeeded"
    assert not [record for record in caplog.records if "locked" in record.getMessage()]


async def test_such_steps_in_branches_of_one_run_take_turns(open_app: Opener, caplog: pytest.LogCaptureFixture) -> None:
    async with open_app(holding_in_branches, three_steps, started), asyncio.timeout(30):
        held = asyncio.ensure_future(holding_in_branches(0.05))
        assert await asyncio.gather(*(three_steps(number) for number in range(OTHERS))) == [number + 3 for number in range(OTHERS)]
        begun = await held
        assert [await started.wait_for_completion(each) for each in begun] == ["started"] * 4
        assert sorted(BODIES) == [f"branch {number}" for number in range(4)]
        assert [text for text in await _notes() if text != "other"] == sorted(BODIES)
    assert not [record for record in caplog.records if "locked" in record.getMessage()]
