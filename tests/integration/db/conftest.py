"""A database file, a table in it, and a gate that keeps a diary."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from planar.db import DatabaseManager
from tests.databases import Databases
from tests.integration.db.accounts import Accounts


class DiaryGate:
    """A fair gate. It can be told to keep the next guests waiting."""

    def __init__(self) -> None:
        self.diary: list[str] = []
        self.held = 0
        self._lock = asyncio.Lock()
        self.somebody_waits = asyncio.Event()

    async def enter(self, holder: str) -> DiaryTurn:
        self.diary.append(f"{holder} asks")
        if self._lock.locked():
            self.somebody_waits.set()
        await self._lock.acquire()
        self.held += 1
        self.diary.append(f"{holder} enters")
        return DiaryTurn(self, holder)

    def leave(self, holder: str) -> None:
        self.held -= 1
        self.diary.append(f"{holder} leaves")
        self._lock.release()


class DiaryTurn:
    def __init__(self, gate: DiaryGate, holder: str) -> None:
        self._gate: DiaryGate | None = gate
        self._holder = holder

    def release(self) -> None:
        gate, self._gate = self._gate, None
        if gate is not None:
            gate.leave(self._holder)


@pytest.fixture
async def manager(tmp_path: Path) -> AsyncIterator[DatabaseManager]:
    manager = DatabaseManager(f"sqlite:///{tmp_path}/app.db")
    await manager.connect()
    await manager.migrate(application=[Accounts.metadata])
    yield manager
    await manager.disconnect()


@pytest.fixture
async def either(databases: Databases) -> AsyncIterator[DatabaseManager]:
    """The same on SQLite and on PostgreSQL, for what does not depend on SQLite's one lock."""
    manager = DatabaseManager(await databases.url())
    await manager.connect()
    await manager.migrate(application=[Accounts.metadata])
    yield manager
    await manager.disconnect()


@pytest.fixture
def gate(manager: DatabaseManager) -> DiaryGate:
    manager.write_gate = gate = DiaryGate()
    return gate


@pytest.fixture
async def impatient(tmp_path: Path) -> AsyncIterator[DatabaseManager]:
    """A manager whose sessions keep the write lock for a fifth of a second at most."""
    manager = DatabaseManager(f"sqlite:///{tmp_path}/app.db?timeout=0.2")
    await manager.connect()
    await manager.migrate(application=[Accounts.metadata])
    yield manager
    await manager.disconnect()
