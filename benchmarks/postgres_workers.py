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
WARM_UP = 2000
"""Runs before a process is measured: in its first thousand each takes up to a tenth more."""
ROUNDS = 16
ROUNDS_OF_BACKLOG = 6
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
    """What two workers do beside one, with callers in their own processes, and with runs that somebody else has started."""
    async with AsyncExitStack() as stack:
        address, elsewhere = [await stack.enter_async_context(durable_database()) for _ in range(2)]
        store, _ = [await stack.enter_async_context(bare_store(each.url)) for each in (address, elsewhere)]
        first, apart = [await stack.enter_async_context(worker_process(each.url)) for each in (address, elsewhere)]
        await asyncio.gather(first.ask("call", runs=WARM_UP), apart.ask("call", runs=WARM_UP))
        await with_callers(address, first, apart, runs)
        await what_they_ask(runs)
        await with_backlog(address, store, first, runs)


async def with_callers(address: Address, first: WorkerProcess, apart: WorkerProcess, runs: int) -> None:
    """Two that have a database each show what it costs that another process works on this machine."""
    one, each, two = [await divided([first], runs)], list[Reached](), list[Reached]()
    for _ in range(ROUNDS):
        each.append(await divided([first, apart], runs))
        async with worker_process(address.url) as second:
            await second.ask("call", runs=WARM_UP)
            two.append(await divided([first, second], runs))
        one.append(await divided([first], runs))
    _speed("two workers, each with 64 callers", one, two)
    _cpu("  CPU time of a run", one, two, "at most 1.15")
    _cpu("  if each has a database", one, each, "what the machine costs")


async def with_backlog(address: Address, store: Store, first: WorkerProcess, runs: int) -> None:
    """Two that find a third's runs."""
    await backlog(address, store, [first], WARM_UP)
    one, two = [await backlog(address, store, [first], runs)], list[Reached]()
    for _ in range(ROUNDS_OF_BACKLOG):
        async with worker_process(address.url) as second:
            await second.ask("call", runs=WARM_UP)
            await backlog(address, store, [first, second], WARM_UP)
            two.append(await backlog(address, store, [first, second], runs))
        one.append(await backlog(address, store, [first], runs))
    _speed("two workers, a backlog", one, two)
    _cpu("  CPU time of a run", one, two, "at most 1.15")


async def what_they_ask(runs: int) -> None:
    """The statements of a run that is called: not timed, because to count them takes time."""
    asked: list[float] = []
    async with durable_database() as address, bare_store(address.url), worker_process(address.url, "--traced") as first:
        await first.ask("call", runs=WARM_UP)
        asked.append(await _statements([first], runs))
        async with worker_process(address.url, "--traced") as second:
            await second.ask("call", runs=WARM_UP)
            asked.append(await _statements([first, second], runs))
    row("  statements of such a run", f"one {asked[0]:.3f}  two {asked[1]:.3f}", "the same")


async def _statements(workers: list[WorkerProcess], runs: int) -> float:
    for worker in workers:
        await worker.ask("look")
    await divided(workers, runs)
    return sum([(await worker.ask("look"))["statements"] for worker in workers]) / (runs // len(workers) * len(workers))


def _speed(title: str, one: list[Reached], two: list[Reached]) -> None:
    alone, together = (statistics.median(each.speed for each in what) for what in (one, two))
    row(title, f"one {alone:5.0f}/s  two {together:5.0f}/s  ratio {together / alone:.2f}", "at least 1; 1.6 with four free cores")


def _cpu(title: str, one: list[Reached], two: list[Reached], bar: str) -> None:
    """The median over the rounds of the ratio to one worker before and after, as a machine changes meanwhile; not that of the medians."""
    ratios = [each.cpu_us / statistics.mean([before.cpu_us, after.cpu_us]) for each, before, after in zip(two, one, one[1:], strict=False)]
    alone, together = (statistics.median(each.cpu_us for each in what) for what in (one, two))
    middle, (low, _, high) = statistics.median(ratios), statistics.quantiles(ratios, n=4)
    row(title, f"one {alone:5.0f} us  two {together:5.0f} us  ratio {middle:.2f} (half of the rounds: {low:.2f} to {high:.2f})", bar)
