"""What do two workers do together on one database that one does alone? Each is an operating system's process."""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from durable_server import Address, durable_database
from table import row
from uuid_utils.compat import uuid7
from workload import three_steps

from planar.db.manager import DatabaseManager
from planar.engine.core.model import Run
from planar.engine.store.opening import open_store
from planar.engine.store.port import StartRun, Store

SCRIPT = Path(__file__).with_name("worker_process.py")
ROUNDS = 5
LEAD = timedelta(seconds=3)
"""How long before they are due the runs of a backlog are inserted: the workers find them together."""


class WorkerProcess:
    """A worker in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def answer(self) -> dict[str, float]:
        """Its next answer.

        Raises:
            RuntimeError: it has ended.
        """
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("A worker's process has ended; what it said stands above.")
        return json.loads(line)

    async def ask(self, do: str, **what: object) -> dict[str, float]:
        """Let it do something, see `worker_process.Told`; what it answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **what}).encode() + b"\n")
        return await self.answer()


@asynccontextmanager
async def worker_process(url: str, *options: str) -> AsyncIterator[WorkerProcess]:
    """A process with a worker that is ready."""
    pipes: Any = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(sys.executable, str(SCRIPT), url, *options, **pipes)
    worker = WorkerProcess(process)
    try:
        await worker.answer()
        yield worker
    finally:
        process.stdin.close()
        await process.wait()


@asynccontextmanager
async def bare_store(url: str) -> AsyncIterator[Store]:
    """The engine's store without a worker, for who only starts runs, in a database that has its tables then."""
    manager = DatabaseManager(url)
    await manager.connect()
    await manager.migrate(application=[])
    store = open_store(manager)
    await store.open()
    try:
        yield store
    finally:
        await store.close()
        await manager.disconnect()


class Reached(NamedTuple):
    """What workers did together."""

    speed: float
    cpu_us: float


async def divided(workers: list[WorkerProcess], runs: int) -> Reached:
    """Each worker calls its share, 64 at a time."""
    share = runs // len(workers)
    answers = await asyncio.gather(*(worker.ask("call", runs=share) for worker in workers))
    slowest = max(share / answer["speed"] for answer in answers)
    return Reached(share * len(workers) / slowest, statistics.mean(answer["cpu_us"] for answer in answers))


async def backlog(address: Address, store: Store, workers: list[WorkerProcess], runs: int) -> Reached:
    """A third process starts the runs, all due at one moment, and the workers take them."""
    due = store.now() + LEAD + timedelta(milliseconds=runs)
    name, ids = three_steps.name, [uuid7() for _ in range(runs)]
    await asyncio.gather(*(store.submit(StartRun(Run(id, name, "[1]", "{}", due))) for id in ids))
    # Until each worker has heard of them, and before they are due.
    await asyncio.sleep((due - store.now()).total_seconds() - 0.5)
    before = sum([(await worker.ask("look"))["cpu"] for worker in workers])
    await until_none_is_left(address)
    used = sum([(await worker.ask("look"))["cpu"] for worker in workers]) - before
    ended = await address.connection.fetchval("select max(updated_at) from planar.workflow_run where id = any($1::uuid[])", ids)
    return Reached(runs / (ended - due).total_seconds(), used / runs * 1e6)


async def until_none_is_left(address: Address) -> None:
    """Return once every run has ended."""
    while True:
        if await address.connection.fetchval("select count(*) from planar.workflow_claim") == 0:
            return
        await asyncio.sleep(0.1)


async def two_workers(runs: int) -> None:
    """One worker and two, in turns. Two that have a database each show what it costs that another process works on this machine."""
    rounds: list[dict[str, Reached]] = []
    async with AsyncExitStack() as stack:
        address, elsewhere = [await stack.enter_async_context(durable_database()) for _ in range(2)]
        store, _ = [await stack.enter_async_context(bare_store(each.url)) for each in (address, elsewhere)]
        first, apart = [await stack.enter_async_context(worker_process(each.url)) for each in (address, elsewhere)]
        await asyncio.gather(first.ask("call", runs=500), apart.ask("call", runs=500))
        for _ in range(ROUNDS):
            one = {"divided, one": await divided([first], runs), "backlog, one": await backlog(address, store, [first], runs)}
            each = {"divided, apart": await divided([first, apart], runs)}
            async with worker_process(address.url) as second:
                await second.ask("call", runs=500)
                both = [first, second]
                two = {"divided, two": await divided(both, runs), "backlog, two": await backlog(address, store, both, runs)}
            rounds.append(one | each | two)
    for title, what in (("two workers, each with 64 callers", "divided"), ("two workers, a backlog", "backlog")):
        speed = [statistics.median(each[f"{what}, {how}"].speed for each in rounds) for how in ("one", "two")]
        row(title, f"one {speed[0]:5.0f}/s  two {speed[1]:5.0f}/s  ratio {speed[1] / speed[0]:.2f}", "at least 1; 1.6 with four free cores")
        _cpu(rounds, "  CPU time of a run", what, "two", "at most 1.15")
        if what == "divided":
            _cpu(rounds, "  if each has a database", what, "apart", "what the machine costs")


def _cpu(rounds: list[dict[str, Reached]], title: str, what: str, how: str, bar: str) -> None:
    one, two = (min(each[f"{what}, {who}"].cpu_us for each in rounds) for who in ("one", how))
    row(title, f"one {one:5.0f} us  two {two:5.0f} us  ratio {two / one:.2f}", bar)
