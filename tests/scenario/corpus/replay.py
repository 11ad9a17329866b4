"""Take up a kept run where it stood after some of its records, as if its worker had died there."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from planar.engine.core.model import Run, RunStatus, StepRecord, StepStatus
from planar.engine.core.replay import enclosing, is_inside
from planar.engine.store.memory import MemoryDatabase
from planar.engine.store.memory.database import RunClaim
from tests.scenario.corpus.bench import Bench, on_bench
from tests.scenario.corpus.history import History
from tests.scenario.corpus.workflows import ATTEMPTS, RAN


@dataclass(frozen=True)
class Replayed:
    """What a run came to: its end, its records, and the paths of the steps whose bodies ran."""

    run: Run
    steps: dict[str, StepRecord]
    ran: frozenset[str]


def replay(history: History, run: Run, records: Iterable[StepRecord]) -> Replayed:
    """The end of *run*, of which *records* are known; everything else of *history* is as it was at the end."""
    known = {record.path: record for record in records}

    def fill(database: MemoryDatabase) -> None:
        database.runs = {each.id: each for each in history.runs}
        database.runs[run.id] = run._replace(status=RunStatus.PENDING, result=None, error=None)
        database.steps = {id: {record.path: record for record in steps} for id, steps in history.steps.items()}
        database.steps[run.id] = dict(known)
        database.events = list(history.events)
        ATTEMPTS.update({f"{run.id} {record.path}": record.retry_count for record in known.values() if record.seq is None})
        claim = RunClaim(run.id, run.workflow, database.clock.now(), cancel_reason=history.cancel_reasons.get(run.id))
        database.claims = {run.id: claim}

    async def to_the_end(bench: Bench) -> Replayed:
        ended = await bench.ended(run.id)
        return Replayed(ended, dict(bench.database.steps.get(run.id, {})), _paths(run.id))

    return on_bench(to_the_end, fill, ids_from="replay")


def _paths(run_id: UUID) -> frozenset[str]:
    places = (place.split(" ") for place in RAN)
    return frozenset(path for id, path in places if id == str(run_id))


def first_ended(records: Iterable[StepRecord], number: int) -> list[StepRecord]:
    """What a crash may leave of *records*: the first *number* in the order of recording, and the marks that must have been there.

    A step that was tried again had its mark before its second attempt recorded anything; other marks may be missing.
    """
    all_records = list(records)
    ended = sorted((record for record in all_records if record.seq is not None), key=lambda record: record.seq or 0)
    known, open_ones = ended[:number], ended[number:]
    marks = [
        record._replace(seq=None, status=StepStatus.RUNNING, result=None, error=None)
        for record in open_ones
        if record.retry_count and any(is_inside(each.path, record.path) for each in known)
    ]
    return known + marks


def closed_paths(records: Iterable[StepRecord]) -> frozenset[str]:
    """The paths at which nothing may run again: those that ended."""
    return frozenset(record.path for record in records if record.seq is not None)


def is_within(path: str, outer: frozenset[str]) -> bool:
    """Whether *path*, or a step around it, is one of *outer*."""
    return path in outer or any(each in outer for each in enclosing(path))
