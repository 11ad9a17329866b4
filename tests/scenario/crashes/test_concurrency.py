"""Several things at once in one run: all of them, some at a time, the first of them, and none beyond a time."""

from __future__ import annotations

from datetime import timedelta

from planar.workflows import gather, map, race, step, suspend, timeout, wait_for_event, workflow
from planar.workflows.events import emit_event
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Scenario, two_runs
from tests.scenario.crashes.ledger import note


@step()
async def load(item: str) -> str:
    note("load")
    return f"{item} loaded"


@step(max_retries=2)
async def load_with_trouble(item: str) -> str:
    if note("load with trouble") == 1:
        raise ConnectionError("not yet")
    return f"{item} loaded at last"


@workflow()
async def crash_branch_child(item: str) -> str:
    return await load(item)


async def load_later(item: str) -> str:
    first = await load(item)
    await suspend(interval=timedelta(hours=1))
    return f"{first}, {await load(item + ' again')}"


@step()
async def call_out(label: str) -> None:
    note("call out")
    await emit_event(f"for the branch of {label}", {"text": label})


async def listen(label: str) -> str:
    event = await wait_for_event(f"for the branch of {label}")
    return str(event["text"])


@workflow()
async def crash_gathering(label: str) -> list[str]:
    found = await gather(load_with_trouble(label), load_later(label), crash_branch_child(f"{label}1"), listen(label), call_out(label))
    return [str(each) for each in found]


def test_gathered_branches_each_go_on_where_they_were(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "gather",
            two_runs(crash_gathering),
            {
                label: f'succeeded: ["{label} loaded at last","{label} loaded, {label} again loaded","{label}1 loaded","{label}","None"]'
                for label in ("A", "B")
            },
            at_once=4,
        )
    )


async def load_and_pause(item: str) -> str:
    found = await load_with_trouble(item)
    await suspend(interval=timedelta(minutes=1))
    return await load(found)


@workflow()
async def crash_mapping(label: str) -> list[str]:
    return await map(load_and_pause, [f"{label}{number}" for number in range(3)], limit=2)


def test_mapped_items_each_go_on_where_they_were(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "map",
            two_runs(crash_mapping),
            {
                label: "succeeded: [" + ",".join(f'"{label}{number} loaded at last loaded"' for number in range(3)) + "]"
                for label in ("A", "B")
            },
            at_once=2,
        )
    )


@step()
async def tidy(label: str) -> None:
    note("tidy")


async def soon(label: str) -> str:
    await suspend(interval=timedelta(minutes=1))
    return await load_with_trouble(label)


async def too_late(label: str) -> str:
    try:
        await load(label)
        await suspend(interval=timedelta(days=7))
        return await load(f"{label} late")
    finally:
        await tidy(label)


@workflow()
async def crash_racing(label: str) -> list[str]:
    first = await race(too_late(label), listen(label), soon(label))
    return [first, await load(f"{label} after the race")]


def test_a_race_has_one_winner_and_its_losers_end(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "race",
            two_runs(crash_racing),
            {label: f'succeeded: ["{label} loaded at last","{label} after the race loaded"]' for label in ("A", "B")},
            at_once=3,
        )
    )


@workflow()
async def crash_hurrying(label: str) -> list[str]:
    in_time = await timeout(soon(label), timedelta(hours=1))
    try:
        await timeout(too_late(label), timedelta(hours=1))
    except TimeoutError:
        return [in_time, await load(f"{label} after the timeout")]
    return []


def test_a_durable_timeout_is_over_when_it_would_have_been(everywhere: Everywhere) -> None:
    everywhere(
        Scenario(
            "timeout",
            two_runs(crash_hurrying),
            {label: f'succeeded: ["{label} loaded at last","{label} after the timeout loaded"]' for label in ("A", "B")},
            at_once=2,
        )
    )
