"""From what figure on is something a finding?"""

from __future__ import annotations

from dataclasses import dataclass

from planar.engine.doctor.findings import Severity


@dataclass(frozen=True, slots=True)
class Limit:
    """Above *warning* it is a warning, above *error* an error."""

    warning: float
    error: float = float("inf")

    def severity(self, figure: float) -> Severity | None:
        """How bad *figure* is; None if it is fine."""
        if figure > self.error:
            return Severity.ERROR
        return Severity.WARNING if figure > self.warning else None


@dataclass(frozen=True, slots=True)
class Limits:
    """The figures that a good deployment keeps below. The defaults are the doctor's."""

    overdue_seconds: Limit = Limit(30, 300)
    """How long a run may be due with nobody claiming it. A worker with a free slot takes it within a second."""
    snapshot_seconds: Limit = Limit(300, 3_600)
    """How long a transaction may keep dead rows from being removed."""
    snapshot_transactions: Limit = Limit(1_000_000, 100_000_000)
    """The same, counted in transactions, where no time is known."""
    idle_seconds: Limit = Limit(60, 3_600)
    """How long a session may do nothing in the middle of a transaction."""
    dead_rows: Limit = Limit(100_000, 1_000_000)
    """How many dead rows a hot table may have between two rounds of autovacuum."""
    connections_share: Limit = Limit(0.8, 0.95)
    """How much of the server's connections may be in use."""
    clock_seconds: Limit = Limit(2)
    """By how much two clocks may differ."""
    wal_bytes: Limit = Limit(256_000_000)
    """How large SQLite's log may grow."""
    free_bytes: int = 256_000_000
    """How much of SQLite's file may be empty, if that is more than half of it."""
