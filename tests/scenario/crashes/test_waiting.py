"""Runs that sleep, ask again and again, and wait for events from other runs, from steps and from outside."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from planar.workflows import emit_event, step, suspend, wait, wait_for_event, workflow
from planar.workflows.exceptions import EventTimeout
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Outcomes, Scenario, both_end, start, two_runs
from tests.scenario.crashes.ledger import note


@step(max_retries=1)
async def look_up(label: str) -> str:
    if note("look up") == 1:
        raise ConnectionError("not yet")
    return f"{label} found"


@step()
async def finish(label: str) -> str:
    note("finish")
    return f"{label} finished"


@wait(poll_interval=30.0)
async def is_ready(label: str) -> bool:
    return note("ask") >= 3


@workflow()
async def crash_sleeping(label: str) -> list[str]:
    await suspend(interval=timedelta(days=1))
    found = await look_up(label)
    await suspend(interval=timedelta(hours=1 if label == "A" else 2))
    await is_ready(label)
    return [found, await finish(label)]


def test_a_sleeping_run_wakes_whatever_died_meanwhile(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "suspend",
            two_runs(crash_sleeping),
            {label: f'succeeded: ["{label} found","{label} finished"]' for label in ("A", "B")},
        )
    )


OTHER = {"A": "B", "B": "A"}


@step()
async def greet(label: str) -> str:
    """An event from inside a step."""
    note("greet")
    await emit_event(f"greeting for {OTHER[label]}", {"from": label})
    return label


@workflow()
async def crash_corresponding(label: str) -> list[str]:
    await greet(label)
    greeting = await wait_for_event(f"greeting for {label}")
    found = await look_up(label)
    await emit_event(f"answer for {OTHER[label]}", {"number": 1})
    await emit_event(f"answer for {OTHER[label]}", {"number": 2})
    numbers = [(await wait_for_event(f"answer for {label}"))["number"] for _ in range(2)]
    opened = await wait_for_event("open", max_wait_time=3600)
    try:
        await wait_for_event("what never comes", max_wait_time=60)
    except EventTimeout:
        return [greeting["from"], found, *(str(number) for number in numbers), opened["by"], await finish(label)]
    return []


async def correspondence() -> Outcomes:
    await asyncio.gather(start("A", crash_corresponding, "A"), start("B", crash_corresponding, "B"))
    await asyncio.sleep(60)
    await emit_event("open", {"by": "the caller"}, idempotency_key="once")
    return await both_end()


def test_every_event_reaches_every_run_that_waits_exactly_once(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "events",
            correspondence,
            {label: f'succeeded: ["{OTHER[label]}","{label} found","1","2","the caller","{label} finished"]' for label in ("A", "B")},
        )
    )
