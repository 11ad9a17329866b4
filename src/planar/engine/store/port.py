"""What does the engine ask of a database? A lane of entries, applied in order and in groups, and a few reads.

An entry says what was decided; the store applies it whole or not at all and never decides. Entries of one process go through
one lane, first in, first out, many in one transaction. Every entry that writes for a run carries the epoch under which its
worker claimed the run and is refused with `StaleEpoch` if that is no longer the newest.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple, Protocol
from uuid import UUID

from planar.db.session import PlanarSession
from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import Claim, Event, Reason, Run, RunStatus, StepRecord
from planar.engine.store.lease import WorkerLease


class Holder(NamedTuple):
    """Who writes for which run: the fence of every write."""

    run_id: UUID
    worker_id: UUID
    epoch: int


class StartRun(NamedTuple):
    """A new run, due when it is written, or when it was made if that is to come; with *worker_id* claimed at once by its inserter.

    Outcome: `Started`.
    """

    run: Run
    worker_id: UUID | None = None


class Started(NamedTuple):
    """The run of a start. Not *created*: the id or the idempotency key had been used before, this is that run."""

    run_id: UUID
    created: bool
    epoch: int = 0


class SaveStep(NamedTuple):
    """A step's record or mark, with the start, the event or the request that belongs to it in the same transaction.

    Outcome: that of the one which belongs to it, else None.
    """

    holder: Holder
    record: StepRecord
    start: StartRun | None = None
    emit: Emit | None = None
    cancel: Cancel | None = None


class EventWait(NamedTuple):
    """The oldest event of *key* that this run has not taken.

    Targeted at the run, or global and not older than *since*; beyond *after* in the total order and none of *taken*.
    """

    key: str
    run_id: UUID
    since: datetime
    after: int = 0
    taken: tuple[int, ...] = ()


class RunWait(NamedTuple):
    """The end of a run."""

    run_id: UUID


Wait = EventWait | RunWait

Found = Event | Run | None
"""What a `Wait` was for, if it has come: the event that may be taken, or the run that has ended."""


class Sleep(NamedTuple):
    """Nothing to do until *due_at*, or until something of *waits* has come; the run is nobody's meanwhile.

    Checked and stored as one: if anything that it waits for is there already, or somebody asked for the run's cancellation, the
    run stays its worker's. *after* as for `EndRun`. Outcome: `Slept`.
    """

    holder: Holder
    reason: Reason
    due_at: datetime | None = None
    waits: tuple[Wait, ...] = ()
    marks: tuple[StepRecord, ...] = ()
    after: tuple[str, ...] = ()


class Slept(NamedTuple):
    """Whether the run sleeps; if not, what each of its waits found, or nothing at all (due, or to be cancelled)."""

    asleep: bool
    found: tuple[Found, ...] = ()


class EndRun(NamedTuple):
    """The end of a run, and the waking of who waits for it.

    It may be submitted while records on which it rests are still in the lane, and shares their commit: it is refused unless the
    steps at the paths *after* are recorded as ended.
    """

    holder: Holder
    status: RunStatus
    result: str | None
    error: str | None
    after: tuple[str, ...] = ()


class Release(NamedTuple):
    """The run is nobody's and due at once: its worker hands it over."""

    holder: Holder


class Reclaim(NamedTuple):
    """A sleeping run becomes its last worker's again, if nobody claimed it meanwhile. Outcome: the new epoch."""

    holder: Holder


class Emit(NamedTuple):
    """An event, and the waking of who waits for it. Outcome: `Emitted`."""

    event: Event


class Emitted(NamedTuple):
    """The event as it is stored, and how many runs it woke. Not *created*: the key had been used, this is that event."""

    event: Event
    woken: int
    created: bool = True


class Cancel(NamedTuple):
    """Ask for the end of a run and of its children. Outcome: `Cancelled`, or None for an unknown run."""

    run_id: UUID
    reason: str
    error: str


class Cancelled(NamedTuple):
    """What a request to cancel found: *status* is what the run is now."""

    status: RunStatus
    already_ended: bool


class ClaimDue(NamedTuple):
    """Up to *limit* due runs of the workflows in *names* become this worker's, each under a new epoch. Outcome: `Claims`.

    *doubtful* if nothing says that any is due: where a look is cheaper than a claim, the store looks first.
    """

    worker_id: UUID
    limit: int
    names: frozenset[str]
    doubtful: bool = False


class Claims(NamedTuple):
    """What was claimed, and when the next run (of a known workflow) is due; *unknown* names have due runs that nobody here knows."""

    claims: tuple[Claim, ...]
    next_due: datetime | None
    unknown: frozenset[str] = frozenset()


class ClaimRun(NamedTuple):
    """One run becomes this worker's under a new epoch, if it is due and nobody's. Outcome: `Claim`, or the run's `Standing`."""

    worker_id: UUID
    run_id: UUID


class Standing(NamedTuple):
    """Where a run is that is not to be claimed now: a worker holds it, or it sleeps; neither if it has ended, or is unknown."""

    is_held: bool = False
    is_asleep: bool = False
    due_at: datetime | None = None
    """Until when it sleeps, if nothing comes before."""
    event_key: str | None = None
    """The event that people see it waiting for."""


class RegisterWorker(NamedTuple):
    """A worker says that it is there, and what proves that it lives."""

    worker_id: UUID
    host: str
    boot_id: str
    pid: int


class RetireWorker(NamedTuple):
    """A worker is gone (*died* or stopped): whatever it still holds is due again. Outcome: how many runs that were."""

    worker_id: UUID
    died: bool = False


Entry = StartRun | SaveStep | Sleep | EndRun | Release | Reclaim | Emit | Cancel | ClaimDue | ClaimRun | RegisterWorker | RetireWorker


@dataclass(slots=True)
class News:
    """What a committed batch changed that somebody may wait for."""

    due: bool = False
    next_due: datetime | None = None
    """The earliest time at which a run that went to sleep wants to wake."""
    ended: dict[UUID, RunStatus] = field(default_factory=dict[UUID, RunStatus])
    endings: dict[UUID, Ending] = field(default_factory=dict[UUID, Ending], compare=False, repr=False)
    """How those of *ended* did, so that whoever waits in this process need not read it."""
    cancel: dict[UUID, str] = field(default_factory=dict[UUID, str])
    emitted: set[str] = field(default_factory=set[str])
    """The keys of events that were announced."""
    foreign: bool = False
    """Another process wrote: anything may have happened, unless *ends_alone*."""
    ends_alone: bool = False
    """Of what another process wrote it is known that it only ended runs: no worker has to look for work."""

    def note_due(self, due: datetime | None) -> None:
        """A run sleeps until *due*."""
        if due is not None and (self.next_due is None or due < self.next_due):
            self.next_due = due

    def note_end(self, run_id: UUID, ending: Ending) -> None:
        """A run has ended."""
        self.ended[run_id] = ending.status
        self.endings[run_id] = ending

    def merge(self, other: News) -> None:
        """What *other* tells as well."""
        self.due = self.due or other.due
        told = [news for news in (self, other) if news.foreign]
        self.ends_alone = bool(told) and all(news.ends_alone for news in told)
        self.foreign = self.foreign or other.foreign
        self.note_due(other.next_due)
        self.ended.update(other.ended)
        self.endings.update(other.endings)
        self.cancel.update(other.cancel)
        self.emitted |= other.emitted

    def __bool__(self) -> bool:
        return self.due or self.foreign or self.next_due is not None or bool(self.ended or self.cancel or self.emitted)


def wait_keys(entry: Sleep) -> list[str]:
    """What wakes the run before its time, as keys: ``event:<key>`` or ``run:<id>``, each once."""
    keys = (f"event:{wait.key}" if isinstance(wait, EventWait) else f"run:{wait.run_id.hex}" for wait in entry.waits)
    return list(dict.fromkeys(keys))


def shown_event(entry: Sleep) -> str | None:
    """The event that people see the run waiting for: the first, if there are several."""
    return next((wait.key for wait in entry.waits if isinstance(wait, EventWait)), None)


class Store(Protocol):
    """What is remembered. Memory, SQLite and PostgreSQL pass one contract suite."""

    async def open(self) -> None:
        """Be ready. May be called once after each close. From now on a clock that is moved by hand is news: something may be due."""
        ...

    async def close(self) -> None:
        """Finish what was submitted, then let go of everything. May be called twice."""
        ...

    def now(self) -> datetime:
        """The time that decides: timers, order of events, what is stored."""
        ...

    def submit(self, entry: Entry) -> Future[Any]:
        """Put *entry* in the lane. The future has its outcome once it is durable, or the error that refused this entry alone."""
        ...

    def meanwhile(self, work: Callable[[], None]) -> None:
        """Do *work* while what was submitted last is on its way: at once, or a little later if it would be in the way now.

        It is done on the event loop, before anybody who waits for the outcome goes on; never, if the loop ends before.
        """
        ...

    async def submit_in(self, session: PlanarSession, entries: Sequence[Entry]) -> list[Any]:
        """Apply *entries* inside the open transaction of *session*; they become durable, and news, with its commit.

        Raises:
            StaleEpoch: an entry was refused. None of *entries* was applied, and the session is as it was.
        """
        ...

    def subscribe(self, listener: Callable[[News], None]) -> Callable[[], None]:
        """Call *listener* on the event loop after each commit that has news; the answer ends that."""
        ...

    async def enlist(self, worker_id: UUID, lease: WorkerLease | None = None) -> None:
        """This worker is there from now on; what proves that it lives ends with the process. If that is a lease, *lease* is told of it."""
        ...

    async def discharge(self, worker_id: UUID) -> None:
        """This worker stops; whatever it still holds is due again."""
        ...

    async def load_run(self, run_id: UUID) -> Run | None:
        """A run as it was committed last."""
        ...

    async def load_runs(self, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
        """Those of these runs that exist, as they were committed last, in one query."""
        ...

    async def load_steps(self, run_ids: Iterable[UUID]) -> dict[UUID, list[StepRecord]]:
        """All that is recorded of these runs' steps, in one query."""
        ...

    async def look(self, waits: Sequence[Wait]) -> tuple[Found, ...]:
        """What each of *waits* would find now."""
        ...

    async def cancel_requests(self, worker_id: UUID) -> dict[UUID, str]:
        """The runs that *worker_id* holds and somebody wants to end, with the reasons."""
        ...

    async def dead_workers(self, worker_id: UUID, among: Sequence[UUID] | None = None) -> list[UUID]:
        """Those of *among*, an earlier answer of `other_workers` and by default a new one, that are gone; or have stopped since."""
        ...

    async def other_workers(self, worker_id: UUID) -> list[UUID]:
        """Workers other than *worker_id* that are registered, or hold runs: one that dies leaves runs to take over."""
        ...
