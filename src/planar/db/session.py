"""Which database session belongs to this task?

A step, a request and a script each have a `SessionScope`, whose session opens at its first use; `get_session` finds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

from planar.db.errors import SessionEnded, SessionNotBound, WriteHeldTooLong
from planar.db.planar_session import PlanarSession, new_session
from planar.logging import get_logger

__all__ = [
    "PlanarSession",
    "SessionScope",
    "SessionSource",
    "bind_session",
    "current_scope",
    "get_session",
    "new_session",
]

logger = get_logger(__name__)

T = TypeVar("T")


class SessionSource(Protocol):
    """Whoever opens sessions: a `DatabaseManager`."""

    def get_session(self, *, label: str = ..., on_overdue: Callable[[], object] | None = ...) -> PlanarSession: ...


class SessionScope:
    """The session of one step, request or script. It opens at its first use; untouched, it costs nothing.

    Args:
        manager: who opens it.
        label: how logs and errors name it.
        on_overdue: called when the session held SQLite's write lock for too long and its transaction was undone.
    """

    def __init__(self, manager: SessionSource, *, label: str, on_overdue: Callable[[], object] | None = None) -> None:
        self._manager = manager
        self._label = label
        self._on_overdue = on_overdue
        self._session: PlanarSession | None = None
        self._overdue: WriteHeldTooLong | None = None
        self._ended = False
        self.is_request = False
        """Whether what uses it serves a request: then whoever sends that acts, be it nobody who is known."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._working: dict[asyncio.Task[Any], None] = {}
        """What a thread has the session do at this moment."""

    def bind_loop(self) -> None:
        """Remember the running loop, for a thread that is to use the session through it."""
        self._loop = asyncio.get_running_loop()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop on which the session works.

        Raises:
            SessionNotBound: this scope is not for threads.
        """
        if self._loop is None:
            raise SessionNotBound("This session belongs to asynchronous code; a thread of that code's own needs a session of its own.")
        return self._loop

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

    async def work(self, doing: Callable[[PlanarSession], Awaitable[T]]) -> T:
        """Use the session on behalf of a thread, in a task of its own: it is cancelled if the scope is rolled back or closed meanwhile.

        Raises:
            SessionEnded: the scope was closed.
        """
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("a thread's work needs a task")
        self._working[task] = None
        try:
            return await doing(self.get())
        finally:
            self._working.pop(task, None)

    async def _interrupt(self) -> None:
        """A thread that its step has left behind may use the session now; two at once would leave it, and the write lock, to nobody."""
        for task in list(self._working):
            task.cancel()
            await asyncio.wait([task])

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
        await self._interrupt()
        if self._session is not None:
            await self._session.rollback()

    def end(self) -> None:
        """Nobody may use the scope from here on: what outlives it (a task, a thread) gets `SessionEnded`."""
        self._ended = True

    async def close(self) -> None:
        """End the scope. What was not committed is undone."""
        self._ended = True
        await self._interrupt()
        if self._session is not None:
            if self._session.wrote:
                logger.warning("a session ended without a commit; what it wrote is undone", holder=self._label)
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


class bind_session:  # noqa: N801 - used as a function; a class and not a generator, because the engine enters one for every step
    """Make *scope* the one of this task until the block ends; None means that there is no session here."""

    __slots__ = ("_scope", "_token")

    def __init__(self, scope: SessionScope | None) -> None:
        self._scope = scope

    def __enter__(self) -> SessionScope | None:
        self._token = _scope.set(self._scope)
        return self._scope

    def __exit__(self, *_: object) -> None:
        _scope.reset(self._token)


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
