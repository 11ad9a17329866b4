"""A store whose clock is moved by hand says so at once: something may be due."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from planar.clock import SYSTEM_CLOCK, Clock
from planar.db.manager import DatabaseManager
from planar.engine.store.memory import MemoryDatabase, MemoryStore
from planar.engine.store.opening import open_store
from planar.engine.store.port import News, Store
from planar.testing import ManualClock
from tests import stores
from tests.postgres_server import migrated_database

pytestmark = pytest.mark.anyio

Maker = Callable[[Clock], Store]


@pytest.fixture(params=stores.kinds(*stores.STORES))
async def make(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Maker]:
    if request.param == stores.MEMORY:
        yield lambda clock: MemoryStore(MemoryDatabase(clock))
        return
    async with AsyncExitStack() as stack:
        if request.param == stores.POSTGRESQL:
            manager = DatabaseManager(await stack.enter_async_context(migrated_database()))
        else:
            manager = DatabaseManager(f"sqlite:///{tmp_path}/app.db")
        await manager.connect()
        stack.push_async_callback(manager.disconnect)
        await manager.migrate()
        yield lambda clock: open_store(manager, clock)


async def test_listeners_hear_of_each_move_while_the_store_is_open(make: Maker) -> None:
    clock, news = ManualClock(), list[News]()
    store = make(clock)
    store.subscribe(news.append)
    clock.move_to(clock.now() + timedelta(days=1))
    assert news == []
    for lives in (1, 2):
        await store.open()
        clock.move_to(clock.now() + timedelta(days=1))
        assert [each.due for each in news] == [True] * lives
        assert store.now() == clock.now()
        await store.close()
        await store.close()
        clock.move_to(clock.now() + timedelta(days=1))
        assert len(news) == lives


async def test_a_clock_that_goes_by_itself_is_no_news(make: Maker) -> None:
    store, news = make(SYSTEM_CLOCK), list[News]()
    store.subscribe(news.append)
    await store.open()
    await store.close()
    assert news == []
