"""Which bodies ran, and which were only announced? Kept outside the database, so that it can contradict it."""

from __future__ import annotations

from collections import Counter
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
        self._announced: dict[tuple[UUID, str], Counter[int]] = {}
        self._died: set[tuple[UUID, int]] = set()

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

    def announce(self, run_id: UUID, path: str, epoch: int) -> None:
        """A mark is durable that says of one attempt at *path* that it runs; it may have been written before its body."""
        self._announced.setdefault((run_id, path), Counter())[epoch] += 1

    def die(self, run_id: UUID, epoch: int) -> None:
        """The process that held the run under *epoch* died with it."""
        self._died.add((run_id, epoch))

    def has_died(self, run_id: UUID) -> bool:
        """Whether a process died that held the run."""
        return any(died == run_id for died, _ in self._died)

    def never_begun(self, run_id: UUID, path: str) -> int:
        """How many attempts ended with their process between their mark and their body: the next process cannot tell, and counts them."""
        begun = Counter(execution.epoch for execution in self.at(run_id, path))
        announced = self._announced.get((run_id, path), Counter[int]())
        return sum((announced - begun)[epoch] for epoch in announced if (run_id, epoch) in self._died)

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
