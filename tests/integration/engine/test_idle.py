"""An app that has nothing to do lets the database be."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from planar.engine.client import Client
from planar.engine.config import WorkerConfig
from planar.engine.core.model import Run
from planar.engine.store.port import StartRun
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.connection import Connector
from planar.workflows import step, suspend, workflow
from tests import stores
from tests.databases import Databases
from tests.integration.engine.conftest import Opener, until, until_status

pytestmark = pytest.mark.anyio


@step()
async def shout(text: str) -> str:
    return text.upper()


@workflow()
async def sleeping() -> None:
    await suspend(interval=timedelta(days=1))


@workflow()
async def shouting_once(text: str) -> str:
    return await shout(text)


class Trace:
    """Every statement of every SQLite connection, and how often the writer looked whether others wrote."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.statements: list[str] = []
        self.looks = 0
        self._loop = asyncio.get_running_loop()
        self._looked = asyncio.Event()
        connect = sqlite3.connect

        def traced(*args: Any, **options: Any) -> sqlite3.Connection:
            connection = connect(*args, **options)
            connection.set_trace_callback(self._note)
            return connection

        monkeypatch.setattr(sqlite3, "connect", traced)

    async def let_it_look(self, times: int) -> None:
        """Wait for that many more looks."""
        until = self.looks + times
        while self.looks < until:
            self._looked.clear()
            await asyncio.wait_for(self._looked.wait(), 5)

    def _note(self, statement: str) -> None:
        if statement.casefold() != "pragma data_version":
            self.statements.append(statement)
        else:
            self.looks += 1
            self._loop.call_soon_threadsafe(self._looked.set)


def note_statements(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often each statement is asked on the engine's connections that are opened from now on, but for heartbeats."""
    statements: Counter[str] = Counter()
    connect = Connector.__init__

    class Noting(asyncpg.Connection):
        __slots__ = ()

        async def fetch(self, query: str, *args: Any, **options: Any) -> Any:
            if query != sql.BEAT:
                statements[query] += 1
            return await super().fetch(query, *args, **options)

        async def execute(self, query: str, *args: Any, **options: Any) -> Any:
            statements[query] += 1
            return await super().execute(query, *args, **options)

    def made(self: Connector, *args: Any) -> None:
        connect(self, *args)
        self._arguments = {**self._arguments, "connection_class": Noting}

    monkeypatch.setattr(Connector, "__init__", made)
    return statements


@stores.only(stores.SQLITE)
async def test_an_idle_app_asks_the_database_nothing_but_whether_others_wrote(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(monkeypatch)
    async with open_app(shouting_once):
        assert await shouting_once("hello") == "HELLO"
        assert any("insert into workflow_step" in statement for statement in trace.statements)
        await trace.let_it_look(5)
        trace.statements.clear()
        # More than the second after which a worker looks whether others of its kind still live.
        await trace.let_it_look(25)
        assert trace.statements == []


@stores.only(stores.POSTGRESQL)
async def test_a_worker_whose_runs_sleep_asks_two_questions_when_it_looks_all_the_same(
    open_app: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    statements = note_statements(monkeypatch)
    async with open_app(sleeping, shouting_once, poll_seconds=0.1) as app:
        for _ in range(3):
            run = await sleeping.start()
            await until_status(run.id, "suspended")
        # More often than the due times that are known here, nothing would make it look.
        assert await shouting_once("hello") == "HELLO"
        heart = app.services.get(Client).store._parts.heart

        async def rests() -> bool:
            return heart._resting

        await until(rests)
        statements.clear()

        async def has_looked_five_times() -> bool:
            return statements[sql.LOOK_FOR_DUE] >= 5

        await until(has_looked_five_times)
        looks, around = statements.pop(sql.LOOK_FOR_DUE), statements.pop(sql.OTHERS_LIVES)
        # It looks around first.
        assert looks <= around <= looks + 1
        assert statements == {}
        assert heart._resting


@stores.only(stores.SQLITE)
async def test_two_idle_workers_ask_the_database_nothing_of_each_other(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(monkeypatch)
    async with open_app(shouting_once) as first, open_app(shouting_once) as second:
        assert await shouting_once("hello") == "HELLO"
        await trace.let_it_look(20)
        assert [worker._lookout.others for worker in (first.worker, second.worker)] == [[second.worker.id], [first.worker.id]]
        trace.statements.clear()
        looked = [worker._lookout.looked_around for worker in (first.worker, second.worker)]
        # They look whether the other one lives, which needs no statement.
        while any(worker._lookout.looked_around == since for worker, since in zip((first.worker, second.worker), looked, strict=True)):
            await trace.let_it_look(10)
        await trace.let_it_look(50)
        assert trace.statements == []


async def test_a_worker_that_dies_is_taken_over_from_without_news_of_it(open_app: Opener, databases: Databases) -> None:
    async with open_app(shouting_once) as first, open_app(shouting_once) as second:

        async def know_each_other() -> bool:
            return first.worker._lookout.others == [second.worker.id] and second.worker._lookout.others == [first.worker.id]

        async def is_alone() -> bool:
            return first.worker._lookout.others == []

        await until(know_each_other)
        store = second.services.get(Client).store
        held = Run(uuid4(), "held by the dead", "[]", "{}", store.now())
        assert (await store.submit(StartRun(held, second.worker.id))).created
        await databases.kill(store, second.worker.id)
        # On PostgreSQL the lease that was good when it was last looked at may have to end first.
        await until(is_alone, 8)
        assert await first.services.get(Client).store.other_workers(first.worker.id) == []


def test_the_net_under_the_news_is_wider_than_ten_seconds() -> None:
    assert WorkerConfig().poll_seconds >= 10
