"""Two runs that want one lock."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from planar.db.session import get_session
from planar.workflows import step, workflow
from planar.workflows.lock import lock_resource
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Played, Scenario, client, two_runs
from tests.scenario.crashes.ledger import note, remark
from tests.scenario.crashes.world import CrashEntry

LEASE = timedelta(seconds=60)


@step(max_retries=2)  # an attempt that a crash interrupted counts
async def work_alone(label: str) -> str:
    async with lock_resource("the till", LEASE):
        times = note("work alone")
        remark(f"in {client().now().timestamp()}")
        await asyncio.sleep(45)
        if times == 1:
            remark(f"out {client().now().timestamp()}")
            raise ConnectionError("nothing is lost: the lock is given back")
        get_session().add(CrashEntry(text=f"{label} counted"))
        remark(f"out {client().now().timestamp()}")
    return f"{label} counted"


@step()
async def rest(label: str) -> None:
    note("rest")


@workflow()
async def crash_cashier(label: str) -> str:
    await rest(label)
    counted = await work_alone(label)
    await rest(label)
    return counted


def one_at_a_time(played: Played) -> None:
    """Nobody came in while another was in, unless the lease of one that died had run out."""
    inside: float | None = None
    for said in played.remarks:
        what, at = said.split()
        if what == "out":
            inside = None
            continue
        if inside is not None:
            assert played.crash is not None
            assert float(at) >= inside + LEASE.total_seconds(), played.remarks
        inside = float(at)


def test_a_lock_is_held_by_one_and_free_again_when_its_lease_ends(everywhere_with_sessions: Everywhere) -> None:
    everywhere_with_sessions(
        Scenario(
            "locks",
            two_runs(crash_cashier),
            {label: f'succeeded: "{label} counted"' for label in ("A", "B")},
            check=one_at_a_time,
        )
    )
