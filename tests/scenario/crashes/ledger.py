"""What really happened? A table in another database, to which the bodies of steps append at once and for good."""

from __future__ import annotations

import sqlite3
from collections import Counter
from pathlib import Path
from uuid import UUID

from planar.engine.current import find_frame

Place = tuple[UUID, str]
"""A run, and the path of a step in it."""


class Ledger:
    """Independent of the app's database, of its sessions and of its runs."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("pragma journal_mode = off")
        self._connection.execute("pragma synchronous = off")
        self._connection.execute("create table entry (run text, path text, what text)")
        self._connection.execute("create table remark (text text)")

    def append(self, run: UUID, path: str, what: str) -> None:
        self._connection.execute("insert into entry values (?, ?, ?)", (run.hex, path, what))

    def counts(self) -> Counter[Place]:
        """How often the body of each step ran."""
        rows = self._connection.execute("select run, path, count(*) from entry group by run, path")
        return Counter({(UUID(run), path): count for run, path, count in rows})

    def named(self) -> Counter[str]:
        """How often each thing was done."""
        return Counter(dict(self._connection.execute("select what, count(*) from entry group by what")))

    def remark(self, text: str) -> None:
        self._connection.execute("insert into remark values (?)", (text,))

    def remarks(self) -> list[str]:
        """What was said, in its order."""
        return [text for (text,) in self._connection.execute("select text from remark order by rowid")]

    def order(self) -> list[UUID]:
        """Whose things were done, in the order in which they were."""
        return [UUID(run) for (run,) in self._connection.execute("select run from entry order by rowid")]

    def times(self, run: UUID, path: str) -> int:
        """How often the body of a step has run until now: what a service outside would know."""
        row = self._connection.execute("select count(*) from entry where run = ? and path = ?", (run.hex, path)).fetchone()
        return int(row[0])

    def close(self) -> None:
        self._connection.close()


_open: list[Ledger] = []


def open_ledger(path: Path) -> Ledger:
    """The ledger to which `note` appends from now on."""
    _open.append(Ledger(path))
    return _open[-1]


def close_ledger() -> None:
    """The story is over. Whatever is noted after this is an error: it would be the code of a dead process."""
    _open.pop().close()


def note(what: str) -> int:
    """The step that is being executed here does *what*, outside of every transaction. How often its body has run."""
    frame = find_frame()
    assert frame is not None
    ledger = _open[-1]
    ledger.append(frame.run.id, frame.path, what)
    return ledger.times(frame.run.id, frame.path)


def remark(text: str) -> None:
    """Say something that a scenario looks at itself: it is not compared with a telling without a crash."""
    _open[-1].remark(text)
