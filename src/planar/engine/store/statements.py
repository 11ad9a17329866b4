"""What is said to the database, word for word? The statements of the hot path; those that few runs need stand where they are used.

They take few parameters, none of them null as a rule: for a parameter that is None the driver of SQLite looks for an adapter, which
costs as much as four others.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planar._version import VERSION
from planar.engine.core.model import StepRecord
from planar.engine.store.port import Holder
from planar.engine.store.rows import (
    EVENT_COLUMNS,
    OTHER_STEP_COLUMNS,
    PLAIN_STEP_COLUMNS,
    RUN_COLUMNS,
    is_plain,
    plain_step_to_row,
    step_to_row,
)

FENCE = "where run_id = ? and epoch = ? and worker_id = ?"

INSERT_RUN = f"insert into workflow_run ({RUN_COLUMNS}) values (?, ?, ?, ?, ?, ?, null, null, ?, ?, ?, ?) on conflict do nothing"
INSERT_PLAIN_RUN = """
insert into workflow_run (id, function_name, status, args, kwargs, created_at, updated_at) values (?, ?, 'pending', ?, ?, ?, ?)
on conflict do nothing
"""
INSERT_CLAIM = "insert into workflow_claim (run_id, function_name, due_at, worker_id, epoch, reason) values (?, ?, ?, ?, ?, 'ready')"
CLOSE_SUCCEEDED = "update workflow_run set status = 'succeeded', result = ?, updated_at = ? where id = ?"
CLOSE_RUN = "update workflow_run set status = ?, result = ?, error = ?, updated_at = ? where id = ?"

RELEASE = f"update workflow_claim set worker_id = null, due_at = ?, reason = 'ready', waiting_for_event = null {FENCE}"
RECLAIM = """
update workflow_claim set worker_id = ?, epoch = epoch + 1, due_at = null, reason = 'ready', waiting_for_event = null
where run_id = ? and epoch = ? and worker_id is null
"""

CLAIM_OF_RUN = """
select run_id, epoch, recoveries, cancel_reason, crashed, worker_id, due_at, waiting_for_event from workflow_claim where run_id = ?
"""

SLEEPERS = "select run_id from workflow_wait where key = ?"
ANY_RUN_AWAITED = "select 1 from workflow_wait where key >= 'run:' and key < 'run;' limit 1"

INSERT_EVENT = """
insert into workflow_event (id, event_key, workflow_id, payload, timestamp, idempotency_key)
values (?, ?, ?, ?, ?, ?) on conflict do nothing
"""
OWN_EVENTS = f"select {EVENT_COLUMNS} from workflow_event where event_key = ? and workflow_id = ? and seq > ? order by seq limit ?"
GLOBAL_EVENTS = f"""
select {EVENT_COLUMNS} from workflow_event
where event_key = ? and workflow_id is null and seq > ? and timestamp >= ? order by seq limit ?
"""

REGISTER_WORKER = f"""
insert into workflow_worker (id, host, boot_id, pid, alive, started_at, beat_at, version) values (?, ?, ?, ?, 1, ?, ?, '{VERSION}')
on conflict (id) do update set alive = 1, beat_at = excluded.beat_at, version = excluded.version
"""
"""The version is that of the code which says this."""


def _save_step(columns: str) -> str:
    """A record is written once: over the step's mark if it has one, never over what has ended."""
    return f"""
insert into workflow_step (workflow_id, {columns})
select run_id{", ?" * len(columns.split(","))} from workflow_claim {FENCE}
on conflict (workflow_id, path) do update set
    seq = excluded.seq, status = excluded.status, args = excluded.args, kwargs = excluded.kwargs, result = excluded.result,
    error = excluded.error, sub_step_count = excluded.sub_step_count, retry_count = excluded.retry_count,
    wakeup_at = excluded.wakeup_at, child_id = excluded.child_id, event_seq = excluded.event_seq, updated_at = excluded.updated_at
where workflow_step.seq is null
"""


SAVE_PLAIN_STEP = _save_step(PLAIN_STEP_COLUMNS)
SAVE_STEP = _save_step(f"{PLAIN_STEP_COLUMNS}, {OTHER_STEP_COLUMNS}")

RECORDED = "exists (select 1 from workflow_step where workflow_id = ? and path = ? and seq is not null)"


def save_step(holder: Holder, record: StepRecord, now: str) -> tuple[str, tuple[Any, ...]]:
    """The statement that writes *record* if *holder* still holds the run, and its parameters."""
    if is_plain(record):
        return SAVE_PLAIN_STEP, plain_step_to_row(record, now) + fence(holder)
    return SAVE_STEP, step_to_row(record, now) + fence(holder)


def fence(holder: Holder) -> tuple[Any, ...]:
    """The parameters of `FENCE`."""
    return (holder.run_id.hex, holder.epoch, holder.worker_id.hex)


def fence_after(holder: Holder, after: Sequence[str]) -> tuple[str, tuple[Any, ...]]:
    """The fence of *holder*, and that the steps at the paths *after* are recorded as ended: a condition and its parameters."""
    condition, parameters = FENCE, fence(holder)
    for path in after:
        condition += f" and {RECORDED}"
        parameters += (parameters[0], path)
    return condition, parameters
