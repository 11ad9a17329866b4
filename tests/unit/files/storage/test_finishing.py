"""What must not stop half-way ends, and the cancellation is not lost."""

from __future__ import annotations

import asyncio

import pytest

from planar.files.storage.finishing import to_the_end

pytestmark = pytest.mark.anyio


async def test_it_gives_what_the_work_gives() -> None:
    async def work() -> int:
        return 7

    async def failing() -> int:
        raise KeyError("x")

    assert await to_the_end(work()) == 7
    with pytest.raises(KeyError):
        await to_the_end(failing())


@pytest.mark.parametrize("fails", [False, True])
async def test_however_often_it_is_cancelled_the_work_ends_first(fails: bool) -> None:
    go, ended = asyncio.Event(), []

    async def work() -> None:
        await go.wait()
        ended.append(True)
        if fails:
            raise KeyError("nobody asks for it")

    waiting = asyncio.create_task(to_the_end(work()))
    for _ in range(3):
        await asyncio.sleep(0)
        waiting.cancel()
    await asyncio.sleep(0)
    assert not waiting.done()
    go.set()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert ended == [True]
