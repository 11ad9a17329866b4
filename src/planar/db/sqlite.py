"""How does SQLite let many read while one writes? WAL, reading in autocommit, and one BEGIN IMMEDIATE at the first write.

A transaction that began by reading cannot be upgraded once somebody else has written: SQLite refuses at once, whatever the busy
timeout is. So no transaction is open while a session only reads; the first statement that writes waits for its turn (`WriteGate`),
takes the write lock, and keeps it to the end. That is READ COMMITTED as on PostgreSQL. Whoever must not be overtaken between
reading and writing takes the lock first: ``run_transaction``, or ``SELECT ... FOR UPDATE``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, cast

from sqlalchemy import URL, Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import PoolResetState
from sqlalchemy.util import await_only

from planar.db.base import PLANAR_SCHEMA
from planar.db.config import SQLITE_DRIVER
from planar.db.connection import PREPARE, LaneConnection
from planar.db.errors import TransactionControl
from planar.db.gate import WriteGate, holder_of
from planar.db.lane import Lane, Lanes
from planar.db.statements import StatementKind, kind_of

KEPT_CONNECTIONS = 8
MOST_CONNECTIONS = 100
"""A session that waits for its turn to write keeps its connection; so many may wait before a reader has to."""

_LANE = "planar_lane"


def sqlite_engine(path: Path, *, busy_seconds: float, gate: Callable[[], WriteGate | None], options: Mapping[str, Any]) -> AsyncEngine:
    """An engine for the file *path*; each of its connections is a lane.

    Args:
        busy_seconds: how long to wait for the write lock, and how long one session may keep it.
        gate: asked at each first write; None means that SQLite's lock alone decides.
        options: further execution options of the engine.
    """
    engine = create_async_engine(
        URL.create(SQLITE_DRIVER, database=str(path)),
        connect_args={"timeout": busy_seconds, "isolation_level": None, "cached_statements": 256},
        execution_options={**options, "schema_translate_map": {PLANAR_SCHEMA: None}},
        pool_size=KEPT_CONNECTIONS,
        max_overflow=MOST_CONNECTIONS - KEPT_CONNECTIONS,
    )
    lanes = Lanes(busy_seconds, gate)
    event.listen(engine.sync_engine, "do_connect", partial(_open_lane, lanes))
    event.listen(engine.sync_engine, "connect", _prepare)
    event.listen(engine.sync_engine, "before_cursor_execute", _before_statement)
    event.listen(engine.sync_engine, "commit", _before_commit)
    event.listen(engine.sync_engine, "handle_error", _explain_error)
    event.listen(engine.sync_engine, "reset", _leave_nothing)
    return engine


def _open_lane(lanes: Lanes, _dialect: Any, record: Any, _args: list[Any], parameters: dict[str, Any]) -> None:
    lane = Lane(lanes)
    parameters["factory"] = partial(LaneConnection, lane)
    record.info[_LANE] = lane


def _prepare(connection: Any, _record: Any) -> None:
    await_only(connection.driver_connection.execute(PREPARE))


def _before_statement(connection: Connection, _cursor: Any, statement: str, _parameters: Any, context: Any, _executemany: bool) -> None:
    lane = cast("Lane", connection.info[_LANE])
    kind = kind_of(statement)
    if kind is StatementKind.CONTROL:
        raise TransactionControl(
            f"{statement.split(maxsplit=1)[0]} as text would leave the session behind. Use commit(), rollback() or begin()."
        )
    if lane.write is not None:
        lane.refuse_if_undone()
        return
    holder = holder_of(connection)
    if holder.immediate or kind is not StatementKind.READ or _locks_rows(context):
        await_only(lane.begin(connection.connection.driver_connection, holder))


def _before_commit(connection: Connection) -> None:
    lane = cast("Lane", connection.info[_LANE])
    if lane.write is not None:
        lane.refuse_if_undone()


def _leave_nothing(connection: Any, record: Any, state: PoolResetState) -> None:
    """The net: a connection that goes back to the pool holds no transaction, also when SQLAlchemy thinks that it ended already."""
    lane = record.info.get(_LANE) if record is not None and state.asyncio_safe else None
    if isinstance(lane, Lane) and lane.write is not None:
        with suppress(ValueError, sqlite3.Error):  # closed meanwhile, which undoes as well
            await_only(connection.driver_connection.rollback())


def _explain_error(context: ExceptionContext) -> BaseException | None:
    """A statement that was on its way when its transaction was undone fails in the driver's words; ours say what to do."""
    connection = context.connection
    if connection is None or connection.invalidated or not isinstance(context.original_exception, sqlite3.Error):
        return None
    lane = connection.info.get(_LANE)
    return lane.overdue_error() if isinstance(lane, Lane) else None


def _locks_rows(context: Any) -> bool:
    """``SELECT ... FOR UPDATE``, which SQLite does not know, asks for what only the write lock gives."""
    return getattr(getattr(context.compiled, "statement", None), "_for_update_arg", None) is not None
