"""What is a row of the engine's tables, and the value it stands for? Formats are those of `planar.db.types` on SQLite."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, overload
from uuid import UUID

from planar.engine.core.model import Event, Run, RunStatus, StepKind, StepRecord, StepStatus

RUN_COLUMNS = "id, function_name, parent_id, status, args, kwargs, result, error, principal, idempotency_key, created_at, updated_at"

STEP_COLUMNS = (
    "workflow_id, path, seq, step_id, parent_step_id, function_name, qualname, display_name, status, step_type, args, kwargs, result,"
    " error, sub_step_count, retry_count, wakeup_at, child_id, event_seq, created_at, updated_at"
)

PLAIN_STEP_COLUMNS = (
    "path, seq, step_id, function_name, qualname, status, step_type, args, kwargs, result, sub_step_count, retry_count,"
    " created_at, updated_at"
)
OTHER_STEP_COLUMNS = "parent_step_id, display_name, error, wakeup_at, child_id, event_seq"
"""What is null in most records."""

_KINDS = {kind.value: kind for kind in StepKind}
_STATUSES = {status.value: status for status in StepStatus}
_OFFSET = "+00:00"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_newest: tuple[int, int, str] = (0, 0, "1970-01-01 00:00:00")
"""The day and the second of the last stamp, and their text. Replaced as a whole: threads share it."""

EVENT_COLUMNS = "seq, id, event_key, workflow_id, payload, timestamp, idempotency_key"


@overload
def stamp(moment: datetime) -> str: ...
@overload
def stamp(moment: None) -> None: ...
@overload
def stamp(moment: datetime | None) -> str | None: ...
def stamp(moment: datetime | None) -> str | None:
    """*moment* as it is stored: UTC, microseconds, no offset, so that text order is time order.

    Raises:
        ValueError: *moment* has no time zone.
    """
    if moment is None:
        return None
    if moment.tzinfo is not UTC:
        if moment.tzinfo is None:
            raise ValueError(f"{moment} has no time zone; for UTC, make it with datetime(..., tzinfo=UTC).")
        moment = moment.astimezone(UTC)
    global _newest
    since = moment - _EPOCH
    days, seconds, text = _newest
    if since.seconds != seconds or since.days != days:
        # The text of a time takes longer to make than all else of a row, and most stamps are of the second that is.
        text = moment.isoformat(" ", "seconds")[: -len(_OFFSET)]
        _newest = since.days, since.seconds, text
    return f"{text}.{since.microseconds:06}"


def moment(text: str | None) -> datetime | None:
    """The stored *text* as an aware time."""
    return datetime.fromisoformat(text + _OFFSET) if text is not None else None


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text + _OFFSET)


def _uuid(text: str | None) -> UUID | None:
    return UUID(text) if text is not None else None


def is_plain_run(run: Run) -> bool:
    """Whether *run* is new, and as most are: started by nobody known, by no other run, under no key."""
    return run.status is RunStatus.PENDING and run.parent_id is None and run.principal is None and run.idempotency_key is None


def run_from_row(row: Any) -> Run:
    """A row of `RUN_COLUMNS` as a value."""
    run_id, name, parent, status, args, kwargs, result, error, principal, key, created, _ = row
    return Run(
        id=UUID(run_id),
        workflow=name,
        args=args or "[]",
        kwargs=kwargs or "{}",
        created_at=_moment(created),
        parent_id=_uuid(parent),
        principal=principal,
        idempotency_key=key,
        status=RunStatus(status),
        result=result,
        error=error,
    )


def is_plain(record: StepRecord) -> bool:
    """Whether *record* is as most are: at the top of its run, not failed, without a child, an event or a time to wake."""
    return (
        record.parent_step_id is None
        and record.display_name is None
        and record.error is None
        and record.wakeup_at is None
        and record.child_id is None
        and record.event_seq is None
    )


def plain_step_to_row(record: StepRecord, now: str) -> tuple[Any, ...]:
    """A plain record as a row of `PLAIN_STEP_COLUMNS`; the run comes from the claim that fences the write."""
    created = record.created_at
    # str(): an enum's `value` is computed at each question, and this is asked for each step of every run.
    return (
        record.path,
        record.seq,
        record.step_id,
        record.name,
        record.qualname,
        str(record.status),
        str(record.kind),
        record.args,
        record.kwargs,
        record.result,
        record.sub_step_count,
        record.retry_count,
        now if created is None else stamp(created),
        now,
    )


def step_to_row(record: StepRecord, now: str) -> tuple[Any, ...]:
    """A step record as a row of `PLAIN_STEP_COLUMNS` and `OTHER_STEP_COLUMNS`."""
    return (
        *plain_step_to_row(record, now),
        record.parent_step_id,
        record.display_name,
        record.error,
        stamp(record.wakeup_at),
        record.child_id.hex if record.child_id else None,
        record.event_seq,
    )


def step_from_row(row: Any) -> StepRecord:
    """A row of `STEP_COLUMNS` as a value."""
    wakeup_at, child_id, created_at, updated_at = row[16], row[17], row[19], row[20]
    # By place and from tables: a run with ten thousand steps comes through here before it goes on.
    return StepRecord(
        row[1],
        row[3],
        row[5],
        row[6],
        _KINDS[row[9]],
        _STATUSES[row[8]],
        row[2],
        row[4],
        row[7],
        row[10],
        row[11],
        row[12],
        row[13],
        row[14],
        row[15],
        None if wakeup_at is None else _moment(wakeup_at),
        None if child_id is None else UUID(child_id),
        row[18],
        _moment(created_at),
        _moment(updated_at),
    )


def event_from_row(row: Any) -> Event:
    """A row of `EVENT_COLUMNS` as a value."""
    seq, event_id, key, run_id, payload, timestamp, idempotency_key = row
    return Event(UUID(event_id), key, payload, _uuid(run_id), _moment(timestamp), seq, idempotency_key)
