"""What does a statement do: read, write, or move a transaction? Decided from its text alone."""

from __future__ import annotations

import re
from enum import Enum, auto
from functools import lru_cache


class StatementKind(Enum):
    """What matters about a statement before it is executed."""

    READ = auto()
    WRITE = auto()
    SAVEPOINT = auto()
    """Opens a transaction on SQLite if none is open."""
    CONTROL = auto()
    """Begins or ends a transaction behind the session's back."""


# Comments, and everything in quotes: words in them mean nothing.
_SILENT = re.compile(r"""--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]""", re.DOTALL)
_WORD = re.compile(r"[A-Za-z]+")
_WRITE_WITHIN = re.compile(r"\b(?:INSERT|UPDATE|DELETE|MERGE|REPLACE\s+INTO)\b", re.IGNORECASE)
_ROLLBACK_TO = re.compile(r"\bTO\b", re.IGNORECASE)

_WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "TRUNCATE", "COPY", "CREATE", "ALTER", "DROP", "ANALYZE", "REINDEX"})
_CONTROLS = frozenset({"BEGIN", "START", "COMMIT", "END", "ABORT"})


@lru_cache(maxsize=1024)
def kind_of(statement: str) -> StatementKind:
    """The kind of *statement*, in SQLite's or PostgreSQL's dialect. What is not known is taken for a reading one."""
    text = _SILENT.sub(" ", statement)
    word = _WORD.search(text)
    first = word.group().upper() if word else ""
    if first in _WRITES or (first == "WITH" and _WRITE_WITHIN.search(text)):
        return StatementKind.WRITE
    if first == "SAVEPOINT":
        return StatementKind.SAVEPOINT
    if first in _CONTROLS or (first == "ROLLBACK" and not _ROLLBACK_TO.search(text)):
        return StatementKind.CONTROL
    return StatementKind.READ
