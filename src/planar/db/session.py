"""Which database session belongs to this task, and what does it promise?

A step, a request and a script each have a `SessionScope`, whose session opens at its first use; `get_session` finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import Any, ParamSpec, Protocol, Self, TypeVar

from sqlalchemy import Connection, Dialect, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from planar.db.conflicts import MAX_CONFLICT_RETRIES, is_conflict, pause_before_retry
from planar.db.errors import SessionEnded, SessionNotBound, UncommittedWork, WriteHeldTooLong
from planar.db.explain import Explain
from planar.db.gate import HOLDER_OPTION, WriteHolder
from planar.logging import get_logger

logger = get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

RETRIES_OPTION = "planar_max_conflict_retries"
"""The execution option of an engine that says how often its sessions repeat a transaction."""


class HeldSession(Session):
    """The synchronous half of a `PlanarSession`; it tells each connection who holds it."""

    holder: WriteHolder


@event.listens_for(HeldSession, "after_begin")
def _name_holder(session: OrmSession, _transaction: SessionTransaction, connection: Connection) -> None:
    if isinstance(session, HeldSession):
        connection.execution_options(**{HOLDER_OPTION: session.holder})


@event.listens_for(HeldSession, "after_transaction_end")
def _forget_writes(session: OrmSession, transaction: SessionTransaction) -> None:
    if isinstance(session, HeldSession) and transaction.parent is None:
        session.holder.wrote = False


class PlanarSession(AsyncSession):
    """A session of the app's database.

    It reads without a transaction on SQLite and at READ COMMITTED on PostgreSQL; its first write begins a transaction that lasts
    until `commit` or `rollback`. What must read and write as one goes into `run_transaction`.

    Args:
        engine: the engine of a connected `DatabaseManager`.
        label: how logs and errors name this session.
        on_overdue: called when this session held SQLite's write lock for too long and its transaction was undone.
    """

    sync_session_class = HeldSession

    def __init__(self, engine: AsyncEngine, *, label: str = "session", on_overdue: Callable[[], None] | None = None) -> None:
        super().__init__(bind=engine, expire_on_commit=False)
        self.engine = engine
        self.max_conflict_retries: int = engine.get_execution_options().get(RETRIES_OPTION, MAX_CONFLICT_RETRIES)
        self._holder = WriteHolder(label, on_overdue)
        self._in_run_transaction = False
        if isinstance(self.sync_session, HeldSession):
            self.sync_session.holder = self._holder

    @property
    def dialect(self) -> Dialect:
        """The dialect of the database."""
        return self.engine.dialect

    @property
    def wrote(self) -> bool:
        """Whether the open transaction has written. On SQLite it holds the write lock then."""
        return self._holder.wrote

    @property
    def has_uncommitted_work(self) -> bool:
        """Whether `rollback` would lose something."""
        return self.wrote or bool(self.new or self.dirty or self.deleted)

    async def commit(self) -> None:
        """Make what was written durable.

        Raises:
            UncommittedWork: called inside `run_transaction`, which commits by itself and would otherwise repeat half a transaction.
        """
        if self._in_run_transaction:
            raise UncommittedWork("run_transaction commits by itself. Remove this commit, or do the work outside run_transaction.")
        await super().commit()

    @asynccontextmanager
    async def begin_read(self) -> AsyncGenerator[Self]:
        """Read in the block; at its end the connection goes back, unless a transaction was open before."""
        outer = self.in_transaction()
        try:
            yield self
        except BaseException:
            if not outer:
                await self.rollback()
            raise
        if not outer:
            await self.commit()

    async def run_transaction(self, fn: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """Await ``fn(*args, **kwargs)`` as one transaction, as if nobody else wrote meanwhile, and commit.

        SERIALIZABLE on PostgreSQL; on SQLite the write lock is taken before the first statement. After a conflict with another
        transaction everything is undone and *fn* is called again, up to ``max_conflict_retries`` times; so it must do nothing
        but use this session. It commits by itself, also inside a step.

        Returns:
            What *fn* returned.

        Raises:
            UncommittedWork: the session has work of its own that is neither committed nor rolled back.
            Exception: what *fn* raised, after a rollback; the conflict, when there were too many.
        """
        if self._in_run_transaction or self.has_uncommitted_work:
            raise UncommittedWork(
                "The session has uncommitted work. Commit it or roll it back before run_transaction, or use a new session."
            )
        if self.in_transaction():
            await self.commit()
        conflicts = 0
        while True:
            try:
                return await self._run_once(fn, *args, **kwargs)
            except Exception as error:
                if not is_conflict(error) or conflicts >= self.max_conflict_retries:
                    raise
            await pause_before_retry(conflicts)
            conflicts += 1

    async def _run_once(self, fn: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        self._holder.immediate = self._in_run_transaction = True
        try:
            if self.dialect.name != "sqlite":
                await self.connection(execution_options={"isolation_level": "SERIALIZABLE"})
            result = await fn(*args, **kwargs)
            await super().commit()
        except BaseException:
            await self.rollback()
            raise
        finally:
            self._holder.immediate = self._in_run_transaction = False
        return result

    async def set_serializable_isolation(self) -> None:
        """Let the transaction that begins now see no write of others: SERIALIZABLE, on SQLite the write lock at once.

        Raises:
            UncommittedWork: the transaction has already written.
        """
        if self.has_uncommitted_work:
            raise UncommittedWork("set_serializable_isolation comes first in a transaction. Commit or roll back before it.")
        if self.dialect.name == "sqlite":
            self._holder.immediate = True
            try:
                await (await self.connection()).exec_driver_sql("SELECT 1")
            finally:
                self._holder.immediate = False
            return
        if self.in_transaction():
            await self.commit()
        await self.connection(execution_options={"isolation_level": "SERIALIZABLE"})

    async def explain(self, query: Any, log_identifier: str = "query") -> str:
        """PostgreSQL's plan of *query*, when this module logs at DEBUG; elsewhere an empty string.

        The query is executed for it, in a session of its own that is rolled back.

        Args:
            query: a SQLAlchemy statement.
            log_identifier: how the log names it.
        """
        if self.dialect.name != "postgresql" or not logger.isDebugEnabled():
            return ""
        async with PlanarSession(self.engine, label=f"explain {log_identifier}") as session:
            rows = await (await session.connection()).execute(Explain(query))
            plan = "\n".join(str(row[0]) for row in rows)
            await session.rollback()
        logger.debug("query plan", query=log_identifier, plan=plan)
        return plan


def new_session(engine: AsyncEngine) -> PlanarSession:
    """A session of *engine* for the caller to use in ``async with`` and to commit."""
    return PlanarSession(engine)


class SessionSource(Protocol):
    """Whoever opens sessions: a `DatabaseManager`."""

    def get_session(self, *, label: str = ..., on_overdue: Callable[[], None] | None = ...) -> PlanarSession: ...


class SessionScope:
    """The session of one step, request or script. It opens at its first use; untouched, it costs nothing.

    Args:
        manager: who opens it.
        label: how logs and errors name it.
        on_overdue: called when the session held SQLite's write lock for too long and its transaction was undone.
    """

    def __init__(self, manager: SessionSource, *, label: str, on_overdue: Callable[[], None] | None = None) -> None:
        self._manager = manager
        self._label = label
        self._on_overdue = on_overdue
        self._session: PlanarSession | None = None
        self._overdue: WriteHeldTooLong | None = None
        self._ended = False

    @property
    def session(self) -> PlanarSession | None:
        """The session, or None while it was not used."""
        return self._session

    def get(self) -> PlanarSession:
        """The session, opened now if need be.

        Raises:
            SessionEnded: the scope was closed.
        """
        if self._ended:
            raise SessionEnded(f"{self._label!r} is over, and its session with it. A task that outlives it needs a session of its own.")
        if self._session is None:
            self._session = self._manager.get_session(label=self._label, on_overdue=self._note_overdue)
        return self._session

    async def flush(self) -> bool:
        """Send pending changes of objects to the database. Returns whether the open transaction has written."""
        session = self._session
        if session is None:
            return False
        if session.new or session.dirty or session.deleted:
            await session.flush()
        return session.wrote

    async def commit(self) -> None:
        """Commit, if the session was used."""
        if self._session is not None:
            await self._session.commit()

    async def rollback(self) -> None:
        """Roll back, if the session was used."""
        if self._session is not None:
            await self._session.rollback()

    async def close(self) -> None:
        """End the scope. What was not committed is undone."""
        self._ended = True
        if self._session is not None:
            # Half a close would keep the connection, and on SQLite perhaps the write lock.
            await asyncio.shield(self._session.close())

    def overdue_error(self) -> WriteHeldTooLong | None:
        """The error that says so, if this scope's session ever held the write lock for too long."""
        return self._overdue

    def _note_overdue(self) -> None:
        self._overdue = WriteHeldTooLong(
            f"{self._label!r} held SQLite's write lock for too long, so its transaction was undone. Write last, after what takes time."
        )
        if self._on_overdue is not None:
            self._on_overdue()


_scope: ContextVar[SessionScope | None] = ContextVar("planar_session", default=None)


@contextmanager
def bind_session(scope: SessionScope | None) -> Generator[SessionScope | None]:
    """Make *scope* the one of this task until the block ends; None means that there is no session here."""
    token = _scope.set(scope)
    try:
        yield scope
    finally:
        _scope.reset(token)


def current_scope() -> SessionScope | None:
    """The scope of this task, or None."""
    return _scope.get()


def get_session() -> PlanarSession:
    """The session of the current step, request or script; it opens now if nobody used it before.

    Raises:
        SessionNotBound: there is none here.
    """
    scope = _scope.get()
    if scope is None:
        raise SessionNotBound(
            "No database session belongs to this code. Use get_session() in a step, in a request handler or in a function run by "
            "`await app.run_standalone(function)`; in a workflow, move the use into a step."
        )
    return scope.get()
