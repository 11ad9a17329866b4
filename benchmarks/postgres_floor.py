"""What could PostgreSQL do? Bare asyncpg, group commit by one connection: the least that a durable engine must do.

A three-step run is five durable writes: its start, three steps, its end. Whatever waits is one statement of many rows, prepared
and committed by itself: one round trip. A batch of one kind has a statement of its own, since empty arrays cost time too.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from durable_server import durable_database

SCHEMA = """
create table run (id uuid primary key, name text, status text, args text, result text, created timestamptz);
create table step (run uuid, seq int, name text, status text, args text, result text, created timestamptz, primary key (run, seq));
"""
SETTINGS = {"plan_cache_mode": "force_generic_plan", "enable_seqscan": "off", "jit": "off"}

START, STEP, END = "start", "step", "end"
COLUMNS = {
    START: ("uuid", "text", "text", "text", "timestamptz"),
    STEP: ("uuid", "int", "text", "text", "text", "text", "timestamptz"),
    END: ("uuid", "text", "text"),
}
STATEMENTS = {
    START: "insert into run (id, name, status, args, created) select * from unnest({})",
    STEP: "insert into step select * from unnest({})",
    END: "update run r set status = u.status, result = u.result from unnest({}) u(id, status, result) where r.id = u.id",
}
NOW = datetime(2026, 1, 1, tzinfo=UTC)

Row = tuple[object, ...]


def statement_of(kinds: tuple[str, ...]) -> str:
    """One statement that writes rows of *kinds*."""
    parts: list[str] = []
    number = 0
    for kind in kinds:
        arrays: list[str] = []
        for column in COLUMNS[kind]:
            number += 1
            arrays.append(f"${number}::{column}[]")
        parts.append(STATEMENTS[kind].format(", ".join(arrays)))
    if len(parts) == 1:
        return parts[0]
    return "with " + ", ".join(f"w{place} as ({part})" for place, part in enumerate(parts)) + " select 1"


class Floor:
    """One task with one connection that commits whatever is waiting, again and again."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._prepared: dict[tuple[str, ...], Any] = {}
        self._waiting: list[tuple[str, Row, asyncio.Future[None]]] = []
        self._filled = asyncio.Event()
        self._task = asyncio.create_task(self._work())

    async def write(self, kind: str, row: Row) -> None:
        """One durable write."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((kind, row, done))
        self._filled.set()
        await done

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _work(self) -> None:
        while True:
            await self._filled.wait()
            self._filled.clear()
            batch, self._waiting = self._waiting, []
            await self._commit(batch)
            for _, _, future in batch:
                future.set_result(None)
            # Those whose writes were just committed want to write at once: in one batch.
            await asyncio.sleep(0)

    async def _commit(self, batch: list[tuple[str, Row, asyncio.Future[None]]]) -> None:
        rows: dict[str, list[Row]] = {}
        for kind, row, _ in batch:
            rows.setdefault(kind, []).append(row)
        kinds = tuple(sorted(rows))
        if kinds not in self._prepared:
            self._prepared[kinds] = await self._connection.prepare(statement_of(kinds))
        await self._prepared[kinds].fetch(*(list(column) for kind in kinds for column in zip(*rows[kind], strict=True)))


@asynccontextmanager
async def floor_in() -> AsyncIterator[Floor]:
    """A floor in a database of its own."""
    async with durable_database() as address:
        for name, value in SETTINGS.items():
            await address.connection.execute(f"set {name} = {value}")
        await address.connection.execute(SCHEMA)
        floor = Floor(address.connection)
        try:
            yield floor
        finally:
            await floor.close()


async def floor_run(floor: Floor, steps: int = 3, payload: str = "1") -> None:
    """One run: start, steps, end, each durable before the next."""
    run: UUID = uuid4()
    await floor.write(START, (run, "bench", "pending", payload, NOW))
    for seq in range(steps):
        await floor.write(STEP, (run, seq, "bench.step", "succeeded", payload, payload, NOW))
    await floor.write(END, (run, "succeeded", payload))
