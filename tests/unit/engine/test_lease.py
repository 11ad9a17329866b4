"""Whether a worker may begin something, as far as it knows by its own clock."""

from __future__ import annotations

import asyncio

import pytest

from planar.clock import SYSTEM_CLOCK
from planar.engine.store.lease import WorkerLease

pytestmark = pytest.mark.anyio


def now() -> float:
    return SYSTEM_CLOCK.monotonic()


async def test_where_no_lease_is_it_never_runs_out() -> None:
    assert not WorkerLease().has_run_out()


async def test_it_has_run_out_until_the_next_beat_is_acknowledged() -> None:
    lease = WorkerLease()
    lease.renew(now() - 1)
    assert lease.has_run_out()
    waiting = asyncio.ensure_future(lease.holds(lease.term))
    lease.renew(now() - 0.5)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert not waiting.done(), "a beat that was acknowledged too late"
    lease.renew(now() + 60)
    assert await waiting


async def test_what_was_claimed_before_the_worker_was_taken_for_dead_is_lost_and_what_comes_later_is_not() -> None:
    lease = WorkerLease()
    lease.renew(now() - 1)
    earlier = lease.term
    waiting = asyncio.ensure_future(lease.holds(earlier))
    await asyncio.sleep(0)
    lease.lose()
    assert not await waiting
    later = asyncio.ensure_future(lease.holds(lease.term))
    await asyncio.sleep(0)
    assert not later.done(), "it has not registered again"
    lease.renew(now() + 60)
    assert await later
    assert not await lease.holds(earlier)
