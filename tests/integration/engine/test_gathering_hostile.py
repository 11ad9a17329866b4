"""Branches, treated badly: by timeouts, errors of unusual classes, code that waits for other branches, stops and cancellations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from planar.engine.core.retry import RetryPolicy
from planar.engine.current import find_frame
from planar.workflows import cancel, emit_event, gather, lock_resource, map, race, step, wait_for_event, workflow
from planar.workflows.exceptions import NonDeterministicStepCallError
from tests.integration.engine.conftest import Opener, run_of, steps_of, until, until_status
from tests.integration.engine.hostile_stories import BODIES, STORIES, caught, quick, slow

pytestmark = pytest.mark.anyio

SEEN: list[list[Any]] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    BODIES.clear()
    SEEN.clear()


@workflow()
async def telling(name: str) -> list[Any]:
    told: list[Any] = []
    SEEN.append(told)
    await STORIES[name](told.append)
    await wait_for_event("go on")
    return [str(each) for each in told]


@pytest.mark.store_independent
@pytest.mark.parametrize("name", STORIES)
async def test_a_story_is_told_the_same_on_replay(open_app: Opener, name: str) -> None:
    async with open_app(telling, max_parked_runs=0), asyncio.timeout(30):
        run = await telling.start(name)
        while not [each for each in await steps_of(run.id) if each.args and each.args[0] == "go on"]:
            row = await until_status(run.id, "suspended", "failed", "succeeded", "running")
            assert row.status.value not in ("failed", "succeeded"), row.error
            await asyncio.sleep(0.01)
        await until_status(run.id, "suspended")
        bodies = list(BODIES)
        steps = [(each.path, each.status.value) for each in await steps_of(run.id)]
        passes = len(SEEN)
        await emit_event("go on", workflow_id=run.id)
        result = await telling.wait_for_completion(run.id)
        assert len(SEEN) > passes, "it was not replayed"
        assert [str(each) for each in SEEN[-1]] == [str(each) for each in SEEN[passes - 1]] == result
        assert bodies == BODIES, "a body ran again"
        assert [(each.path, each.status.value) for each in await steps_of(run.id)][: len(steps) - 1] == steps[:-1]


@pytest.mark.parametrize("name", STORIES)
async def test_a_story_is_told_the_same_by_the_next_process(open_app: Opener, name: str) -> None:
    async with open_app(telling), asyncio.timeout(30):
        run = await telling.start(name)
        while not [each for each in await steps_of(run.id) if each.args and each.args[0] == "go on"]:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        await until_status(run.id, "suspended")
        bodies, told = list(BODIES), [str(each) for each in SEEN[-1]]
    async with open_app(telling), asyncio.timeout(30):
        await emit_event("go on", workflow_id=run.id)
        assert await telling.wait_for_completion(run.id) == told
        assert bodies == BODIES


async def _pass_turns(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


@pytest.mark.store_independent
@pytest.mark.parametrize("turns", [1, 3, 9, 20, 40, 100, 300])
async def test_a_story_that_is_cancelled_ends(open_app: Opener, turns: int) -> None:
    async with open_app(telling), asyncio.timeout(30):
        runs = [await telling.start(name) for name in STORIES]
        await _pass_turns(turns)
        for run in runs:
            await cancel(run.id, "enough")
        for run in runs:
            await until_status(run.id, "cancelled", seconds=5)


@pytest.mark.parametrize("turns", [1, 3, 9, 20, 40, 100, 300])
async def test_a_story_that_is_handed_over_goes_on(open_app: Opener, turns: int) -> None:
    async with open_app(telling, drain_seconds=0.05):
        runs = [await telling.start(name) for name in STORIES]
        await _pass_turns(turns)
    async with open_app(telling), asyncio.timeout(30):
        for run in runs:
            await emit_event("go on", workflow_id=run.id)
        for run in runs:
            await telling.wait_for_completion(run.id)


TOLD: dict[str, list[list[str]]] = {}


@step()
async def interrupt(turns: int) -> str:
    await _pass_turns(turns)
    return "interrupted"


@workflow()
async def interrupting(name: str, turns: int) -> list[str]:
    """A story that loses a race against a step that ends after so many turns of the event loop."""
    told: list[str] = []
    TOLD.setdefault(f"{name} {turns}", []).append(told)

    async def telling_it() -> str:
        await STORIES[name](lambda what: told.append(str(what)))
        return "told"

    told.append(await race(telling_it(), interrupt(turns)))
    told.append(await quick("after"))
    await wait_for_event("go on")
    return told


@pytest.mark.store_independent
@pytest.mark.parametrize("turns", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89])
async def test_a_story_that_is_interrupted_anywhere_is_the_same_on_replay(open_app: Opener, turns: int) -> None:
    TOLD.clear()
    async with open_app(interrupting, max_parked_runs=0), asyncio.timeout(30):
        runs = {name: await interrupting.start(name, turns) for name in STORIES}
        for run in runs.values():
            await until(lambda run=run: _waits_at_its_end(run.id))
        before = {name: passes[-1] for name, passes in TOLD.items()}
        for name, run in runs.items():
            await emit_event("go on", workflow_id=run.id)
            assert await interrupting.wait_for_completion(run.id) == before[f"{name} {turns}"], name


async def _waits_at_its_end(run_id: UUID) -> bool:
    run = await run_of(run_id)
    assert run.status.value not in ("failed", "succeeded", "cancelled"), run.error
    return run.status.value == "suspended" and run.waiting_for_event == "go on"


# -- told when it was too late for the step in progress --------------------------------------------------------------------

NEVER: dict[str, asyncio.Event] = {}


@step()
async def until_a_race_is_being_decided() -> str:
    """Ends at the moment at which the branch that won is told so: its own record comes after that, and its cancellation too late."""
    BODIES.append("loser")
    turns = current_live().turns
    while not (turns._deciding and turns._handing):  # noqa: ASYNC110
        await asyncio.sleep(0)
    return "loser"


async def waiting_for_nobody() -> str:
    await until_a_race_is_being_decided()
    NEVER["reached"].set()
    await NEVER["comes"].wait()
    return "after all"


@step()
async def body_waiting_for_nobody() -> str:
    return await waiting_for_nobody()


async def busy_elsewhere() -> None:
    """Code that never comes to rest, so that whoever wins has to wait for its turn."""
    await NEVER["comes"].wait()


@workflow()
async def losing_too_late(in_body: bool) -> list[str]:
    told = [str(await race(quick("winner"), body_waiting_for_nobody() if in_body else waiting_for_nobody(), busy_elsewhere()))]
    told.append(await quick("after"))
    told.append(str(await wait_for_event("go on")))
    return told


@pytest.mark.parametrize("in_body", [False, True], ids=["in code", "in a body"])
async def test_a_loser_whose_step_was_ending_is_told_though_it_calls_nothing_more(open_app: Opener, in_body: bool) -> None:
    NEVER.update({name: asyncio.Event() for name in ("reached", "comes")})
    async with open_app(losing_too_late), asyncio.timeout(20):
        run = await losing_too_late.start(in_body)
        await until(lambda: _waits_at_its_end(run.id))
        assert NEVER["reached"].is_set()
    bodies = list(BODIES)
    async with open_app(losing_too_late), asyncio.timeout(20):
        await emit_event("go on", workflow_id=run.id)
        assert (await losing_too_late.wait_for_completion(run.id))[:2] == ["winner", "after"]
        assert bodies == BODIES, "a body ran again"


# -- a worker that stops --------------------------------------------------------------------------------------------------

BUSY: dict[str, asyncio.Event] = {}


@step()
async def until_released(name: str) -> str:
    BODIES.append(name)
    BUSY["begun"].set()
    await BUSY["released"].wait()
    return name


async def swallowing() -> str:
    try:
        BUSY["reached"].set()
        await until_stopped()
        return await quick("the right one")
    except BaseException:
        return "swallowed"


async def until_stopped() -> None:
    """Code of the user's own that waits, and is not a step."""
    await BUSY["stopping"].wait()


@workflow()
async def gathering_beside_a_swallower() -> list[str]:
    return list(await gather(swallowing(), until_released("beside")))


@workflow()
async def racing_beside_a_swallower() -> list[str]:
    return [await race(swallowing(), until_released("beside"))]


@step()
async def swallowing_body() -> str:
    try:
        BUSY["reached"].set()
        await until_stopped()
        return await quick("the right one")
    except BaseException:
        return "swallowed"


@workflow()
async def gathering_beside_a_swallowing_body() -> list[str]:
    return list(await gather(swallowing_body(), until_released("beside")))


SWALLOWERS = [gathering_beside_a_swallower, racing_beside_a_swallower, gathering_beside_a_swallowing_body]


@pytest.mark.store_independent
@pytest.mark.parametrize("flow", SWALLOWERS, ids=lambda flow: flow.name)
async def test_what_a_branch_makes_of_a_stop_is_not_its_result(open_app: Opener, flow: Any) -> None:
    BUSY.update({name: asyncio.Event() for name in ("begun", "released", "stopping", "reached")})

    async def let_go() -> None:
        # While the worker drains: the branch meets its next step first, then the step in progress ends.
        BUSY["stopping"].set()
        for _ in range(20):
            await asyncio.sleep(0)
        BUSY["released"].set()

    async with open_app(flow):
        run = await flow.start()
        await BUSY["begun"].wait()
        await BUSY["reached"].wait()
        asyncio.get_running_loop().call_later(0.05, lambda: BUSY.__setitem__("task", asyncio.ensure_future(let_go())))  # type: ignore[arg-type]
    async with open_app(flow), asyncio.timeout(10):
        result = await flow.wait_for_completion(run.id)
    assert "swallowed" not in result


# -- code that does not match its record --------------------------------------------------------------------------------

MODE = {"changed": False}


@step()
async def body_that_changes() -> str:
    BODIES.append("body")
    await (quick("nested") if not MODE["changed"] else slow("another"))
    return str(await wait_for_event("wake"))


@step()
async def body_that_swallows() -> str:
    try:
        return await body_that_changes()
    except Exception:
        return "swallowed"


@workflow()
async def diverging_in_a_body() -> str:
    return await body_that_swallows()


@workflow()
async def diverging_in_a_body_in_a_branch() -> list[str]:
    return list(await gather(body_that_swallows()))


@step()
async def body_that_goes_on() -> str:
    await quick("nested")
    if MODE["changed"]:
        await asyncio.sleep(30)
    return str(await wait_for_event("wake"))


@workflow()
async def diverging_beside_a_body() -> list[str]:
    async def beside() -> str:
        await (quick("beside") if not MODE["changed"] else slow("another"))
        return str(await wait_for_event("wake"))

    return list(await gather(body_that_goes_on(), beside()))


@pytest.mark.store_independent
@pytest.mark.parametrize(
    "flow", [diverging_in_a_body, diverging_in_a_body_in_a_branch, diverging_beside_a_body], ids=lambda flow: flow.name
)
async def test_a_divergence_ends_the_run_and_records_nothing(open_app: Opener, flow: Any) -> None:
    MODE["changed"] = False
    async with open_app(flow):
        run = await flow.start()
        await until_status(run.id, "suspended")
        before = [(each.path, each.status.value) for each in await steps_of(run.id)]
    MODE["changed"] = True
    async with open_app(flow):
        await emit_event("wake", workflow_id=run.id)
        with pytest.raises(NonDeterministicStepCallError):
            await asyncio.wait_for(flow.wait_for_completion(run.id), 5)
        assert [(each.path, each.status.value) for each in await steps_of(run.id)] == before


# -- locks, retries and sessions in branches --------------------------------------------------------------------------------


@step()
async def guarded(name: str, key: str) -> str:
    async with lock_resource(key, timedelta(seconds=5), retry_count=1000, retry_interval_seconds=0.005):
        INSIDE.append(name)
        assert [each for each in INSIDE if KEYS[each] == key] == [name], "two are inside of one lock"
        await asyncio.sleep(0.005)
        INSIDE.remove(name)
    return name


INSIDE: list[str] = []
KEYS = {f"{key}{number}": key for key in "ab" for number in range(4)}


@workflow()
async def locking() -> list[str]:
    return await map(take, list(KEYS))


async def take(name: str) -> str:
    return await guarded(name, KEYS[name])


async def test_locks_keep_branches_of_one_run_apart(open_app: Opener) -> None:
    async with open_app(locking), asyncio.timeout(20):
        assert await locking() == list(KEYS)


FLAKY: dict[str, int] = {}


@step(retry=RetryPolicy(3, timedelta(milliseconds=20), factor=1, jitter=0))
async def flaky(name: str, failures: int) -> str:
    FLAKY[name] = FLAKY.get(name, 0) + 1
    if FLAKY[name] <= failures:
        raise ConnectionError(name)
    return f"{name} at attempt {FLAKY[name]}"


@workflow()
async def retrying_in_branches() -> list[str]:
    async def hopeless() -> str:
        return await flaky("hopeless", 9)

    results = await gather(flaky("a", 1), flaky("b", 3), hopeless(), return_exceptions=True)
    return [*map_str(results), await race(flaky("slow", 3), flaky("quick", 0))]


def map_str(values: Iterable[Any]) -> list[str]:
    return [str(each) for each in values]


@pytest.mark.parametrize("parked", [0, 100])
async def test_branches_wait_for_their_retries_side_by_side(open_app: Opener, parked: int) -> None:
    FLAKY.clear()
    async with open_app(retrying_in_branches, max_parked_runs=parked), asyncio.timeout(20):
        assert await retrying_in_branches() == ["a at attempt 2", "b at attempt 4", "hopeless", "quick at attempt 1"]
        assert FLAKY == {"a": 2, "b": 4, "hopeless": 4, "slow": 1, "quick": 1}


# -- what a run counts ----------------------------------------------------------------------------------------------------


@workflow()
async def counting(count: int) -> list[int]:
    live = LIVE["run"] = current_live()
    await gather(*(caught(STORIES[name](lambda _: None)) for name in COUNTED))
    most = 0
    for number in range(count):
        await quick(str(number))
        most = max(most, len(live._pending) + len(live._unfinished))
    return [most, live.turns._active, live.turns._in_code, len(live.turns._called) + len(live.turns._ended), len(live.parking._seats)]


COUNTED = [
    "races_in_races_in_a_map",
    "losers_with_branches",
    "a_loser_that_will_not_go",
    "branches_that_share_a_lock",
    "errors_that_are_no_exceptions",
    "a_timeout_around_waits",
    "timeouts_in_branches",
    "nothing_to_do",
    "branches_in_bodies",
]
LIVE: dict[str, Any] = {}


def current_live() -> Any:
    frame = find_frame()
    assert frame is not None
    return frame.run


@pytest.mark.store_independent
async def test_after_everything_only_the_workflow_itself_is_active_and_nothing_piles_up(open_app: Opener) -> None:
    async with open_app(counting), asyncio.timeout(60):
        most, *counts = await counting(500)
        assert counts == [1, 1, 0, 0]
        assert most <= 4
        worker = LIVE["run"].parts.host

        async def is_over() -> bool:
            return LIVE["run"].task.done()

        await until(is_over)  # the end is told before
        await _pass_turns(5)
        assert (list(worker.watched), worker.executing, list(worker.tasks)) == ([], 0, [])
