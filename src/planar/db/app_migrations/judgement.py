"""Does a database fit the code, and if not, which command mends it? Decided from plain facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from planar.db.app_migrations.history import History
from planar.db.errors import DatabaseAhead, DatabaseBehind, MigrationError, SeveralHeads, TableDiffers, TablesNotAdopted

UPGRADE = "planar db upgrade"
ADOPT = "planar db upgrade --adopt"
REVISE = 'planar db revision -m "what changed"'
MERGE = 'planar db revision --merge -m "join"'
INIT = "planar db init"
FIRST = 'planar db revision -m "first"'


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a database, compared with the application's classes."""

    stored: tuple[str, ...]
    """The revisions in its version table; empty before the first."""
    present: tuple[str, ...] = ()
    """The application's tables that exist."""
    missing: tuple[str, ...] = ()
    """Those that do not."""
    differences: tuple[str, ...] = ()
    """A sentence for each difference of those that do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not fit."""

    error: type[MigrationError]
    summary: str
    command: str
    """What mends it."""

    @property
    def code(self) -> str:
        """The stable code of its error."""
        return self.error.code

    def sentence(self) -> str:
        """What it is and what to do."""
        return f"{self.summary} Run: {self.command}"

    def for_machines(self) -> dict[str, Any]:
        """The same as JSON values."""
        return {"code": self.code, "summary": self.summary, "command": self.command}


def judge(history: History, facts: Facts, *, allow_newer: bool = False, where: str = "", entry: str = "") -> list[Finding]:
    """What does not fit, the first to mend first; nothing if the app can run on this database.

    Args:
        allow_newer: whether a revision that the code does not know is no finding.
        where: the options by which a command finds this database; a revision is written with the one that developers use.
        entry: the option by which any command finds the app's file.
    """
    where = entry + where
    if len(history.heads) > 1:
        told = f"There are {len(history.heads)} newest revisions, {' and '.join(history.heads)}, since two branches each added one."
        return [Finding(SeveralHeads, told, MERGE + entry)]
    unknown = history.unknown(facts.stored)
    if unknown and not allow_newer:
        return [_ahead(history, unknown, where)]
    pending = [] if unknown else history.to_apply(facts.stored, history.head())
    if pending and not facts.stored and facts.present:
        told = f"The tables {', '.join(facts.present)} exist, but the database has no revision: they were made without one."
        return [Finding(TablesNotAdopted, told, ADOPT + where)]
    if pending:
        return [_behind(facts, [f"{each.id} ({each.message})" for each in pending], where)]
    return _of_tables(facts, where, entry)


def first_revision(*, begun: bool, present: Sequence[str], missing: Sequence[str], where: str = "", entry: str = "") -> str:
    """The commands by which an application that has no revision comes to one, and its database to the tables that are missing.

    Args:
        begun: whether it has a folder for revisions.
        present: its tables that exist; they are adopted.
        missing: its tables that do not.
        where, entry: as for `judge`.
    """
    where = entry + where
    first = f"{FIRST}{entry}" if begun else f"{INIT}{entry}, {FIRST}{entry}"
    if not present:
        return f"{first}, then {UPGRADE}{where}"
    if not missing:
        return f"{first}, then {ADOPT}{where}"
    others = f"{REVISE}{entry}, {UPGRADE}{where}"
    return f"{first}, {ADOPT}{where}, all with the classes of {', '.join(present)} alone; then with the others: {others}"


def _ahead(history: History, unknown: Sequence[str], where: str) -> Finding:
    told = (
        f"The database has revision {', '.join(unknown)}, which is not in {history.folder}: newer code made it, or its file was removed. "
        "Start the code that has it, or set app.allow_newer_database if the newer tables still fit this code."
    )
    return Finding(DatabaseAhead, told, f"planar db history{where}")


def _behind(facts: Facts, pending: Sequence[str], where: str) -> Finding:
    have = f"revision {', '.join(facts.stored)}" if facts.stored else "no revision"
    count = "1 is" if len(pending) == 1 else f"{len(pending)} are"
    return Finding(DatabaseBehind, f"The database has {have}; {count} not applied: {', '.join(pending)}.", UPGRADE + where)


def _of_tables(facts: Facts, where: str, entry: str) -> list[Finding]:
    told = [f"Table {table} is missing." for table in facts.missing] + list(facts.differences)
    if not told:
        return []
    return [Finding(TableDiffers, f"{' '.join(told)} No revision says so.", f"{REVISE}{entry}, then {UPGRADE}{where}")]
