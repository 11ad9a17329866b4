"""Which runs are due, and whose are they now? Looked for where they are to be expected, and every second everywhere.

While somebody keeps an old snapshot open, what was claimed long ago still stands in the index of what is due, and a look from its
beginning reads all of it. A run is due when it is written, and runs are claimed in the order of their times, so most looks begin where
the last one ended. What took long to be committed, with a time before that, is found by the next complete look, which is asked for as if
something were due then.

Who only fears that something may be due asks one question first, and locks and writes nothing if the answer is no: a process that hears
of others all the time, or has many runs asleep, costs the server hardly anything.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from planar.engine.core.model import Claim, Run
from planar.engine.store.port import ClaimDue, ClaimRun, Claims, Standing
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.looking import load_runs
from planar.engine.store.postgres.rows import pack, unpack, uuid
from planar.engine.store.postgres.transaction import COMPLETE, EVER, Transaction
from planar.errors import InternalError


async def claim_due(transaction: Transaction, entry: ClaimDue) -> Claims:
    """The runs that are due become the worker's."""
    now, fetch = transaction.now, transaction.fetch
    names = [pack(name) for name in sorted(entry.names)]
    since = transaction.looks.since(transaction.moment)
    rows = await fetch(sql.CLAIM_DUE, now, names, entry.limit, entry.worker_id, since) if names else ()
    rows = sorted(rows, key=lambda row: (row[5], row[0]))
    transaction.looks.note(transaction.moment, since, rows[-1][5] if len(rows) == entry.limit else now)
    runs = await load_runs(fetch, [uuid(row[0]) for row in rows]) if rows else {}
    claims = tuple(_claim(row, runs) for row in rows)
    # With room to spare every known run is taken: what is still due belongs to workflows that nobody here knows.
    left = await fetch(sql.UNKNOWN_NAMES, now, names) if len(rows) < entry.limit and since is EVER else ()
    upcoming = await fetch(sql.NEXT_DUE, now, names)
    due = upcoming[0][0] if upcoming else None
    return Claims(claims, _next_look(transaction, since, due), frozenset(unpack(row[0]) for row in left))


async def find_nothing_due(transaction: Transaction, entry: ClaimDue) -> Claims | None:
    """The outcome of *entry* if nothing is due; None if something may be."""
    now = transaction.now
    since = transaction.looks.since(transaction.moment)
    ((due, unknown),) = await transaction.fetch(sql.LOOK_FOR_DUE, now, [pack(name) for name in sorted(entry.names)], since, since is EVER)
    if due is not None and due <= now:
        return None
    transaction.looks.note(transaction.moment, since, now)
    return Claims((), _next_look(transaction, since, due), frozenset(map(unpack, unknown or ())))


def _next_look(transaction: Transaction, since: datetime, due: datetime | None) -> datetime | None:
    """When to look again, in a look from *since* on that found a run which is due later."""
    complete = None if since is EVER else transaction.now + COMPLETE
    return min((time for time in (due, complete) if time is not None), default=None)


def _claim(row: Any, runs: dict[UUID, Run]) -> Claim:
    run_id, epoch, recoveries, cancel_reason, crashed, _ = row
    run = runs.get(run_id)
    if run is None:
        raise InternalError(f"There is a claim on run {run_id}, but no such run.")
    return Claim(run, epoch, recoveries, unpack(cancel_reason), bool(crashed))


async def claim_run(transaction: Transaction, entry: ClaimRun) -> Claim | Standing:
    """One run becomes the worker's, if it may."""
    rows = await transaction.fetch(sql.CLAIM_OF_RUN, entry.run_id)
    if not rows:
        return Standing()
    worker, due_at, event_key, recoveries, cancel_reason, crashed = rows[0]
    if worker is not None:
        return Standing(is_held=True)
    if due_at is None or due_at > transaction.now:
        return Standing(is_asleep=True, due_at=due_at, event_key=unpack(event_key))
    await transaction.fetch(sql.DROP_WAITS, [entry.run_id])
    epoch = (await transaction.fetch(sql.TAKE_RUN, entry.run_id, entry.worker_id))[0][0]
    runs = await load_runs(transaction.fetch, [entry.run_id])
    return _claim((entry.run_id, epoch, recoveries, cancel_reason, crashed, due_at), runs)
