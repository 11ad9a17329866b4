"""Did a transaction happen whose commit nobody acknowledged? Its number alone cannot tell: a server that crashed gives numbers again.

So something that it has written is looked for: what nobody changes afterwards, or what only this process, or its successor, could have
written.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from planar.engine.core.model import Claim
from planar.engine.store.port import ClaimDue, ClaimRun, Emit, EndRun, Holder, Reclaim, Release, SaveStep, Sleep, StartRun
from planar.engine.store.postgres.locks import LaneEntry
from planar.engine.store.postgres.rows import pack

STEP = "select 1 from planar.workflow_step where workflow_id = $1 and path = $2 and seq is not null"
RUN = "select 1 from planar.workflow_run where id = $1"
END = "select 1 from planar.workflow_run where id = $1 and status <> 'pending'"
EVENT = "select 1 from planar.workflow_event where id = $1"
HELD = "select 1 from planar.workflow_claim where run_id = $1 and worker_id = $2 and epoch = $3"
LEFT = f"select 1 where not exists ({HELD})"


class Witness(NamedTuple):
    """A query that has a row if the transaction happened, and has none if it did not."""

    query: str
    args: tuple[Any, ...]


def find_witness(entries: Sequence[LaneEntry], outcomes: Sequence[Any]) -> Witness | None:
    """What tells whether *entries* were applied, with these *outcomes*. None: whatever they did may be done again."""
    for entry, outcome in zip(entries, outcomes, strict=True):
        found = None if isinstance(outcome, BaseException) else _of_run(entry) or _of_claim(entry, outcome) or _of_start(entry, outcome)
        if found is not None:
            return found
    return None


def _of_run(entry: LaneEntry) -> Witness | None:
    match entry:
        case SaveStep(holder, record) if record.seq is not None:
            return Witness(STEP, (holder.run_id, pack(record.path)))
        case EndRun(holder):
            return Witness(END, (holder.run_id,))
        case Release(holder):
            return Witness(LEFT, holder)
        case _:
            return None


def _of_claim(entry: LaneEntry, outcome: Any) -> Witness | None:
    match entry:
        case Sleep(holder) if outcome.asleep:
            return Witness(LEFT, holder)
        case Reclaim(holder):
            return Witness(HELD, holder._replace(epoch=outcome))
        case ClaimDue(worker_id) if outcome.claims:
            return _held(outcome.claims[0], worker_id)
        case ClaimRun(worker_id) if isinstance(outcome, Claim):
            return _held(outcome, worker_id)
        case _:
            return None


def _held(claim: Claim, worker_id: Any) -> Witness:
    return Witness(HELD, Holder(claim.run.id, worker_id, claim.epoch))


def _of_start(entry: LaneEntry, outcome: Any) -> Witness | None:
    match entry:
        case StartRun(run) if outcome.created:
            return Witness(RUN, (run.id,))
        case Emit(event) if outcome.created:
            return Witness(EVENT, (event.id,))
        case _:
            return None
