"""What is said to PostgreSQL for a whole batch at once? One statement, put together from those of its parts that the batch needs.

A statement is a transaction of its own here: one round trip in place of one for each part, and two more around them. All its parts
see the same snapshot, so what must not be missed is locked, and read as it is after the lock was had:

- The worker's row, shared: a takeover locks it alone, before anything else. If the worker is not there, or was taken for dead,
  nothing is written and nothing is answered.
- The claim of a run that ends: whoever sleeps until that end has marked the claim as awaited before. Such a run is left as it is, and
  named in the answer: its end must wake somebody in the same transaction.

A claim is looked up by its run alone (``limit 1`` keeps the rest of the condition out of it): with dead rows in the table, and hardly
any others, the planner would go through all claims of the worker for each record.

The batch leaves a row under its number, and takes that of the one before away. The same batch again, because its answer was lost
with the connection, fails at that row as a whole; the row has the answer.
"""

from __future__ import annotations

from functools import cache

from planar.engine.core.model import StepKind, StepStatus
from planar.engine.store.postgres.rows import OTHER_STEP, PLAIN_STEP, REWRITTEN

PLAIN_START = {"id": "uuid", "function_name": "text", "args": "text", "kwargs": "text", "created_at": "timestamptz", "claimed": "bool"}
"""The columns of most starts, and their types."""
OTHER_START = {"parent_id": "uuid", "principal": "text", "idempotency_key": "text"}
"""What is null in most starts."""
LEAN_STEP = {name: PLAIN_STEP[name] for name in ("path", "seq", "function_name", "qualname", "args", "result", "created_at")}
"""The columns in which most records of steps differ. The driver looks at each value of an array, so each column costs."""
LEAN_VALUES = {
    "step_id": "g.seq",
    "status": f"'{StepStatus.SUCCEEDED.value}'",
    "step_type": f"'{StepKind.COMPUTE.value}'",
    "kwargs": "'{}'",
    "sub_step_count": "0",
    "retry_count": "0",
}
"""What the others are then."""
HELD = {"run_id": "uuid", "epoch": "int"}
END = HELD | {"status": "text", "result": "text", "error": "text"}
REST = {"run_id": "uuid", "path": "text"}
"""A step on which an end rests."""

ANSWER_OF = "select answer from planar.workflow_batch where lane = $1 and number = $2"
FORGET = "delete from planar.workflow_batch where lane = $1 and number = $2"
FORGET_OLD = "delete from planar.workflow_batch where written_at < clock_timestamp() - interval '1 day'"


class _Parameters:
    """Numbers the parameters of a statement, in the order in which they are asked for."""

    def __init__(self, given: int) -> None:
        self._last = given

    def rows(self, name: str, columns: dict[str, str]) -> str:
        """A common table of the rows that come as one array for each of *columns*, in a text; empty if the worker may not write."""
        arrays: list[str] = []
        for kind in columns.values():
            self._last += 1
            arrays.append(f"${self._last}::text::{kind}[]")
        return f"""{name} as materialized (
    select g.* from unnest({", ".join(arrays)}) with ordinality g({", ".join(columns)}, place) cross join fence
)"""


@cache
def whole(*, fenced: bool, starts: str, records: str, ends: bool) -> str:
    """The statement for a batch.

    Args:
        fenced: whether a worker writes, or only starts are there that nobody claims.
        starts: ``""`` for none, ``plain`` or ``wide``: with `OTHER_START`.
        records: ``""`` for none; ``lean``: all have the `LEAN_VALUES`; ``plain``, or ``wide``: with `OTHER_STEP`.
        ends: whether there are ends.

    Its parameters: the time, the worker, the lane and the number of the batch, then an array for each column, in a text: of the starts,
    the records (`HELD` first), the ends, and of what those rest on. It answers one row with one text, which
    `planar.engine.store.postgres.whole` reads.
    """
    parameters = _Parameters(4)
    fence = "select id from planar.workflow_worker where id = $2 and alive for key share" if fenced else "select $2::uuid"
    parts = [f"fence as materialized (\n    {fence}\n)"]
    if starts:
        parts += _starts(parameters, wide=starts == "wide")
    if records:
        parts += _records(parameters, records)
    if ends:
        parts += _ends(parameters, after_records=bool(records))
    parts.append("forgotten as (\n    delete from planar.workflow_batch where lane = $3 and number = $4 - 1\n)")
    return f"with {', '.join(parts)},\n{_answer(starts=bool(starts), records=bool(records), ends=ends)}"


def _starts(parameters: _Parameters, *, wide: bool) -> list[str]:
    columns = PLAIN_START | (OTHER_START if wide else {})
    names = ", ".join(name for name in columns if name != "claimed")
    return [
        parameters.rows("begun", columns),
        f"""run as (
    insert into planar.workflow_run ({names}, status, updated_at)
    select {names}, 'pending', created_at from begun order by place
    on conflict do nothing returning id
)""",
        """claim as (
    insert into planar.workflow_claim (run_id, function_name, due_at, worker_id, epoch, reason)
    select id, function_name, greatest(created_at, $1), case when claimed then $2 end, claimed::int, 'ready'
    from begun where id in (select id from run)
)""",
    ]


STEPS = {"lean": LEAN_STEP, "plain": PLAIN_STEP, "wide": PLAIN_STEP | OTHER_STEP}
"""The columns of records, by the form of their batch."""


def _records(parameters: _Parameters, form: str) -> list[str]:
    columns = STEPS[form]
    values = {name: f"g.{name}" for name in columns} | (LEAN_VALUES if form == "lean" else {})
    return [
        parameters.rows("recorded", HELD | columns),
        f"""written as (
    insert into planar.workflow_step (workflow_id, {", ".join(values)}, updated_at)
    select g.run_id, {", ".join(values.values())}, $1
    from recorded g cross join lateral (
        select c.epoch, c.worker_id from planar.workflow_claim c where c.run_id = g.run_id limit 1
    ) held
    where held.epoch = g.epoch and held.worker_id = $2
    on conflict (workflow_id, path) do update set
        {", ".join(f"{name} = excluded.{name}" for name in REWRITTEN)}
    where workflow_step.seq is null
    returning workflow_id, path, seq
)""",
    ]


def _ends(parameters: _Parameters, *, after_records: bool) -> list[str]:
    also = "and not exists (select 1 from written w where w.workflow_id = a.run_id and w.path = a.path and w.seq is not null)"
    return [
        parameters.rows("ended", END),
        parameters.rows("rests", REST),
        f"""unfounded as materialized (
    select a.run_id from rests a
    where not exists (
        select 1 from planar.workflow_step s where s.workflow_id = a.run_id and s.path = a.path and s.seq is not null
    ) {also if after_records else ""}
)""",
        """held as materialized (
    select g.run_id, g.place, c.awaited from ended g cross join lateral (
        select c.awaited, c.epoch, c.worker_id from planar.workflow_claim c where c.run_id = g.run_id limit 1 for update
    ) c
    where c.epoch = g.epoch and c.worker_id = $2 and g.run_id not in (select run_id from unfounded)
)""",
        """gone as (
    delete from planar.workflow_claim where run_id = any(array(select run_id from held where awaited = 0)) returning run_id
)""",
        """closed as (
    update planar.workflow_run r set status = g.status, result = g.result, error = g.error, updated_at = $1
    from ended g where r.id = g.run_id and r.id = any(array(select run_id from gone))
)""",
    ]


def _answer(*, starts: bool, records: bool, ends: bool) -> str:
    none = "'{}'::bigint[]"
    old_starts = "array(select place from begun where id not in (select id from run))" if starts else none
    refused = (
        """array(
        select place from recorded g
        where not exists (select 1 from written w where w.workflow_id = g.run_id and w.path = g.path)
    )"""
        if records
        else none
    )
    unended = "array(select place from ended where run_id not in (select run_id from held))" if ends else none
    awaited = "array(select place from held where awaited <> 0)" if ends else none
    return f"""answer as materialized (
    select {old_starts} as starts, {refused} as records, {unended} as ends, {awaited} as awaited from fence
)
insert into planar.workflow_batch (lane, number, answer, written_at)
select $3, $4, case
    when cardinality(starts || records || ends || awaited) = 0 then ''
    else json_build_array(starts, records, ends, awaited)::text
end, $1 from answer
returning answer"""
