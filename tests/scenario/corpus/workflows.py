"""The workflows whose histories are kept. Only added to: a change of what stands here would make the recorded histories wrong."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from planar.engine.codec.values import same
from planar.engine.current import find_frame
from planar.workflows import StepWrapper, emit_event, step, suspend, wait, wait_for_event, workflow
from tests.scenario.corpus.values import VALUES

RAN: list[str] = []
"""The paths of the steps whose bodies began, with their runs: ``<run id> <path>``."""
ATTEMPTS: Counter[str] = Counter()


def _say() -> int:
    """A body begins; how many times it had begun before."""
    frame = find_frame()
    assert frame is not None
    place = f"{frame.run.id} {frame.path}"
    RAN.append(place)
    ATTEMPTS[place] += 1
    return ATTEMPTS[place] - 1


class Refused(Exception):
    """An error with arguments of its own."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason, code)
        self.code = code


class Unrestorable(Exception):
    """An error that nobody can build again from what is kept."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.thing = object()
        self.text = text

    def __str__(self) -> str:
        return self.text


@step()
async def add(left: int, right: int = 1) -> int:
    _say()
    return left + right


@step(display_name="Refuse")
async def refuse(reason: str) -> None:
    _say()
    error = Refused(reason, 7)
    error.add_note("noted")
    raise error


@step()
async def break_beyond_repair() -> None:
    _say()
    raise Unrestorable("in pieces")


@step(max_retries=3)
async def succeed_at_third() -> str:
    if _say() < 2:
        raise ConnectionError("not yet")
    return "third"


@step(max_retries=1)
async def never_succeed() -> None:
    _say()
    raise TimeoutError("never")


@step()
async def add_twice(number: int) -> int:
    _say()
    first = await add(number)
    try:
        await refuse("inside")
    except Refused as error:
        first += error.code
    return await add(first, right=first)


@step(max_retries=1)
async def nested_and_tried_again(number: int) -> int:
    attempt = _say()
    total = await add(number)
    if attempt == 0:
        raise ConnectionError("after the nested step")
    return await add(total)


@wait(poll_interval=60, max_wait_time=600)
async def asked_three_times() -> bool:
    return _say() >= 2


@workflow(name="corpus-steps")
async def steps(start: int) -> int:
    total = start
    for _ in range(3):
        total = await add(total)
    return await add(left=total, right=10)


@workflow(name="corpus-nested")
async def nested(start: int) -> list[int]:
    return [await add_twice(start), await nested_and_tried_again(start), await add(start)]


@workflow(name="corpus-retries")
async def retries() -> list[str]:
    found = [await succeed_at_third()]
    try:
        await never_succeed()
    except TimeoutError as error:
        found.append(str(error))
    return found


@workflow(name="corpus-errors")
async def errors() -> list[str]:
    found: list[str] = []
    for failing in (refuse("caught"), break_beyond_repair()):
        try:
            await failing
        except Exception as error:
            found.append(f"{type(error).__name__} {error} {getattr(error, '__notes__', [])}")
    return found


@workflow(name="corpus-failure")
async def failure() -> None:
    await add(1)
    await refuse("for good")


@workflow(name="corpus-timers")
async def timers() -> int:
    await suspend(interval=timedelta(days=3))
    await suspend(wakeup_at=datetime(2026, 2, 1, tzinfo=UTC))
    await asked_three_times()
    return await add(1)


@workflow(name="corpus-events")
async def events() -> list[Any]:
    found: list[Any] = [await wait_for_event("global")]
    found.append(await wait_for_event("targeted", 3600))
    try:
        await wait_for_event("never", 30)
    except TimeoutError as error:
        found.append(type(error).__name__)
    emitted, _ = await emit_event("told", {"number": 1})
    found.append(emitted.event_key)
    found.append(await wait_for_event("told", since=datetime(2026, 1, 1, tzinfo=UTC)))
    return found


@workflow(name="corpus-child")
async def child(number: int) -> int:
    if number < 0:
        await refuse("negative")
    return await add(number)


@workflow(name="corpus-children")
async def children() -> list[Any]:
    found: list[Any] = [await child(1)]
    try:
        await child(-1)
    except Refused as error:
        found.append(str(error.args))
    run_id: UUID = await child.start_step(5)
    found.append(await child.wait_for_completion(run_id))
    return found


@step()
async def take_long() -> None:
    _say()
    await asyncio.sleep(1000)


@workflow(name="corpus-cancelled")
async def cancelled() -> None:
    await add(1)
    try:
        await take_long()
    finally:
        await add(2)


@workflow(name="corpus-timeout")
async def gives_up() -> str:
    try:
        async with asyncio.timeout(0.05):
            await take_long()
    except TimeoutError:
        return str(await add(1))
    return "in time"


def _keeping(name: str, hint: Any) -> StepWrapper[..., Any]:
    async def keep(value: Any) -> Any:
        _say()
        return value

    keep.__annotations__ = {"value": hint, "return": hint}
    keep.__qualname__ = f"keep {name}"
    return step()(keep)


_KEEPERS = {name: _keeping(name, hint) for name, hint, _ in VALUES}


@workflow(name="corpus-values")
async def values(names: list[str]) -> list[str]:
    """The names of the values that did not come back as they were: none."""
    wanted = {name: value for name, _, value in VALUES}
    return [name for name in names if not same(await _KEEPERS[name](wanted[name]), wanted[name])]


WORKFLOWS = (steps, nested, retries, errors, failure, timers, events, child, children, cancelled, gives_up, values)
