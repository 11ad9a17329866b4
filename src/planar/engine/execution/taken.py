"""Which events has this run taken? Each wait takes the oldest that it may see and the run has not taken."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from planar.engine.core.model import Run, StepRecord
from planar.engine.store.port import EventWait


@dataclass(slots=True)
class _Taken:
    floor: int = 0
    """Up to here a wait without ``since`` has nothing left to take, because such waits take in order."""
    seqs: set[int] = field(default_factory=set[int])


class TakenEvents:
    """What one run took, by key, from its journal on."""

    def __init__(self, records: Iterable[StepRecord]) -> None:
        self._by_key: dict[str, _Taken] = {}
        for record in records:
            if record.event_seq is not None and record.args is not None:
                key, _, since = json.loads(record.args)
                self.add(key, record.event_seq, widened=since is not None)

    def add(self, key: str, seq: int, *, widened: bool) -> None:
        """A wait took event *seq* of *key*; *widened* if it had looked further back than the run's start."""
        taken = self._by_key.setdefault(key, _Taken())
        taken.seqs.add(seq)
        if not widened:
            taken.floor = max(taken.floor, seq)

    def take(self, key: str, seq: int, *, widened: bool) -> bool:
        """A wait takes event *seq* of *key*, unless another branch of the run was quicker: False."""
        if seq in self._by_key.get(key, _Taken()).seqs:
            return False
        self.add(key, seq, widened=widened)
        return True

    def wait(self, run: Run, key: str, since: datetime | None) -> EventWait:
        """What a wait of *run* for *key* may take: events since its start, or since *since*."""
        taken = self._by_key.get(key, _Taken())
        if since is not None:
            return EventWait(key, run.id, since, 0, tuple(taken.seqs))
        return EventWait(key, run.id, run.created_at, taken.floor, tuple(seq for seq in taken.seqs if seq > taken.floor))
