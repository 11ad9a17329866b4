"""kill -9, and SIGTERM: how long until the others go on, and is anything lost or done twice?"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from planar.clock import SYSTEM_CLOCK
from tests.scenario.faults.conftest import LONG, MARGIN
from tests.scenario.faults.fleet import Fleet
from tests.scenario.faults.load import busiest, start_orders
from tests.scenario.faults.program import ORDER_EFFECTS, Setup
from tests.scenario.faults.promises import check
from tests.scenario.faults.world import World, until

pytestmark = pytest.mark.anyio

LEASE = 5.0 if LONG else 1.0
IN_FLIGHT = 500 if LONG else 60
IN_A_STEP = """
select r.id from planar.workflow_run r join planar.workflow_step s on s.workflow_id = r.id join planar.workflow_claim c on c.run_id = r.id
where r.function_name = 'lingering' and s.status = 'running' and c.worker_id = $1
"""


async def test_after_kill_9_all_runs_go_on_elsewhere_within_a_lease_and_a_second(
    world: World, fleet: Fleet, report: Callable[[str], None]
) -> None:
    fleet.start(Setup(world.url, str(world.folder), LEASE), 3)
    await start_orders(world, IN_FLIGHT, 2.0 if LONG else 0.8)
    victim, held = await busiest(world, fleet, IN_FLIGHT // 6)
    victim.kill()
    seconds = await world.until_moved(held, within=LEASE + 5)
    await world.until_ended(60)
    kept = await check(world, fleet, ORDER_EFFECTS * IN_FLIGHT)
    report(f"kill -9: {len(held)} of {IN_FLIGHT} runs went on elsewhere in {seconds:.2f} s (lease {LEASE:g} s); {kept}")
    assert seconds <= LEASE + MARGIN


async def test_after_sigterm_runs_are_handed_over_between_steps_and_after_the_drain_time(
    world: World, fleet: Fleet, report: Callable[[str], None]
) -> None:
    drain, count = 1.5, 100 if LONG else 20
    setup = Setup(world.url, str(world.folder), LEASE, drain_seconds=drain)
    fleet.start(setup, 2)
    for number in range(count):
        await world.start("busy", number, 150, result=number * 1500)
        await world.start("lingering", result="through the gate")
    victim, _ = await busiest(world, fleet, count // 2)

    async def is_in_a_step() -> bool:
        return bool(await world.ask(IN_A_STEP, victim.worker))

    await until(is_in_a_step, "a mark of a step that goes on")
    lingering = {row[0] for row in await world.ask(IN_A_STEP, victim.worker)}
    held = await world.held_by(victim.worker)
    names = dict(await world.ask("select id, function_name from planar.workflow_run"))
    between = [each for each in held if names[each.run] == "busy"]
    inside = [each for each in held if each.run in lingering]
    assert between
    assert inside
    victim.terminate()
    began = SYSTEM_CLOCK.monotonic()
    short = await world.until_moved(between, within=10)
    await world.until_moved(inside, within=drain + 10)
    long = SYSTEM_CLOCK.monotonic() - began
    assert victim.await_end(20) == 0, victim.log
    world.open_gate()
    await world.until_ended(60)
    kept = await check(world, fleet, 0)
    report(
        f"SIGTERM: {len(between)} runs between steps in {short:.2f} s, {len(inside)} in a step in {long:.2f} s (drain {drain:g} s); {kept}"
    )
    assert short <= MARGIN
    assert drain * 0.9 <= long <= drain + MARGIN
