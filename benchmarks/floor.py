"""What could the disk do? Bare `sqlite3`, WAL and FULL, group commit by one thread: the least that a durable engine must do.

A three-step run is five durable writes: its start, three steps, its end.
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from pathlib import Path
from uuid import uuid4

SCHEMA = """
create table run (id text primary key, name text, status text, args text, result text, created text);
create table step (run text, seq int, name text, status text, args text, result text, created text, primary key (run, seq)) without rowid;
"""

Write = tuple[str, tuple[object, ...]]


class Floor:
    """One thread that commits whatever is waiting, again and again."""

    def __init__(self, path: Path) -> None:
        self._queue: queue.SimpleQueue[tuple[Write, asyncio.Future[None]] | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._path = path
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    async def write(self, statement: str, values: tuple[object, ...]) -> None:
        """One durable write."""
        done: asyncio.Future[None] = self._loop.create_future()
        self._queue.put(((statement, values), done))
        await done

    async def close(self) -> None:
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _work(self) -> None:
        connection = sqlite3.connect(self._path, isolation_level=None)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.executescript(SCHEMA)
        while (item := self._queue.get()) is not None:
            batch = [item]
            while not self._queue.empty():
                following = self._queue.get()
                if following is None:
                    self._queue.put(None)
                    break
                batch.append(following)
            connection.execute("begin immediate")
            for (statement, values), _ in batch:
                connection.execute(statement, values)
            connection.execute("commit")
            futures = [future for _, future in batch]
            self._loop.call_soon_threadsafe(lambda futures=futures: [future.set_result(None) for future in futures])
        connection.close()


async def floor_run(floor: Floor, steps: int = 3, payload: str = "1") -> None:
    """One run: start, steps, end, each durable before the next."""
    run = uuid4().hex
    await floor.write("insert into run values (?, 'bench', 'pending', ?, null, '2026-01-01 00:00:00.000000')", (run, payload))
    for seq in range(steps):
        row = (run, seq, "bench.step", "succeeded", payload, payload, "2026-01-01 00:00:00.000000")
        await floor.write("insert into step values (?, ?, ?, ?, ?, ?, ?)", row)
    await floor.write("update run set status = 'succeeded', result = ? where id = ?", (payload, run))
