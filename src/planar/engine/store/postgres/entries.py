"""What does an entry mean on PostgreSQL? `planar.engine.store.memory` says the same in plain Python.

The same code serves the lane's own connection and, for what must be part of a user's transaction, the connection of a session.
Each statement is one question and one answer over the network, so what many runs need comes in statements of many rows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import Event, RunStatus
from planar.engine.errors import StaleEpoch
from planar.engine.store.port import (
    Cancel,
    Cancelled,
    ClaimDue,
    ClaimRun,
    Emit,
    Emitted,
    Reclaim,
    RegisterWorker,
    Release,
    RetireWorker,
    RunWait,
    SaveStep,
    Sleep,
    Slept,
    shown_event,
    wait_keys,
)
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.claiming import claim_due, claim_run
from planar.engine.store.postgres.folding import Window, fold
from planar.engine.store.postgres.locks import LaneEntry, Sweep
from planar.engine.store.postgres.looking import look
from planar.engine.store.postgres.rows import event_from_row, pack, unpack, uuid
from planar.engine.store.postgres.transaction import Fetch, Transaction
from planar.engine.store.postgres.waking import event_key, run_key, sleepers_of, wait_key, wake
from planar.engine.store.postgres.windows import fence, save_steps, start_runs, step_refused, write_window


async def apply(transaction: Transaction, entries: Sequence[LaneEntry]) -> list[Any]:
    """Apply *entries* within the open transaction. An entry that was refused has its `StaleEpoch` as outcome; it wrote nothing.

    Raises:
        UnicodeEncodeError: an entry has text that no database can store. The transaction must be undone.
    """
    outcomes: list[Any] = [None] * len(entries)
    for part in fold(entries):
        if isinstance(part, Window):
            await write_window(transaction, part, outcomes)
        else:
            place, entry = part
            try:
                outcomes[place] = await _APPLY[type(entry)](transaction, entry)
            except StaleEpoch as refusal:
                outcomes[place] = refusal
    return outcomes


# -- a run's life ---------------------------------------------------------------------------------------------------------


async def _save_joined_step(transaction: Transaction, entry: SaveStep) -> Any:
    """A record with the start, the event or the request that belongs to it."""
    if await save_steps(transaction, [entry]):
        raise step_refused(entry)
    if entry.start is not None:
        return (await start_runs(transaction, [entry.start]))[0]
    if entry.cancel is not None:
        return await _cancel(transaction, entry.cancel)
    return await _emit(transaction, entry.emit) if entry.emit is not None else None


async def _sleep(transaction: Transaction, entry: Sleep) -> Slept:
    holder, fetch = entry.holder, transaction.fetch
    held = await fetch(sql.LOCK_HELD, *fence(holder))
    after = [pack(path) for path in entry.after]
    if not held or (after and await fetch(sql.UNRECORDED, holder.run_id, after)):
        raise StaleEpoch(f"Run {holder.run_id} was not put to sleep: another worker holds it, or a step before it was refused.")
    if held[0][0] is not None:
        return Slept(asleep=False)
    runs = sorted({wait.run_id for wait in entry.waits if isinstance(wait, RunWait)})
    if runs:
        await fetch(sql.AWAIT_ENDS, runs)
    found = await look(fetch, entry.waits)
    if any(found):
        return Slept(asleep=False, found=found)
    if entry.due_at is not None and entry.due_at <= transaction.now:
        return Slept(asleep=False)
    for mark in entry.marks:
        await save_steps(transaction, [SaveStep(holder, mark)])
    if entry.waits:
        await fetch(sql.ADD_WAITS, [wait_key(key) for key in wait_keys(entry)], holder.run_id)
    await fetch(sql.SLEEP, holder.run_id, entry.due_at, entry.reason.value, pack(shown_event(entry)))
    transaction.news.note_due(entry.due_at)
    return Slept(asleep=True)


async def _release(transaction: Transaction, entry: Release) -> None:
    if not await transaction.fetch(sql.RELEASE, *fence(entry.holder), transaction.now):
        raise StaleEpoch(f"Run {entry.holder.run_id} was not released: it sleeps, or another worker holds it.")
    transaction.news.due = True


async def _reclaim(transaction: Transaction, entry: Reclaim) -> int:
    holder = entry.holder
    claimed = await transaction.fetch(sql.RECLAIM, *fence(holder))
    if not claimed:
        raise StaleEpoch(f"Run {holder.run_id} was claimed, or ended, while it slept.")
    await transaction.fetch(sql.DROP_WAITS, [holder.run_id])
    return claimed[0][0]


# -- what reaches a run from outside --------------------------------------------------------------------------------------


async def _emit(transaction: Transaction, entry: Emit) -> Emitted:
    event, fetch = entry.event, transaction.fetch
    statement = sql.INSERT_UNSEEN_EVENT if transaction.in_session else sql.INSERT_EVENT
    row = (event.id, pack(event.key), event.run_id, pack(event.payload), event.timestamp, pack(event.idempotency_key))
    inserted = await fetch(statement, *row)
    stored = await _stored_event(fetch, event)
    if not inserted:
        return Emitted(stored, woken=0, created=False)
    transaction.news.emitted.add(event.key)
    if transaction.in_session:
        # Who waits is woken after the commit; here they are only counted.
        return Emitted(stored, woken=len(await sleepers_of(fetch, [event_key(event.key)], event.run_id)))
    return Emitted(stored, woken=await wake(transaction, [event_key(event.key)], event.run_id))


async def _stored_event(fetch: Fetch, event: Event) -> Event:
    """*event*, or the earlier one of its id or its idempotency key."""
    rows = await fetch(sql.EVENT_OF_ID, event.id) or await fetch(sql.EVENT_OF_KEY, pack(event.key), pack(event.idempotency_key))
    return event_from_row(rows[0])


async def _sweep(transaction: Transaction, entry: Sweep) -> int:
    """Events that sessions have committed get their numbers, and whoever waits for them is woken: the outcome is how many."""
    woken = 0
    for seq, key, run_id in await transaction.fetch(sql.UNSEEN, [pack(key) for key in entry.keys]):
        await transaction.fetch(sql.SHOW_EVENT, seq)
        transaction.news.emitted.add(unpack(key))
        woken += await wake(transaction, [event_key(unpack(key))], uuid(run_id))
    return woken


async def _cancel(transaction: Transaction, entry: Cancel) -> Cancelled | None:
    fetch = transaction.fetch
    if not await fetch(sql.RUN_STATUS, entry.run_id):
        return None
    asked = [entry.run_id]
    held: bool | None = None
    for run_id in asked:
        # The list grows while it is read: children of children are asked as well.
        answer = await _ask_for_end(transaction, run_id, entry)
        if run_id == entry.run_id:
            if answer is None:
                break
            held = answer
        asked += [uuid(row[0]) for row in await fetch(sql.CHILDREN, run_id)]
    if held is None:
        # Read again: it may have ended while this waited for its claim.
        return Cancelled(RunStatus((await fetch(sql.RUN_STATUS, entry.run_id))[0][0]), already_ended=True)
    return Cancelled(RunStatus.RUNNING if held else RunStatus.CANCELLED, already_ended=False)


async def _ask_for_end(transaction: Transaction, run_id: UUID, entry: Cancel) -> bool | None:
    """A run that is being executed hears of it and cleans up: True; any other ends at once. None: it has ended."""
    fetch = transaction.fetch
    claim = await fetch(sql.LOCK_CLAIM, run_id)
    if not claim:
        return None
    if claim[0][0] is not None:
        asked = await fetch(sql.ASK_FOR_END, run_id, pack(entry.reason))
        transaction.news.cancel[run_id] = unpack(asked[0][0])
        return True
    await fetch(sql.DROP_WAITS, [run_id])
    await fetch(sql.DROP_CLAIM, run_id)
    ending = Ending(RunStatus.CANCELLED, None, entry.error)
    await fetch(sql.CLOSE_RUN, str(ending.status), ending.result, pack(ending.error), transaction.now, run_id)
    transaction.news.note_end(run_id, ending)
    await wake(transaction, [run_key(run_id)], None)
    return False


# -- workers --------------------------------------------------------------------------------------------------------------


async def _register_worker(transaction: Transaction, entry: RegisterWorker) -> None:
    await transaction.fetch(sql.REGISTER, entry.worker_id, entry.host, entry.boot_id, entry.pid)


async def _retire_worker(transaction: Transaction, entry: RetireWorker) -> int:
    await transaction.fetch(sql.LOCK_WORKER, entry.worker_id)
    await transaction.fetch(sql.WRITE_OFF if entry.died else sql.REMOVE_WORKER, entry.worker_id)
    freed = (await transaction.fetch(sql.FREE_RUNS, entry.worker_id, transaction.now, int(entry.died)))[0][0]
    transaction.news.due = transaction.news.due or freed > 0
    return freed


_APPLY: dict[type, Callable[[Transaction, Any], Awaitable[Any]]] = {
    SaveStep: _save_joined_step,
    Sleep: _sleep,
    Release: _release,
    Reclaim: _reclaim,
    Emit: _emit,
    Cancel: _cancel,
    ClaimDue: claim_due,
    ClaimRun: claim_run,
    RegisterWorker: _register_worker,
    RetireWorker: _retire_worker,
    Sweep: _sweep,
}
