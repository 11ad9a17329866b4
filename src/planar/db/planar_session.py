"""What does a session promise? It reads without a lock, knows that it has written, and repeats what got into another's way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, ParamSpec, Self, TypeVar

from sqlalchemy import Connection, Dialect, event
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import Session as OrmSession
from sqlalchemy.orm import SessionTransaction
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from planar.db.conflicts import MAX_CONFLICT_RETRIES, is_conflict, pause_before_retry
from planar.db.errors import UncommittedWork
from planar.db.explain import Explain
from planar.db.gate import HOLDER_OPTION, WriteHolder
from planar.db.history import keep_history
from planar.logging import get_logger

logger = get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

RETRIES_OPTION = "planar_max_conflict_retries"
"""The execution option of an engine that says how often its sessions repeat a transaction."""


class HeldSession(Session):
    """The synchronous half of a `PlanarSession`; it tells each connection who holds it."""

    holder: WriteHolder


keep_history(HeldSession)


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
        unlimited: whether it may hold that lock for as long as it takes. Nobody else writes meanwhile.
    """

    sync_session_class = HeldSession

    def __init__(
        self,
        engine: AsyncEngine,
        *,
        label: str = "session",
        on_overdue: Callable[[], object] | None = None,
        unlimited: bool = False,
    ) -> None:
        super().__init__(bind=engine, expire_on_commit=False)
        self.engine = engine
        self.max_conflict_retries: int = engine.get_execution_options().get(RETRIES_OPTION, MAX_CONFLICT_RETRIES)
        self._holder = WriteHolder(label, on_overdue, unlimited=unlimited)
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

    @property
    def in_run_transaction(self) -> bool:
        """Whether `run_transaction` is at work, which commits by itself."""
        return self._in_run_transaction

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
