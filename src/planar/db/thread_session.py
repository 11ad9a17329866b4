"""How does a synchronous step use its session? By calls that block its thread while the event loop does the work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast, overload

from sqlalchemy.engine.result import ScalarResult, TupleResult
from sqlmodel import Session
from sqlmodel.sql.expression import Select, SelectOfScalar

from planar.db.errors import SessionNotBound
from planar.db.session import SessionScope, current_scope

T = TypeVar("T")


class ThreadSession:
    """The session of a synchronous step. What it writes commits together with the step's record, as in an asynchronous one."""

    def __init__(self, scope: SessionScope, loop: asyncio.AbstractEventLoop) -> None:
        self._scope = scope
        self._loop = loop

    @overload
    def exec(self, statement: Select[T]) -> TupleResult[T]: ...
    @overload
    def exec(self, statement: SelectOfScalar[T]) -> ScalarResult[T]: ...
    @overload
    def exec(self, statement: Any) -> Any: ...
    def exec(self, statement: Any) -> Any:
        """Execute *statement*; its result, which is read whole."""

        def execute(session: Any) -> Any:
            return session.exec(statement)

        return self.run(execute)

    def get(self, entity: type[T], key: Any) -> T | None:
        """The row of *entity* with the primary key *key*."""
        return self.run(lambda session: session.get(entity, key))

    def add(self, instance: object) -> None:
        """Insert *instance*, or update its row."""
        self.run(lambda session: session.add(instance))

    def add_all(self, instances: Iterable[object]) -> None:
        """Insert or update all of *instances*."""
        self.run(lambda session: session.add_all(instances))

    def delete(self, instance: object) -> None:
        """Delete the row of *instance*."""
        self.run(lambda session: session.delete(instance))

    def flush(self) -> None:
        """Send what is pending to the database."""
        self.run(lambda session: session.flush())

    def refresh(self, instance: object) -> None:
        """Read the row of *instance* again."""
        self.run(lambda session: session.refresh(instance))

    def run(self, work: Callable[[Session], T]) -> T:
        """Do *work* with the synchronous session underneath, on the event loop: it must not take long."""

        async def doing() -> T:
            return await self._scope.work(lambda session: session.run_sync(cast("Any", work)))

        return asyncio.run_coroutine_threadsafe(doing(), self._loop).result()


def get_sync_session() -> ThreadSession:
    """The session of the current synchronous step, as blocking calls.

    Raises:
        SessionNotBound: this code is in no synchronous step, or its code is asynchronous, where `get_session` is meant.
    """
    scope = current_scope()
    if scope is None:
        raise SessionNotBound("No database session belongs to this code. Use get_sync_session() in a synchronous step.")
    if is_on_loop():
        raise SessionNotBound("get_sync_session() would block the event loop here. In asynchronous code use get_session() and await it.")
    return ThreadSession(scope, scope.loop)


def is_on_loop() -> bool:
    """Whether this thread runs an event loop at this moment."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
