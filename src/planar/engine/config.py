"""How does a worker behave? Its lease, its patience when it stops, and its limits. All times are seconds."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, field_validator

DEFAULT_LEASE_SECONDS = 5.0
SHORTEST_LEASE_SECONDS = 1.0


class WorkerConfig(BaseModel):
    """The worker of one process: the ``workflows`` section of the settings file."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True, defer_build=True)

    lease_seconds: float = DEFAULT_LEASE_SECONDS
    """How long after its last sign of life a worker's runs are taken over by another one; the same for all workers of one database.
    On SQLite a locked file tells whether a worker lives, and this has no effect."""
    drain_seconds: float = Field(default=3, ge=0)
    """How long a step in progress may go on after the process was asked to stop."""
    cancel_seconds: float = Field(default=10, ge=0)
    """How long a cancelled run may take for its own clean-up."""
    poll_seconds: float = Field(default=60, gt=0)
    """How often the worker looks for due runs of which no news reached it."""
    max_concurrent_runs: int = Field(default=1000, ge=1)
    """How many runs one process advances at once; the others wait in the database."""
    max_parked_runs: int = Field(default=1000, ge=0)
    """How many waiting runs stay in memory, about 12 kB each and what their code holds; older ones are replayed from the journal when they
    go on. By default as many as are advanced at once: 12 MB, however many runs wait. One that waits for hours gains nothing by it.
    """
    max_recoveries: int = Field(default=10, ge=0)
    """How often a run may be taken over from a dead worker before it fails instead of killing the next one."""
    max_argument_bytes: int = Field(default=1024 * 1024, ge=1)
    """The largest stored form of a run's arguments."""

    @field_validator("lease_seconds")
    @classmethod
    def _long_enough(cls, seconds: float) -> float:
        if not SHORTEST_LEASE_SECONDS <= seconds < float("inf"):
            raise ValueError(
                f"a lease is at least {SHORTEST_LEASE_SECONDS:g} second: a worker says three times in it that it lives, and would lose its"
                f" runs at every short pause; leave the key out for the default of {DEFAULT_LEASE_SECONDS:g}"
            )
        return seconds
