"""What does this process do for its app? It may execute runs, or leave that to others and only serve."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Role:
    """One process's part. Found among the app's services."""

    works: bool = True
    """Whether a worker runs in this process."""
    max_concurrent_runs: int | None = None
    """How many runs its worker advances at once; None leaves it to the settings (``workflows.max_concurrent_runs``)."""
