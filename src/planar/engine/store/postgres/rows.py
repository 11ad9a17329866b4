"""What is a row of the engine's tables on PostgreSQL, and the value it stands for?

Moments and ids are values of the driver. Text is text, except that PostgreSQL's cannot hold the null character: `pack` writes
it in another way, and with it the characters that mark something in what is sent. JSON, which never contains them bare, looks as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, overload
from uuid import UUID

from planar.engine.core.model import Event, Run, RunStatus, StepKind, StepRecord, StepStatus
from planar.engine.store.rows import EVENT_COLUMNS, RUN_COLUMNS, STEP_COLUMNS, is_plain

__all__ = ["EVENT_COLUMNS", "RUN_COLUMNS", "STEP_COLUMNS", "is_plain"]

_KINDS = {kind.value: kind for kind in StepKind}
_STATUSES = {status.value: status for status in StepStatus}
_ESCAPE, _NULL = "\x01", "\x00"
GAP, NOTHING = "\x02", "\x03"
"""Between the texts of an array, and in place of one that is null: no packed text has them."""
_ESCAPED = {_ESCAPE: "b", _NULL: "a", GAP: "c", NOTHING: "d"}

PLAIN_STEP = {
    "path": "text",
    "seq": "int",
    "step_id": "int",
    "function_name": "text",
    "qualname": "text",
    "status": "text",
    "step_type": "text",
    "args": "text",
    "kwargs": "text",
    "result": "text",
    "sub_step_count": "int",
    "retry_count": "int",
    "created_at": "timestamptz",
}
"""The columns of most records, and their types."""

OTHER_STEP = {
    "parent_step_id": "int",
    "display_name": "text",
    "error": "text",
    "wakeup_at": "timestamptz",
    "child_id": "uuid",
    "event_seq": "int",
}
"""What is null in most records."""

REWRITTEN = (
    "seq",
    "status",
    "args",
    "kwargs",
    "result",
    "error",
    "sub_step_count",
    "retry_count",
    "wakeup_at",
    "child_id",
    "event_seq",
    "updated_at",
)
"""What a record changes of the mark that stood in its place."""


@overload
def pack(text: str) -> str: ...
@overload
def pack(text: None) -> None: ...
@overload
def pack(text: str | None) -> str | None: ...
def pack(text: str | None) -> str | None:
    """*text* as PostgreSQL can hold it.

    Raises:
        UnicodeEncodeError: no database could hold it: it has half of a surrogate pair.
    """
    if text is None or text.isprintable():
        return text
    if not text.isascii():
        text.encode()
    if any(character in text for character in _ESCAPED):
        for character, code in _ESCAPED.items():
            text = text.replace(character, _ESCAPE + code)
    return text


def unpack(text: Any) -> Any:
    """What `pack` was given; None is None."""
    if text is None or _ESCAPE not in text:
        return text
    for character, code in reversed(_ESCAPED.items()):
        text = text.replace(_ESCAPE + code, character)
    return text


def uuid(value: Any) -> Any:
    """The driver has a class of its own, which is not everywhere taken for a `UUID`; None is None."""
    return None if value is None else UUID(bytes=value.bytes)


def run_to_row(run: Run) -> tuple[Any, ...]:
    """A new run as the parameters of `START_RUNS`, but for who holds it."""
    return (
        run.id,
        pack(run.workflow),
        run.parent_id,
        str(run.status),
        pack(run.args),
        pack(run.kwargs),
        pack(run.principal),
        pack(run.idempotency_key),
        run.created_at,
    )


def run_from_row(row: Sequence[Any]) -> Run:
    """A row of `RUN_COLUMNS` as a value."""
    return Run(
        id=uuid(row[0]),
        workflow=unpack(row[1]),
        args=unpack(row[4]) or "[]",
        kwargs=unpack(row[5]) or "{}",
        created_at=row[10],
        parent_id=uuid(row[2]),
        principal=unpack(row[8]),
        idempotency_key=unpack(row[9]),
        status=RunStatus(row[3]),
        result=unpack(row[6]),
        error=unpack(row[7]),
    )


def plain_step_to_row(record: StepRecord, now: datetime) -> tuple[Any, ...]:
    """A plain record as the values of `PLAIN_STEP`."""
    return (
        pack(record.path),
        record.seq,
        record.step_id,
        pack(record.name),
        pack(record.qualname),
        str(record.status),
        str(record.kind),
        pack(record.args),
        pack(record.kwargs),
        pack(record.result),
        record.sub_step_count,
        record.retry_count,
        record.created_at or now,
    )


def step_to_row(record: StepRecord, now: datetime) -> tuple[Any, ...]:
    """A record as the values of `PLAIN_STEP` and `OTHER_STEP`."""
    return (
        *plain_step_to_row(record, now),
        record.parent_step_id,
        pack(record.display_name),
        pack(record.error),
        record.wakeup_at,
        record.child_id,
        record.event_seq,
    )


def step_from_row(row: Sequence[Any]) -> StepRecord:
    """A row of `STEP_COLUMNS` as a value."""
    # By place and from tables: a run with ten thousand steps comes through here before it goes on.
    return StepRecord(
        unpack(row[1]),
        row[3],
        unpack(row[5]),
        unpack(row[6]),
        _KINDS[row[9]],
        _STATUSES[row[8]],
        row[2],
        row[4],
        unpack(row[7]),
        unpack(row[10]),
        unpack(row[11]),
        unpack(row[12]),
        unpack(row[13]),
        row[14],
        row[15],
        row[16],
        uuid(row[17]),
        row[18],
        row[19],
        row[20],
    )


def event_from_row(row: Sequence[Any]) -> Event:
    """A row of `EVENT_COLUMNS` as a value."""
    seq, event_id, key, run_id, payload, timestamp, idempotency_key = row
    return Event(uuid(event_id), unpack(key), unpack(payload), uuid(run_id), timestamp, seq, unpack(idempotency_key))
