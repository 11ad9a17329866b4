"""What can be read from a database about its runs, its workers and itself? Plain values; what they mean is decided elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from planar.db.migrate import MigrationStatus


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """A worker as it is registered."""

    id: UUID
    host: str
    pid: int
    version: str | None
    """Of Planar; None if its version is older than the column."""
    is_listed: bool
    """Whether it is registered as living; False after others took it for dead."""
    seconds_started: float
    """How long ago it was registered, by the clock of *now*; negative if that clock went back since."""
    seconds_silent: float | None
    """PostgreSQL: how long ago its last beat was; infinite after an end without a word. None where beats are not written."""
    holds_lock: bool | None
    """SQLite: whether its process holds the file that proves that it lives."""
    runs: int
    """How many runs it holds."""


class Trouble(StrEnum):
    """What a run that has not ended may be in, so that nothing will ever wake it."""

    NO_CLAIM = "no_claim"
    """It has not ended, and there is no claim by which a worker would find it."""
    UNKNOWN_WORKER = "unknown_worker"
    """It is held by a worker that is not registered."""
    NO_WAKEUP = "no_wakeup"
    """It sleeps with neither a due time nor anything that it waits for."""
    MISSED_WAKEUP = "missed_wakeup"
    """It sleeps until another run ends, and that one has ended, or does not exist."""
    NO_RUN = "no_run"
    """There is a claim on a run that has ended, or does not exist."""


@dataclass(frozen=True, slots=True)
class TroubledRuns:
    """How many runs are in a trouble, and some of them."""

    count: int
    some: tuple[UUID, ...]


@dataclass(frozen=True, slots=True)
class DueRuns:
    """Runs of one workflow that are due, and that nobody claimed."""

    workflow: str
    count: int
    seconds: float
    """How long the one that waits the longest has been due."""
    held: int
    """How many runs of this workflow are held by registered workers."""


@dataclass(frozen=True, slots=True)
class RunFacts:
    """Everything that there is to run."""

    unfinished: int = 0
    asleep: int = 0
    """How many of them are nobody's, and not due."""
    due: tuple[DueRuns, ...] = ()
    troubles: Mapping[Trouble, TroubledRuns] = field(default_factory=dict[Trouble, TroubledRuns])
    are_read_through: bool = True
    """Whether all that ever ran could be read in time, to find a run that nobody would."""


@dataclass(frozen=True, slots=True)
class SnapshotHolder:
    """Who keeps PostgreSQL from removing dead rows, and for how long."""

    kind: str
    """``session``, ``standby``, ``prepared transaction`` or ``replication slot``."""
    name: str
    """Of the session its application's name and its user; else its own."""
    seconds: float | None
    """How long its transaction has been open; unknown for a standby and a slot."""
    transactions: int
    """How many transactions began since its snapshot."""
    pid: int | None = None


@dataclass(frozen=True, slots=True)
class IdleSession:
    """A session that does nothing in the middle of a transaction."""

    name: str
    pid: int
    seconds: float


@dataclass(frozen=True, slots=True)
class TableFacts:
    """A table that is written all the time."""

    name: str
    live_rows: int
    dead_rows: int
    seconds_since_vacuum: float | None
    """None if it was never vacuumed since the statistics began."""


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What PostgreSQL says of itself."""

    seconds_ahead: float
    """By how much the server's clock is ahead of this host's; negative if it is behind."""
    seconds_uncertain: float
    """By how much that may be wrong: half the time that the question took."""
    connections: int
    usable_connections: int
    """How many there may be, without those that are kept for administrators."""
    autovacuum: bool
    sees_others: bool
    """Whether this user may see what other users' sessions do."""
    holders: tuple[SnapshotHolder, ...] = ()
    idle: tuple[IdleSession, ...] = ()
    tables: tuple[TableFacts, ...] = ()


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What SQLite says of its file. Sizes are bytes."""

    size: int
    free: int
    """How much of *size* holds nothing."""
    wal: int
    """The size of the log that has not been put into the file yet, or of what it has been."""
    problems: tuple[str, ...] = ()
    """What the quick check found."""


@dataclass(frozen=True, slots=True)
class ApplicationFacts:
    """What the application's code says, compared with the database."""

    workflows: frozenset[str]
    missing_tables: tuple[str, ...] = ()
    differences: tuple[str, ...] = ()
    migrations: tuple[tuple[str, str], ...] | None = None
    """What its revisions say of the database: a sentence, and the command that mends it; None if it has none."""
    missing_remedy: str | None = None
    """What makes the missing tables if there are no revisions, a sentence; None if the next start of the app does."""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that is known. What could not be asked is None."""

    migration: MigrationStatus
    now: datetime
    """By the database's clock, which on SQLite is the host's."""
    lease_seconds: float
    """How long a worker on PostgreSQL is believed to live after a beat."""
    connections_per_worker: int = 0
    """How many connections one process may open, at most."""
    workers: tuple[WorkerFacts, ...] = ()
    runs: RunFacts | None = None
    """None while there are no tables, or they cannot be read."""
    server: ServerFacts | None = None
    file: FileFacts | None = None
    application: ApplicationFacts | None = None
    """None if the application was not loaded."""
