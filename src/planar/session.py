"""Front door: the session, the engine and the settings of whoever asks.

``session_var``, ``engine_var`` and ``config_var`` look like the context variables of older applications. Only the session has one of
its own; the engine and the settings belong to the app that is running, so those two can be asked, not set.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Generic, TypeVar

from sqlalchemy.ext.asyncio import AsyncEngine

from planar.config.settings import PlanarConfig
from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession, SessionScope, bind_session, current_scope, get_session
from planar.db.thread_session import ThreadSession, get_sync_session

__all__ = [
    "ThreadSession",
    "config_var",
    "engine_var",
    "get_config",
    "get_engine",
    "get_session",
    "get_sync_session",
    "session_context",
    "session_var",
]

T = TypeVar("T")


def get_engine() -> AsyncEngine:
    """The engine of the current session, else of the running app.

    Raises:
        LookupError: no app is running here.
    """
    scope = current_scope()
    return current_services().get(DatabaseManager).get_engine() if scope is None else scope.get().engine


def get_config() -> PlanarConfig:
    """The settings of the running app.

    Raises:
        LookupError: no app is running here.
    """
    return current_services().get(PlanarConfig)


@asynccontextmanager
async def session_context(engine: AsyncEngine) -> AsyncGenerator[PlanarSession]:
    """A new session of *engine*, which `get_session` and `get_engine` find in the block. What it did not commit is undone."""
    scope = SessionScope(_Sessions(lambda label, on_overdue: PlanarSession(engine, label=label, on_overdue=on_overdue)), label="session")
    try:
        with bind_session(scope):
            yield scope.get()
    finally:
        await scope.close()


class Variable(Generic[T]):
    """A value of the current task that can be asked for."""

    def __init__(self, name: str, read: Callable[[], T]) -> None:
        self.name = name
        self._read = read

    def get(self, default: T | None = None) -> T:
        """The value; where there is none, *default*.

        Raises:
            LookupError: there is none, and no default.
        """
        try:
            return self._read()
        except LookupError:
            if default is None:
                raise
            return default


class SessionVariable(Variable[PlanarSession]):
    """The session of the current task; it can be replaced."""

    def set(self, session: PlanarSession) -> AbstractContextManager[object]:
        """Make *session* the one that `get_session` finds in this task. Returns what `reset` needs; closing stays with the caller."""
        binding = bind_session(SessionScope(_Sessions(lambda _label, _on_overdue: session), label="session"))
        binding.__enter__()
        return binding

    def reset(self, token: AbstractContextManager[object]) -> None:
        """Undo the `set` that returned *token*."""
        token.__exit__(None, None, None)


class _Sessions:
    """Opens sessions as a given function does."""

    def __init__(self, open: Callable[[str, Callable[[], object] | None], PlanarSession]) -> None:
        self._open = open

    def get_session(self, *, label: str = "session", on_overdue: Callable[[], object] | None = None) -> PlanarSession:
        return self._open(label, on_overdue)


session_var = SessionVariable("session", get_session)
engine_var = Variable("engine", get_engine)
config_var = Variable("config", get_config)
