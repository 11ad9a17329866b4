"""Steps whose bodies never run twice, whatever that costs."""

from __future__ import annotations

from planar.workflows import step, workflow
from planar.workflows.exceptions import StepInterrupted
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Played, Scenario, two_runs
from tests.scenario.crashes.ledger import note


@step(at_most_once=True)
async def pay(label: str) -> str:
    note(f"pay {label}")
    return "paid"


@step(max_retries=2)
async def ask_the_bank(label: str) -> str:
    """What a person would do whose computer died while they paid."""
    if note("ask") == 1:
        raise ConnectionError("closed")
    return "asked"


@workflow()
async def crash_paying(label: str) -> str:
    try:
        await pay(label)
    except StepInterrupted:
        await ask_the_bank(f"{label} interrupted")
        return "settled"
    await ask_the_bank(label)
    return "settled"


def nobody_paid_twice(played: Played) -> None:
    for label in ("A", "B"):
        interrupted = any(step.name == "pay" and step.status == "failed" for step in played.left.steps.values())
        assert played.done[f"pay {label}"] == 1 or (interrupted and played.done[f"pay {label}"] == 0)


def test_a_body_that_must_not_be_repeated_is_not(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "at most once",
            two_runs(crash_paying),
            dict.fromkeys(("A", "B"), 'succeeded: "settled"'),
            check=nobody_paid_twice,
            free=True,
        )
    )
