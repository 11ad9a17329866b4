"""What must be true at every moment? Asked after each commit, at the beginning of each body, and before time moves.

A violation ends the simulation. The numbers are those of the promises in the reliability plan.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

from planar.engine.core.model import ENDED, RunStatus, StepRecord, StepStatus
from planar.engine.errors import StaleEpoch
from planar.engine.store.memory.database import RunClaim
from planar.engine.store.port import Cancel, ClaimDue, Claims, Emit, EndRun, Entry, Holder, Release, RetireWorker, SaveStep, Sleep, Wait
from tests.scenario.simulation.clock import seconds_of
from tests.scenario.simulation.ledger import Execution

if TYPE_CHECKING:
    from tests.scenario.simulation.process import Process
    from tests.scenario.simulation.world import World

LATE = 1.5
"""What may pass until something due goes on: the second that is promised, and the ways to the database and back."""
LOOKS_EVERY = 0.2
IDLE_PASSES = 30


@dataclass(slots=True)
class Recorded:
    """A step's record, and when it became durable."""

    record: StepRecord
    at: float


class Watch:
    """The invariants of one simulation."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._ended: dict[UUID, tuple[Any, ...]] = {}
        self._writers: dict[UUID, tuple[int, UUID]] = {}
        self._waits: dict[UUID, tuple[Wait, ...]] = {}
        self.due: dict[tuple[UUID, str], float] = {}
        """Until when a step sleeps, as its first mark says."""
        self._stray: dict[tuple[UUID, int, str], int] = {}
        self._idle_passes: dict[UUID, int] = {}
        self._last_look = 0.0
        self._due_since: dict[UUID, float] = {}
        self.recorded: dict[UUID, dict[str, Recorded]] = {}
        self.emitted: dict[int, float] = {}
        """When each event became durable, by its place in the order."""
        self.cancelled: dict[UUID, float] = {}
        """When the end of a run was first asked for."""
        self.ended_at: dict[UUID, float] = {}
        self.writer_well_since: dict[UUID, float | None] = {}
        """Since when nothing had held up the process that wrote a run's end."""

    # -- after each commit --------------------------------------------------------------------------------------------------

    def applied(self, process: Process, entry: Entry, outcome: Any) -> None:
        """The database answered *entry* of *process* with *outcome*."""
        world = self._world
        world.figures["entries"] += 1
        if world.trace is not None and not (isinstance(outcome, Claims) and not outcome.claims):
            world.note("apply", process.name, _shown(entry), _shown(outcome))
        if isinstance(outcome, Exception):
            world.figures["refused" if isinstance(outcome, StaleEpoch) else "bad records"] += 1
            return
        match entry:
            case SaveStep(holder, record):
                self._wrote(process, holder)
                self._record(holder, record)
                if entry.cancel is not None:
                    self._asked_to_end(entry.cancel)
                self._child_is_no_orphan(record)
                if entry.emit is not None:
                    self.emitted.setdefault(outcome.event.seq, world.loop.time())
            case Sleep(holder):
                if outcome.asleep:
                    self._wrote(process, holder)
                    self._slept(entry)
            case Release(holder):
                self._wrote(process, holder)
                self._given_back(holder.run_id)
            case EndRun(holder):
                self._wrote(process, holder)
                self.writer_well_since[holder.run_id] = process.well_since
            case Emit():
                self.emitted.setdefault(outcome.event.seq, world.loop.time())
            case Cancel():
                self._asked_to_end(entry)
            case RetireWorker(worker_id, died):
                self._retired(process, worker_id, died)
            case ClaimDue():
                for claim in outcome.claims:
                    if claim.crashed:
                        world.ledger.die(claim.run.id, claim.epoch - 1)
            case _:
                pass
        self._runs_stay_ended()
        self._sleepers_have_a_reason()

    def _wrote(self, process: Process, holder: Holder) -> None:
        """P5: two workers never both write for one run; and nobody does after its end."""
        run_id, worker_id, epoch = holder
        if run_id in self._ended:
            self._fail(f"{process.name} wrote for run {run_id} after its end")
        last_epoch, last_worker = self._writers.get(run_id, (0, worker_id))
        if epoch < last_epoch:
            self._fail(f"{process.name} wrote for run {run_id} under epoch {epoch}, after a write under {last_epoch}")
        if epoch == last_epoch and worker_id != last_worker:
            self._fail(f"two workers wrote for run {run_id} under epoch {epoch}")
        self._writers[run_id] = (epoch, worker_id)

    def _record(self, holder: Holder, record: StepRecord) -> None:
        if record.seq is None:
            self._marked(holder, record)
            return
        now = self._world.loop.time()
        recorded = self.recorded.setdefault(holder.run_id, {})
        if record.path in recorded:
            self._fail(f"step {record.path} of run {holder.run_id} was recorded twice")
        if any(other.record.seq is not None and other.record.seq >= record.seq for other in recorded.values()):
            self._fail(f"step {record.path} of run {holder.run_id} was recorded under a place that was taken: {record.seq}")
        recorded[record.path] = Recorded(record, now)
        self._idle_passes.pop(holder.run_id, None)
        self._world.ledger.settle(holder.run_id, record.path, holder.epoch)
        due = self.due.get((holder.run_id, record.path))
        if record.qualname == "suspend" and record.status is StepStatus.SUCCEEDED and due is not None and now < due - 1e-5:
            self._fail(f"P7: a timer of run {holder.run_id} ended {due - now:.3f} s early")

    def _marked(self, holder: Holder, mark: StepRecord) -> None:
        """An attempt runs, or has failed and there will be another."""
        if mark.status is StepStatus.FAILED:
            self._world.ledger.settle(holder.run_id, mark.path, holder.epoch)
        elif mark.status is StepStatus.RUNNING:
            self._world.ledger.announce(holder.run_id, mark.path, holder.epoch)

    def _slept(self, entry: Sleep) -> None:
        run_id = entry.holder.run_id
        self._waits[run_id] = entry.waits
        for mark in entry.marks:
            self._marked(entry.holder, mark)
            if mark.qualname == "suspend" and mark.wakeup_at is not None:
                due = seconds_of(mark.wakeup_at)
                if self.due.setdefault((run_id, mark.path), due) != due:
                    self._fail(f"P7: the timer {mark.path} of run {run_id} was moved")

    def _given_back(self, run_id: UUID) -> None:
        """P1: a run that is taken and given back without having come further will never end."""
        count = self._idle_passes[run_id] = self._idle_passes.get(run_id, 0) + 1
        if count > IDLE_PASSES:
            self._fail(f"P1: run {run_id} was taken and given back {count} times, and recorded nothing")

    def _asked_to_end(self, entry: Cancel) -> None:
        database = self._world.database
        now = self._world.loop.time()
        if entry.run_id not in database.runs or entry.run_id in self._ended:
            return
        self.cancelled.setdefault(entry.run_id, now)
        for run in database.runs.values():
            claim = database.claims.get(run.id)
            if run.status is RunStatus.CANCELLED or (claim is not None and claim.cancel_reason is not None):
                self.cancelled.setdefault(run.id, now)

    def _child_is_no_orphan(self, record: StepRecord) -> None:
        """A child whose call was given up has ended, or is asked to."""
        child = self._world.database.claims.get(record.child_id) if record.child_id is not None else None
        if record.status is StepStatus.CANCELLED and child is not None and child.cancel_reason is None:
            self._fail(f"the call {record.path} was given up, and its child {child.run_id} goes on")

    def _retired(self, process: Process, worker_id: UUID, died: bool) -> None:
        if not died:
            return
        self._world.figures["takeovers"] += 1
        target = self._world.workers[worker_id]
        if not target.dead and target.longest_pause < self._world.lease and not target.paused:
            self._fail(f"P8: {process.name} declared {target.name} dead, which was going on")

    def _runs_stay_ended(self) -> None:
        """A status never goes back from an end, nor does what came with it."""
        for run in self._world.database.runs.values():
            ended = self._ended.get(run.id)
            if ended is not None:
                if (run.status, run.result, run.error) != ended:
                    self._fail(f"run {run.id} had ended as {ended[0]} and is {run.status}")
            elif run.status in ENDED:
                self._ended[run.id] = (run.status, run.result, run.error)
                self.ended_at[run.id] = self._world.loop.time()

    def _sleepers_have_a_reason(self) -> None:
        """P6, P10: whoever sleeps has something to wait for, and it has not come yet."""
        database = self._world.database
        for claim in database.claims.values():
            if claim.worker_id is not None or not _sleeps(claim):
                continue
            if claim.due_at is None and not claim.waits:
                self._fail(f"P10: run {claim.run_id} sleeps, and nothing will wake it")
            if claim.waits and any(database.look(self._waits.get(claim.run_id, ()))):
                self._fail(f"P6: run {claim.run_id} sleeps, and what it waits for ({', '.join(sorted(claim.waits))}) is there")

    def waits_of(self, run_id: UUID) -> tuple[Wait, ...]:
        """What the run went to sleep for last."""
        return self._waits.get(run_id, ())

    # -- at the beginning of a body -----------------------------------------------------------------------------------------

    def body_begins(self, process: Process, execution: Execution) -> None:
        """P2: what is recorded never runs again, and nothing runs that stands on what is not recorded."""
        database = self._world.database
        run_id, path = execution.run_id, execution.path
        claim = database.claims.get(run_id)
        record = database.steps.get(run_id, {}).get(path)
        if claim is None or (claim.worker_id, claim.epoch) != (execution.worker_id, execution.epoch):
            self._stray_body(process, execution)
            return
        if record is not None and record.seq is not None:
            self._fail(f"P2: step {path} of run {run_id} is recorded, and its body runs again")
        if record is not None and record.status is StepStatus.FAILED and record.wakeup_at is not None:
            early = (record.wakeup_at - self._world.clock.now()).total_seconds()
            if early > 0:
                self._fail(f"P7: step {path} of run {run_id} is tried again {early:.6f} s too early")
        for earlier in self._world.ledger.unsettled(run_id, execution.epoch):
            is_before = path.startswith(branch_of(earlier.path))
            if is_before and not earlier.path.startswith((path + ".", path + "/")) and earlier.path != path:
                self._fail(f"P2: step {path} of run {run_id} begins, and step {earlier.path} that ended before is not durable")

    def _stray_body(self, process: Process, execution: Execution) -> None:
        """A worker that does not know yet that it lost the run may begin one more body in each branch; its record is refused."""
        self._world.figures["stray bodies"] += 1
        key = (execution.run_id, execution.epoch, branch_of(execution.path))
        self._stray[key] = self._stray.get(key, 0) + 1
        if self._stray[key] > 1:
            self._fail(f"P5: {process.name} lost run {execution.run_id} and goes on: step {execution.path} begins")

    # -- before time moves --------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """P7, P8, P10: nothing that is due, or held by a dead worker, stays so for long while a worker is well."""
        now = self._world.loop.time()
        if now - self._last_look < LOOKS_EVERY:
            return
        self._last_look = now
        self._note_due(now)
        since = min((p.well_since for p in self._world.processes if p.well_since is not None), default=None)
        if since is None or now - since <= LATE:
            return
        for run_id, due in self._due_since.items():
            if now - max(due, since) > LATE:
                self._fail(f"P7: run {run_id} has been due for {now - due:.1f} s, and nobody takes it")
        for claim in self._world.database.claims.values():
            died_at = self._world.workers[claim.worker_id].died_at if claim.worker_id is not None else None
            if died_at is not None and now - max(died_at + self._world.lease, since) > LATE:
                self._fail(f"P8: run {claim.run_id} has been held by a dead worker for {now - died_at:.1f} s")

    def _note_due(self, now: float) -> None:
        """Since when a run has been there to be taken: what was long on its way may be due before it arrives."""
        moment = self._world.clock.now()
        claims = self._world.database.claims.values()
        due = [claim.run_id for claim in claims if claim.worker_id is None and claim.due_at is not None and claim.due_at <= moment]
        self._due_since = {run_id: self._due_since.get(run_id, now) for run_id in due}

    def _fail(self, what: str) -> None:
        self._world.fail(what)


def branch_of(path: str) -> str:
    """The branch in which *path* is: ``3/b2`` for ``3/b2.1.4``, and nothing for what is in none."""
    place = path.find(".", path.rfind("/")) if "/" in path else 0
    return path[:place]


def _sleeps(claim: RunClaim) -> bool:
    return claim.due_at is None or bool(claim.waits)


def _shown(value: Any) -> str:
    if isinstance(value, SaveStep):
        record = value.record
        return (
            f"SaveStep({value.holder.run_id.hex[:6]}@{value.holder.epoch} {record.path} {record.qualname} {record.status} seq={record.seq})"
        )
    if isinstance(value, Exception):
        return f"refused: {type(value).__name__}"
    return str(value)
