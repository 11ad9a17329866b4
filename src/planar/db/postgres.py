"""How is PostgreSQL opened? asyncpg, READ COMMITTED said explicitly, a bounded pool, and no transaction that idles for ever."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from planar.db.config import PoolConfig
from planar.db.gate import holder_of
from planar.db.statements import StatementKind, kind_of

ISOLATION = "READ COMMITTED"


def engine_options(pool: PoolConfig, client_id: str = "") -> dict[str, Any]:
    """The arguments of `create_async_engine` that make an engine ours; the server lists its sessions under *client_id*."""
    return {
        "isolation_level": ISOLATION,
        "pool_size": pool.size,
        "max_overflow": pool.max_overflow,
        "pool_timeout": pool.timeout_seconds,
        "pool_recycle": pool.recycle_seconds,
        "pool_pre_ping": True,
        "connect_args": {
            "server_settings": {
                "application_name": f"planar {client_id}".rstrip(),
                # A stopped process must not keep its locks for ever.
                "idle_in_transaction_session_timeout": str(int(pool.idle_in_transaction_seconds * 1000)),
            }
        },
    }


def postgres_engine(url: URL, pool: PoolConfig, options: Mapping[str, Any], client_id: str = "") -> AsyncEngine:
    """An engine for the server at *url*; *options* are its execution options, *client_id* as for `engine_options`."""
    engine = create_async_engine(url, execution_options=dict(options), **engine_options(pool, client_id))
    event.listen(engine.sync_engine, "before_cursor_execute", _note_write)
    return engine


def _note_write(connection: Connection, _cursor: Any, statement: str, _parameters: Any, _context: Any, _executemany: bool) -> None:
    if kind_of(statement) is StatementKind.WRITE:
        holder_of(connection).wrote = True
