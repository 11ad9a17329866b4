"""Which bodies ran? Kept outside the database, so that it can contradict it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID


@dataclass(slots=True, eq=False)
class Execution:
    """One time that the body of a step ran."""

    run_id: UUID
    path: str
    attempt: int
    """How many times it had begun before."""
    worker_id: UUID
    epoch: int
    began_at: float
    completed: bool = False
    settled: bool = False
    """Whether the outcome, its own or that it will be tried again, became durable."""


class Ledger:
    """Every execution, in the order in which they began."""

    def __init__(self) -> None:
        self._by_place: dict[tuple[UUID, str], list[Execution]] = {}
        self._by_run: dict[UUID, list[Execution]] = {}
        self._calls: dict[tuple[UUID, str], list[float]] = {}

    def begin(self, run_id: UUID, path: str, worker_id: UUID, epoch: int, now: float) -> Execution:
        """The body of the step at *path* begins."""
        earlier = self._by_place.setdefault((run_id, path), [])
        execution = Execution(run_id, path, len(earlier), worker_id, epoch, now)
        earlier.append(execution)
        self._by_run.setdefault(run_id, []).append(execution)
        return execution

    def call(self, run_id: UUID, path: str, now: float) -> None:
        """Workflow code calls the step at *path*; so does each replay."""
        self._calls.setdefault((run_id, path), []).append(now)

    def calls(self, run_id: UUID, path: str) -> list[float]:
        """When the step at *path* was called."""
        return self._calls.get((run_id, path), [])

    def settle(self, run_id: UUID, path: str, epoch: int) -> None:
        """What the executions at *path* under *epoch* came to is durable."""
        for execution in self._by_place.get((run_id, path), ()):
            if execution.epoch == epoch:
                execution.settled = execution.settled or execution.completed

    def at(self, run_id: UUID, path: str) -> list[Execution]:
        """The executions of one step."""
        return self._by_place.get((run_id, path), [])

    def unsettled(self, run_id: UUID, epoch: int) -> Iterator[Execution]:
        """Those that completed under *epoch*, and whose outcome is not durable."""
        for execution in self._by_run.get(run_id, ()):
            if execution.completed and not execution.settled and execution.epoch == epoch:
                yield execution

    def __len__(self) -> int:
        return sum(map(len, self._by_place.values()))
