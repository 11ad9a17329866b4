"""No statement of the SQLite store reads a whole table, however long its history is: asked of SQLite itself."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from uuid_utils.compat import uuid7

from planar.engine.core.model import Reason, RunStatus
from planar.engine.store.port import (
    Cancel,
    ClaimDue,
    ClaimRun,
    Emit,
    EndRun,
    Entry,
    Holder,
    News,
    Reclaim,
    RegisterWorker,
    Release,
    RetireWorker,
    RunWait,
    SaveStep,
    StartRun,
)
from planar.engine.store.sql import SqlEntries
from tests.contract.store_world import Held, SqliteWorld, begin, done, mark, new_event, new_run, wait_for

pytestmark = [pytest.mark.anyio, pytest.mark.store("sqlite")]

FINISHED = 2000
WORKER = uuid7()

HOT = ("workflow_claim", "workflow_step", "workflow_event", "workflow_run", "workflow_wait")


@pytest.fixture(params=["never analyzed", "analyzed when full of history"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqliteWorld]:
    """Two thousand runs with two steps and an event each have ended; two run, one of them with a child, and two sleep."""
    world = SqliteWorld(tmp_path)
    store, clock = await world.store(), world.clock
    futures: list[asyncio.Future[Any]] = []
    for _ in range(FINISHED):
        run = new_run(clock)
        holder = Holder(run.id, WORKER, 1)
        entries: list[Entry] = [
            StartRun(run, WORKER),
            SaveStep(holder, done("1", seq=1)),
            SaveStep(holder, done("2", seq=2), emit=Emit(new_event(clock, run_id=run.id))),
            EndRun(holder, RunStatus.SUCCEEDED, "7", None),
        ]
        futures += [store.submit(entry) for entry in entries]
    await asyncio.gather(*futures)
    if request.param != "never analyzed":
        connection = sqlite3.connect(world.path)
        connection.execute("analyze")
        connection.close()
    yield world
    await world.close()


class Recorder:
    """A connection that notes how SQLite would execute each statement, and executes it."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self.plans: dict[str, list[str]] = {}

    def execute(self, statement: str, parameters: tuple[Any, ...] = ()) -> sqlite3.Cursor:
        plan = self._connection.execute(f"explain query plan {statement}", parameters).fetchall()
        self.plans[statement] = [row[3] for row in plan]
        return self._connection.execute(statement, parameters)

    def scans(self) -> list[str]:
        """Whatever reads a whole hot table, or a whole index of one, or sorts what it found."""
        return [
            f"{line}   <-   {' '.join(statement.split())}"
            for statement, plan in self.plans.items()
            for line in plan
            if any(line.startswith(f"SCAN {table}") for table in HOT) or ("TEMP B-TREE" in line and "DISTINCT" not in line)
        ]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def recorder(world: SqliteWorld) -> Iterator[Recorder]:
    recorder = Recorder(world.path)
    yield recorder
    recorder.close()


HOUR = timedelta(hours=1)

ENTRIES: dict[str, Callable[[Held, SqliteWorld], list[Entry]]] = {
    "start": lambda held, world: [StartRun(new_run(world.clock, idempotency_key="k")), StartRun(new_run(world.clock, idempotency_key="k"))],
    "save a step": lambda held, world: [held.save(mark()), held.save(done(), start=StartRun(new_run(world.clock)))],
    "wait for an event": lambda held, world: [
        held.sleep_for_event("nothing")._replace(waits=(wait_for(held.run, "nothing", after=3, taken=(4, 5)),), marks=(mark(),))
    ],
    "wait for a run": lambda held, world: [held.sleep(Reason.CHILD, waits=(RunWait(held.run.id),))],
    "wake sleepers": lambda held, world: [
        held.sleep_for_event("nothing"),
        Emit(new_event(world.clock, "nothing", idempotency_key="k")),
        Emit(new_event(world.clock, "nothing", idempotency_key="k")),
    ],
    "save a step that failed": lambda held, world: [held.save(done(error="{}", wakeup_at=world.clock.now()))],
    "end": lambda held, world: [held.end()],
    "end with the last step": lambda held, world: [held.save(done()), held.end()._replace(after=("1",))],
    "end what is waited for": lambda held, world: [held.sleep(Reason.CHILD, waits=(RunWait(held.run.id),)), Cancel(held.run.id, "x", "{}")],
    "release": lambda held, world: [Release(held.holder)],
    "claim back": lambda held, world: [held.sleep(due_at=world.clock.now() + HOUR), Reclaim(held.holder)],
    "claim what is due": lambda held, world: [
        Release(held.holder),
        ClaimDue(WORKER, 10, frozenset({"orders", "refunds"})),
    ],
    "claim one run": lambda held, world: [Release(held.holder), ClaimRun(WORKER, held.run.id)],
    "cancel": lambda held, world: [
        StartRun(new_run(world.clock, parent_id=held.run.id)),
        Cancel(held.run.id, "enough", "{}"),
    ],
    "cancel what sleeps": lambda held, world: [held.sleep_for_event("nothing"), Cancel(held.run.id, "enough", "{}")],
    "register and retire a worker": lambda held, world: [
        RegisterWorker(held.holder.worker_id, "host", "", 1),
        RetireWorker(held.holder.worker_id, died=True),
    ],
}


async def test_no_entry_reads_a_whole_table(world: SqliteWorld, recorder: Recorder) -> None:
    for name, entries_of in ENTRIES.items():
        held = await begin(world.processes[0].store, world.clock)
        entries = SqlEntries(world.clock.now)
        recorder.plans.clear()
        for entry in entries_of(held, world):
            entries.apply(recorder.execute, entry, News())
        assert recorder.plans
        assert recorder.scans() == [], name


async def test_runs_are_looked_up_one_by_one(world: SqliteWorld, recorder: Recorder) -> None:
    held = await begin(world.processes[0].store, world.clock)
    assert SqlEntries(world.clock.now).load_runs(recorder.execute, [held.run.id, uuid7()]) == {held.run.id: held.run}
    (plan,) = recorder.plans.values()
    assert any("SEARCH workflow_run USING INDEX" in line for line in plan), plan
    assert recorder.scans() == []


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("claim what is due", "SEARCH workflow_claim USING INDEX ix_planar_workflow_claim_due"),
        ("save a step", "SEARCH workflow_claim USING PRIMARY KEY (run_id=?)"),
        ("end with the last step", "SEARCH workflow_step USING PRIMARY KEY (workflow_id=? AND path=?)"),
        ("end what is waited for", "SEARCH workflow_wait USING PRIMARY KEY (key>? AND key<?)"),
        ("wake sleepers", "SEARCH workflow_wait USING PRIMARY KEY (key=?)"),
        ("register and retire a worker", "SEARCH workflow_claim USING COVERING INDEX ix_planar_workflow_claim_worker_id"),
    ],
)
async def test_hot_statements_use_their_index(world: SqliteWorld, recorder: Recorder, entry: str, expected: str) -> None:
    held = await begin(world.processes[0].store, world.clock)
    entries = SqlEntries(world.clock.now)
    for each in ENTRIES[entry](held, world):
        entries.apply(recorder.execute, each, News())
    assert any(expected in line for plan in recorder.plans.values() for line in plan), recorder.plans
