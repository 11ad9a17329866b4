"""Whose turn is it to write? On SQLite one connection at a time may; the gate keeps the order, and nobody waits in the driver.

The engine's writer is the gate: its queue is the order. Without an engine there is none, and SQLite's own lock decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from sqlalchemy import Connection

HOLDER_OPTION = "planar_holder"
"""The execution option of a connection under which its `WriteHolder` is found."""


class WriteTurn(Protocol):
    """The right to write, until it is given back."""

    def release(self) -> None:
        """Give the turn back. May be called twice; called from the event loop."""
        ...


class WriteGate(Protocol):
    """Hands out turns, first come first served."""

    async def enter(self, holder: str) -> WriteTurn:
        """Wait for a turn to write, in the name of *holder*. Cancelled meanwhile, it gives the turn back itself."""
        ...


@dataclass(slots=True, eq=False)
class WriteHolder:
    """Who writes through a session, and what became of it."""

    label: str
    """How people know this session: the step, the request, the script."""

    on_overdue: Callable[[], object] | None = None
    """Called on the event loop when the write lock was held for too long."""

    immediate: bool = False
    """Take the write lock before the first statement, even if it only reads."""

    unlimited: bool = False
    """May keep the write lock for as long as it takes: a migration, an import."""

    wrote: bool = False
    """The open transaction has written."""


def holder_of(connection: Connection) -> WriteHolder:
    """Whose connection is this? A session's, or nobody's in particular."""
    return connection.get_execution_options().get(HOLDER_OPTION) or WriteHolder("a connection")
