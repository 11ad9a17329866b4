"""What has a process left open that is taken for dead? Transactions: they are ended before its runs are taken.

One that was stopped, or whose host is gone, keeps its connections. A transaction of a step keeps what it has locked: its rows,
which the step that is executed again wants to write, and perhaps the worker itself, for which the takeover would wait. So does one
that waits for such a lock: it would be the next to have it.
"""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from planar.engine.store.postgres.transaction import Fetch
from planar.logging import get_logger

logger = get_logger(__name__)

END_TRANSACTIONS = """
with gone as (
    update planar.workflow_worker w set alive = false
    where id = any($1::uuid[]) and alive and beat_at < clock_timestamp() - 2 * $2::double precision * interval '1 second'
        and exists (select 1 from planar.workflow_claim c where c.worker_id = w.id)
)
select s.pid, pg_terminate_backend(s.pid) from pg_stat_activity s
where s.datname = current_database() and s.usename = current_user and s.pid <> pg_backend_pid()
    and s.state <> 'idle' and s.xact_start is not null
    and s.state_change < clock_timestamp() - $2::double precision * interval '1 second'
    and s.application_name = any(array(
        select prefix || ' ' || w.boot_id from planar.workflow_worker w, unnest($3::text[]) prefix
        where w.id = any($1::uuid[]) and w.boot_id <> ''
    ))
"""
"""*gone*: one that lives after all, and holds runs, hears of it at its next beat; it does not take the end of a transaction for that of
a step."""
APPLICATIONS = ["planar", "planar-engine"]
"""How a process names the connections of its sessions and of its engine, before its own id."""


async def end_transactions(fetch: Fetch, dead: Sequence[UUID], lease_seconds: float) -> None:
    """End what the processes of *dead* have left open. What one that lives, and is slow, has just begun is left alone."""
    # Two thirds of a lease, or more, have gone by since such a process asked for anything: it would have beaten otherwise.
    ended = await fetch(END_TRANSACTIONS, dead, lease_seconds / 2, APPLICATIONS)
    if ended:
        logger.warning("ended transactions that workers which died had left open", workers=dead, transactions=len(ended))
