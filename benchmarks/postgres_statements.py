"""How much is asked of PostgreSQL? Statements as the driver sends them, and transactions as the server numbers them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

from asyncpg import Connection
from asyncpg.prepared_stmt import PreparedStatement
from latency import SEEN

HEARTBEAT = "beat_at = clock_timestamp() where id = any"
"""In the statement by which the workers of a process say that they live."""

_PREPARED = "_PreparedStatement__do_execute"


def no_heartbeats() -> list[str]:
    """What was seen but for heartbeats, which come at their times whatever else happens."""
    return [statement for statement in SEEN if HEARTBEAT not in statement]


@contextmanager
def traced() -> Generator[None]:
    """Note every statement that the driver executes, whoever asks it to, on connections that are opened meanwhile."""
    make, execute = Connection.__init__, getattr(PreparedStatement, _PREPARED)

    def made(self: Any, *args: Any, **options: Any) -> None:
        make(self, *args, **options)
        self.add_query_logger(lambda record: SEEN.append(record.query))

    async def executed(self: Any, executor: Any) -> Any:
        # The driver's own loggers do not hear of statements that were prepared by hand.
        SEEN.append(self.get_query())
        return await execute(self, executor)

    Connection.__init__ = made
    setattr(PreparedStatement, _PREPARED, executed)
    try:
        yield
    finally:
        Connection.__init__ = make
        setattr(PreparedStatement, _PREPARED, execute)


async def transactions(connection: Any) -> int:
    """How many transactions of the server have written so far. To ask adds none; one that only notifies is one too."""
    return await connection.fetchval("select pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
