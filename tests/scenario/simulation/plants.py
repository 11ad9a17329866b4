"""Would the simulation find it? Mistakes that an engine or a store might have, as patches: each must be found.

They measure the simulation, not the engine. All but two are mistakes of the database that the processes share; those two stand in
the way between a process and its database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch
from uuid import UUID

from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import RunStatus, StepRecord
from planar.engine.errors import StaleEpoch
from planar.engine.store.memory.database import RunClaim
from planar.engine.store.memory.entries import MemoryEntries
from planar.engine.store.port import Holder, News, Sleep, Slept
from tests.scenario.simulation.program import drawn_more_often
from tests.scenario.simulation.store import Lane, SimulatedStore, is_bad
from tests.scenario.simulation.world import World

Plant = Callable[[], AbstractContextManager[Any]]

_held = MemoryEntries._held
_write_step = MemoryEntries._write_step
_sleep = MemoryEntries._sleep
_wake = MemoryEntries._wake
_apply = SimulatedStore.apply
_seems_dead = World.seems_dead


def no_epoch_check() -> AbstractContextManager[Any]:
    """A write is accepted from whoever once held the run."""

    def held(self: MemoryEntries, holder: Holder, what: str, after: Sequence[str] = ()) -> RunClaim:
        claim = self._db.claims.get(holder.run_id)
        if claim is None:
            raise StaleEpoch(what)
        return claim

    return patch.object(MemoryEntries, "_held", held)


def takeover_without_a_new_epoch() -> AbstractContextManager[Any]:
    """A run changes hands, and its fence stays as it was."""

    def take(self: MemoryEntries, claim: RunClaim, worker_id: UUID) -> None:
        epoch = max(1, claim.epoch)
        _take(self, claim, worker_id)
        claim.epoch = epoch

    _take = MemoryEntries._take
    return patch.object(MemoryEntries, "_take", take)


def lost_acknowledgement_taken_as_failure() -> AbstractContextManager[Any]:
    """The connection ended after the commit, and the store says that nothing was written."""

    def reconnected(self: SimulatedStore, batch: Lane, outcomes: Sequence[Any], news: News) -> None:
        self.acknowledge(batch, [ConnectionError("the connection was lost") for _ in batch], News())

    return patch.object(SimulatedStore, "reconnected", reconnected)


def wait_stored_after_the_check() -> AbstractContextManager[Any]:
    """Whether the event is there is asked first, and what the run waits for is written a moment later: what comes between wakes nobody."""
    stored_at: dict[UUID, datetime] = {}

    def sleep(self: MemoryEntries, entry: Sleep, news: News) -> Slept:
        slept = _sleep(self, entry, news)
        if slept.asleep:
            stored_at[entry.holder.run_id] = self._db.clock.now() + timedelta(seconds=0.01)
        return slept

    def wake(self: MemoryEntries, key: str, only: UUID | None, news: News) -> int:
        now = self._db.clock.now()
        unseen = [claim for claim in self._db.claims.values() if claim.waits and stored_at[claim.run_id] > now]
        waits = [claim.waits for claim in unseen]
        for claim in unseen:
            claim.waits = frozenset()
        woken = _wake(self, key, only, news)
        for claim, hidden in zip(unseen, waits, strict=True):
            claim.waits = hidden
        return woken

    both = ExitStack()
    both.enter_context(patch.object(MemoryEntries, "_sleep", sleep))
    both.enter_context(patch.object(MemoryEntries, "_wake", wake))
    return both


def timer_by_a_local_clock() -> AbstractContextManager[Any]:
    """The time that decides is that of the worker's host."""

    def now(self: SimulatedStore) -> datetime:
        return self.process.clock.now()

    return patch.object(SimulatedStore, "now", now)


def childs_end_not_told() -> AbstractContextManager[Any]:
    """A run ends, and who waits for it is not woken."""

    def close(self: MemoryEntries, run_id: UUID, ending: Ending, news: News) -> None:
        with patch.object(MemoryEntries, "_wake"):
            _close(self, run_id, ending, news)

    _close = MemoryEntries._close
    return patch.object(MemoryEntries, "_close", close)


def bad_record_fails_its_batch() -> AbstractContextManager[Any]:
    """One record cannot be stored, and nothing of its transaction is."""

    def apply(self: SimulatedStore, batch: Lane) -> tuple[list[Any], News]:
        if any(is_bad(entry) for entry, _ in batch):
            return [ValueError("a record of this batch cannot be stored") for _ in batch], News()
        return _apply(self, batch)

    # A bad record is rare, and rarer beside one of another run: it is drawn more often here.
    both = ExitStack()
    both.enter_context(drawn_more_often("poison", 1.5))
    both.enter_context(patch.object(SimulatedStore, "apply", apply))
    return both


def retry_count_kept_in_memory() -> AbstractContextManager[Any]:
    """How often a step was tried again is not part of what is written."""

    def write_step(self: MemoryEntries, run_id: UUID, record: StepRecord) -> bool:
        return _write_step(self, run_id, record._replace(retry_count=0))

    return patch.object(MemoryEntries, "_write_step", write_step)


def heartbeat_stops_under_load() -> AbstractContextManager[Any]:
    """The sign of life goes through the lane, and waits there behind what takes long."""

    def seems_dead(self: World, worker_id: UUID) -> bool:
        busy_since = self.workers[worker_id].store.busy_since
        silent = busy_since is not None and self.lease > 0 and self.loop.time() - busy_since > self.lease
        return silent or _seems_dead(self, worker_id)

    return patch.object(World, "seems_dead", seems_dead)


def record_written_after_a_cancelled_end() -> AbstractContextManager[Any]:
    """A run that was cancelled has no claim any more, and that is not taken as a reason to refuse."""

    def held(self: MemoryEntries, holder: Holder, what: str, after: Sequence[str] = ()) -> RunClaim:
        run = self._db.runs.get(holder.run_id)
        if run is not None and run.status is RunStatus.CANCELLED:
            return RunClaim(run.id, run.workflow, None, holder.worker_id, holder.epoch)
        return _held(self, holder, what, after)

    return patch.object(MemoryEntries, "_held", held)


PLANTS: dict[str, Plant] = {
    plant.__name__: plant
    for plant in (
        no_epoch_check,
        takeover_without_a_new_epoch,
        lost_acknowledgement_taken_as_failure,
        wait_stored_after_the_check,
        timer_by_a_local_clock,
        childs_end_not_told,
        bad_record_fails_its_batch,
        retry_count_kept_in_memory,
        heartbeat_stops_under_load,
        record_written_after_a_cancelled_end,
    )
}
