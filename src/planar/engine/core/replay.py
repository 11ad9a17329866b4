"""This step is called now: what does the record say? Pure: a journal, a decision, and nothing that acts.

A step's identity in the journal is its path: ``3`` is the third call of the workflow, ``3.1`` the first call inside it,
``3/b2.1`` the first call in branch 2 of it. What has ended carries ``seq``, its place in the order of recording, and is handed
out on replay in that order; nothing new happens before the recorded history is used up.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from planar.engine.core.model import StepKind, StepRecord, StepStatus


class StepIdentity(NamedTuple):
    """What makes a step the same step. ``name`` is shown, ``qualname`` and ``kind`` are compared: moved code stays the same."""

    name: str
    qualname: str
    kind: StepKind = StepKind.COMPUTE
    display_name: str | None = None


class UseResult(NamedTuple):
    """The step succeeded: hand out what it returned."""

    record: StepRecord


class UseError(NamedTuple):
    """The step failed for good, or was cancelled: raise that again."""

    record: StepRecord


class Execute(NamedTuple):
    """Nothing final is recorded: run the body. ``mark`` is what an earlier attempt left."""

    mark: StepRecord | None


class NotYet(NamedTuple):
    """Others were recorded before this: hand them out first. ``record`` is the one whose turn it is."""

    record: StepRecord


class Diverged(NamedTuple):
    """The code calls something else than the record says."""

    step_id: int
    what: str
    previous: str
    current: str


Decision = UseResult | UseError | Execute | NotYet | Diverged


class Journal:
    """The recorded steps of one run, and how far they have been handed out."""

    def __init__(self, records: Iterable[StepRecord] = ()) -> None:
        self._by_path = {record.path: record for record in records}
        self._order: list[StepRecord] = []
        """What has ended, in the order of recording."""
        self._position = 0
        self._closed: dict[str, None] = {}
        self._passed: dict[str, None] = {}
        self._inner: dict[str, StepRecord] = {}
        self.last_seq = self.last_step_id = 0
        if self._by_path:
            self._read()

    def _read(self) -> None:
        known = self._by_path.values()
        ended = [record for record in known if record.seq is not None and not self._is_in_ended_step(record.path)]
        self._order = sorted(ended, key=lambda record: record.seq or 0)
        for record in known:
            self._note_inner(record)
        self.last_seq = max(record.seq or 0 for record in known)
        self.last_step_id = max(record.step_id for record in known)

    def __len__(self) -> int:
        return len(self._by_path)

    def __iter__(self) -> Iterator[StepRecord]:
        return iter(self._by_path.values())

    def get(self, path: str) -> StepRecord | None:
        """What is recorded at *path*."""
        return self._by_path.get(path)

    def inner(self, path: str, separator: str) -> StepRecord | None:
        """A record inside *path* that hangs on it by *separator*: ``.`` for a call of a step's body, ``/`` for one in a branch."""
        record = self._inner.get(path)
        return record if record is not None and record.path[len(path)] == separator else None

    def _note_inner(self, record: StepRecord) -> None:
        for outer in enclosing(record.path):
            self._inner.setdefault(outer, record)

    def next(self) -> StepRecord | None:
        """The record whose turn it is to be handed out; None once the history is used up."""
        order = self._order
        while self._position < len(order):
            record = order[self._position]
            if not self._is_closed(record.path):
                return record
            self._position += 1
        return None

    def step_id_around(self, path: str) -> int | None:
        """The number that the step at *path* had, if only what it called is recorded: it had no mark yet when its worker died."""
        nested = self.next() if self._by_path else None
        return nested.parent_step_id if nested is not None and next(enclosing(nested.path), None) == path else None

    def close(self, path: str) -> None:
        """*path* was handed out, and with it everything nested in it."""
        if self._by_path:
            self._closed[path] = None

    def pass_over(self, path: str) -> None:
        """*path* was handed out, and what is nested in it was not."""
        self._passed[path] = None

    def keep(self, record: StepRecord) -> None:
        """*record* was made in this pass, inside a step that may call it again."""
        self._by_path[record.path] = record
        self._note_inner(record)

    def leftover(self) -> StepRecord | None:
        """A record that the code never asked for, when its function has ended."""
        ended = self.next()
        if ended is not None or not self._by_path:
            return ended
        marks = (record for record in self._by_path.values() if record.seq is None)
        return next((mark for mark in marks if not self._is_closed(mark.path) and not self._is_in_ended_step(mark.path)), None)

    def _is_in_ended_step(self, path: str) -> bool:
        """Whether nobody asks for the record at *path*: a step around it has ended, and is handed out in its place."""
        steps = (outer for outer in enclosing(path) if path[len(outer)] == ".")
        return any(outer in self._by_path and self._by_path[outer].seq is not None for outer in steps)

    def _is_closed(self, path: str) -> bool:
        return path in self._closed or path in self._passed or any(outer in self._closed for outer in enclosing(path))


def enclosing(path: str) -> Iterator[str]:
    """The paths around *path*, innermost first: ``3/b2.1`` is in ``3/b2``, which is in ``3``."""
    for index in range(len(path) - 1, 0, -1):
        if path[index] in "./":
            yield path[:index]


def is_inside(path: str, outer: str) -> bool:
    """Whether *path* is nested in *outer*."""
    return len(path) > len(outer) and path.startswith(outer) and path[len(outer)] in "./"


def decide(journal: Journal, path: str, identity: StepIdentity, args: str | None, kwargs: str | None) -> Decision:
    """What to do about the call of *identity* at *path* with the arguments *args* and *kwargs* (JSON texts)."""
    if not journal:
        return Execute(None)
    record = journal.get(path)
    turn = journal.next()
    if record is not None:
        difference = _difference(record, identity, args, kwargs)
        if difference is not None:
            return difference
    branch = journal.inner(path, "/")
    if branch is not None and record is None:
        return Diverged(branch.step_id, "place", f"{branch.name} in a branch", identity.name)
    if turn is not None and turn.path != path and not is_inside(turn.path, path):
        return NotYet(turn)
    if record is None or record.seq is None:
        return Execute(record)
    return UseResult(record) if record.status is StepStatus.SUCCEEDED else UseError(record)


def decide_branches(journal: Journal, path: str, identity: StepIdentity) -> Diverged | None:
    """Whether branches may begin at *path*; not where a step was called before."""
    record = journal.get(path)
    if record is not None and record.qualname != identity.qualname:
        return Diverged(record.step_id, "function name", record.name, identity.name)
    nested = journal.inner(path, ".")
    return Diverged(nested.step_id, "place", f"{nested.name} in a step", identity.name) if nested is not None else None


def _difference(record: StepRecord, identity: StepIdentity, args: str | None, kwargs: str | None) -> Diverged | None:
    if record.qualname != identity.qualname:
        return Diverged(record.step_id, "function name", record.name, identity.name)
    if record.kind is not identity.kind:
        return Diverged(record.step_id, "step type", record.kind.value, identity.kind.value)
    if record.seq is not None:
        return None
    # What will run again must run with what it was begun with; what has ended is not run, so its arguments decide nothing.
    if record.args is not None and args is not None and record.args != args:
        return Diverged(record.step_id, "args", record.args, args)
    if record.kwargs is not None and kwargs is not None and record.kwargs != kwargs:
        return Diverged(record.step_id, "kwargs", record.kwargs, kwargs)
    return None
