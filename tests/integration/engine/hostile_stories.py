"""What branches may be put through: each story says what a run does, and tells what it saw. A replay has to tell the same."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

from planar.workflows import gather, map, race, step, suspend, timeout, wait_for_event
from planar.workflows.step_core import suspend_workflow

BODIES: list[str] = []


@step()
async def quick(name: str) -> str:
    BODIES.append(name)
    return name


@step()
async def slow(name: str, seconds: float = 0.05) -> str:
    BODIES.append(name)
    await asyncio.sleep(seconds)
    return name


@step()
async def refuse(name: str) -> str:
    BODIES.append(name)
    raise ValueError(name)


@step()
def synchronous(name: str) -> str:
    BODIES.append(name)
    return name


class Stop(BaseException):
    """An error that is no Exception."""


@step()
async def stop(name: str) -> str:
    BODIES.append(name)
    raise Stop(name)


@step()
async def several(name: str) -> str:
    BODIES.append(name)
    raise ExceptionGroup("several", [ValueError(name), KeyError(name)])


STORIES: dict[str, Callable[[Callable[[Any], None]], Awaitable[Any]]] = {}


def story(function: Callable[[Callable[[Any], None]], Awaitable[Any]]) -> Any:
    """What a run does before it is evicted; what it tells is to be the same when it is replayed."""
    STORIES[function.__name__] = function
    return function


async def caught(what: Awaitable[Any]) -> Any:
    try:
        return await what
    except (Exception, asyncio.CancelledError, Stop) as error:
        return f"{type(error).__name__}: {error}"


@story
async def a_timeout_around_gather(tell: Callable[[Any], None]) -> None:
    try:
        async with asyncio.timeout(0.05):
            await gather(slow("a", 30), quick("b"), slow("c", 30))
    except TimeoutError:
        tell("timed out")
    tell(await quick("after"))


@story
async def a_timeout_around_race(tell: Callable[[Any], None]) -> None:
    try:
        async with asyncio.timeout(0.05):
            tell(await race(slow("a", 30), slow("b", 30)))
    except TimeoutError:
        tell("timed out")
    tell(await quick("after"))


@story
async def a_timeout_around_waits(tell: Callable[[Any], None]) -> None:
    async def branch(name: str) -> None:
        try:
            await wait_for_event(f"never {name}")
        finally:
            tell(await quick(f"{name} cleaned up"))

    try:
        async with asyncio.timeout(0.1):
            await gather(branch("a"), branch("b"), slow("c", 30))
    except TimeoutError:
        tell("timed out")


@story
async def timeouts_in_branches(tell: Callable[[Any], None]) -> None:
    async def branch(name: str, seconds: float) -> str:
        try:
            async with asyncio.timeout(seconds):
                return await slow(name, 30)
        except TimeoutError:
            return await quick(f"{name} gave up")

    tell(await gather(branch("a", 0.06), branch("b", 0.03), slow("c", 0.1)))


@story
async def a_timeout_of_zero(tell: Callable[[Any], None]) -> None:
    tell(await caught(timeout(slow("a"), 0)))
    tell(await caught(timeout(quick("b"), 0)))
    try:
        async with asyncio.timeout(0):
            tell(await gather(slow("c"), slow("d")))
    except TimeoutError:
        tell("timed out")
    try:
        async with asyncio.timeout(0):
            tell(await slow("e"))
    except TimeoutError:
        tell("timed out")


@story
async def errors_that_are_no_exceptions(tell: Callable[[Any], None]) -> None:
    tell(await caught(stop("alone")))
    tell(await caught(gather(stop("a"), slow("b", 30))))
    tell(await caught(race(stop("c"), slow("d", 30))))
    tell(await caught(gather(stop("e"), quick("f"), return_exceptions=True)))
    tell(await quick("after"))


@story
async def groups_of_errors(tell: Callable[[Any], None]) -> None:
    tell(await caught(several("a")))
    tell(await caught(gather(several("b"), slow("c", 30))))
    tell([type(each).__name__ for each in await gather(several("d"), refuse("e"), return_exceptions=True)])


@story
async def a_branch_that_cancels_itself(tell: Callable[[Any], None]) -> None:
    async def given_up() -> None:
        await quick("a")
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    tell(await caught(gather(given_up(), slow("b", 30))))
    tell(await caught(gather(given_up(), quick("c"), return_exceptions=True)))
    tell(await caught(race(given_up(), slow("d", 30))))
    tell(await quick("after"))


@story
async def one_coroutine_twice(tell: Callable[[Any], None]) -> None:
    once = slow("a")
    tell(await caught(gather(once, once)))
    tell(await quick("after"))


@story
async def nothing_to_do(tell: Callable[[Any], None]) -> None:
    tell(await gather())
    tell(await map(quick, []))
    tell(await map(quick, (name for name in "ab")))
    tell(await gather(gather(), map(quick, ()), quick("c")))


@story
async def races_in_races_in_a_map(tell: Callable[[Any], None]) -> None:
    async def item(name: str) -> Any:
        return await race(inner_race(name), refuse_later(f"{name}3"), limited(name))

    async def inner_race(name: str) -> str:
        return await race(slow(f"{name}1", 0.03), slow(f"{name}2", 30))

    async def limited(name: str) -> str:
        return await timeout(slow(f"{name}4", 30), 30)

    async def refuse_later(name: str) -> str:
        await slow(name, 0.0 if name.startswith("b") else 30)
        return await refuse(f"{name} refused")

    tell([str(each) for each in await map(item, ["a", "b", "c"], limit=2, return_exceptions=True)])
    tell(await caught(map(item, ["b", "a"], limit=1)))


@story
async def branches_that_wait_for_each_other(tell: Callable[[Any], None]) -> None:
    ready, done = asyncio.Event(), asyncio.Event()

    async def first() -> str:
        await ready.wait()
        tell(await quick("first"))
        done.set()
        return "first"

    async def second() -> str:
        tell(await slow("second"))
        ready.set()
        await done.wait()
        tell(await quick("second again"))
        return "second"

    tell(await gather(first(), second(), slow("third", 0.1)))


@story
async def branches_that_share_a_lock(tell: Callable[[Any], None]) -> None:
    lock = asyncio.Lock()

    async def branch(name: str) -> None:
        async with lock:
            tell(await slow(f"{name}1", 0.01))
            tell(await quick(f"{name}2"))

    await map(branch, ["a", "b", "c"])


@story
async def branches_that_share_a_queue(tell: Callable[[Any], None]) -> None:
    queue: asyncio.Queue[str] = asyncio.Queue(1)

    async def produce() -> None:
        for name in "abc":
            await queue.put(await slow(name, 0.01))

    async def consume() -> None:
        for _ in "abc":
            tell(await quick(f"got {await queue.get()}"))

    await gather(produce(), consume())


@story
async def a_loser_that_will_not_go(tell: Callable[[Any], None]) -> None:
    async def stubborn() -> str:
        for attempt in range(3):
            try:
                await suspend(interval=timedelta(days=1))
            except asyncio.CancelledError:
                tell(await quick(f"still here {attempt}"))
        return "after all"

    tell(await race(stubborn(), slow("winner")))


@story
async def losers_with_branches(tell: Callable[[Any], None]) -> None:
    async def inner_race(name: str) -> str:
        return await race(slow(f"{name}2", 30), slow(f"{name}3", 30))

    async def loser(name: str) -> None:
        try:
            await gather(slow(f"{name}1", 30), suspend(interval=timedelta(days=1)), inner_race(name))
        finally:
            tell(await gather(quick(f"{name} cleans"), quick(f"{name} up")))

    tell(await race(loser("a"), slow("winner"), loser("b")))


@story
async def many_kinds_of_awaitables(tell: Callable[[Any], None]) -> None:
    tell(await gather(suspend_workflow(interval=timedelta(milliseconds=1)), synchronous("a"), in_a_step("b"), asyncio.sleep(0, "c")))


@step()
async def in_a_step(name: str) -> list[str]:
    BODIES.append(name)

    async def racing() -> str:
        return await race(quick(f"{name}3"), slow(f"{name}4", 30))

    together = await gather(quick(f"{name}1"), slow(f"{name}2"), racing())
    return [*together, *await map(synchronous, [f"{name}5", f"{name}6"], limit=1)]


@story
async def branches_in_bodies(tell: Callable[[Any], None]) -> None:
    tell(await in_a_step("a"))
    tell(await gather(in_a_step("b"), in_a_step("c")))
    tell(await race(in_a_step("d"), slow("e", 30)))


@step()
async def refuse_soon(name: str) -> str:
    BODIES.append(name)
    await asyncio.sleep(0.01)
    raise ValueError(name)


@step()
async def racing_and_sleeping(name: str) -> list[Any]:
    """Its body runs again after the sleep, over what is recorded in it."""
    won = await race(slow(f"{name} won", 0.01), slow(f"{name} lost", 30))
    failed = await caught(gather(refuse_soon(f"{name} failed"), slow(f"{name} went with it", 30)))
    await suspend(interval=timedelta(milliseconds=30))
    return [won, failed]


@story
async def branches_in_bodies_that_run_again(tell: Callable[[Any], None]) -> None:
    tell(await racing_and_sleeping("a"))
    tell(await gather(racing_and_sleeping("b"), racing_and_sleeping("c"), slow("d")))


@story
async def a_generator_of_work(tell: Callable[[Any], None]) -> None:
    async def numbers() -> Any:
        for number in range(3):
            yield await quick(f"n{number}")

    async def consume(name: str) -> list[str]:
        return [f"{name} {each}" async for each in numbers()]

    tell(await gather(consume("a"), consume("b")))


@story
async def clean_ups_with_timeouts(tell: Callable[[Any], None]) -> None:
    async def loser(name: str) -> None:
        try:
            await slow(name, 30)
        finally:
            try:
                async with asyncio.timeout(0.02):
                    await slow(f"{name} cleans up for too long", 30)
            except TimeoutError:
                tell(await quick(f"{name} gave up cleaning"))

    async def careless() -> None:
        try:
            await slow("careless", 30)
        except asyncio.CancelledError:
            tell("careless")
            raise asyncio.CancelledError from None

    tell(await race(loser("a"), careless(), slow("winner")))
    tell(await caught(gather(loser("b"), refuse("failed"))))
