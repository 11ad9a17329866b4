"""Steps and steps within steps, with one that fails at first."""

from __future__ import annotations

from planar.workflows import step, workflow
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Scenario, two_runs
from tests.scenario.crashes.ledger import note


@step()
async def reserve(order: str) -> str:
    note("reserve")
    return f"reservation {order}"


@step(max_retries=3)
async def charge(order: str) -> int:
    if note("charge") == 1:
        raise ConnectionError("the bank does not answer")
    return len(order)


@step()
async def confirm(reservation: str, amount: int) -> str:
    note("confirm")
    return f"{reservation} for {amount}"


@workflow()
async def crash_ordering(order: str) -> str:
    reservation = await reserve(order)
    amount = await charge(order)
    return await confirm(reservation, amount)


def test_recorded_steps_never_run_again(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "steps",
            two_runs(crash_ordering),
            {"A": 'succeeded: "reservation A for 1"', "B": 'succeeded: "reservation B for 1"'},
        )
    )


@step()
async def pack(item: str) -> str:
    note("pack")
    return f"packed {item}"


@step(max_retries=1)
async def seal(item: str) -> str:
    if note("seal") == 1:
        raise ConnectionError("out of tape")
    return f"sealed {item}"


@step(max_retries=2)
async def ship(order: str) -> str:
    times = note("ship")
    parcel = await seal(await pack(order))
    if times <= 2:
        # Its own retry: both nested steps are recorded and must not run again.
        raise ConnectionError("the carrier does not answer")
    return f"{parcel} shipped"


@workflow()
async def crash_shipping(order: str) -> list[str]:
    return [await ship(order), await pack("the next")]


def test_nested_steps_run_again_only_if_they_were_not_recorded(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "nested steps",
            two_runs(crash_shipping),
            {label: f'succeeded: ["sealed packed {label} shipped","packed the next"]' for label in ("A", "B")},
            at_once=2,
        )
    )
