"""How does the engine reach the server? Connections of its own, with the planner's settings for its hot statements.

They are apart from those of users' sessions: a full pool must not keep a worker from saying that it lives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from planar import lazy
from planar.utils import exponential_backoff_with_jitter

SETTINGS = {
    "default_transaction_isolation": "read committed",
    # The table of claims is nearly empty and full of dead rows, and each statement is planned once: both mislead the planner.
    "enable_seqscan": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}

READ_ATTEMPTS = 5

ANSWER_SECONDS = 30.0
"""A connection that has not answered for so long is given up: the way to the server may be gone without a word."""

_CONFLICTS = frozenset({"40001", "40P01"})
_UNIQUE = "23505"
_ENDED = frozenset({"57P01", "57P02", "57P03", "57P05", "25P03", "25P04", "53300"})
"""The server shuts down, starts, has too many clients, or ended this session."""

_CLOSE_SECONDS = 5.0


class Connection(Protocol):
    """What is used of a connection of the driver."""

    async def fetch(self, query: str, *args: Any) -> Sequence[Any]: ...
    async def execute(self, query: str) -> str: ...
    async def close(self, *, timeout: float | None = None) -> None: ...
    def terminate(self) -> None: ...
    def is_closed(self) -> bool: ...
    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...
    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...


class Connector:
    """Opens connections.

    Args:
        arguments: those of the driver's ``connect``, as SQLAlchemy makes them from a URL.
        idle_seconds: a transaction in which nothing happens for so long is ended by the server: a stopped process must not keep
            others from taking over.
        client_id: by which the server's list of sessions tells these connections from others'.
        readers: how many connections a pool has at most: they read, notify, and say that workers live.
    """

    def __init__(self, arguments: Mapping[str, Any], idle_seconds: float, client_id: str, readers: int) -> None:
        self._readers = readers
        given = {name: value for name, value in arguments.items() if name not in _OF_SQLALCHEMY}
        if arguments.get("prepared_statement_cache_size") == 0:
            given["statement_cache_size"] = 0
        settings = SETTINGS | {
            "application_name": f"planar-engine {client_id}",
            "idle_in_transaction_session_timeout": str(int(idle_seconds * 1000)),
        }
        self._arguments = given | {"server_settings": settings, "max_cached_statement_lifetime": 0, "command_timeout": ANSWER_SECONDS}

    async def connect(self) -> Connection:
        """A new connection."""
        return await lazy.asyncpg().connect(**self._arguments)

    async def open_pool(self) -> Any:
        """A pool of the driver's, which replaces connections that were lost."""
        return await lazy.asyncpg().create_pool(min_size=1, max_size=self._readers, reset=_keep, **self._arguments)


_OF_SQLALCHEMY = frozenset({"prepared_statement_cache_size", "prepared_statement_name_func", "async_creator_fn", "command_timeout"})


async def _keep(connection: Any) -> None:
    """Nothing was changed that would have to be reset, and asking the server to do so costs a round trip."""


async def close_quietly(connection: Connection | None) -> None:
    """Close *connection*, whatever state it is in."""
    if connection is None or connection.is_closed():
        return
    try:
        await connection.close(timeout=_CLOSE_SECONDS)
    except Exception:
        connection.terminate()


async def close_pool(pool: Any) -> None:
    """Close *pool*, whatever state it is in."""
    try:
        async with asyncio.timeout(_CLOSE_SECONDS):
            await pool.close()
    except Exception:
        pool.terminate()


async def ask(pool: Any, query: str, *args: Any) -> Sequence[Any]:
    """The rows of *query*, which changes nothing or may be repeated; again on a new connection if one was lost.

    The driver may report a connection that breaks while a question is given up in place of the cancellation. Nobody asks again then.
    """
    cancellations = _cancellations()
    for attempt in range(READ_ATTEMPTS - 1):
        try:
            return await ask_once(pool, query, *args)
        except Exception as error:
            if _cancellations() > cancellations:
                raise asyncio.CancelledError from error
            if not is_lost(error):
                raise
        await asyncio.sleep(exponential_backoff_with_jitter(attempt, 0.05, 1.0, jitter_factor=0.5))
    return await ask_once(pool, query, *args)


def _cancellations() -> int:
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


async def ask_once(pool: Any, query: str, *args: Any, within: float = ANSWER_SECONDS) -> Sequence[Any]:
    """The rows of *query*.

    Raises:
        TimeoutError: there was no connection, or no answer, *within* so many seconds.
    """
    async with pool.acquire(timeout=within) as connection:
        try:
            return await connection.fetch(query, *args, timeout=within)
        except Exception as error:
            if is_lost(error):
                # The pool would give it to the next one.
                connection.terminate()
            raise


def is_conflict(error: BaseException) -> bool:
    """Whether another transaction was in the way, so that the same one may succeed now."""
    return getattr(error, "sqlstate", None) in _CONFLICTS


def is_repeated(error: BaseException) -> bool:
    """Whether *error* says that this very batch was committed before."""
    return getattr(error, "sqlstate", None) == _UNIQUE and getattr(error, "table_name", None) == "workflow_batch"


def is_lost(error: BaseException) -> bool:
    """Whether *error* says that the server, or the way to it, is gone: what was asked for may have happened or not."""
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return state in _ENDED or str(state).startswith("08")
    driver = lazy.asyncpg()
    return isinstance(error, OSError | TimeoutError | driver.InterfaceError | driver.InternalClientError)
