"""How do many runs start, record and end in one statement each?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import Run
from planar.engine.errors import StaleEpoch
from planar.engine.store.port import EndRun, Holder, SaveStep, Started, StartRun
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.folding import Window
from planar.engine.store.postgres.rows import is_plain, pack, plain_step_to_row, run_to_row, step_to_row, uuid
from planar.engine.store.postgres.transaction import Transaction
from planar.engine.store.postgres.waking import run_key, wake


async def write_window(transaction: Transaction, window: Window, outcomes: list[Any]) -> None:
    """Write all that is in *window*; what became of each goes to its place in *outcomes*."""
    if window.starts:
        started = await start_runs(transaction, [entry for _, entry in window.starts])
        for (place, _), outcome in zip(window.starts, started, strict=True):
            outcomes[place] = outcome
    if window.records:
        refused = await save_steps(transaction, [entry for _, entry in window.records])
        for number in refused:
            place, entry = window.records[number]
            outcomes[place] = step_refused(entry)
    if window.ends:
        refused = await end_runs(transaction, [entry for _, entry in window.ends])
        for number in refused:
            place, entry = window.ends[number]
            outcomes[place] = end_refused(entry)


async def start_runs(transaction: Transaction, entries: Sequence[StartRun]) -> list[Started]:
    """Insert new runs; what became of each."""
    rows = [(*run_to_row(entry.run), entry.worker_id) for entry in entries]
    created = {row[0] for row in await transaction.fetch(sql.START_RUNS, *_columns(rows), transaction.now)}
    outcomes: list[Started] = []
    for entry in entries:
        if entry.run.id in created:
            outcomes.append(Started(entry.run.id, created=True, epoch=0 if entry.worker_id is None else 1))
            transaction.news.due = transaction.news.due or entry.worker_id is None
        else:
            outcomes.append(await earlier_start(transaction, entry.run))
    return outcomes


async def earlier_start(transaction: Transaction, run: Run) -> Started:
    """The run that has the id or the idempotency key of *run*."""
    rows: Sequence[Any] = ()
    if run.idempotency_key is not None:
        rows = await transaction.fetch(sql.EARLIER_START, pack(run.workflow), pack(run.idempotency_key))
    return Started(uuid(rows[0][0]) if rows else run.id, created=False)


async def save_steps(transaction: Transaction, entries: Sequence[SaveStep]) -> list[int]:
    """Those that were refused, by their numbers."""
    now = transaction.now
    plain = all(is_plain(entry.record) for entry in entries)
    to_row = plain_step_to_row if plain else step_to_row
    rows = [(*fence(entry.holder), *to_row(entry.record, now)) for entry in entries]
    refused = await transaction.fetch(sql.SAVE_PLAIN_STEPS if plain else sql.SAVE_STEPS, now, *_columns(rows))
    return [row[0] - 1 for row in refused]


async def end_runs(transaction: Transaction, entries: Sequence[EndRun]) -> list[int]:
    """Those that were refused, by their numbers. Whoever waits for the others is woken."""
    rows = [(*fence(entry.holder), str(entry.status), pack(entry.result), pack(entry.error)) for entry in entries]
    rests = [(entry.holder.run_id, pack(path)) for entry in entries for path in entry.after]
    answer = await transaction.fetch(
        sql.END_RUNS, transaction.now, *_columns(rows), [run_id for run_id, _ in rests], [path for _, path in rests]
    )
    refused = [row[0] - 1 for row in answer]
    ended = [entry for number, entry in enumerate(entries) if number not in refused]
    for entry in ended:
        transaction.news.note_end(entry.holder.run_id, Ending(entry.status, entry.result, entry.error))
    if ended:
        await wake(transaction, [run_key(entry.holder.run_id) for entry in ended], None)
    return refused


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def fence(holder: Holder) -> tuple[UUID, int, UUID]:
    """The parameters that fence a write of *holder*."""
    return holder.run_id, holder.epoch, holder.worker_id


def step_refused(entry: SaveStep) -> StaleEpoch:
    """The error of a record that was refused."""
    run_id = entry.holder.run_id
    return StaleEpoch(f"Step {entry.record.step_id} of run {run_id} was refused: it has ended, or another worker holds the run.")


def end_refused(entry: EndRun) -> StaleEpoch:
    """The error of an end that was refused."""
    return StaleEpoch(f"The end of run {entry.holder.run_id} was refused: another worker holds the run, or a step before it was refused.")
