"""When has a transaction really ended? SQLite's connection knows, on the driver's thread, and says so.

Whatever becomes of the task that wanted the transaction, committed, rolled back and closed are told from here.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from typing import Any, Protocol

from planar.clock import SYSTEM_CLOCK
from planar.modeling.column_types import PlanarSQLiteConnection

PREPARE = "-- planar: prepare"
"""What a new connection is asked to do before anything else."""

BEGIN = "-- planar: begin"
UNDO = "-- planar: undo"

_PAUSE_SECONDS = 0.025


class LaneSide(Protocol):
    """The other side of a connection, on the event loop."""

    @property
    def busy_seconds(self) -> float: ...
    def opened(self, raw: LaneConnection) -> None: ...
    def tell(self, *, undone: bool = False) -> None: ...


class LaneConnection(PlanarSQLiteConnection):
    """The connection itself. Everything here runs on the driver's thread."""

    def __init__(self, lane: LaneSide, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lane = lane
        self._undone = False
        self._busy_milliseconds = int(lane.busy_seconds * 1000)
        lane.opened(self)

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """The driver's way to this thread. SQLAlchemy uses cursors, so our commands never meet a statement of a user."""
        command = {PREPARE: self._prepare, BEGIN: self._begin, UNDO: self._undo}.get(sql)
        return super().execute(sql, parameters) if command is None else command()

    def _prepare(self) -> sqlite3.Cursor:
        _use_wal(super().execute, self._lane.busy_seconds)
        super().execute("pragma synchronous = full").close()
        return super().execute("pragma foreign_keys = on")

    def _begin(self) -> sqlite3.Cursor:
        # Waiting is done on the event loop, where it can be cancelled and where other tasks go on.
        super().execute("pragma busy_timeout = 0").close()
        try:
            return super().execute("begin immediate")
        finally:
            super().execute(f"pragma busy_timeout = {self._busy_milliseconds}").close()

    def _undo(self) -> sqlite3.Cursor:
        if not self.in_transaction:
            # A commit was faster.
            return self.cursor()
        super().rollback()
        # A statement that is already on its way to this thread must not write outside the transaction.
        self.set_authorizer(_deny)
        self._undone = True
        self._lane.tell(undone=True)
        return self.cursor()

    def commit(self) -> None:
        if self._undone:
            raise sqlite3.OperationalError("the transaction was undone")
        super().commit()
        self._lane.tell()

    def rollback(self) -> None:
        super().rollback()
        if self._undone:
            self._undone = False
            self.set_authorizer(None)
        self._lane.tell()

    def close(self) -> None:
        super().close()
        self._lane.tell()


def _deny(*_: Any) -> int:
    return sqlite3.SQLITE_DENY


def _use_wal(execute: Callable[[str], sqlite3.Cursor], patience: float) -> None:
    """Switch the file to WAL. Two processes may do it at once, and SQLite does not wait for its lock here."""
    deadline = SYSTEM_CLOCK.monotonic() + patience
    while True:
        try:
            mode = execute("pragma journal_mode = wal").fetchone()[0]
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or SYSTEM_CLOCK.monotonic() > deadline:
                raise
            threading.Event().wait(_PAUSE_SECONDS)
        else:
            if mode != "wal":
                raise sqlite3.OperationalError(
                    f"this file cannot be used in WAL mode (it stays in {mode!r}); is it on a network file system?"
                )
            return
