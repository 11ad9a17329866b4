"""What is remembered? A handful of dictionaries, shared by as many stores as a test has processes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from planar.clock import SYSTEM_CLOCK, Clock
from planar.engine.core.model import ENDED, Event, Reason, Run, StepRecord
from planar.engine.store.port import EventWait, Found, Wait


@dataclass(slots=True)
class RunClaim:
    """What there is to run: one for each run that has not ended. Nobody's while *worker_id* is None."""

    run_id: UUID
    workflow: str
    due_at: datetime | None
    worker_id: UUID | None = None
    epoch: int = 0
    reason: Reason = Reason.READY
    cancel_reason: str | None = None
    recoveries: int = 0
    crashed: bool = False
    """Whether its last worker died."""
    waits: frozenset[str] = frozenset()
    """What wakes it before *due_at*: ``event:<key>`` or ``run:<id>``."""
    event_key: str | None = None
    """The event that people see it waiting for."""


class MemoryDatabase:
    """The tables. Each `MemoryStore` over one of these is what a process is over a file."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock
        self.runs: dict[UUID, Run] = {}
        self.claims: dict[UUID, RunClaim] = {}
        self.steps: dict[UUID, dict[str, StepRecord]] = {}
        self.events: list[Event] = []
        self.workers: set[UUID] = set()
        """Workers that are registered."""
        self.alive: set[UUID] = set()
        """Workers whose process lives, whatever is written about them."""
        self.others_wrote: list[Callable[[], None]] = []
        """How each open store hears that another one wrote."""

    def kill(self, worker_id: UUID) -> None:
        """*worker_id* is gone as by ``kill -9``: what it holds stays as it is until somebody takes over."""
        self.alive.discard(worker_id)

    @contextmanager
    def undone_on_error(self) -> Generator[None]:
        """What the block changed is undone if it raises."""
        names = ("runs", "claims", "steps", "events", "workers")
        before = {name: copy.deepcopy(getattr(self, name)) for name in names}
        try:
            yield
        except BaseException:
            for name in names:
                setattr(self, name, before[name])
            raise

    def find_start(self, run: Run) -> UUID | None:
        """The run that an earlier start with the idempotency key, or the id, of *run* made."""
        if run.idempotency_key is not None:
            for earlier in self.runs.values():
                if (earlier.workflow, earlier.idempotency_key) == (run.workflow, run.idempotency_key):
                    return earlier.id
        return run.id if run.id in self.runs else None

    def find_emitted(self, event: Event) -> Event | None:
        """The event that an earlier emission with the id, or else the idempotency key, of *event* made."""
        for earlier in self.events:
            if earlier.id == event.id:
                return earlier
        for earlier in self.events if event.idempotency_key is not None else []:
            if (earlier.key, earlier.idempotency_key) == (event.key, event.idempotency_key):
                return earlier
        return None

    def look(self, waits: Sequence[Wait]) -> tuple[Found, ...]:
        """What each of *waits* finds: nothing is taken."""
        return tuple(self.find_event(wait) if isinstance(wait, EventWait) else self._find_ended(wait.run_id) for wait in waits)

    def _find_ended(self, run_id: UUID) -> Run | None:
        run = self.runs.get(run_id)
        return run if run is not None and run.status in ENDED else None

    def find_event(self, wait: EventWait) -> Event | None:
        """The oldest event that *wait* may take: targeted at its run, or global and young enough."""
        for event in self.events:
            if event.key != wait.key or event.seq <= wait.after or event.seq in wait.taken:
                continue
            if event.run_id == wait.run_id or (event.run_id is None and event.timestamp >= wait.since):
                return event
        return None

    def unclaimed(self, workflows: frozenset[str] | None = None) -> list[RunClaim]:
        """The claims that nobody holds and that have a time, earliest first; only those of *workflows*, if given."""
        found = [
            (claim.due_at, claim.run_id.hex, claim)
            for claim in self.claims.values()
            if claim.worker_id is None and claim.due_at is not None and (workflows is None or claim.workflow in workflows)
        ]
        return [claim for _, _, claim in sorted(found, key=lambda item: item[:2])]
