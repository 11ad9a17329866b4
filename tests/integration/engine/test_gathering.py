"""Several things at once in one run: every branch has its place in the record, and a replay means the same."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from planar.workflows import WorkflowStatus, cancel, emit_event, gather, map, race, step, suspend, timeout, wait_for_event, workflow
from planar.workflows.exceptions import NonDeterministicStepCallError
from tests.integration.engine.conftest import Opener, run_of, steps_of, until, until_status

pytestmark = [pytest.mark.anyio, pytest.mark.store_independent]

DONE: list[str] = []


@pytest.fixture(autouse=True)
def nothing_done() -> None:
    DONE.clear()


@step()
async def note(what: str) -> str:
    DONE.append(what)
    return what


@step()
async def break_down(what: str) -> str:
    DONE.append(what)
    raise ValueError(what)


@workflow()
async def gathering(names: list[str]) -> list[str]:
    return list(await gather(*(note(name) for name in names)))


async def test_gather_runs_each_branch_once_and_answers_in_order(open_app: Opener) -> None:
    async with open_app(gathering):
        run = await gathering.start(["a", "b", "c"])
        assert await gathering.wait_for_completion(run.id) == ["a", "b", "c"]
        assert sorted(DONE) == ["a", "b", "c"]
        assert sorted(each.path for each in await steps_of(run.id)) == ["1/b1.1", "1/b2.1", "1/b3.1"]


@workflow()
async def mapping(count: int, limit: int | None) -> list[int]:
    return await map(counted, range(count), limit=limit)


AT_ONCE: list[int] = [0, 0]


@step()
async def counted(number: int) -> int:
    AT_ONCE[0] += 1
    AT_ONCE[1] = max(AT_ONCE[1], AT_ONCE[0])
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    AT_ONCE[0] -= 1
    return number * 2


@pytest.mark.parametrize("limit", [1, 3, None])
async def test_map_keeps_its_limit(open_app: Opener, limit: int | None) -> None:
    AT_ONCE[:] = [0, 0]
    async with open_app(mapping):
        assert await mapping(10, limit) == [number * 2 for number in range(10)]
    assert AT_ONCE[1] <= (limit or 10)
    assert limit == 1 or AT_ONCE[1] > 1


async def test_a_thousand_branches(open_app: Opener) -> None:
    async with open_app(mapping):
        assert await mapping(1000, None) == [number * 2 for number in range(1000)]


@workflow()
async def sleeping_branches() -> list[str]:
    async def branch(name: str, seconds: float) -> str:
        await note(f"{name} before")
        await suspend(interval=timedelta(seconds=seconds))
        return await note(f"{name} after")

    return list(await gather(branch("a", 0.3), branch("b", 0.1), note("c")))


@pytest.mark.parametrize("parked", [0, 100])
async def test_a_branch_that_sleeps_does_not_stop_the_others(open_app: Opener, parked: int) -> None:
    async with open_app(sleeping_branches, max_parked_runs=parked):
        run = await sleeping_branches.start()
        await until_status(run.id, "suspended")
        assert await sleeping_branches.wait_for_completion(run.id) == ["a after", "b after", "c"]
        assert DONE.index("b after") < DONE.index("a after")
        assert len(DONE) == 5


@workflow()
async def waiting_branches() -> list[Any]:
    return list(await gather(wait_for_event("first"), wait_for_event("second"), wait_for_event("first")))


@pytest.mark.parametrize("parked", [0, 100])
async def test_each_branch_takes_an_event_of_its_own(open_app: Opener, parked: int) -> None:
    async with open_app(waiting_branches, max_parked_runs=parked):
        run = await waiting_branches.start()
        await until_status(run.id, "suspended")
        await emit_event("second", {"number": 2})
        await emit_event("first", {"number": 1})
        await emit_event("first", {"number": 3})
        taken = await asyncio.wait_for(waiting_branches.wait_for_completion(run.id), 10)
        assert taken[1] == {"number": 2}
        assert sorted(each["number"] for each in (taken[0], taken[2])) == [1, 3]


BUSY: dict[str, asyncio.Event] = {}


@step()
async def busy() -> str:
    await BUSY["until"].wait()
    return "busy"


@workflow()
async def waiting_beside_a_step() -> list[Any]:
    async def waiting() -> str:
        await wait_for_event("now")
        return await note("woken")

    return list(await gather(waiting(), busy()))


async def _is_done(what: str) -> bool:
    return what in DONE


async def _has_steps(run_id: UUID, count: int) -> bool:
    return len(await steps_of(run_id)) >= count


async def test_an_event_reaches_a_branch_while_another_executes_a_step(open_app: Opener) -> None:
    BUSY["until"] = asyncio.Event()
    async with open_app(waiting_beside_a_step):
        run = await waiting_beside_a_step.start()
        await until(lambda: _has_steps(run.id, 1))
        await emit_event("now")
        await until(lambda: _is_done("woken"))
        BUSY["until"].set()
        assert await waiting_beside_a_step.wait_for_completion(run.id) == ["woken", "busy"]


@workflow()
async def sleeping_beside_a_step() -> list[Any]:
    async def sleeping() -> str:
        await suspend(interval=timedelta(seconds=0.1))
        return await note("slept")

    return list(await gather(sleeping(), busy()))


async def test_a_timer_wakes_a_branch_while_another_executes_a_step(open_app: Opener) -> None:
    BUSY["until"] = asyncio.Event()
    async with open_app(sleeping_beside_a_step):
        run = await sleeping_beside_a_step.start()
        await until(lambda: _is_done("slept"))
        BUSY["until"].set()
        assert await sleeping_beside_a_step.wait_for_completion(run.id) == ["slept", "busy"]


@workflow()
async def failing_branch() -> str:
    try:
        await gather(break_down("x"), suspend(interval=timedelta(days=1)))
    except ValueError as error:
        return await note(f"caught {error}")
    return "nothing"


@pytest.mark.parametrize("parked", [0, 100])
async def test_a_branch_that_fails_ends_the_others(open_app: Opener, parked: int) -> None:
    async with open_app(failing_branch, max_parked_runs=parked):
        run = await failing_branch.start()
        assert await asyncio.wait_for(failing_branch.wait_for_completion(run.id), 5) == "caught x"
        assert {each.function_name.split(".")[-1]: each.status.value for each in await steps_of(run.id)} == {
            "break_down": "failed",
            "suspend": "cancelled",
            "note": "succeeded",
        }


@workflow()
async def keeping_going() -> list[Any]:
    results = await gather(break_down("x"), note("y"), return_exceptions=True)
    return [str(each) for each in results]


async def test_others_go_on_where_errors_are_results(open_app: Opener) -> None:
    async with open_app(keeping_going):
        assert await keeping_going() == ["x", "y"]


@workflow()
async def racing() -> str:
    async def slow() -> str:
        try:
            await suspend(interval=timedelta(days=1))
        except asyncio.CancelledError:
            await note("cleaned up")
            raise
        return "slow"

    won = await race(slow(), note("quick"))
    await note("after")
    await suspend(interval=timedelta(seconds=0.05))
    return won


@pytest.mark.parametrize("parked", [0, 100])
async def test_a_race_ends_with_its_first_branch_and_the_loser_cleans_up(open_app: Opener, parked: int) -> None:
    async with open_app(racing, max_parked_runs=parked):
        run = await racing.start()
        assert await asyncio.wait_for(racing.wait_for_completion(run.id), 5) == "quick"
        assert DONE == ["quick", "cleaned up", "after"]
        paths = {each.path: each.status.value for each in await steps_of(run.id)}
        assert paths == {
            "1": "succeeded",
            "1/b1.1": "cancelled",
            "1/b1.2": "succeeded",
            "1/b2.1": "succeeded",
            "2": "succeeded",
            "3": "succeeded",
        }


@workflow()
async def limited(seconds: float) -> str:
    try:
        return str(await timeout(wait_for_event("answer"), seconds))
    except TimeoutError:
        return await note("too late")


async def test_a_durable_timeout_ends_what_it_limits(open_app: Opener) -> None:
    async with open_app(limited):
        assert await limited(0.1) == "too late"
        run = await limited.start(60)
        await until_status(run.id, "suspended")
        await emit_event("answer", {"is": "yes"})
        assert await limited.wait_for_completion(run.id) == "{'is': 'yes'}"


@workflow()
async def child(number: int) -> int:
    await suspend(interval=timedelta(seconds=0.05))
    return number + 1


@workflow()
async def children() -> list[int]:
    return await map(child, range(5), limit=2)


@pytest.mark.parametrize("parked", [0, 100])
async def test_children_run_side_by_side(open_app: Opener, parked: int) -> None:
    async with open_app(children, child, max_parked_runs=parked):
        assert await asyncio.wait_for(children(), 10) == [1, 2, 3, 4, 5]


@workflow()
async def nested_groups() -> list[Any]:
    seen: list[str] = []

    async def leaf(name: str) -> str:
        seen.append(await note(name))
        await suspend(interval=timedelta(seconds=0.01))
        seen.append(await note(f"{name} again"))
        return name

    async def pair(name: str) -> list[str]:
        return list(await gather(leaf(f"{name}1"), leaf(f"{name}2")))

    pairs = await gather(pair("a"), pair("b"), race(leaf("c"), leaf("d")))
    for each in seen:
        await note(f"saw {each}")
    return list(pairs)


@pytest.mark.parametrize("parked", [0, 100])
async def test_what_branches_share_is_the_same_on_replay(open_app: Opener, parked: int) -> None:
    async with open_app(nested_groups, max_parked_runs=parked):
        result = await asyncio.wait_for(nested_groups(), 10)
        assert result[:2] == [["a1", "a2"], ["b1", "b2"]]
        assert len(DONE) == len(set(DONE))


async def test_a_cancelled_run_ends_all_its_branches(open_app: Opener) -> None:
    async with open_app(waiting_beside_a_step):
        BUSY["until"] = asyncio.Event()
        run = await waiting_beside_a_step.start()
        await until(lambda: _has_steps(run.id, 2))
        await cancel(run.id, "enough")
        assert (await until_status(run.id, "cancelled", "failed", "succeeded")).status is WorkflowStatus.CANCELLED
        assert {each.status.value for each in await steps_of(run.id)} == {"cancelled"}


MODE = {"swap": False}


@workflow()
async def swapped() -> None:
    if MODE["swap"]:
        await gather(note("b"), break_down("a"))
    else:
        await gather(note("a"), note("b"))
    await suspend(interval=timedelta(seconds=0.5))


async def test_a_step_swapped_in_a_branch_is_detected(open_app: Opener) -> None:
    MODE["swap"] = False
    async with open_app(swapped, max_parked_runs=0):
        run = await swapped.start()
        await until_status(run.id, "suspended")
        MODE["swap"] = True
        with pytest.raises(NonDeterministicStepCallError):
            await asyncio.wait_for(swapped.wait_for_completion(run.id), 5)


@workflow()
async def replaced() -> None:
    if MODE["swap"]:
        await note("alone")
    else:
        await gather(note("a"), note("b"))
    await suspend(interval=timedelta(seconds=0.5))


async def test_branches_replaced_by_a_step_are_detected(open_app: Opener) -> None:
    MODE["swap"] = False
    async with open_app(replaced, max_parked_runs=0):
        run = await replaced.start()
        await until_status(run.id, "suspended")
        MODE["swap"] = True
        with pytest.raises(NonDeterministicStepCallError):
            await asyncio.wait_for(replaced.wait_for_completion(run.id), 5)
        assert (await run_of(run.id)).status is WorkflowStatus.FAILED


async def test_outside_of_a_run_they_are_plain(open_app: Opener) -> None:
    assert await gather(note("a"), note("b")) == ("a", "b")
    assert await map(counted, [1, 2, 3], limit=2) == [2, 4, 6]
    assert await race(asyncio.sleep(60), note("c")) == "c"
    with pytest.raises(TimeoutError):
        await timeout(asyncio.sleep(60), 0.01)
    with pytest.raises(ValueError, match="x"):
        await gather(break_down("x"), asyncio.sleep(60))


async def test_what_has_begun_already_is_refused() -> None:
    task = asyncio.ensure_future(asyncio.sleep(0))
    with pytest.raises(TypeError, match="has begun already"):
        await gather(note("a"), task)
    with pytest.raises(TypeError, match="cannot be awaited"):
        await gather(note("a"), 5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one"):
        await race()
    with pytest.raises(ValueError, match="at least 1"):
        await map(counted, [1], limit=0)
    await task


@workflow()
async def handing_on() -> list[str]:
    lock, queue, seen = asyncio.Lock(), asyncio.Queue[str](), list[str]()

    async def producer(name: str) -> None:
        async with lock:
            await note(f"{name} in")
            await suspend(interval=timedelta(seconds=0.02))
            await note(f"{name} out")
        await queue.put(name)

    async def consumer() -> None:
        for _ in range(3):
            seen.append(await note(f"got {await queue.get()}"))

    await gather(producer("1"), producer("2"), producer("3"), consumer())
    await suspend(interval=timedelta(seconds=0.02))
    return seen


async def test_branches_that_wait_for_each_other_are_replayed(open_app: Opener) -> None:
    async with open_app(handing_on, max_parked_runs=0):
        assert await asyncio.wait_for(handing_on(), 10) == ["got 1", "got 2", "got 3"]
