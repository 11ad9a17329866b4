"""Runs that somebody ends: asleep, in a step, and while a child works for them."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

from planar.workflows import cancel, step, suspend, workflow
from planar.workflows.exceptions import RunAlreadyEnded
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Outcomes, Played, Scenario, both_end, run_id, start
from tests.scenario.crashes.ledger import note

CANCELLED = dict.fromkeys(("A", "B"), "cancelled: RunCancelled: not wanted any more")


@step(max_retries=1)
async def prepare(label: str) -> str:
    if note("prepare") == 1:
        raise ConnectionError("not yet")
    return label


@step()
async def toil(label: str) -> None:
    note("toil")
    await asyncio.sleep(3600)
    note("done")


@step()
async def undo_inner(label: str) -> None:
    note("undo inner")


@step()
async def undo(label: str) -> None:
    note("undo")
    await undo_inner(label)


@step()
async def tidy(label: str) -> None:
    note("tidy")


async def end_both() -> None:
    """Once both have come to where they are to be ended."""
    await asyncio.sleep(600)
    for label in ("A", "B"):
        with contextlib.suppress(RunAlreadyEnded):
            await cancel(run_id(label), "not wanted any more")


@workflow()
async def crash_napping(label: str) -> None:
    try:
        await prepare(label)
        await suspend(interval=timedelta(days=1))
        await toil(label)
    finally:
        await undo(label)


async def end_sleepers() -> Outcomes:
    await asyncio.gather(start("A", crash_napping, "A"), start("B", crash_napping, "B"))
    await end_both()
    return await both_end()


def nothing_of_it_ran(played: Played) -> None:
    assert not {"toil", "undo"} & set(played.done), played.done


def test_a_sleeping_run_that_is_cancelled_never_wakes(everywhere: Everywhere) -> None:
    everywhere(Scenario("cancelling sleepers", end_sleepers, CANCELLED, check=nothing_of_it_ran))


@workflow()
async def crash_toiling(label: str) -> str:
    await prepare(label)
    try:
        await toil(label)
    finally:
        await undo(label)
        await tidy(label)
    return "done"


async def end_toilers() -> Outcomes:
    await asyncio.gather(start("A", crash_toiling, "A"), start("B", crash_toiling, "B"))
    await end_both()
    return await both_end()


def cleaned_up(played: Played) -> None:
    """The step that was interrupted did not go on, and what cleans up is recorded once."""
    assert "done" not in played.done
    names = sorted(step.name for step in played.left.steps.values() if step.status == "succeeded" and step.seq is not None)
    assert names == sorted(["prepare", "undo", "undo_inner", "tidy"] * 2)


def test_a_running_run_that_is_cancelled_cleans_up_and_ends_cancelled(everywhere: Everywhere) -> None:
    everywhere(Scenario("cancelling in a step", end_toilers, CANCELLED, at_once=2, check=cleaned_up))


@workflow()
async def crash_helper(label: str) -> None:
    await prepare(label)
    await suspend(interval=timedelta(days=1))


@workflow()
async def crash_delegating(label: str) -> None:
    await prepare(label)
    await crash_helper(f"{label}1")


async def end_delegates() -> Outcomes:
    await asyncio.gather(start("A", crash_delegating, "A"), start("B", crash_delegating, "B"))
    await end_both()
    return await both_end()


def the_children_ended_too(played: Played) -> None:
    assert [run.status for run in played.left.runs.values()] == ["cancelled"] * 4


def test_the_children_of_a_cancelled_run_are_cancelled(everywhere: Everywhere) -> None:
    everywhere(Scenario("cancelling with children", end_delegates, CANCELLED, check=the_children_ended_too))
