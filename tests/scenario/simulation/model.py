"""What must a run have come to? A second reading of its program, over what is recorded and nothing of the engine.

Where chance decides (does the event come in time, how many attempts does a crash interrupt), the record says what happened, and the
model says whether it may have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from uuid import UUID, uuid5

from planar.engine.core.model import Event, Run, RunStatus, StepRecord, StepStatus
from tests.scenario.simulation.clock import seconds_of
from tests.scenario.simulation.program import Program

if TYPE_CHECKING:
    from tests.scenario.simulation.world import World


LONGEST_SILENCE = 2.5
"""How many seconds a request to end a run may take to reach it: a look at others a second, a step in progress, and the ways."""


class Broken(Exception):
    """The record, or the run's outcome, is not what the program allows."""


class Failed(Exception):
    """The program fails here, with an error of the class that is named."""

    def __init__(self, type: str) -> None:
        super().__init__(type)
        self.type = type


@dataclass(frozen=True)
class Place:
    """One operation of one run: the path of its step, and what is recorded there."""

    run: Run
    path: str

    def branch(self, number: int) -> Place:
        """The place of a branch that begins here."""
        return Place(self.run, f"{self.path}/b{number}")

    def inner(self, number: int) -> Place:
        """The place of a call that is made here."""
        return Place(self.run, f"{self.path}.{number}" if self.path else str(number))


class Model:
    """The runs of one simulation, when it is over."""

    def __init__(self, world: World) -> None:
        self._world = world

    def check(self, run: Run) -> None:
        """Compare the end of *run* with its program.

        Raises:
            Broken: they differ.
        """
        if run.status is RunStatus.CANCELLED:
            if run.id not in self._world.watch.cancelled:
                raise Broken(f"run {run.id} is cancelled, and nobody asked for it")
            return
        self._check_cancel(run)
        try:
            wanted = RunStatus.SUCCEEDED, self._perform(run)
        except Failed as failure:
            wanted = RunStatus.FAILED, failure.type
        came = run.status, json.loads(run.result) if run.result is not None else _type_of(run.error)
        if came != wanted:
            raise Broken(f"run {run.id} should be {wanted}, and is {came}")

    def _check_cancel(self, run: Run) -> None:
        """Cancellation cancels: a run that ended otherwise was at its last write when the request came."""
        asked = self._world.watch.cancelled.get(run.id)
        ended = self._world.watch.ended_at[run.id]
        well_since = self._world.watch.writer_well_since.get(run.id)
        if asked is None or well_since is None or well_since > asked:
            return
        if ended - asked > LONGEST_SILENCE:
            raise Broken(f"the end of run {run.id} was asked for {ended - asked:.1f} s before it ended by itself")

    def _perform(self, run: Run) -> list[str]:
        program: Program = json.loads(json.loads(run.args)[0])
        return list(self._operations(program, _calls(Place(run, ""))))

    def _operations(self, program: Program, places: Callable[[], Place]) -> Iterator[str]:
        for name, *arguments in program:
            yield _READERS[name](self, places, *arguments)

    # -- what is recorded ---------------------------------------------------------------------------------------------------

    def _record(self, place: Place) -> StepRecord:
        record = self._world.database.steps.get(place.run.id, {}).get(place.path)
        if record is None or record.seq is None:
            raise Broken(f"step {place.path} of run {place.run.id} has no record")
        return record

    def _value(self, place: Place, expected: str) -> str:
        record = self._record(place)
        if record.status is not StepStatus.SUCCEEDED or json.loads(record.result or "null") != expected:
            raise Broken(f"step {place.path} of run {place.run.id} should be {expected!r}: {record.status} {record.result or record.error}")
        if not any(execution.completed for execution in self._world.ledger.at(place.run.id, place.path)):
            raise Broken(f"step {place.path} of run {place.run.id} is recorded, and its body never ran to its end")
        return expected

    def check_attempts(self, place: Place, fails: int, retries: int) -> bool:
        """Whether the step succeeded, after as many attempts as its policy and the crashes allow."""
        record = self._record(place)
        executions = self._world.ledger.at(place.run.id, place.path)
        never_begun = self._world.ledger.never_begun(place.run.id, place.path)
        attempts = len(executions) + never_begun
        interrupted = sum(not execution.settled for execution in executions) + never_begun
        where = f"step {place.path} of run {place.run.id}, which fails {fails} times and has {retries} retries,"
        if attempts - interrupted > retries + 1:
            raise Broken(f"{where} was tried {attempts} times, of which {interrupted} were interrupted")
        succeeded = record.status is StepStatus.SUCCEEDED
        if succeeded and len(executions) <= fails:
            raise Broken(f"{where} succeeded at attempt {len(executions)}")
        if not succeeded and attempts <= retries:
            raise Broken(f"{where} failed for good after {attempts} attempts")
        if not succeeded and fails <= retries and not interrupted:
            raise Broken(f"{where} failed for good: {record.error}")
        if _type_of(record.error) == "StepInterrupted" and not interrupted:
            raise Broken(f"{where} is said to have been interrupted, and was not")
        if _type_of(record.error) == "StepInterrupted" and not self._world.ledger.has_died(place.run.id):
            raise Broken(f"{where} is said to have been interrupted, and nobody died")
        return succeeded

    # -- operations ---------------------------------------------------------------------------------------------------------

    def step(self, places: Callable[[], Place], seconds: float, value: str) -> str:
        return self._value(places(), value)

    def poison(self, places: Callable[[], Place]) -> str:
        raise Failed("RecordRefused")

    def flaky(self, places: Callable[[], Place], fails: int, retries: int, seconds: float, caught: bool) -> str:
        place = places()
        return "at last" if self.check_attempts(place, fails, retries) else self._failing_at(place, caught)

    def nested(self, places: Callable[[], Place], program: Program, fails: int, retries: int, caught: bool) -> str:
        place = places()
        if any(operation[0] == "poison" for operation in program):
            raise Failed("RecordRefused")
        if _type_of(self._record(place).error) == "StepInterrupted":
            # Its process died in its last attempt, perhaps before it had called everything.
            self.check_attempts(place, 10**6, retries)
            return _failing("StepInterrupted", caught)
        try:
            values = list(self._operations(program, _calls(place)))
        except Failed as failure:
            return self._nested_failure(place, retries, failure, caught)
        return "+".join(values) if self.check_attempts(place, fails, retries) else self._failing_at(place, caught)

    def _nested_failure(self, place: Place, retries: int, failure: Failed, caught: bool) -> str:
        """What it calls failed for good, so it fails at each attempt."""
        if self.check_attempts(place, 10**6, retries):
            raise Broken(f"step {place.path} of run {place.run.id} succeeded although {failure.type} was raised in it")
        return _failing(failure.type, caught)

    def _failing_at(self, place: Place, caught: bool) -> str:
        """The step failed by its own error, or because a crash interrupted its last attempt."""
        failure = _type_of(self._record(place).error)
        if failure not in ("Boom", "StepInterrupted"):
            raise Broken(f"step {place.path} of run {place.run.id} failed with {failure}")
        return _failing(failure, caught)

    def suspend(self, places: Callable[[], Place], seconds: float) -> str:
        place = places()
        self._record(place)
        where = f"P7: step {place.path} of run {place.run.id}, which sleeps {seconds} s,"
        called = self._world.ledger.calls(place.run.id, place.path)
        due = self._world.watch.due.get((place.run.id, place.path))
        if due is not None and not any(abs(due - at - seconds) < 1e-3 for at in called):
            raise Broken(f"{where} was called at {called} and is due at {due:.3f}")
        recorded_at = self._world.watch.recorded[place.run.id][place.path].at
        if recorded_at < called[0] + seconds - 1e-3:
            raise Broken(f"{where} was called at {called[0]:.3f} and ended at {recorded_at:.3f}")
        return "slept"

    def event(self, places: Callable[[], Place], key: str, seconds: float) -> str:
        place = places()
        record = self._record(place)
        at = self._world.watch.recorded[place.run.id][place.path].at
        open_events = list(self._open_events(place.run, key, record))
        if record.event_seq is None:
            self._check_timeout(place, record, open_events, seconds)
            return "nothing came"
        came = [event for event in open_events if self._world.watch.emitted[event.seq] <= at]
        if not came or came[0].seq != record.event_seq:
            raise Broken(f"P6: step {place.path} of run {place.run.id} took event {record.event_seq}, not the oldest of {open_events}")
        if json.loads(record.result or "null") != json.loads(came[0].payload):
            raise Broken(f"step {place.path} of run {place.run.id} took event {record.event_seq} as {record.result}")
        return str(json.loads(came[0].payload))

    def _open_events(self, run: Run, key: str, record: StepRecord) -> Iterator[Event]:
        """What the wait could take, that has become *record*: the run had not taken it by then."""
        others = self._world.database.steps[run.id].values()
        taken = {other.event_seq for other in others if other.seq is not None and other.seq < (record.seq or 0)}
        for event in self._world.database.events:
            is_for = event.run_id == run.id or (event.run_id is None and event.timestamp >= run.created_at)
            if event.key == key and is_for and event.seq not in taken:
                yield event

    def _check_timeout(self, place: Place, record: StepRecord, events: list[Event], seconds: float) -> None:
        where = f"step {place.path} of run {place.run.id}"
        if record.status is not StepStatus.FAILED or seconds < 0:
            raise Broken(f"{where} should have waited: {record.status} {record.error}")
        deadline = json.loads(self._record(place.inner(1)).result or "null")
        for event in events:
            if self._world.watch.emitted[event.seq] < _seconds_of_text(deadline) - 1e-5:
                raise Broken(f"P6: {where} timed out at {deadline}, and event {event.seq} had come")

    def emit(self, places: Callable[[], Place], key: str, payload: int) -> str:
        place = places()
        wanted = uuid5(place.run.id, place.path)
        events = [event for event in self._world.database.events if event.id == wanted]
        if len(events) != 1 or events[0].payload != str(payload):
            raise Broken(f"P4: step {place.path} of run {place.run.id} emitted {len(events)} events: {events}")
        return "emitted"

    def child(self, places: Callable[[], Place], program: Program, caught: bool) -> str:
        place = places()
        record = self._record(place)
        return self._of_run(record.child_id, place, record, caught)

    def start(self, places: Callable[[], Place], program: Program, caught: bool) -> str:
        started = self._record(places())
        place = places()
        if started.result is None:
            raise Broken(f"step {started.path} of run {place.run.id} started nothing: {started.status.value} {started.error}")
        return self._of_run(UUID(json.loads(started.result)), place, self._record(place), caught)

    def cleanup(self, places: Callable[[], Place], program: Program, seconds: float, value: str) -> str:
        values: list[str] = []
        try:
            values += self._operations(program, places)
        except Failed as failure:
            # What the database refused stops the run there and then.
            if failure.type != "RecordRefused":
                self._value(places(), value)
            raise
        return "+".join([*values, self._value(places(), value)])

    def timeout(self, places: Callable[[], Place], limit: float, seconds: float) -> str:
        place = places()
        if seconds < limit:
            return self._value(place, "in time")
        if self._record(place).status is not StepStatus.CANCELLED:
            raise Broken(f"step {place.path} of run {place.run.id} takes longer than its timeout, and is {self._record(place)}")
        return "too late"

    def stop_child(self, places: Callable[[], Place], program: Program) -> str:
        run_id = UUID(json.loads(self._record(places()).result or "null"))
        self._record(places())
        self._record(places())
        run = self._world.database.runs[run_id]
        if run.status is RunStatus.SUCCEEDED:
            return "was quicker"
        failure = _type_of(run.error)
        return "RunCancelled" if run.status is RunStatus.CANCELLED else _RESTORED.get(failure, failure)

    def poll(self, places: Callable[[], Place], yes_at: int) -> str:
        place = places()
        asked = len(self._world.ledger.at(place.run.id, place.path))
        if self._record(place).status is not StepStatus.SUCCEEDED or asked < yes_at:
            raise Broken(
                f"step {place.path} of run {place.run.id} asked {asked} times, and needed {yes_at} for a yes: {self._record(place)}"
            )
        return "yes"

    def gather(self, places: Callable[[], Place], programs: list[Program], keep_going: bool) -> str:
        place = places()
        branches = [place.branch(number) for number in range(1, len(programs) + 1)]
        if keep_going:
            return "|".join(self._branch(branch, program) for branch, program in zip(branches, programs, strict=True))
        failed = [self._failure_in(branch, program) for branch, program in zip(branches, programs, strict=True)]
        first = min((each for each in failed if each is not None), default=None)
        if first is not None:
            return f"caught {first[1]}"
        return "|".join(self._branch(branch, program) for branch, program in zip(branches, programs, strict=True))

    def _branch(self, branch: Place, program: Program) -> str:
        """What the branch gave: its values, or the class of its error."""
        try:
            return "+".join(self._operations(program, _calls(branch)))
        except Failed as failure:
            return failure.type

    def _failure_in(self, branch: Place, program: Program) -> tuple[int, str] | None:
        """If the branch failed by itself: after which record, and with what. One that was told to end did not."""
        try:
            list(self._operations(program, _calls(branch)))
        except Failed as failure:
            records = self._world.database.steps[branch.run.id].values()
            return max(record.seq or 0 for record in records if record.path.startswith(f"{branch.path}.")), failure.type
        except Broken:
            return None
        return None

    def map(self, places: Callable[[], Place], durations: list[float], limit: int) -> str:
        place = places()
        return "|".join(self._value(place.branch(number).inner(1), str(seconds)) for number, seconds in enumerate(durations, 1))

    def race(self, places: Callable[[], Place], programs: list[Program]) -> str:
        place = places()
        winner = int(self._record(place).result or 0)
        return self._winner_of(place.branch(winner), programs[winner - 1])

    def limit(self, places: Callable[[], Place], program: Program, seconds: float) -> str:
        place = places()
        if self._record(place).result == "1":
            return self._winner_of(place.branch(1), program)
        self._record(place.branch(2).inner(1))
        return "caught BranchTimeout"

    def _winner_of(self, branch: Place, program: Program) -> str:
        try:
            return "+".join(self._operations(program, _calls(branch)))
        except Failed as failure:
            return f"caught {failure.type}"

    def _of_run(self, run_id: UUID | None, place: Place, record: StepRecord, caught: bool) -> str:
        run = self._world.database.runs.get(run_id) if run_id is not None else None
        if run is None:
            raise Broken(f"step {place.path} of run {place.run.id} waited for run {run_id}, which does not exist")
        succeeded = run.status is RunStatus.SUCCEEDED
        if succeeded is not (record.status is StepStatus.SUCCEEDED):
            raise Broken(f"step {place.path} of run {place.run.id} is {record.status}, and run {run_id} {run.status}")
        if succeeded:
            return "+".join(json.loads(run.result or "[]"))
        if run.status is RunStatus.CANCELLED:
            return _failing("RunCancelled", caught)
        failure = _type_of(run.error)
        return _failing(_RESTORED.get(failure, failure), caught)


_RESTORED = {"RecordRefused": "WorkflowError"}
"""As which class an error without one reaches whoever waits for the run."""

_READERS: dict[str, Callable[..., str]] = {
    "step": Model.step,
    "flaky": Model.flaky,
    "nested": Model.nested,
    "suspend": Model.suspend,
    "event": Model.event,
    "emit": Model.emit,
    "child": Model.child,
    "start": Model.start,
    "cleanup": Model.cleanup,
    "timeout": Model.timeout,
    "stop_child": Model.stop_child,
    "poll": Model.poll,
    "gather": Model.gather,
    "map": Model.map,
    "race": Model.race,
    "limit": Model.limit,
    "poison": Model.poison,
}


def _calls(around: Place) -> Callable[[], Place]:
    """The places of the calls made in *around*, one after the other."""
    numbers = iter(range(1, 10**6))
    return lambda: around.inner(next(numbers))


def _failing(type: str, caught: bool) -> str:
    if not caught:
        raise Failed(type)
    return f"caught {type}"


def _type_of(error: str | None) -> str:
    return str(json.loads(error or "{}").get("type"))


def _seconds_of_text(moment: str) -> float:
    return seconds_of(datetime.fromisoformat(moment))
