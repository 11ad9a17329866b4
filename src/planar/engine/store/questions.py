"""What is asked of a database about its runs and workers? Questions that both databases understand; nothing is changed.

Each is one statement, so that it sees one moment: a run that ends between two statements would look like one in trouble.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from planar.engine.store.facts import DueRuns, RunFacts, Trouble, TroubledRuns, WorkerFacts

Ask = Callable[[str], Awaitable[Sequence[Any]]]
"""Executes a statement; its rows."""
AskForLong = Callable[[str], Awaitable[Sequence[Any] | None]]
"""Executes a statement that may take too long; its rows, or None if it did."""

SOME = 5
"""How many runs in trouble are named."""

FIRST_WITH_VERSION = "0004"
"""The revision since which a worker's row tells its version."""


@dataclass(frozen=True, slots=True)
class Words:
    """How a database says what the other says in another way."""

    schema: str
    now: str
    seconds_since: Callable[[str], str]
    """An expression for the seconds since the moment that the given expression tells."""
    seconds_silent: str
    """The seconds since ``beat_at``; null where nobody beats."""
    awaited_run: str
    """The id in a ``key`` that is ``run:<id>``."""


async def read_workers(ask: Ask, words: Words, revision: str | None, holds_lock: Callable[[UUID], bool | None]) -> tuple[WorkerFacts, ...]:
    """Every registered worker, in tables of *revision*; *holds_lock* tells whether a worker's process proves that it lives."""
    version = "version" if revision is not None and revision >= FIRST_WITH_VERSION else "null"
    rows = await ask(f"""
select id, host, pid, {version}, alive, {words.seconds_since("started_at")}, {words.seconds_silent},
    (select count(*) from {words.schema}workflow_claim c where c.worker_id = w.id)
from {words.schema}workflow_worker w order by started_at, id
""")
    return tuple(_worker(row, holds_lock) for row in rows)


def _worker(row: Any, holds_lock: Callable[[UUID], bool | None]) -> WorkerFacts:
    found, host, pid, version, alive, started, silent, runs = row
    worker_id = UUID(str(found))
    return WorkerFacts(worker_id, host, pid, version, bool(alive), started, silent, holds_lock(worker_id), runs)


async def read_runs(ask: Ask, words: Words, read_through: AskForLong | None = None) -> RunFacts:
    """What there is to run, and what will never be run. All that ever ran is read through once, by *read_through* if it is given."""
    ((unfinished, asleep),) = await ask(f"""
select count(*), coalesce(sum(case when worker_id is null and (due_at is null or due_at > {words.now}) then 1 else 0 end), 0)
from {words.schema}workflow_claim
""")
    due = await ask(f"""
select function_name, count(*), {words.seconds_since("min(due_at)")},
    (select count(*) from {words.schema}workflow_claim h
     where h.function_name = c.function_name and h.worker_id in (select id from {words.schema}workflow_worker))
from {words.schema}workflow_claim c where worker_id is null and due_at <= {words.now} group by function_name order by function_name
""")
    found = {trouble: await ask(_some(question, words)) for trouble, question in _TROUBLES.items()}
    unclaimed = await (read_through or ask)(_some(_NO_CLAIM, words))
    found[Trouble.NO_CLAIM] = unclaimed or ()
    troubles = {trouble: TroubledRuns(rows[0][0], tuple(UUID(str(row[1])) for row in rows)) for trouble, rows in found.items() if rows}
    return RunFacts(unfinished, asleep, tuple(DueRuns(*row) for row in due), troubles, are_read_through=unclaimed is not None)


def _some(question: str, words: Words) -> str:
    return question.format(schema=words.schema, now=words.now, awaited_run=words.awaited_run, some=SOME)


# By no index: each run would write to it twice, for a question that is asked now and then.
_NO_CLAIM = """
select count(*) over (), r.id from {schema}workflow_run r
where r.status = 'pending' and not exists (select 1 from {schema}workflow_claim c where c.run_id = r.id) limit {some}
"""

_UNKNOWN_WORKER = """
select count(*) over (), run_id from {schema}workflow_claim c
where worker_id is not null and not exists (select 1 from {schema}workflow_worker w where w.id = c.worker_id) limit {some}
"""

_NO_WAKEUP = """
select count(*) over (), run_id from {schema}workflow_claim c
where worker_id is null and due_at is null and not exists (select 1 from {schema}workflow_wait w where w.run_id = c.run_id)
    and exists (select 1 from {schema}workflow_run r where r.id = c.run_id and r.status = 'pending') limit {some}
"""

_MISSED_WAKEUP = """
select count(*) over (), run_id from {schema}workflow_claim c
where worker_id is null and (due_at is null or due_at > {now}) and exists (
    select 1 from {schema}workflow_wait w left join {schema}workflow_run r on r.id = {awaited_run}
    where w.run_id = c.run_id and w.key like 'run:%' and (r.id is null or r.status <> 'pending')
) limit {some}
"""

_NO_RUN = """
select count(*) over (), c.run_id from {schema}workflow_claim c left join {schema}workflow_run r on r.id = c.run_id
where r.id is null or r.status <> 'pending' limit {some}
"""

_TROUBLES = {
    Trouble.UNKNOWN_WORKER: _UNKNOWN_WORKER,
    Trouble.NO_WAKEUP: _NO_WAKEUP,
    Trouble.MISSED_WAKEUP: _MISSED_WAKEUP,
    Trouble.NO_RUN: _NO_RUN,
}
