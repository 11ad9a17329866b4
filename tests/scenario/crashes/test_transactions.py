"""Steps that write to the app's own tables, steps that only read them, and runs that are started in a caller's transaction."""

from __future__ import annotations

import asyncio

from sqlmodel import col, func, select

from planar.db.session import get_session
from planar.workflows import emit_event, step, wait_for_event, workflow
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Outcomes, Scenario, both_end, start, two_runs
from tests.scenario.crashes.ledger import note
from tests.scenario.crashes.world import CrashEntry


async def rows_of(label: str) -> int:
    query = select(func.count()).select_from(CrashEntry).where(col(CrashEntry.text).startswith(label))
    return (await get_session().exec(query)).one()


@step()
async def book(label: str) -> int:
    note("book")
    session = get_session()
    session.add(CrashEntry(text=f"{label} booked"))
    await session.flush()
    return await rows_of(label)


@step(max_retries=1)
async def book_and_fail(label: str) -> int:
    """What the attempt that failed wrote is undone with it."""
    get_session().add(CrashEntry(text=f"{label} booked late"))
    await get_session().flush()
    if note("book late") == 1:
        raise ConnectionError("after the write")
    return await rows_of(label)


@step()
async def count_bookings(label: str) -> int:
    note("count")
    return await rows_of(label)


@workflow()
async def crash_booking(label: str) -> list[int]:
    return [await book(label), await count_bookings(label), await book_and_fail(label), await count_bookings(label)]


def test_what_a_step_writes_through_its_session_is_there_exactly_once(everywhere_with_sessions: Everywhere) -> None:
    everywhere_with_sessions(Scenario("transactional steps", two_runs(crash_booking), dict.fromkeys(("A", "B"), "succeeded: [1,1,2,2]")))


@step()
async def price(label: str) -> int:
    note("price")
    return len(label)


@step(max_retries=1)
async def book_at_a_price(label: str) -> int:
    """Reads, calls steps, one of which writes as well, and writes last."""
    before = await count_bookings(label)
    known = await rows_of(label)
    inner = await book(label)
    cost = await price(label)
    get_session().add(CrashEntry(text=f"{label} at {cost}"))
    if note("book at a price") == 1:
        raise ConnectionError("after everything")
    return before + known + inner + cost


@workflow()
async def crash_nested_booking(label: str) -> list[int]:
    return [await book_at_a_price(label), await count_bookings(label)]


def test_steps_within_a_transactional_step_commit_by_themselves(everywhere_with_sessions: Everywhere) -> None:
    everywhere_with_sessions(
        Scenario(
            "nested transactional steps",
            two_runs(crash_nested_booking),
            # The second attempt of the outer step finds the row of the inner one.
            dict.fromkeys(("A", "B"), "succeeded: [3,2]"),
            at_once=2,
        )
    )


@workflow()
async def crash_guest(label: str) -> int:
    return await book(label)


@step(max_retries=1)
async def announce(label: str) -> str:
    """An event and a run that belong to what a step writes: all of it, or nothing."""
    get_session().add(CrashEntry(text=f"{label} announced"))
    await get_session().flush()
    await emit_event(f"announced {label}", {"who": label})
    await crash_guest.start(f"{label} guest")
    if note("announce") == 1:
        raise ConnectionError("after the event")
    return label


@workflow()
async def crash_announcing(label: str) -> list[str]:
    announced = await announce(label)
    heard = await wait_for_event(f"announced {label}")
    return [announced, heard["who"]]


async def announcements() -> Outcomes:
    outcomes = await two_runs(crash_announcing)()
    # The guests, for whom nobody waits, end as well.
    await asyncio.sleep(60)
    return outcomes


def test_events_and_runs_of_a_transactional_step_come_with_its_writes(everywhere_with_sessions: Everywhere) -> None:
    everywhere_with_sessions(
        Scenario(
            "events and starts in sessions",
            announcements,
            {label: f'succeeded: ["{label}","{label}"]' for label in ("A", "B")},
        )
    )


@workflow()
async def crash_ordered(label: str) -> list[int]:
    return [await book_and_fail(label), await price(label)]


async def order(label: str) -> None:
    """The row and its run, in one transaction: whoever finds the row need not start the run."""
    if await rows_of(f"{label} ordered"):
        return
    get_session().add(CrashEntry(text=f"{label} ordered"))
    await get_session().flush()
    await start(label, crash_ordered, label)
    await get_session().commit()


async def orders() -> Outcomes:
    await order("A")
    await order("B")
    return await both_end()


def test_a_run_that_was_started_in_a_transaction_is_there_with_it(everywhere_with_sessions: Everywhere) -> None:
    everywhere_with_sessions(Scenario("start in a transaction", orders, dict.fromkeys(("A", "B"), "succeeded: [2,1]")))
