"""The stores agree: the same random entries have the same outcomes, the same news and the same state, in memory and in each database.

The memory store is the model, in a few lines of plain Python; any difference is a fault of one of the two. A failing seed fails again.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from planar.engine.core.model import ENDED, Claim, Event, Reason, Run, RunStatus, StepStatus
from planar.engine.store.memory import MemoryDatabase, MemoryStore
from planar.engine.store.port import (
    Cancel,
    Cancelled,
    ClaimDue,
    ClaimRun,
    Claims,
    Emit,
    Emitted,
    EndRun,
    Entry,
    EventWait,
    Found,
    Holder,
    News,
    Reclaim,
    RegisterWorker,
    Release,
    RetireWorker,
    RunWait,
    SaveStep,
    Sleep,
    Slept,
    Standing,
    Started,
    StartRun,
    Store,
    Wait,
)
from planar.engine.store.rows import moment
from tests.contract.store_world import HandClock, Heard, PostgresWorld, SqliteWorld, done, mark, new_event, new_run
from tests.postgres_server import connect, migrated_database

pytestmark = pytest.mark.anyio

SEEDS = range(40)
POSTGRES_SEEDS = range(100, 116)
BATCHES = 60
WORKFLOWS = ("orders", "refunds", "audits")
KEYS = ("paid", "refunded")
CLAIM_COLUMNS = "run_id, worker_id, epoch, due_at, reason, cancel_reason, recoveries"


class Player:
    """Makes entries, most of them plausible: it remembers who holds what, and now and then acts as somebody who does not."""

    def __init__(self, seed: int, clock: HandClock) -> None:
        self.random = random.Random(seed)
        self.clock = clock
        self.workers = [self.uuid() for _ in range(3)]
        self.runs: list[Run] = []
        self.events: list[Event] = []
        self.holders: list[Holder] = []
        """Every hold that was ever given, newest last: the older ones are stale."""
        self._makers: list[tuple[int, Callable[[], Entry]]] = [
            (6, self.start),
            (10, self.save),
            (7, self.sleep),
            (4, self.end),
            (2, lambda: Release(self.holder())),
            (2, lambda: Reclaim(self.holder())),
            (6, lambda: Emit(self.event())),
            (2, self.cancel),
            (6, self.claim),
            (3, lambda: ClaimRun(self.random.choice(self.workers), self.some_run())),
            (1, lambda: RetireWorker(self.random.choice(self.workers), died=self.random.random() < 0.5)),
            (1, lambda: RegisterWorker(self.random.choice(self.workers), "host", "", 1)),
        ]

    def uuid(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def maybe(self, value: Any, chance: float = 0.3) -> Any:
        return value if self.random.random() < chance else None

    def entries(self) -> list[Entry]:
        """What is submitted together."""
        weights = [weight for weight, _ in self._makers]
        chosen = self.random.choices([maker for _, maker in self._makers], weights, k=self.random.randint(1, 6))
        return [make() for make in chosen]

    def burst(self) -> list[Entry]:
        """Starts, records and ends of one worker, as PostgreSQL writes them in one statement."""
        worker = self.random.choice(self.workers)
        held = [holder for holder in self.holders if holder.worker_id == worker][-12:]
        burst: list[Entry] = []
        for _ in range(self.random.randint(1, 12)):
            kind = self.random.random()
            if kind < 0.35 or not held:
                burst.append(StartRun(self.new_run(), self.maybe(worker, 0.8)))
            elif kind < 0.8:
                burst.append(self.save()._replace(holder=self.random.choice(held), start=None, emit=None, cancel=None))
            else:
                burst.append(self.end()._replace(holder=self.random.choice(held)))
        return burst

    def some_run(self) -> UUID:
        return self.random.choice(self.runs).id if self.runs and self.random.random() < 0.95 else self.uuid()

    def holder(self) -> Holder:
        if not self.holders or self.random.random() < 0.03:
            return Holder(self.some_run(), self.random.choice(self.workers), self.random.randint(0, 3))
        newest = self.holders[-8:] if self.random.random() < 0.8 else self.holders
        return self.random.choice(newest)

    def new_run(self) -> Run:
        if self.runs and self.random.random() < 0.1:
            return self.random.choice(self.runs)._replace(args="[2]")
        run = new_run(
            self.clock,
            id=self.uuid(),
            workflow=self.random.choice(WORKFLOWS),
            parent_id=self.maybe(self.some_run(), 0.4),
            idempotency_key=self.maybe(self.random.choice("kl"), 0.1),
        )
        self.runs.append(run)
        return run

    def start(self) -> StartRun:
        return StartRun(self.new_run(), self.maybe(self.random.choice(self.workers), 0.5))

    def save(self) -> SaveStep:
        path = str(self.random.randint(1, 4))
        number = self.random.randint(1, 9)
        record = done(path, seq=number) if self.random.random() < 0.6 else mark(path, retry_count=number)
        bad = "\ud800" if self.random.random() < 0.02 else '"r"'
        start, emit = self.maybe(self.start(), 0.1), None
        if start is None and self.random.random() < 0.15:
            emit = Emit(self.event())
        cancel = self.maybe(self.cancel(), 0.1) if start is None and emit is None else None
        return SaveStep(self.holder(), record._replace(result=bad), start=start, emit=emit, cancel=cancel)

    def cancel(self) -> Cancel:
        return Cancel(self.some_run(), self.random.choice(["enough", "too late"]), '{"type":"C"}')

    def event(self) -> Event:
        if self.events and self.random.random() < 0.15:
            return self.random.choice(self.events)._replace(payload='"again"')
        event = new_event(
            self.clock,
            self.random.choice(KEYS),
            id=self.uuid(),
            run_id=self.maybe(self.some_run(), 0.4),
            idempotency_key=self.maybe(self.random.choice("kl"), 0.1),
        )
        self.events.append(event)
        return event

    def wait(self, run_id: UUID) -> EventWait:
        """*after* and *taken* are numbers of events in the order in which they were stored."""
        count = len(self.events)
        since = self.clock.now() - timedelta(seconds=self.random.choice([0, 5, 1000]))
        taken = tuple(self.random.sample(range(1, count + 1), min(count, self.random.randint(0, 3))))
        return EventWait(self.random.choice(KEYS), run_id, since, self.random.choice([0, 0, count // 2, count]), taken)

    def sleep(self) -> Sleep:
        holder = self.holder()
        events = [self.wait(holder.run_id) for _ in range(self.random.choice([0, 0, 1, 1, 2]))]
        runs = [RunWait(self.some_run()) for _ in range(self.random.choice([0, 0, 1, 2]))]
        due = self.clock.now() + timedelta(seconds=self.random.choice([-1, 0, 1, 10, 60]))
        if (events or runs) and self.random.random() < 0.5:
            due = None
        marks = tuple(mark(str(self.random.randint(1, 4)), wakeup_at=due) for _ in range(self.random.randint(0, 2)))
        reason = Reason.EVENT if events else Reason.CHILD if runs else Reason.TIMER
        waits: list[Wait] = [*events, *runs]
        self.random.shuffle(waits)
        return Sleep(holder, reason, due, tuple(waits), marks, self.after())

    def end(self) -> EndRun:
        status = self.random.choice([RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.CANCELLED])
        return EndRun(self.holder(), status, self.maybe("7"), self.maybe("{}"), self.after())

    def after(self) -> tuple[str, ...]:
        return (str(self.random.randint(1, 4)),) if self.random.random() < 0.15 else ()

    def claim(self) -> ClaimDue:
        names = frozenset(name for name in WORKFLOWS if self.random.random() < 0.8)
        return ClaimDue(self.random.choice(self.workers), self.random.randint(1, 5), names, doubtful=self.random.random() < 0.5)

    def learn(self, entry: Entry, outcome: Any) -> None:
        """Who holds what now."""
        start = entry.start if isinstance(entry, SaveStep) else entry
        if isinstance(outcome, Started) and outcome.created and isinstance(start, StartRun) and start.worker_id is not None:
            self.holders.append(Holder(outcome.run_id, start.worker_id, outcome.epoch))
        if isinstance(outcome, Claims) and isinstance(entry, ClaimDue):
            self.holders += [Holder(each.run.id, entry.worker_id, each.epoch) for each in outcome.claims]
        if isinstance(outcome, Claim) and isinstance(entry, ClaimRun):
            self.holders.append(Holder(entry.run_id, entry.worker_id, outcome.epoch))
        if isinstance(outcome, int) and isinstance(entry, Reclaim):
            self.holders.append(entry.holder._replace(epoch=outcome))


class Side:
    """One store, with its events known by their number in the order of storing: SQLite's own numbers have gaps."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.heard = Heard(store)
        self._seqs: list[int] = []

    async def play(self, entries: list[Entry]) -> tuple[list[Any], News]:
        """What became of *entries*, and all that was told."""
        self.heard.news.clear()
        outcomes = await asyncio.gather(*(self.store.submit(self._own(entry)) for entry in entries), return_exceptions=True)
        return [self._common(outcome) for outcome in outcomes], merged(self.heard.own)

    async def look(self, wait: Wait) -> Any:
        (found,) = await self.store.look([self._own_wait(wait)])
        return self._common_found(found)

    def _own(self, entry: Entry) -> Entry:
        return entry._replace(waits=tuple(self._own_wait(wait) for wait in entry.waits)) if isinstance(entry, Sleep) else entry

    def _own_wait(self, wait: Wait) -> Wait:
        if isinstance(wait, RunWait):
            return wait
        return wait._replace(after=self._own_seq(wait.after), taken=tuple(self._own_seq(number) for number in wait.taken))

    def _own_seq(self, number: int) -> int:
        # A number that no event has yet means one that is far away.
        return 0 if number == 0 else self._seqs[number - 1] if number <= len(self._seqs) else 1_000_000

    def _common(self, outcome: Any) -> Any:
        if isinstance(outcome, Exception):
            return type(outcome)
        if isinstance(outcome, Emitted):
            return outcome._replace(event=self._common_found(outcome.event))
        if isinstance(outcome, Slept):
            return outcome._replace(found=tuple(self._common_found(found) for found in outcome.found))
        return outcome

    def _common_found(self, found: Found) -> Found:
        return self._common_event(found) if isinstance(found, Event) else found

    def _common_event(self, event: Event) -> Event:
        if event.seq not in self._seqs:
            self._seqs = sorted([*self._seqs, event.seq])
        return event._replace(seq=self._seqs.index(event.seq) + 1)


def merged(news: list[News]) -> News:
    """As if it had been one commit: how many there were is not part of the contract."""
    whole = News()
    for each in news:
        whole.due = whole.due or each.due
        whole.note_due(each.next_due)
        whole.ended.update(each.ended)
        whole.cancel.update(each.cancel)
        whole.emitted.update(each.emitted)
    return whole


async def histories(store: Store, player: Player) -> dict[UUID, Any]:
    """All that can be read of the runs."""
    records = await store.load_steps(run.id for run in player.runs)
    by_path = {run_id: sorted(found, key=lambda record: record.path) for run_id, found in records.items()}
    return {run.id: (await store.load_run(run.id), by_path[run.id]) for run in player.runs}


def claims_in_memory(database: MemoryDatabase) -> dict[str, Any]:
    return {
        claim.run_id.hex: (
            claim.worker_id.hex if claim.worker_id else None,
            claim.epoch,
            None if claim.worker_id else claim.due_at,
            claim.reason.value,
            claim.cancel_reason,
            claim.recoveries,
            claim.crashed,
            sorted(claim.waits),
            claim.event_key,
        )
        for claim in database.claims.values()
    }


def claims_in_file(path: Path) -> dict[str, Any]:
    connection = sqlite3.connect(path)
    try:
        waits = connection.execute("select run_id, key from workflow_wait order by key").fetchall()
        rows = connection.execute(
            "select run_id, worker_id, epoch, due_at, reason, cancel_reason, recoveries, crashed, waiting_for_event from workflow_claim"
        ).fetchall()
    finally:
        connection.close()
    keys = {run_id: [key for owner, key in waits if owner == run_id] for run_id, *_ in rows}
    return {
        run_id: (worker, epoch, None if worker else moment(due), reason, cancel, recoveries, bool(crashed), keys[run_id], event)
        for run_id, worker, epoch, due, reason, cancel, recoveries, crashed, event in rows
    }


async def claims_on_a_server(connection: Any) -> dict[str, Any]:
    waits = await connection.fetch("select run_id, key from planar.workflow_wait order by key")
    rows = await connection.fetch(
        "select run_id, worker_id, epoch, due_at, reason, cancel_reason, recoveries, crashed, waiting_for_event from planar.workflow_claim"
    )
    return {
        run_id.hex: (
            worker.hex if worker else None,
            epoch,
            None if worker else due,
            reason,
            cancel,
            recoveries,
            bool(crashed),
            [key for owner, key in waits if owner == run_id],
            event,
        )
        for run_id, worker, epoch, due, reason, cancel, recoveries, crashed, event in rows
    }


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the tables in it, to be copied: migrating once is enough."""
    folder = tmp_path_factory.mktemp("empty")

    async def make() -> None:
        world = SqliteWorld(folder)
        await world.process()
        await world.close()

    asyncio.run(make())
    return folder / "app.db"


@pytest.mark.store("sqlite")
@pytest.mark.parametrize("seed", SEEDS)
async def test_the_same_entries_mean_the_same_in_memory_and_on_sqlite(seed: int, empty: Path, tmp_path: Path) -> None:
    shutil.copy(empty, tmp_path / "app.db")
    world = SqliteWorld(tmp_path)

    async def claims() -> dict[str, Any]:
        return claims_in_file(world.path)

    try:
        player, memory, sqlite = await compare(seed, world.clock, await world.store(), claims)
        for worker in player.workers:
            assert await memory.dead_workers(worker) == await sqlite.dead_workers(worker)
    finally:
        await world.close()


@pytest.mark.store("postgresql")
@pytest.mark.parametrize("seed", POSTGRES_SEEDS)
async def test_the_same_entries_mean_the_same_in_memory_and_on_postgresql(seed: int) -> None:
    """But for who is dead: there a worker that registers lives until its lease is over."""
    async with migrated_database() as url:
        world = PostgresWorld(url)
        connection = await connect(url)
        try:
            store = await world.store()
            await compare(seed, world.clock, store, lambda: claims_on_a_server(connection), bursts=seed % 2 == 0)
        finally:
            await connection.close()
            await world.close()


async def compare(
    seed: int, clock: HandClock, other: Store, claims: Callable[[], Awaitable[dict[str, Any]]], *, bursts: bool = False
) -> tuple[Player, MemoryStore, Store]:
    """Play the same to a store in memory and to *other*, whose table of claims *claims* reads; with *bursts* mostly what is frequent."""
    database = MemoryDatabase(clock)
    memory = MemoryStore(database)
    await memory.open()
    player = Player(seed, clock)
    model, real = Side(memory), Side(other)
    if bursts:
        for worker in player.workers:
            for side in (model, real):
                await side.play([RegisterWorker(worker, "host", "", 1)])
    for number in range(BATCHES):
        entries = player.burst() if bursts and player.random.random() < 0.7 else player.entries()
        outcomes, news = await model.play(entries)
        assert (outcomes, news) == await real.play(entries), f"batch {number}: {entries}"
        for entry, outcome in zip(entries, outcomes, strict=True):
            player.learn(entry, outcome)
        assert claims_in_memory(database) == await claims(), f"after batch {number}: {entries}"
        clock.move(seconds=player.random.choice([0, 0.5, 3, 30]))
    assert await histories(memory, player) == await histories(other, player)
    for run in player.runs[-10:]:
        wait = player.wait(run.id)
        assert await model.look(wait) == await real.look(wait)
    for worker in player.workers:
        assert await memory.cancel_requests(worker) == await other.cancel_requests(worker)
        assert await memory.other_workers(worker) == await other.other_workers(worker)
    return player, memory, other


async def test_the_players_reach_what_matters() -> None:
    """A random test that only ever starts runs would agree as well."""
    clock = HandClock()
    reached: set[str] = set()
    for seed in SEEDS:
        database = MemoryDatabase(clock)
        memory = MemoryStore(database)
        await memory.open()
        player = Player(seed, clock)
        side = Side(memory)
        for _ in range(BATCHES):
            entries = player.entries()
            outcomes, news = await side.play(entries)
            for entry, outcome in zip(entries, outcomes, strict=True):
                player.learn(entry, outcome)
                reached.add(f"{type(entry).__name__}: {outcome.__name__ if isinstance(outcome, type) else 'applied'}")
                reached.update(what for what, yes in _notable(outcome) if yes)
                reached.update(["asked with a step"] if isinstance(entry, SaveStep) and isinstance(outcome, Cancelled) else [])
            reached.update(name for name in ("due", "next_due", "ended", "cancel") if getattr(news, name))
            clock.move(seconds=player.random.choice([0, 0.5, 3, 30]))
        reached.update(f"step {record.status.value}" for steps in database.steps.values() for record in steps.values())
        await memory.close()
    expected = {f"{name}: {how}" for name in ("SaveStep", "Sleep", "EndRun", "Release", "Reclaim") for how in ("applied", "StaleEpoch")}
    expected |= {"woken", "asleep", "event there", "ended there", "nothing there", "ended already", "asked", "recovered", "unknown"}
    expected |= {"asked with a step", "claimed alone", "held", "sleeps", "not there"}
    expected |= {"due", "next_due", "ended", "cancel", "SaveStep: UnicodeEncodeError", f"step {StepStatus.RUNNING.value}"}
    assert expected <= reached


def _notable(outcome: Any) -> list[tuple[str, bool]]:
    if isinstance(outcome, Emitted):
        return [("woken", outcome.woken > 0)]
    if isinstance(outcome, Slept):
        event = any(isinstance(found, Event) for found in outcome.found)
        ended = any(isinstance(found, Run) and found.status in ENDED for found in outcome.found)
        nothing = not outcome.asleep and not any(outcome.found)
        return [("asleep", outcome.asleep), ("event there", event), ("ended there", ended), ("nothing there", nothing)]
    if isinstance(outcome, Standing):
        return [("held", outcome.is_held), ("sleeps", outcome.is_asleep), ("not there", outcome == Standing())]
    if isinstance(outcome, Claim):
        return [("claimed alone", True)]
    if isinstance(outcome, Claims):
        return [("recovered", any(each.recoveries for each in outcome.claims)), ("unknown", bool(outcome.unknown))]
    if hasattr(outcome, "already_ended"):
        return [("ended already", outcome.already_ended), ("asked", outcome.status is RunStatus.RUNNING)]
    return []
