"""What is said to PostgreSQL when only one run writes? The same as for a batch of many, in few words and without arrays.

Alone, a statement costs the server less time to execute than to prepare its many parts; and a caller who is alone waits for it.
Its answer is that of `planar.engine.store.postgres.batch_statements`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import RunStatus, StepRecord
from planar.engine.store.port import EndRun, News, SaveStep, Started, StartRun
from planar.engine.store.postgres.locks import LaneEntry
from planar.engine.store.postgres.rows import OTHER_STEP, PLAIN_STEP, REWRITTEN, pack, run_to_row, step_to_row

FENCE = """
with fence as materialized (select id from planar.workflow_worker where id = $2 and alive for key share),
forgotten as (delete from planar.workflow_batch where lane = $3 and number = $4 - 1),
"""
RUN_FIELDS = "id, function_name, parent_id, status, args, kwargs, principal, idempotency_key, created_at, updated_at"

START = f"""{FENCE}
run as (
    insert into planar.workflow_run ({RUN_FIELDS})
    select $5::uuid, $6::text, $7::uuid, $8::text, $9::text, $10::text, $11::text, $12::text, $13::timestamptz, $13 from fence
    on conflict do nothing returning id
),
claim as (
    insert into planar.workflow_claim (run_id, function_name, due_at, worker_id, epoch, reason)
    select id, $6, greatest($13, $1), $2, 1, 'ready' from run
)
insert into planar.workflow_batch (lane, number, answer, written_at)
select $3, $4, case when exists (select from run) then '' else '[[1],[],[],[]]' end, $1 from fence
returning answer
"""

_COLUMNS = PLAIN_STEP | OTHER_STEP
_VALUES = ", ".join(f"${number}::{kind}" for number, kind in enumerate(_COLUMNS.values(), start=7))
WRITTEN = f"""
written as (
    insert into planar.workflow_step (workflow_id, {", ".join(_COLUMNS)}, updated_at)
    select $5, {_VALUES}, $1
    from fence cross join planar.workflow_claim c
    where c.run_id = $5::uuid and c.epoch = $6::int and c.worker_id is not distinct from $2
    on conflict (workflow_id, path) do update set {", ".join(f"{name} = excluded.{name}" for name in REWRITTEN)}
    where workflow_step.seq is null
    returning workflow_id
)"""
RECORD = f"""{FENCE}{WRITTEN}
insert into planar.workflow_batch (lane, number, answer, written_at)
select $3, $4, case when exists (select from written) then '' else '[[],[1],[],[]]' end, $1 from fence
returning answer
"""

_AFTER = 7 + len(_COLUMNS)
LAST = f"""{FENCE}{WRITTEN},
gone as (
    delete from planar.workflow_claim where run_id = any(array(select workflow_id from written)) and awaited = 0 returning run_id
),
closed as (
    update planar.workflow_run set status = ${_AFTER}::text, result = ${_AFTER + 1}::text, error = ${_AFTER + 2}::text, updated_at = $1
    where id = any(array(select run_id from gone))
)
insert into planar.workflow_batch (lane, number, answer, written_at)
select $3, $4, case
    when not exists (select from written) then '[[],[1],[],[1]]'
    when not exists (select from gone) then '[[],[],[],[1]]'
    else ''
end, $1 from fence
returning answer
"""
"""The last record of a run and its end, which is decided again if the record was refused, or if somebody awaits it: that is read from
the claim as it is when the deletion has locked it."""


def single(entries: Sequence[LaneEntry], now: datetime, lane: UUID, number: int) -> tuple[str, list[Any]] | None:
    """The statement of *entries* and its parameters, if they are one run's, and simple; else None.

    Raises:
        UnicodeEncodeError: an entry has text that no database can store.
    """
    first = entries[0]
    if len(entries) == 1:
        if isinstance(first, SaveStep) and is_bare(first):
            return RECORD, [now, first.holder.worker_id, lane, number, *_record(first, now)]
        if isinstance(first, StartRun) and first.worker_id is not None and first.run.status is RunStatus.PENDING:
            return START, [now, first.worker_id, lane, number, *run_to_row(first.run)]
    elif len(entries) == 2:
        end = entries[1]
        if isinstance(first, SaveStep) and isinstance(end, EndRun) and is_bare(first) and _rests_on(end, first):
            ending = (str(end.status), pack(end.result), pack(end.error))
            return LAST, [now, first.holder.worker_id, lane, number, *_record(first, now), *ending]
    return None


def granted(entries: Sequence[LaneEntry]) -> tuple[list[Any], News]:
    """Outcomes and news of *entries*, if the answer to their single statement was that nothing was refused."""
    first, news = entries[0], News()
    if isinstance(first, StartRun):
        return [Started(first.run.id, created=True, epoch=1)], news
    for entry in entries:
        if isinstance(entry, EndRun):
            news.note_end(entry.holder.run_id, Ending(entry.status, entry.result, entry.error))
    return [None] * len(entries), news


def is_bare(entry: SaveStep) -> bool:
    """Whether nothing comes with the record."""
    return entry.start is None and entry.emit is None and entry.cancel is None


def _record(entry: SaveStep, now: datetime) -> list[Any]:
    return [entry.holder.run_id, entry.holder.epoch, *step_to_row(entry.record, now)]


def _rests_on(end: EndRun, entry: SaveStep) -> bool:
    """Whether *end* is that of the run of *entry*, and rests on nothing that is not recorded with it."""
    record: StepRecord = entry.record
    return end.holder == entry.holder and record.seq is not None and end.after == (record.path,)
