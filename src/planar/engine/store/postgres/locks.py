"""What does a transaction of the engine lock before its first look? Names, by PostgreSQL's advisory locks, until it ends.

They are taken in a statement of their own: each later statement sees what whoever held the lock before has committed. Two names:

- A *worker*, shared by everything that is written in its name, and alone by whoever takes its runs over. So a takeover waits for
  what the worker is committing, and what it tries afterwards finds its runs claimed by another: nothing of it appears behind the back of
  the new owner, who may read the journals.
- An *event key*, alone by who emits or sleeps: the events of one key are numbered in the order of their commits, and none is
  lost between looking and sleeping.

A session of the user takes no lock on keys: it may stay open for long. See `INSERT_UNSEEN_EVENT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from planar.engine.store.port import (
    ClaimDue,
    ClaimRun,
    Emit,
    EndRun,
    Entry,
    EventWait,
    Reclaim,
    RegisterWorker,
    Release,
    RetireWorker,
    SaveStep,
    Sleep,
    StartRun,
)


@dataclass(frozen=True, slots=True)
class Sweep:
    """Let everybody see the events of *keys* that sessions have committed: an entry of this adapter's own."""

    keys: frozenset[str]


LaneEntry = Entry | Sweep


class Locks(NamedTuple):
    """The numbers of the locks to take, in order."""

    shared: list[int]
    alone: list[int]


def locks_of(entries: Sequence[LaneEntry]) -> Locks:
    """What a transaction with *entries* locks."""
    retired = {entry.worker_id for entry in entries if isinstance(entry, RetireWorker)}
    writers = {worker for entry in entries for worker in _writers(entry)} - retired
    keys = {key for entry in entries for key in _keys(entry)}
    alone = [_number(b"w", worker.bytes) for worker in retired] + [_number(b"e", key.encode("utf-8", "surrogatepass")) for key in keys]
    return Locks(sorted(worker_lock(worker) for worker in writers), sorted(alone))


def worker_lock(worker_id: UUID) -> int:
    """The number of the lock on *worker_id*."""
    return _number(b"w", worker_id.bytes)


def _writers(entry: LaneEntry) -> Iterable[UUID]:
    """Those in whose name *entry* writes."""
    if isinstance(entry, SaveStep | Sleep | EndRun | Release | Reclaim):
        yield entry.holder.worker_id
    if isinstance(entry, SaveStep) and entry.start is not None:
        entry = entry.start
    if isinstance(entry, StartRun | ClaimDue | ClaimRun | RegisterWorker) and entry.worker_id is not None:
        yield entry.worker_id


def _keys(entry: LaneEntry) -> Iterable[str]:
    if isinstance(entry, SaveStep) and entry.emit is not None:
        entry = entry.emit
    if isinstance(entry, Emit):
        yield entry.event.key
    elif isinstance(entry, Sweep):
        yield from entry.keys
    elif isinstance(entry, Sleep):
        yield from (wait.key for wait in entry.waits if isinstance(wait, EventWait))


def _number(kind: bytes, name: bytes) -> int:
    # Two names with one number would wait for each other now and then, and nothing else.
    return int.from_bytes(blake2b(kind + name, digest_size=8).digest(), signed=True)
