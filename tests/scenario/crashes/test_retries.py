"""Steps that fail: at first, always, and inside of others."""

from __future__ import annotations

from planar.workflows import step, workflow
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Played, Scenario, two_runs
from tests.scenario.crashes.ledger import note


class Broken(Exception):
    """What never works."""


@step(max_retries=3)
async def succeed_at_third(label: str) -> str:
    times = note("third")
    if times < 3:
        raise ConnectionError(f"attempt {times}")
    return f"{label} at last"


@step(max_retries=2)
async def never_succeed(label: str) -> str:
    note("never")
    raise Broken(f"{label} is broken")


@workflow()
async def crash_persevering(label: str) -> list[str]:
    reached = await succeed_at_third(label)
    try:
        await never_succeed(label)
    except Broken as error:
        return [reached, f"caught {error}"]
    return []


@workflow()
async def crash_despairing(label: str) -> str:
    await succeed_at_third(label)
    return await never_succeed(label)


def attempts_are_counted(played: Played) -> None:
    """The record says how often a step failed and was tried again, however many processes that took."""
    counted = {(step.name, step.retry_count) for step in played.left.steps.values() if step.name == "never_succeed"}
    assert counted == {("never_succeed", 2)}


def test_a_step_is_tried_again_as_often_as_was_asked(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "retries",
            two_runs(crash_persevering),
            {label: f'succeeded: ["{label} at last","caught {label} is broken"]' for label in ("A", "B")},
            check=attempts_are_counted,
        )
    )


def test_a_run_whose_step_fails_for_good_fails_with_its_error(everywhere: Everywhere) -> None:
    name = f"{Broken.__module__}.{Broken.__qualname__}"
    everywhere(
        Scenario(
            "failing runs",
            two_runs(crash_despairing),
            {label: f"failed: {name.rpartition('.')[2]}: {label} is broken" for label in ("A", "B")},
            check=attempts_are_counted,
        )
    )
