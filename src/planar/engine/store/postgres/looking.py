"""What is there to be found? Runs as they are stored, and what a wait would take; nothing is changed."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from planar.engine.core.model import ENDED, Event, Run
from planar.engine.store.port import EventWait, Found, RunWait, Wait
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.rows import event_from_row, pack, run_from_row
from planar.engine.store.postgres.transaction import Fetch


async def load_run(fetch: Fetch, run_id: UUID) -> Run | None:
    """The run as it is stored."""
    rows = await fetch(sql.RUN, run_id)
    return run_from_row(rows[0]) if rows else None


async def load_runs(fetch: Fetch, run_ids: Sequence[UUID]) -> dict[UUID, Run]:
    """Those of these runs that exist."""
    return {run.id: run for run in map(run_from_row, await fetch(sql.RUNS, run_ids))}


async def look(fetch: Fetch, waits: Sequence[Wait]) -> tuple[Found, ...]:
    """What each of *waits* finds: nothing is taken."""
    return tuple([await (_find_event(fetch, wait) if isinstance(wait, EventWait) else _find_ended(fetch, wait)) for wait in waits])


async def _find_ended(fetch: Fetch, wait: RunWait) -> Run | None:
    run = await load_run(fetch, wait.run_id)
    return run if run is not None and run.status in ENDED else None


async def _find_event(fetch: Fetch, wait: EventWait) -> Event | None:
    # Asked apart, so that an index answers both: a key may have any number of events that are meant for other runs.
    key, limit = pack(wait.key), len(wait.taken) + 1
    own = await fetch(sql.OWN_EVENTS, key, wait.run_id, wait.after, limit)
    everybodys = await fetch(sql.GLOBAL_EVENTS, key, wait.after, wait.since, limit)
    left = [row for row in (*own, *everybodys) if row[0] not in wait.taken]
    return event_from_row(min(left, key=lambda row: row[0])) if left else None
