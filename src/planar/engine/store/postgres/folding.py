"""Which entries of a batch may share a statement? Pure: the order within a run stays, that between runs may change.

Neighbours that start, record or end form a window, which is written as three statements: all starts, all records, all ends. An
entry that could meet another of its own run in the wrong order begins a new window.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from planar.engine.store.port import EndRun, SaveStep, StartRun
from planar.engine.store.postgres.locks import LaneEntry
from planar.engine.store.postgres.single import is_bare


@dataclass(slots=True)
class Window:
    """Entries to be written together, each with its place in the batch."""

    starts: list[tuple[int, StartRun]] = field(default_factory=list[tuple[int, StartRun]])
    records: list[tuple[int, SaveStep]] = field(default_factory=list[tuple[int, SaveStep]])
    ends: list[tuple[int, EndRun]] = field(default_factory=list[tuple[int, EndRun]])
    apart: bool = False
    """Whether a run that starts here may do nothing else here: within one statement its claim is not seen yet."""
    # By the numbers of the ids: an id takes the way through Python for each look into a set.
    _begun: set[int] = field(default_factory=set[int])
    _started: set[int] = field(default_factory=set[int])
    _recorded: set[tuple[int, str]] = field(default_factory=set[tuple[int, str]])
    _ended: set[int] = field(default_factory=set[int])

    def take(self, place: int, entry: LaneEntry) -> bool:
        """Add *entry*, unless it cannot be written together with what is here."""
        if isinstance(entry, StartRun):
            return self._take_start(place, entry)
        if isinstance(entry, SaveStep) and is_bare(entry):
            return self._take_record(place, entry)
        return isinstance(entry, EndRun) and self._take_end(place, entry)

    def _take_start(self, place: int, entry: StartRun) -> bool:
        run_id = entry.run.id.int
        if run_id in self._begun:
            return False
        self._begun.add(run_id)
        self._started.add(run_id)
        self.starts.append((place, entry))
        return True

    def _take_record(self, place: int, entry: SaveStep) -> bool:
        run_id = entry.holder.run_id.int
        step = (run_id, entry.record.path)
        if run_id in self._ended or step in self._recorded or (self.apart and run_id in self._started):
            return False
        self._recorded.add(step)
        self._begun.add(run_id)
        self.records.append((place, entry))
        return True

    def _take_end(self, place: int, entry: EndRun) -> bool:
        run_id = entry.holder.run_id.int
        if run_id in self._ended or (self.apart and run_id in self._started):
            return False
        self._ended.add(run_id)
        self._begun.add(run_id)
        self.ends.append((place, entry))
        return True


Part = Window | tuple[int, LaneEntry]
"""A window, or an entry that is written alone, with its place."""


def fold(entries: Sequence[LaneEntry]) -> list[Part]:
    """*entries* as parts, to be written one after the other."""
    parts: list[Part] = []
    window: Window | None = None
    for place, entry in enumerate(entries):
        if window is not None and window.take(place, entry):
            continue
        window = Window()
        if window.take(place, entry):
            parts.append(window)
        else:
            parts.append((place, entry))
            window = None
    return parts
