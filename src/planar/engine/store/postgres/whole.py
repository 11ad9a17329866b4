"""Which batches are written as one statement, with which parameters, and what does its answer mean? Pure.

Starts, records and ends of one worker are. Anything else in a batch, and the batch is a transaction of several statements
(`planar.engine.store.postgres.entries`), which says the same of these entries and of all others.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import Run, RunStatus, StepKind, StepRecord, StepStatus
from planar.engine.store.port import EndRun, News, SaveStep, Started, StartRun
from planar.engine.store.postgres.arrays import arrays_of
from planar.engine.store.postgres.batch_statements import END, HELD, OTHER_START, PLAIN_START, REST, STEPS, whole
from planar.engine.store.postgres.folding import Window
from planar.engine.store.postgres.locks import LaneEntry
from planar.engine.store.postgres.rows import is_plain, pack, plain_step_to_row, step_to_row
from planar.engine.store.postgres.single import is_bare
from planar.engine.store.postgres.windows import end_refused, step_refused


@dataclass(frozen=True, slots=True)
class Whole:
    """The entries at the beginning of a batch that are written as one statement."""

    window: Window
    length: int
    worker_id: UUID | None


@dataclass(slots=True)
class Answer:
    """What became of the entries of a batch, but for those that must be written again, in another way."""

    outcomes: list[Any]
    old_starts: list[int]
    """The places of starts whose id or idempotency key had been used."""
    again: list[int]
    """The places of ends that somebody sleeps for."""

    def fill(self, places: Sequence[int], outcomes: Sequence[Any]) -> None:
        """What was learned of these *places* later."""
        for place, outcome in zip(places, outcomes, strict=True):
            self.outcomes[place] = outcome


def as_whole(entries: Sequence[LaneEntry]) -> Whole | None:
    """The longest beginning of *entries* that can be written as one statement; None if something is among them that never can."""
    worker_id: UUID | None = None
    for entry in entries:
        if not _is_simple(entry):
            return None
        worker = _worker_of(entry)
        if worker is not None and worker is not worker_id:
            if worker_id is not None and worker != worker_id:
                return None
            worker_id = worker
    window = Window(apart=True)
    length = 0
    while length < len(entries) and window.take(length, entries[length]):
        length += 1
    return Whole(window, length, worker_id)


def statement_of(batch: Whole, now: datetime, lane: UUID, number: int) -> tuple[str, list[Any]]:
    """The statement of *batch*, and its parameters.

    Raises:
        UnicodeEncodeError: an entry has text that no database can store.
    """
    window = batch.window
    starts = [entry for _, entry in window.starts]
    records = [entry for _, entry in window.records]
    ends = [entry for _, entry in window.ends]
    form = _form_of_records(records)
    plain_starts = all(_is_plain_start(entry.run) for entry in starts)
    statement = whole(
        fenced=batch.worker_id is not None,
        starts="" if not starts else "plain" if plain_starts else "wide",
        records=form,
        ends=bool(ends),
    )
    parameters: list[Any] = [now, batch.worker_id, lane, number]
    if starts:
        columns = PLAIN_START if plain_starts else PLAIN_START | OTHER_START
        parameters += arrays_of(list(map(_plain_start if plain_starts else _start, starts)), columns.values())
    if records:
        to_step = _STEPS[form]
        rows = [(entry.holder.run_id, entry.holder.epoch, *to_step(entry.record, now)) for entry in records]
        parameters += arrays_of(rows, (*HELD.values(), *STEPS[form].values()))
    if ends:
        parameters += arrays_of(list(map(_end, ends)), END.values())
        rests = [(entry.holder.run_id, pack(path)) for entry in ends for path in entry.after]
        parameters += arrays_of(rests, REST.values())
    return statement, parameters


def read_answer(batch: Whole, answer: str) -> Answer:
    """What *answer*, which the database gave or kept, says of each entry of *batch*."""
    numbers: Sequence[Sequence[int]] = json.loads(answer) if answer else ((), (), (), ())
    starts, records, ends, awaited = numbers
    window = batch.window
    outcomes: list[Any] = [None] * batch.length
    for place, entry in window.starts:
        outcomes[place] = Started(entry.run.id, created=True, epoch=0 if entry.worker_id is None else 1)
    for number in records:
        place, record = window.records[number - 1]
        outcomes[place] = step_refused(record)
    for number in ends:
        place, end = window.ends[number - 1]
        outcomes[place] = end_refused(end)
    return Answer(outcomes, [window.starts[number - 1][0] for number in starts], [window.ends[number - 1][0] for number in awaited])


def note_news(batch: Whole, answer: Answer, news: News) -> None:
    """Tell *news* what the statement changed."""
    old = set(answer.old_starts)
    news.due = news.due or any(entry.worker_id is None and place not in old for place, entry in batch.window.starts)
    again = set(answer.again)
    for place, entry in batch.window.ends:
        if place not in again and answer.outcomes[place] is None:
            news.note_end(entry.holder.run_id, Ending(entry.status, entry.result, entry.error))


def _is_simple(entry: LaneEntry) -> bool:
    if isinstance(entry, SaveStep):
        return is_bare(entry)
    return isinstance(entry, EndRun) or (isinstance(entry, StartRun) and entry.run.status is RunStatus.PENDING)


def _worker_of(entry: LaneEntry) -> UUID | None:
    if isinstance(entry, SaveStep | EndRun):
        return entry.holder.worker_id
    return entry.worker_id if isinstance(entry, StartRun) else None


def _form_of_records(entries: Sequence[SaveStep]) -> str:
    if not entries:
        return ""
    if not all(is_plain(entry.record) for entry in entries):
        return "wide"
    return "lean" if all(_is_lean(entry.record) for entry in entries) else "plain"


def _is_lean(record: StepRecord) -> bool:
    """Whether all that a plain record has beside `LEAN_STEP` is as in `LEAN_VALUES`."""
    return (
        record.step_id == record.seq
        and record.status is StepStatus.SUCCEEDED
        and record.kind is StepKind.COMPUTE
        and record.kwargs == "{}"
        and not record.sub_step_count
        and not record.retry_count
    )


def _lean_step(record: StepRecord, now: datetime) -> tuple[Any, ...]:
    """A record as the values of `LEAN_STEP`."""
    name, qualname, args, result = pack(record.name), pack(record.qualname), pack(record.args), pack(record.result)
    return pack(record.path), record.seq, name, qualname, args, result, record.created_at or now


_STEPS = {"lean": _lean_step, "plain": plain_step_to_row, "wide": step_to_row}


def _is_plain_start(run: Run) -> bool:
    return run.parent_id is None and run.principal is None and run.idempotency_key is None


def _plain_start(entry: StartRun) -> tuple[Any, ...]:
    run = entry.run
    return run.id, pack(run.workflow), pack(run.args), pack(run.kwargs), run.created_at, entry.worker_id is not None


def _start(entry: StartRun) -> tuple[Any, ...]:
    run = entry.run
    return (*_plain_start(entry), run.parent_id, pack(run.principal), pack(run.idempotency_key))


def _end(entry: EndRun) -> tuple[Any, ...]:
    return entry.holder.run_id, entry.holder.epoch, str(entry.status), pack(entry.result), pack(entry.error)
