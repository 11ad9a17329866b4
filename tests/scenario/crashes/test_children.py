"""Runs that call runs, start them and wait for them, from workflow code and from a step."""

from __future__ import annotations

from uuid import UUID

from planar.workflows import step, workflow
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Scenario, two_runs
from tests.scenario.crashes.ledger import note


@step(max_retries=1)
async def work(label: str) -> str:
    if note("work") == 1:
        raise ConnectionError("busy")
    return f"{label} worked"


@step()
async def fail(label: str) -> str:
    note("fail")
    raise ValueError(f"{label} refuses")


@workflow()
async def crash_child(label: str) -> str:
    return await work(label)


@workflow()
async def crash_bad_child(label: str) -> str:
    return await fail(label)


@step()
async def start_from_a_step(label: str) -> UUID:
    note("start")
    return (await crash_child.start(label)).id


@workflow()
async def crash_parent(label: str) -> list[str]:
    called = await crash_child(f"{label}1")
    started = await crash_child.start_step(f"{label}2")
    from_a_step = await start_from_a_step(f"{label}3")
    try:
        await crash_bad_child(f"{label}4")
    except ValueError as error:
        refused = str(error)
    else:
        refused = ""
    return [called, await crash_child.wait_for_completion(started), await crash_child.wait_for_completion(from_a_step), refused]


def test_every_child_is_started_exactly_once(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "children",
            two_runs(crash_parent),
            {label: f'succeeded: ["{label}1 worked","{label}2 worked","{label}3 worked","{label}4 refuses"]' for label in ("A", "B")},
        )
    )
