"""What must be true at the end, whatever was killed: the ledger, the users' tables and the server's own audit are compared."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from tests.scenario.faults.fleet import Fleet
from tests.scenario.faults.world import SqliteWorld, World


class Note(NamedTuple):
    """A body began."""

    at: float
    kind: str
    run: UUID
    path: str
    pid: int
    epoch: int


class Kept(NamedTuple):
    """What the fault left behind, for people to read."""

    runs: int
    bodies: int
    repeated: int
    """Bodies that began once more, because nobody knew how they had ended."""
    late: int
    """Bodies that a worker began for a run that was another's by then."""


def read_ledger(folder: Path) -> list[Note]:
    """What the bodies left, in its order."""
    ledger = folder / "ledger"
    lines = map(json.loads, ledger.read_text().splitlines()) if ledger.exists() else ()
    return [Note(line["at"], line["kind"], UUID(line["run"]), line["path"], line["pid"], line["epoch"]) for line in lines]


async def check(world: World, fleet: Fleet, effects: int, *, lost_answers: bool = False) -> Kept:
    """Compare.

    Args:
        effects: how many steps have written in a transaction, in all runs together.
        lost_answers: whether a commit may have been on its way when its connection broke: then its transaction may be tried again
            before the server has committed it. The second is refused, as its effects are counted.
    """
    notes = read_ledger(world.folder)
    await _check_results(world)
    await _check_effects(world, effects)
    if not isinstance(world, SqliteWorld):
        await _check_audit(world, fleet)
    _check_once(notes)
    _check_epochs(notes)
    late = await _check_records(world, notes, lost_answers)
    begun = Counter((note.run, note.path) for note in notes)
    return Kept(len(world.started), len(notes), sum(begun.values()) - len(begun), late)


async def _check_results(world: World) -> None:
    ends = await world.ends()
    wrong = {run: end for run, end in ends.items() if end != ("succeeded", world.started[run], None)}
    assert len(ends) == len(world.started), "a run that was started is not there"
    assert not wrong, f"{len(wrong)} runs ended otherwise, as {list(wrong.items())[:3]}"
    left = await world.ask("select run_id from planar.workflow_claim union all select run_id from planar.workflow_wait")
    assert not left, "something was left of runs that have ended"


async def _check_effects(world: World, expected: int) -> None:
    """Exactly once."""
    rows = await world.ask("select run, path, count(*) from effect group by run, path")
    twice = [tuple(row) for row in rows if row[2] != 1]
    assert not twice, f"effects that happened more than once: {twice[:5]}"
    assert len(rows) == expected, f"{len(rows)} effects, and not {expected}"
    assert (await world.ask("select sum(total) from tally"))[0][0] == expected


async def _check_audit(world: World, fleet: Fleet) -> None:
    """No record was written again once its step had ended, and each by the one who held the run."""
    rows = await world.ask("select application, run, path, was_ended, worker, epoch from audit.written")
    again = [tuple(row) for row in rows if row[3]]
    assert not again, f"records that were written again: {again[:5]}"
    workers = {process.client: process.worker for process in fleet.all}
    strange = [tuple(row) for row in rows if workers.get(row[0].rpartition(" ")[2]) != row[4]]
    assert not strange, f"records by somebody who did not hold the run: {strange[:5]}"
    writers: defaultdict[Any, set[Any]] = defaultdict(set)
    for row in rows:
        writers[row[1], row[5]].add(row[4])
    shared = {key: found for key, found in writers.items() if len(found) > 1}
    assert not shared, f"two workers wrote under one epoch: {shared}"


def _check_once(notes: list[Note]) -> None:
    """At most once, where that is declared."""
    begun = Counter((note.run, note.path) for note in notes if note.kind == "once")
    assert not [key for key, count in begun.items() if count > 1], "what happens at most once happened twice"


def _check_epochs(notes: list[Note]) -> None:
    """No two processes execute a run under one epoch."""
    processes: defaultdict[Any, set[int]] = defaultdict(set)
    for note in notes:
        processes[note.run, note.epoch].add(note.pid)
    shared = {key: pids for key, pids in processes.items() if len(pids) > 1}
    assert not shared, f"two processes executed a run under one epoch: {shared}"


async def _check_records(world: World, notes: list[Note], lost_answers: bool) -> int:
    """Each body that was executed has its record, and none began after it; except where its worker had lost the run: how many those are."""
    recorded = await world.recorded()
    begun = {(note.run, note.path) for note in notes}
    assert not begun - recorded.keys(), "a body was executed that has no record"
    newest: dict[Any, int] = {}
    for note in notes:
        newest[note.run, note.path] = max(note.epoch, newest.get((note.run, note.path), 0))
    late = [note for note in notes if note.at > recorded[note.run, note.path]]
    again = [note for note in late if note.epoch == newest[note.run, note.path] and not (lost_answers and note.kind == "transaction")]
    assert not again, f"a step was executed again after it had been recorded: {again[:3]}"
    return len(late)
