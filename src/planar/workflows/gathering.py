"""Several things at once in one run: `gather`, `map`, `race`, and `timeout`, which is a race against time.

Each branch has a place of its own in the run's record, so that a replay finds every step again; no child runs are needed. Outside
of a run they do the same with plain tasks.
"""

from __future__ import annotations

import asyncio
import builtins
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any, Literal, TypeVar, overload

from planar.engine.codec import CallCodec
from planar.engine.core.replay import StepIdentity
from planar.engine.current import Frame, find_frame
from planar.engine.errors import BranchTimeout, ForeignTaskError
from planar.engine.execution.branches import GATHER, RACE, TIMEOUT, Body, Branches, Outcome
from planar.engine.execution.step import StepCall
from planar.engine.execution.steps import OpenStep
from planar.workflows.arguments import check_interval, check_seconds
from planar.workflows.waiting import suspend

__all__ = ["gather", "map", "race", "timeout"]

T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")


@overload
async def gather(a: Awaitable[T1], b: Awaitable[T2], /, *, return_exceptions: Literal[False] = False) -> tuple[T1, T2]: ...
@overload
async def gather(
    a: Awaitable[T1], b: Awaitable[T2], c: Awaitable[T3], /, *, return_exceptions: Literal[False] = False
) -> tuple[T1, T2, T3]: ...
@overload
async def gather(
    a: Awaitable[T1], b: Awaitable[T2], c: Awaitable[T3], d: Awaitable[T4], /, *, return_exceptions: Literal[False] = False
) -> tuple[T1, T2, T3, T4]: ...
@overload
async def gather(*awaitables: Awaitable[T], return_exceptions: Literal[False] = False) -> tuple[T, ...]: ...
@overload
async def gather(*awaitables: Awaitable[T], return_exceptions: bool) -> tuple[T | Exception, ...]: ...
async def gather(*awaitables: Awaitable[Any], return_exceptions: bool = False) -> tuple[Any, ...]:
    """Await several things at once, each in a branch of the run: calls of steps and workflows, waits, or coroutines that do more.

    A branch that waits does not stop the others; the run sleeps when all of them wait. When one fails, the others are cancelled,
    and its error is raised once they have ended.

    Args:
        awaitables: what to await, not begun: ``gather(charge(order), reserve(order))``.
        return_exceptions: let the others go on, and give errors as results.

    Returns:
        The results, in the order of *awaitables*.

    Raises:
        Exception: the error of the first branch that failed.
        TypeError: one is a task or future, which has begun outside of the run's record, or cannot be awaited.
    """
    outcomes = await _run(GATHER, _bodies(awaitables), keep_going=return_exceptions)
    return tuple(_values(outcomes, return_exceptions))


async def map(
    function: Callable[[T1], Awaitable[T]], items: Iterable[T1], *, limit: int | None = None, return_exceptions: bool = False
) -> list[T]:
    """Await *function* of each of *items*, each in a branch of the run, *limit* of them at a time.

    Args:
        function: a step, a workflow, or a coroutine function that calls them.
        limit: how many branches are open at once; None for all.
        return_exceptions: let the others go on when one fails, and give errors as results.

    Returns:
        The results, in the order of *items*.

    Raises:
        Exception: the error of the first branch that failed; the others were cancelled.
        TypeError, ValueError: *limit* is not a whole number above zero, or *function* cannot be called.
    """
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"limit is a whole number of branches, not {limit!r}.")
    if limit is not None and limit < 1:
        raise ValueError(f"limit is at least 1, not {limit}.")
    if not callable(function):
        raise TypeError(f"map needs a function to call for each item, not {function!r}.")
    bodies = [Body(lambda item=item: function(item)) for item in items]
    outcomes = await _run(GATHER, bodies, limit=limit, keep_going=return_exceptions)
    return list(_values(outcomes, return_exceptions))


async def race(*awaitables: Awaitable[T]) -> T:
    """Await several things at once, each in a branch of the run, until the first has ended; what that returned.

    The others are cancelled, and have ended when this returns: steps in progress are recorded as cancelled, and their code may
    clean up with steps of its own. Which branch was first is recorded.

    Raises:
        Exception: what the first branch to end raised.
        TypeError: one is a task or future, or cannot be awaited.
        ValueError: there is nothing to await.
    """
    if not awaitables:
        raise ValueError("A race needs at least one thing to await.")
    winner, outcome = await _race(RACE, _bodies(awaitables))
    del winner
    return outcome.get()


async def timeout(awaitable: Awaitable[T], limit: float | timedelta) -> T:
    """Await something for at most *limit* (seconds, or a timedelta), durably: for seconds or for months, across restarts.

    Raises:
        BranchTimeout: the time was over first (a `TimeoutError`); what was awaited has been cancelled.
        Exception: what it raised.
        TypeError, ValueError: *limit* is no time, or *awaitable* is a task or future, or cannot be awaited.
    """
    interval = _interval(limit)
    bodies = [*_bodies([awaitable]), Body(lambda: _pass_by(interval))]
    winner, outcome = await _race(TIMEOUT, bodies)
    if winner == 2:
        raise BranchTimeout(f"What was awaited was not ready within {interval.total_seconds():g} seconds.")
    return outcome.get()


async def _pass_by(interval: timedelta) -> None:
    if find_frame() is None:
        await asyncio.sleep(interval.total_seconds())
    else:
        await suspend(interval=interval)


def _interval(limit: float | timedelta) -> timedelta:
    if isinstance(limit, timedelta):
        check_interval(limit)
        return limit
    check_seconds(limit, "limit")
    return timedelta(seconds=limit)


def _bodies(awaitables: Iterable[Any]) -> list[Body]:
    given = list(awaitables)
    for each in given:
        if isinstance(each, asyncio.Future) or not inspect.isawaitable(each):
            for other in given:
                if inspect.iscoroutine(other):
                    other.close()
            what = "has begun already, outside of the run's record" if isinstance(each, asyncio.Future) else "cannot be awaited"
            raise TypeError(f"{each!r} {what}. Give calls that are not awaited yet: gather(charge(order), reserve(order)).")
    return [Body(lambda each=each: each, each) for each in given]


def _values(outcomes: Iterable[Outcome], return_exceptions: bool) -> Iterable[Any]:
    for outcome in outcomes:
        yield outcome.error if return_exceptions and outcome.error is not None else outcome.get()


def _find_frame(bodies: Iterable[Body]) -> Frame | None:
    """Where in a run this is. Refused in a task that is not known, what was to be awaited must not be reported as forgotten besides."""
    try:
        return find_frame()
    except ForeignTaskError:
        for body in bodies:
            body.drop()
        raise


async def _run(identity: StepIdentity, bodies: list[Body], *, limit: int | None = None, keep_going: bool = False) -> list[Outcome]:
    frame = _find_frame(bodies)
    if frame is None:
        return await _run_plainly(bodies, limit, keep_going)
    return await Branches(frame, _call(identity), limit=limit, keep_going=keep_going).run(bodies)


async def _race(identity: StepIdentity, bodies: list[Body]) -> tuple[int, Outcome]:
    frame = _find_frame(bodies)
    if frame is None:
        return await _race_plainly(bodies)
    branches = Branches(frame, _call(identity), is_race=True)
    outcomes = await branches.run(bodies)
    return branches.winner, outcomes[branches.winner - 1]


async def _winner() -> int:
    """What a race's record keeps: the number of the branch that was first."""
    return 0


_CODEC = CallCodec(_winner)


async def _no_body(_: OpenStep) -> None:
    return None


def _call(identity: StepIdentity) -> StepCall:
    return StepCall(identity, "[]", "{}", _no_body, _CODEC)


# -- outside of a run -----------------------------------------------------------------------------------------------------


async def _run_plainly(bodies: list[Body], limit: int | None, keep_going: bool) -> list[Outcome]:
    slots = asyncio.Semaphore(limit or max(1, len(bodies)))

    async def in_slot(body: Body) -> Any:
        async with slots:
            return await body.call()

    tasks = [asyncio.ensure_future(in_slot(body)) for body in bodies]
    until = asyncio.ALL_COMPLETED if keep_going else asyncio.FIRST_EXCEPTION
    try:
        if tasks:
            await asyncio.wait(tasks, return_when=until)
        failed = next((task for task in tasks if task.done() and task.exception() is not None), None)
    finally:
        await _end(tasks, bodies)
    if failed is not None and not keep_going:
        failed.result()
    return [_outcome(task) for task in tasks]


async def _race_plainly(bodies: list[Body]) -> tuple[int, Outcome]:
    tasks = [asyncio.ensure_future(_await(body)) for body in bodies]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        number = next(number for number, task in enumerate(tasks, 1) if task.done())
    finally:
        await _end(tasks, bodies)
    return number, _outcome(tasks[number - 1])


def _outcome(task: asyncio.Task[Any]) -> Outcome:
    error = task.exception()
    return Outcome(error=error) if error is not None else Outcome(task.result())


def _await(body: Body) -> Coroutine[Any, Any, Any]:
    async def awaiting() -> Any:
        return await body.call()

    return awaiting()


async def _end(tasks: builtins.list[asyncio.Task[Any]], bodies: builtins.list[Body]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for body in bodies:
        body.drop()
