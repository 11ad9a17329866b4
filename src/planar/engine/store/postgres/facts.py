"""What does PostgreSQL tell about the runs, the workers and itself? It is read only, and the reader is not counted."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from planar.clock import SYSTEM_CLOCK
from planar.db.manager import DatabaseManager
from planar.engine.store.facts import Facts, IdleSession, ServerFacts, SnapshotHolder, TableFacts
from planar.engine.store.questions import Ask, Words, read_runs, read_workers

PATIENCE = "60s"
"""How long one question may take."""
_CANCELED = "57014"
"""What the server says of one that took longer."""


def _seconds_since(moment: str) -> str:
    return f"extract(epoch from clock_timestamp() - {moment})::float8"


WORDS = Words(
    schema="planar.",
    now="statement_timestamp()",
    seconds_since=_seconds_since,
    seconds_silent=f"case when isfinite(beat_at) then {_seconds_since('beat_at')} else 'infinity' end",
    awaited_run="case when w.key like 'run:%' then substr(w.key, 5)::uuid end",
)

HOLDERS = f"""
select case when backend_type = 'walsender' then 'standby' else 'session' end,
    concat_ws(' of ', coalesce(nullif(application_name, ''), 'an unnamed program'), usename),
    {_seconds_since("xact_start")}, greatest(age(backend_xmin), age(backend_xid)), pid
from pg_stat_activity
where pid <> pg_backend_pid() and (backend_xmin is not null or backend_xid is not null)
    and (datname = current_database() and backend_type <> 'autovacuum worker' or backend_type = 'walsender')
union all
select 'prepared transaction', gid, {_seconds_since("prepared")}, age(transaction), null
from pg_prepared_xacts where database = current_database()
union all
select 'replication slot', slot_name, null, age(xmin), null from pg_replication_slots where xmin is not null
order by 3 desc nulls last, 4 desc limit 10
"""

IDLE = f"""
select concat_ws(' of ', coalesce(nullif(application_name, ''), 'an unnamed program'), usename), pid, {_seconds_since("state_change")}
from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid() and state like 'idle in transaction%'
order by 3 desc limit 10
"""

TABLES = f"""
select relname, n_live_tup, n_dead_tup, {_seconds_since("greatest(last_vacuum, last_autovacuum)")}
from pg_stat_user_tables
where schemaname = 'planar' and relname in ('workflow_claim', 'workflow_wait', 'workflow_worker') order by relname
"""

SERVER = """
select (select sum(numbackends)::int from pg_stat_database),
    current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
        - coalesce(current_setting('reserved_connections', true)::int, 0),
    current_setting('autovacuum') = 'on', pg_has_role('pg_read_all_stats', 'usage')
"""
"""Connections are counted by database: what other users' sessions are, not everybody may see."""


async def read_postgres_facts(manager: DatabaseManager, lease_seconds: float) -> Facts:
    """Everything that the database of *manager*, which is connected, tells."""
    migration = await manager.migration_status()
    async with manager.get_engine().connect() as connection:

        async def ask(statement: str) -> list[tuple[object, ...]]:
            return [tuple(row) for row in await connection.exec_driver_sql(statement)]

        async def read_through(statement: str) -> list[tuple[object, ...]] | None:
            try:
                async with connection.begin_nested():
                    await connection.exec_driver_sql("set local enable_seqscan = on")
                    rows = await ask(statement)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) != _CANCELED:
                    raise
                return None
            await connection.exec_driver_sql("set local enable_seqscan = off")
            return rows

        await connection.exec_driver_sql(f"set local statement_timeout = '{PATIENCE}'")
        # What ever ran may be large, and what there is to run is small beside it: it is looked up, not read through.
        await connection.exec_driver_sql("set local enable_seqscan = off")
        await connection.exec_driver_sql("set local jit = off")
        now, ahead, uncertain = await _read_clock(connection)
        has_tables = migration.current is not None
        return Facts(
            migration,
            now,
            lease_seconds,
            manager.pool.most_connections(),
            workers=await read_workers(ask, WORDS, migration.current, lambda _: None) if has_tables else (),
            runs=await read_runs(ask, WORDS, read_through) if has_tables else None,
            server=await _read_server(ask, ahead, uncertain),
        )


async def _read_clock(connection: AsyncConnection) -> tuple[datetime, float, float]:
    """The server's time, by how many seconds it is ahead of this host's, and by how many that may be wrong."""
    before, began = SYSTEM_CLOCK.now(), SYSTEM_CLOCK.monotonic()
    told: datetime = (await connection.exec_driver_sql("select clock_timestamp()")).scalar_one()
    uncertain = (SYSTEM_CLOCK.monotonic() - began) / 2
    return told, (told - before).total_seconds() - uncertain, uncertain


async def _read_server(ask: Ask, ahead: float, uncertain: float) -> ServerFacts:
    ((connections, usable, autovacuum, sees_others),) = await ask(SERVER)
    return ServerFacts(
        ahead,
        uncertain,
        connections,
        usable,
        autovacuum,
        sees_others,
        holders=tuple(SnapshotHolder(*row) for row in await ask(HOLDERS)),
        idle=tuple(IdleSession(*row) for row in await ask(IDLE)),
        tables=tuple(TableFacts(*row) for row in await ask(TABLES)),
    )
