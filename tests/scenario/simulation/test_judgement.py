"""How the simulation judges: which attempts count, when a process is well again, and whose mistake it is."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import patch
from uuid import UUID

import pytest

from planar.engine.config import WorkerConfig
from planar.engine.core.model import Run, RunStatus, StepKind, StepRecord, StepStatus
from planar.engine.store.memory.entries import MemoryEntries
from tests.scenario.simulation.faults import FAULTS
from tests.scenario.simulation.ledger import Ledger
from tests.scenario.simulation.model import Broken, Model, Place
from tests.scenario.simulation.process import Process
from tests.scenario.simulation.search import first_violation
from tests.scenario.simulation.world import World

RUN, WORKER = UUID(int=1), UUID(int=2)
RETRIES = 1
INTERRUPTED = '{"type": "StepInterrupted"}'


def judge(ledger: Ledger, error: str = INTERRUPTED) -> bool:
    """What the model says of a step with one retry that failed for good with *error*."""
    record = StepRecord("1", 1, "flaky", "flaky", StepKind.COMPUTE, StepStatus.FAILED, seq=1, error=error)
    world = SimpleNamespace(ledger=ledger, database=SimpleNamespace(steps={RUN: {"1": record}}))
    run = Run(RUN, "simulated", "[]", "{}", cast("Any", None), status=RunStatus.SUCCEEDED)
    return Model(cast("World", world)).check_attempts(Place(run, "1"), fails=3, retries=RETRIES)


def one_body_and_one_mark() -> Ledger:
    """The first attempt ran under epoch 1 and died; under epoch 2 there is the mark of the second, and no body."""
    ledger = Ledger()
    ledger.begin(RUN, "1", WORKER, 1, 0.0)
    ledger.die(RUN, 1)
    ledger.announce(RUN, "1", 2)
    return ledger


def test_an_attempt_that_died_between_its_mark_and_its_body_counts() -> None:
    ledger = one_body_and_one_mark()
    ledger.die(RUN, 2)
    assert not judge(ledger)


def test_a_mark_without_a_body_counts_for_nothing_if_nobody_died() -> None:
    with pytest.raises(Broken, match="failed for good after 1 attempts"):
        judge(one_body_and_one_mark())


def test_an_attempt_that_has_a_mark_and_a_body_counts_once() -> None:
    ledger = Ledger()
    ledger.begin(RUN, "1", WORKER, 2, 0.0)
    ledger.announce(RUN, "1", 2)
    ledger.die(RUN, 2)
    with pytest.raises(Broken, match="failed for good after 1 attempts"):
        judge(ledger)


def test_an_interruption_is_none_where_nobody_died() -> None:
    ledger = Ledger()
    for epoch in (1, 2):
        ledger.begin(RUN, "1", WORKER, epoch, 0.0)
    with pytest.raises(Broken, match="nobody died"):
        judge(ledger)


def test_a_process_is_well_again_when_the_consequences_of_all_its_faults_are_over() -> None:
    """What a slow store has delayed is still on its way when the late news are over."""
    world = World(0, only="[]")
    process = Process(world, "w0.0", WorkerConfig(), 0.0)
    process.is_up = True

    async def both() -> list[float | None]:
        slow = world.loop.create_task(cast("Any", FAULTS["slow store"](world, process, 1.0)))
        await FAULTS["late news"](world, process, 1.5)
        after_late_news = process.well_since
        await asyncio.wait([slow])
        return [after_late_news, process.well_since]

    try:
        assert world.loop.run_until_complete(both()) == [None, 4.0]
    finally:
        world.loop.close()


def test_a_plant_that_fits_the_store_no_more_is_not_taken_for_found() -> None:
    def held(self: MemoryEntries) -> None:
        """As before somebody added an argument."""

    with patch.object(MemoryEntries, "_held", held), pytest.raises(TypeError, match="positional argument"):
        first_violation(range(5))
