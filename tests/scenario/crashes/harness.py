"""A crash at every write: the story of a scenario is told once without, then once for each write before which, or after which, the
process dies. Each time a second process tells the story again, to its end, and what is left must be what was promised.

A story is what a caller does who asks again when it got no answer: every start and every event has an identity of its own.
"""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from planar.context import Services, current_services
from planar.engine.client import Client
from planar.engine.codec import load_failure
from planar.engine.core.model import Run, RunStatus
from planar.testing.crashes import Process
from planar.testing.faults import Crash, Faults, ProcessDied
from planar.workflows import WorkflowWrapper
from tests.scenario.crashes.ledger import Ledger, Place, close_ledger, open_ledger
from tests.scenario.crashes.virtual_time import JumpingLoop
from tests.scenario.crashes.world import Snapshot, World

STUCK_SECONDS = 30 * 24 * 3600.0
"""Of virtual time: a story that has not ended by then waits for something that never comes."""

TRIES = 10

Outcomes = dict[str, str]
Story = Callable[[], Awaitable[Outcomes]]


@dataclass(frozen=True)
class Scenario:
    """One story, and what is promised of it.

    Args:
        name: how the figures call it.
        story: told by each process; says how the runs ended.
        expected: how they end, whatever dies.
        at_once: how many bodies of steps may be open at once in one run: so many may run once more after a crash.
        check: what is promised besides, or, with *free*, instead of the promise that everything is as without a crash.
        free: a crash may change what happens, as when something comes before or after it.
    """

    name: str
    story: Story
    expected: Outcomes
    at_once: int = 1
    check: Callable[[Played], None] = lambda _: None
    free: bool = False
    interleaves: bool = True
    retries: bool = True


@dataclass
class Played:
    """What came of a story that was told to its end."""

    outcomes: Outcomes
    left: Snapshot
    ledger: Counter[Place]
    done: Counter[str]
    remarks: list[str]
    order: list[UUID]
    writes: list[str]
    crash: Crash | None = None
    at_death: Snapshot | None = None
    ledger_at_death: Counter[Place] = field(default_factory=Counter)


# -- what stories are made of ---------------------------------------------------------------------------------------------


def run_id(label: str) -> UUID:
    """The id of the run that a story calls *label*."""
    return uuid5(NAMESPACE_OID, label)


def client() -> Client:
    return current_services().get(Client)


async def start(label: str, workflow: WorkflowWrapper[..., Any], *args: Any) -> UUID:
    """Start the run *label*, unless a process that died has done so."""
    run = client().new_run(workflow.definition, args, {})._replace(id=run_id(label))
    if await client().store.load_run(run.id) is None:
        await client().start(run)
    return run.id


async def start_with_key(label: str, workflow: WorkflowWrapper[..., Any], *args: Any) -> UUID:
    """Start a run under an idempotency key: asked again, the same one."""
    started = await client().start(client().new_run(workflow.definition, args, {}, idempotency_key=label))
    return started.run_id


async def ends(label: str) -> str:
    """How the run *label* ended, once it has."""
    return told(await client().ended(run_id(label)))


async def both_end() -> Outcomes:
    """How runs A and B ended."""
    a, b = await asyncio.gather(ends("A"), ends("B"))
    return {"A": a, "B": b}


def told(run: Run) -> str:
    """How a run ended, in words."""
    if run.status is RunStatus.SUCCEEDED:
        return f"succeeded: {run.result}"
    failure = load_failure(run.error or "")
    return f"{run.status.value}: {failure.type}: {failure.message}"


def two_runs(workflow: WorkflowWrapper[..., Any], *args: Any) -> Story:
    """The story of two runs of *workflow*, called with ``"A"``, ``"B"`` and *args*."""

    async def story() -> Outcomes:
        await asyncio.gather(start("A", workflow, "A", *args), start("B", workflow, "B", *args))
        return await both_end()

    return story


# -- telling them ---------------------------------------------------------------------------------------------------------


class Stage:
    """Where scenarios are played: on one kind of database.

    Args:
        folder: where each telling has a folder of its own.
        make_world: makes its database, perhaps in that folder.
    """

    def __init__(self, folder: Path, make_world: Callable[[Path], World]) -> None:
        self._folder = folder
        self._make_world = make_world

    def play(self, scenario: Scenario, crash: Crash | None = None) -> Played:
        """Tell the story; with *crash* a second process tells it again."""
        folder = Path(mkdtemp(dir=self._folder))
        world = self._make_world(folder)
        ledger = open_ledger(folder / "ledger.db")
        processes: list[Process] = []
        try:
            return self._play(scenario, crash, world, ledger, processes)
        finally:
            close_ledger()
            for process in processes:
                if process.faults.dead and isinstance(process.loop, JumpingLoop):
                    process.loop.patience = 0.01
                process.bury()
            world.close()
            shutil.rmtree(folder)

    def _play(self, scenario: Scenario, crash: Crash | None, world: World, ledger: Ledger, processes: list[Process]) -> Played:
        at_death, ledger_at_death = None, Counter[Place]()
        try:
            outcomes = _tell(scenario, crash, world, processes)
        except ProcessDied:
            at_death, ledger_at_death = world.snapshot(), ledger.counts()
            outcomes = _tell(scenario, None, world, processes)
        return Played(
            outcomes,
            world.snapshot(),
            ledger.counts(),
            ledger.named(),
            ledger.remarks(),
            ledger.order(),
            processes[0].faults.writes,
            crash,
            at_death,
            ledger_at_death,
        )


def _tell(scenario: Scenario, crash: Crash | None, world: World, processes: list[Process]) -> Outcomes:
    process = Process(Faults(crash), world.make_loop)
    processes.append(process)

    async def main() -> Outcomes:
        services: Services
        async with world.app(process) as services:
            assert services is current_services()
            async with asyncio.timeout(STUCK_SECONDS):
                return await scenario.story()

    return process.run(main())


@dataclass
class Points:
    """At which writes a scenario's process died."""

    writes: int
    every: int = 1
    tried: list[Crash] = field(default_factory=list[Crash])

    def check_complete(self) -> None:
        """Nothing was left out that was to be tried: two points a write, or every third of them."""
        points = [Crash(number, after=after) for number in range(1, self.writes + 1) for after in (False, True)][:: self.every]
        assert points
        assert self.tried[: len(points)] == points, f"of {len(points)} points {len(self.tried)} were tried"


def crash_everywhere(scenario: Scenario, stage: Stage, every: int = 1) -> Points:
    """Play *scenario* without a crash, then with one at each write, before and after it; compare each time.

    Args:
        every: 1 tries every point, 3 every third.

    Raises:
        AssertionError: a promise was broken; the message says at which write.
    """
    clean = stage.play(scenario)
    _check_clean(scenario, clean)
    points = Points(len(clean.writes), every)
    for place in count(0, every):
        crash = Crash(place // 2 + 1, after=place % 2 == 1)
        played = _reach(scenario, stage, crash, points.writes)
        if played is None:
            break
        points.tried.append(crash)
        try:
            _check(scenario, clean, played)
        except AssertionError as error:
            kind = played.writes[crash.number - 1]
            raise AssertionError(f"{scenario.name}: the process died {crash} ({kind}) of {points.writes}: {error}") from error
    points.check_complete()
    return points


def _reach(scenario: Scenario, stage: Stage, crash: Crash, writes: int) -> Played | None:
    """The story in which the process died at *crash*; None if there is no such write.

    The engine may group the same work in one write more or less, so a write of the last numbers may have to be tried for again.
    """
    for _ in range(TRIES):
        played = stage.play(scenario, crash)
        if played.at_death is not None:
            return played
        if crash.number > writes:
            return None
    raise AssertionError(f"{scenario.name}: of {writes} writes number {crash.number} was not reached")


# -- what is promised -----------------------------------------------------------------------------------------------------


def _check_clean(scenario: Scenario, clean: Played) -> None:
    assert clean.outcomes == scenario.expected
    if scenario.interleaves:
        assert _interleaved(clean.order), "the two runs do not interleave: the scenario shows less than it says"
    if scenario.retries:
        assert any(step.retry_count for step in clean.left.steps.values()), "no step was tried again: the scenario shows less than it says"
    _check_nothing_left(clean)
    scenario.check(clean)


def _interleaved(order: list[UUID]) -> bool:
    """Whether something of one run was done between two things of another."""
    changes = sum(before != after for before, after in pairwise(order))
    return changes >= len(set(order))


def _check(scenario: Scenario, clean: Played, played: Played) -> None:
    assert played.outcomes == scenario.expected
    _check_nothing_left(played)
    _check_recorded_steps(played)
    if not scenario.free:
        _check_effects(scenario, clean, played)
        _check_tables(clean.left, played.left)
    scenario.check(played)


def _check_nothing_left(played: Played) -> None:
    """Every run has ended, and nobody waits or holds anything."""
    left = played.left
    open_runs = [run for run in left.runs.values() if run.status == "pending"]
    assert not open_runs
    assert (left.open_claims, left.waits, left.workers) == (0, 0, 0)
    assert not left.held_locks


def _check_recorded_steps(played: Played) -> None:
    """What was recorded when the process died did not run again, and stands as it stood."""
    if played.at_death is None:
        return
    for place in played.at_death.recorded:
        assert played.ledger[place] == played.ledger_at_death[place], f"recorded step {place[1]} ran again"
        assert played.left.steps[place] == played.at_death.steps[place], f"the record of step {place[1]} changed"


def _check_effects(scenario: Scenario, clean: Played, played: Played) -> None:
    """Every body ran as often as without a crash, or once more: those that were open in the process that died."""
    usual, ran = clean.left.by_call(clean.ledger), played.left.by_call(played.ledger)
    assert set(ran) == set(usual)
    more: Counter[str] = Counter()
    for (call, path), times in ran.items():
        extra = times - usual[call, path]
        assert extra in (0, 1), f"step {path} of {call} ran {times} times, without a crash {usual[call, path]}"
        more[call] += extra
    assert all(extra <= scenario.at_once for extra in more.values()), f"more steps ran again than were open: {more}"


def _check_tables(clean: Snapshot, left: Snapshot) -> None:
    """Every run, record and event is there exactly once, and so is every row that was written in a transaction."""
    assert left.rows == clean.rows
    assert left.tasks == clean.tasks
    assert left.events == clean.events
    assert Counter(left.runs.values()) == Counter(clean.runs.values())
    assert _records(left) == _records(clean)


def _records(snapshot: Snapshot) -> dict[tuple[str, str], tuple[str, str, bool]]:
    return snapshot.by_call({place: (step.name, step.status, step.seq is None) for place, step in snapshot.steps.items()})
