"""Does it stay as fast when there is much? Long histories, an old snapshot that keeps every dead row, and many runs asleep."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from uuid import UUID

from durable_server import Address, durable_database
from postgres_floor import floor_in, floor_run
from postgres_workers import WorkerProcess, bare_store, worker_process
from table import ratio, row
from uuid_utils.compat import uuid7
from workload import many, three_steps

from planar.engine.core.model import Run, RunStatus
from planar.engine.store.port import ClaimDue, Claims, EndRun, Holder, StartRun, Store
from tests.postgres_server import connect

PARTS = 10
WARM_UP = 500
CLAIMED, TIMES = 100, 60
NAME = "finished"
DAY = timedelta(days=1)
IDLE_SECONDS = 60
"""As long as it takes until a worker looks for what no news told it of."""
DUE_TOGETHER = 10
"""One in so many of those who sleep are due together."""


@asynccontextmanager
async def old_snapshot(url: str) -> AsyncIterator[None]:
    """Meanwhile a transaction sees the database as it was: no row that dies can be cleaned up."""
    connection = await connect(url)
    try:
        await connection.execute("begin isolation level repeatable read")
        await connection.fetch("select count(*) from planar.workflow_run")
        yield
    finally:
        await connection.close()


# -- a long history -----------------------------------------------------------------------------------------------------------


async def flat(address: Address, runs: int) -> None:
    """Does it stay as fast over many runs, with an old snapshot open? In an app over *address*."""
    await many(three_steps, WARM_UP)
    shares: list[float] = []
    async with floor_in() as floor, old_snapshot(address.url):
        await many(lambda number: floor_run(floor), WARM_UP)
        for part in range(PARTS):
            # As the server does by itself now and then: the planner learns that hardly a row of the hot table lives.
            await address.connection.execute("analyze planar.workflow_claim")
            bare, least = await many(lambda number: floor_run(floor), min(2000, runs // PARTS))
            speed, cpu = await many(three_steps, runs // PARTS)
            ratio(
                f"runs {part * runs // PARTS:,} to {(part + 1) * runs // PARTS:,}", "/s", bare, speed, f"CPU {least:.0f} and {cpu:.0f} us"
            )
            shares.append(speed / bare)
    early, late = (statistics.median(part) for part in (shares[: PARTS // 2], shares[PARTS // 2 :]))
    row("flat, old snapshot open", f"share of the floor: {early:.2f} in the first half, {late:.2f} in the second", "the same")


async def claim_and_end(store: Store, worker_id: UUID, runs: int) -> float:
    """Start *runs* that are due at once, claim them, end them; how long the claim took, in milliseconds."""
    now = store.now()
    await asyncio.gather(*(store.submit(StartRun(Run(uuid7(), NAME, "[]", "{}", now))) for _ in range(runs)))
    began = time.perf_counter()
    found: Claims = await store.submit(ClaimDue(worker_id, runs, frozenset({NAME})))
    taken = time.perf_counter() - began
    ends = [EndRun(Holder(claim.run.id, worker_id, claim.epoch), RunStatus.SUCCEEDED, "1", None) for claim in found.claims]
    if len(ends) != runs:
        raise RuntimeError(f"{len(ends)} of {runs} runs were claimed")
    await asyncio.gather(*map(store.submit, ends))
    return taken * 1000


async def claim_times(stores: Sequence[Store], worker_id: UUID, runs: int) -> list[list[float]]:
    """How long claims of *runs* take in each of *stores*, in milliseconds, measured in turns: the machine's speed changes."""
    times: list[list[float]] = [[] for _ in stores]
    for _ in range(TIMES):
        for store, taken in zip(stores, times, strict=True):
            taken.append(await claim_and_end(store, worker_id, runs))
    return times


async def claims(runs: int) -> None:
    """What does a claim cost behind the dead rows of so many finished runs, which waited to be claimed as well?

    Beside it in the same seconds stands a claim in a database of its own on the same server, whose dead rows are cleaned up.
    """
    async with durable_database() as new, durable_database() as old, bare_store(new.url) as fresh, bare_store(old.url) as behind:
        worker_id, stores = uuid7(), (fresh, behind)
        for store in stores:
            await store.enlist(worker_id)
        await claim_times(stores, worker_id, CLAIMED)
        async with old_snapshot(old.url):
            for _ in range(runs // 1000):
                await claim_and_end(behind, worker_id, 1000)
            for size in (1, CLAIMED):
                _claims(runs, size, *await claim_times(stores, worker_id, size))
        for store in stores:
            await store.discharge(worker_id)


def _claims(runs: int, size: int, fresh: Sequence[float], behind: Sequence[float]) -> None:
    ratios = statistics.quantiles((late / early for early, late in zip(fresh, behind, strict=True)), n=4)
    row(
        f"claim of {size} due",
        f"fresh {statistics.median(fresh):.2f} ms  behind {runs:,} dead rows {statistics.median(behind):.2f} ms"
        f"  ratio {ratios[1]:.2f} ({ratios[0]:.2f} to {ratios[2]:.2f})",
        "at most 3",
    )


# -- many asleep ------------------------------------------------------------------------------------------------------------


async def until_asleep(address: Address, worker: WorkerProcess, runs: int) -> None:
    """Return once so many runs sleep."""
    asleep = "select count(*) from planar.workflow_claim where worker_id is null and reason = 'timer'"
    while await address.connection.fetchval(asleep) < runs:
        await asyncio.sleep(0.5)
        # It forgets the statements that it has counted.
        await worker.ask("look")


async def resumed(address: Address, due: datetime, runs: int) -> float:
    """How long after *due* the last of so many runs had ended, in seconds."""
    ended = "select count(*), max(updated_at) from planar.workflow_run where function_name = 'sleep_until' and status = 'succeeded'"
    while True:
        await asyncio.sleep(0.25)
        count, last = await address.connection.fetchrow(ended)
        if count == runs:
            return (last - due).total_seconds()


async def sleepers(runs: int) -> None:
    """What do so many sleeping runs cost the worker that put them to sleep, and how soon do those go on that are due together?"""
    together = runs // DUE_TOGETHER
    async with durable_database() as address, worker_process(address.url, "--traced") as worker:
        await worker.ask("call", runs=WARM_UP)
        before = await worker.ask("look")
        now: datetime = await address.connection.fetchval("select now()")
        speed = (await worker.ask("put_to_sleep", runs=runs - together, until=(now + DAY).isoformat()))["speed"]
        await until_asleep(address, worker, runs - together)
        now = await address.connection.fetchval("select now()")
        # Long enough to put them to sleep at the same speed, and to look at the idle worker before.
        due = now + timedelta(seconds=IDLE_SECONDS + 20 + 3 * together / speed)
        await worker.ask("put_to_sleep", runs=together, until=due.isoformat())
        await until_asleep(address, worker, runs)
        await asyncio.sleep(2)
        asleep = await worker.ask("look")
        await asyncio.sleep(IDLE_SECONDS)
        idle = await worker.ask("look")
        seconds = await resumed(address, due, together)
    row(f"{runs:,} runs asleep", f"memory grows by {asleep['megabytes'] - before['megabytes']:.0f} MB", "less than 50 MB")
    row(f"  idle for {IDLE_SECONDS} s", f"{idle['statements']} statements and {idle['heartbeats']} heartbeats", "at most 1 in 10 s")
    row(f"  {together:,} due together", f"all have gone on within {seconds:.1f} s", "within 30 s")
