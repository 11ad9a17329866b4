"""What is a finding? A stable code, how bad it is, one sentence with figures, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad it is."""

    INFO = "info"
    """Good to know."""
    WARNING = "warning"
    """Everything works, and may not for long."""
    ERROR = "error"
    """Runs do not go on, or data is in danger."""

    @property
    def rank(self) -> int:
        """The higher, the worse."""
        return list(Severity).index(self)


class Code(StrEnum):
    """What may be found. A code keeps its meaning between versions."""

    TABLES_MISSING = "tables_missing"
    MIGRATIONS_PENDING = "migrations_pending"
    TABLES_NEWER = "tables_newer"
    APPLICATION_TABLES_MISSING = "application_tables_missing"
    APPLICATION_TABLES_DIFFER = "application_tables_differ"
    APPLICATION_MIGRATIONS = "application_migrations"
    NO_WORKER = "no_worker"
    WORKER_LOST = "worker_lost"
    VERSION_SKEW = "version_skew"
    CLOCK_SKEW = "clock_skew"
    CLOCK_WENT_BACK = "clock_went_back"
    RUN_WITHOUT_CLAIM = "run_without_claim"
    RUNS_NOT_READ = "runs_not_read"
    RUN_OF_UNKNOWN_WORKER = "run_of_unknown_worker"
    RUN_WITHOUT_WAKEUP = "run_without_wakeup"
    RUN_MISSED_WAKEUP = "run_missed_wakeup"
    CLAIM_WITHOUT_RUN = "claim_without_run"
    RUNS_OVERDUE = "runs_overdue"
    WORKFLOW_UNKNOWN = "workflow_unknown"
    OLD_SNAPSHOT = "old_snapshot"
    IDLE_IN_TRANSACTION = "idle_in_transaction"
    DEAD_ROWS = "dead_rows"
    AUTOVACUUM_OFF = "autovacuum_off"
    CONNECTIONS_SCARCE = "connections_scarce"
    POOLS_TOO_LARGE = "pools_too_large"
    FILE_DAMAGED = "file_damaged"
    WAL_LARGE = "wal_large"
    FREE_SPACE = "free_space"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be."""

    code: Code
    severity: Severity
    summary: str
    """What it is, with figures."""
    remedy: str
    """What to do."""
    figures: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The same for machines: values that JSON knows."""


def counted(count: int, noun: str) -> str:
    """``1 run``, ``3 runs``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def are(count: int, noun: str) -> str:
    """``1 run is``, ``3 runs are``."""
    return f"{counted(count, noun)} {'is' if count == 1 else 'are'}"


def have(count: int, noun: str) -> str:
    """``1 run has``, ``3 runs have``."""
    return f"{counted(count, noun)} {'has' if count == 1 else 'have'}"


def span(seconds: float) -> str:
    """A length of time in the unit that fits it: ``34 s``, ``12 min``, ``3 h``, ``4 days``."""
    if seconds == float("inf"):
        return "an unknown time"
    for length, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def bytes_of(size: int) -> str:
    """A size in the unit that fits it: ``12 MB``."""
    return f"{size / 1_000_000_000:.1f} GB" if size >= 1_000_000_000 else f"{size / 1_000_000:.0f} MB"
