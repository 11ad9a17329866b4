"""What does an entry mean? One method for each, in plain Python; `planar.engine.store.sql` says the same in statements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from typing import Any
from uuid import UUID

from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import ENDED, Claim, Event, Reason, Run, RunStatus, StepRecord
from planar.engine.errors import StaleEpoch
from planar.engine.store.memory.database import MemoryDatabase, RunClaim
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
    Holder,
    News,
    Reclaim,
    RegisterWorker,
    Release,
    RetireWorker,
    SaveStep,
    Sleep,
    Slept,
    Standing,
    Started,
    StartRun,
    shown_event,
    wait_keys,
)


class MemoryEntries:
    """Applies entries to *database*. Each asks before it changes anything, so that a refused one leaves nothing."""

    def __init__(self, database: MemoryDatabase) -> None:
        self._db = database
        self._methods: dict[type, Callable[[Any, News], Any]] = {
            StartRun: self._start_run,
            SaveStep: self._save_step,
            Sleep: self._sleep,
            EndRun: self._end_run,
            Release: self._release,
            Reclaim: self._reclaim,
            Emit: self._emit,
            Cancel: self._cancel,
            ClaimDue: self._claim_due,
            ClaimRun: self._claim_run,
            RegisterWorker: self._register_worker,
            RetireWorker: self._retire_worker,
        }

    def apply(self, entry: Entry, news: News) -> Any:
        """Apply *entry*; what it changes for others is added to *news*.

        Raises:
            StaleEpoch: the run is not its writer's any more; nothing was changed.
            UnicodeEncodeError: a text that no database could store; nothing was changed.
        """
        _check_storable(entry)
        return self._methods[type(entry)](entry, news)

    def _held(self, holder: Holder, what: str, after: Sequence[str] = ()) -> RunClaim:
        """The claim of *holder*: the fence of every write. The steps at the paths *after* must be recorded."""
        claim = self._db.claims.get(holder.run_id)
        if claim is None or (claim.epoch, claim.worker_id) != (holder.epoch, holder.worker_id):
            raise StaleEpoch(f"{what} run {holder.run_id} was refused: another worker holds the run, or it has ended.")
        steps = self._db.steps.get(holder.run_id, {})
        if any(path not in steps or steps[path].seq is None for path in after):
            raise StaleEpoch(f"{what} run {holder.run_id} was refused: a step before it was refused.")
        return claim

    # -- a run's life -------------------------------------------------------------------------------------------------

    def _start_run(self, entry: StartRun, news: News) -> Started:
        run = entry.run
        earlier = self._db.find_start(run)
        if earlier is not None:
            return Started(earlier, created=False)
        epoch = 1 if entry.worker_id else 0
        self._db.runs[run.id] = run._replace(result=None, error=None)
        self._db.claims[run.id] = RunClaim(run.id, run.workflow, max(run.created_at, self._db.clock.now()), entry.worker_id, epoch)
        news.due = news.due or entry.worker_id is None
        return Started(run.id, created=True, epoch=epoch)

    def _save_step(self, entry: SaveStep, news: News) -> Started | Emitted | Cancelled | None:
        record = entry.record
        self._held(entry.holder, f"Step {record.step_id} of")
        if not self._write_step(entry.holder.run_id, record):
            raise StaleEpoch(f"Step {record.step_id} of run {entry.holder.run_id} was refused: it has ended.")
        if entry.start is not None:
            return self._start_run(entry.start, news)
        if entry.emit is not None:
            return self._emit(entry.emit, news)
        return self._cancel(entry.cancel, news) if entry.cancel is not None else None

    def _write_step(self, run_id: UUID, record: StepRecord) -> bool:
        """Keep *record*, unless the step has ended. What a mark said of who the step is, stays."""
        now = self._db.clock.now()
        steps = self._db.steps.setdefault(run_id, {})
        mark = steps.get(record.path)
        if mark is not None and mark.seq is not None:
            return False
        if mark is not None:
            record = record._replace(step_id=mark.step_id, parent_step_id=mark.parent_step_id, name=mark.name, qualname=mark.qualname)
            record = record._replace(kind=mark.kind, display_name=mark.display_name, created_at=mark.created_at)
        steps[record.path] = record._replace(created_at=record.created_at or now, updated_at=now)
        return True

    def _sleep(self, entry: Sleep, news: News) -> Slept:
        claim = self._held(entry.holder, "The sleep of", entry.after)
        if claim.cancel_reason is not None:
            return Slept(asleep=False)
        found = self._db.look(entry.waits)
        if any(found):
            return Slept(asleep=False, found=found)
        if entry.due_at is not None and entry.due_at <= self._db.clock.now():
            return Slept(asleep=False)
        for mark in entry.marks:
            self._write_step(claim.run_id, mark)
        claim.worker_id, claim.due_at, claim.reason = None, entry.due_at, entry.reason
        claim.waits, claim.event_key = frozenset(wait_keys(entry)), shown_event(entry)
        news.note_due(entry.due_at)
        return Slept(asleep=True)

    def _end_run(self, entry: EndRun, news: News) -> None:
        claim = self._held(entry.holder, "The end of", entry.after)
        self._close(claim.run_id, Ending(entry.status, entry.result, entry.error), news)

    def _close(self, run_id: UUID, ending: Ending, news: News) -> None:
        self._db.claims.pop(run_id, None)
        self._db.runs[run_id] = self._db.runs[run_id]._replace(status=ending.status, result=ending.result, error=ending.error)
        news.note_end(run_id, ending)
        self._wake(f"run:{run_id.hex}", None, news)

    def _release(self, entry: Release, news: News) -> None:
        self._hand_over(self._held(entry.holder, "The release of"), news)

    def _hand_over(self, claim: RunClaim, news: News) -> None:
        """The run is nobody's, and due."""
        claim.worker_id, claim.due_at = None, self._db.clock.now()
        self._wait_for_nothing(claim)
        news.due = True

    def _reclaim(self, entry: Reclaim, news: News) -> int:
        holder = entry.holder
        claim = self._db.claims.get(holder.run_id)
        if claim is None or claim.epoch != holder.epoch or claim.worker_id is not None:
            raise StaleEpoch(f"Run {holder.run_id} was claimed, or ended, while it slept.")
        self._take(claim, holder.worker_id)
        return claim.epoch

    def _take(self, claim: RunClaim, worker_id: UUID) -> None:
        claim.worker_id, claim.epoch = worker_id, claim.epoch + 1
        claim.due_at = None
        self._wait_for_nothing(claim)

    def _wait_for_nothing(self, claim: RunClaim) -> None:
        claim.reason, claim.waits, claim.event_key = Reason.READY, frozenset(), None

    # -- what reaches a run from outside -----------------------------------------------------------------------------

    def _emit(self, entry: Emit, news: News) -> Emitted:
        earlier = self._db.find_emitted(entry.event)
        if earlier is not None:
            return Emitted(earlier, woken=0, created=False)
        event: Event = entry.event._replace(seq=len(self._db.events) + 1)
        self._db.events.append(event)
        news.emitted.add(event.key)
        return Emitted(event, woken=self._wake(f"event:{event.key}", event.run_id, news))

    def _wake(self, key: str, only: UUID | None, news: News) -> int:
        """The runs that wait for *key* are due now, without having taken anything: they look for themselves."""
        sleepers = [claim for claim in self._db.claims.values() if key in claim.waits and only in (None, claim.run_id)]
        for claim in sleepers:
            self._hand_over(claim, news)
        return len(sleepers)

    def _cancel(self, entry: Cancel, news: News) -> Cancelled | None:
        run = self._db.runs.get(entry.run_id)
        if run is None:
            return None
        if run.status in ENDED:
            return Cancelled(run.status, already_ended=True)
        asked: list[Run] = [run]
        for parent in asked:
            # The list grows while it is read: children of children are asked as well.
            asked += [child for child in self._db.runs.values() if child.parent_id == parent.id and child.status is RunStatus.PENDING]
        for each in asked:
            self._ask_for_end(self._db.claims[each.id], entry, news)
        return Cancelled(RunStatus.RUNNING if run.id in self._db.claims else RunStatus.CANCELLED, already_ended=False)

    def _ask_for_end(self, claim: RunClaim, entry: Cancel, news: News) -> None:
        """A run that is being executed hears of it and cleans up; any other ends at once."""
        if claim.worker_id is None:
            self._close(claim.run_id, Ending(RunStatus.CANCELLED, None, entry.error), news)
        else:
            claim.cancel_reason = claim.cancel_reason or entry.reason
            news.cancel[claim.run_id] = claim.cancel_reason

    # -- workers ------------------------------------------------------------------------------------------------------

    def _claim_due(self, entry: ClaimDue, news: News) -> Claims:
        now = self._db.clock.now()
        due = [claim for claim in self._db.unclaimed() if claim.due_at is not None and claim.due_at <= now]
        known = [claim for claim in due if claim.workflow in entry.names]
        mine = known[: entry.limit]
        claims = tuple(self._claim(claim, entry.worker_id) for claim in mine)
        later = [claim for claim in self._db.unclaimed(entry.names) if claim not in known]
        return Claims(
            claims,
            next_due=later[0].due_at if later else None,
            unknown=frozenset(claim.workflow for claim in due) - entry.names if len(mine) < entry.limit else frozenset(),
        )

    def _claim_run(self, entry: ClaimRun, news: News) -> Claim | Standing:
        claim = self._db.claims.get(entry.run_id)
        if claim is None:
            return Standing()
        if claim.worker_id is not None:
            return Standing(is_held=True)
        if claim.due_at is None or claim.due_at > self._db.clock.now():
            return Standing(is_asleep=True, due_at=claim.due_at, event_key=claim.event_key)
        return self._claim(claim, entry.worker_id)

    def _claim(self, claim: RunClaim, worker_id: UUID) -> Claim:
        crashed, claim.crashed = claim.crashed, False
        self._take(claim, worker_id)
        return Claim(self._db.runs[claim.run_id], claim.epoch, claim.recoveries, claim.cancel_reason, crashed)

    def _register_worker(self, entry: RegisterWorker, news: News) -> None:
        self._db.workers.add(entry.worker_id)

    def _retire_worker(self, entry: RetireWorker, news: News) -> int:
        self._db.workers.discard(entry.worker_id)
        held = [claim for claim in self._db.claims.values() if claim.worker_id == entry.worker_id]
        for claim in held:
            claim.recoveries += int(entry.died)
            claim.crashed = entry.died
            self._hand_over(claim, news)
        return len(held)


def _check_storable(value: Any) -> None:
    """What a database could not write down (half a surrogate pair) is refused here as well."""
    if isinstance(value, str):
        value.encode()
    elif is_dataclass(value):
        for each in fields(value):
            _check_storable(getattr(value, each.name))
    elif isinstance(value, tuple):
        for item in value:  # pyright: ignore[reportUnknownVariableType]
            _check_storable(item)
