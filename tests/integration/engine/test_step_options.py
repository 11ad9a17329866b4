"""What a step may say of its attempts: how often, how long, at most once, and in a thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Field, select

from planar.context import current_services
from planar.db.manager import DatabaseManager
from planar.modeling.orm import PlanarBaseEntity
from planar.session import get_sync_session
from planar.workflows import RetryPolicy, gather, step, suspend, workflow
from planar.workflows.context import get_context
from planar.workflows.exceptions import ForeignTaskError, NestedCallRefused, StepInterrupted, StepTimeout
from tests.integration.engine.conftest import Opener, steps_of, until, until_status

pytestmark = pytest.mark.anyio

QUICK = timedelta(milliseconds=5)
CALLS: list[str] = []


class SyncNote(PlanarBaseEntity, table=True):
    text: str = Field(default="")


@pytest.fixture(autouse=True)
def no_calls() -> None:
    CALLS.clear()


class Permanent(Exception):
    """Not worth another attempt."""


@step(retry=RetryPolicy(5, QUICK, jitter=0, never_retry=(Permanent,)))
async def fail_twice_then_for_good() -> None:
    CALLS.append("call")
    if len(CALLS) < 3:
        raise ConnectionError("not yet")
    raise Permanent("never")


@workflow()
async def trying() -> str:
    try:
        await fail_twice_then_for_good()
    except Permanent as error:
        return str(error)
    return "nothing"


async def test_an_error_that_is_never_retried_ends_the_step_at_once(open_app: Opener) -> None:
    async with open_app(trying):
        run = await trying.start()
        assert await trying.wait_for_completion(run.id) == "never"
        assert len(CALLS) == 3
        assert [(each.status.value, each.retry_count) for each in await steps_of(run.id)] == [("failed", 2)]


@step(timeout=0.05)
async def hang() -> None:
    await asyncio.sleep(60)


@step(retry=RetryPolicy(1, QUICK, attempt_timeout=timedelta(seconds=0.05)))
async def hang_once() -> str:
    CALLS.append("call")
    if len(CALLS) == 1:
        await asyncio.sleep(60)
    return "done"


@step(retry=RetryPolicy(-1, QUICK, jitter=0, factor=1, total_timeout=timedelta(seconds=0.3)))
async def never_ready() -> None:
    CALLS.append("call")
    raise ConnectionError("not ready")


@workflow()
async def hanging(which: str) -> str:
    try:
        match which:
            case "attempt":
                await hang()
            case "again":
                return await hang_once()
            case _:
                await never_ready()
    except StepTimeout as error:
        return f"timeout: {error}"
    except ConnectionError as error:
        return f"given up: {error}"
    return "nothing"


async def test_an_attempt_ends_at_its_time_limit(open_app: Opener) -> None:
    async with open_app(hanging):
        assert "longer than the 0.05 seconds" in await hanging("attempt")
        assert await hanging("again") == "done"
        assert len(CALLS) == 2


async def test_all_attempts_together_end_at_their_time_limit(open_app: Opener) -> None:
    async with open_app(hanging):
        assert await asyncio.wait_for(hanging("all"), 10) == "given up: not ready"
        assert len(CALLS) > 1


GATE: dict[str, asyncio.Event] = {}


@step(at_most_once=True)
async def charge() -> str:
    CALLS.append("charge")
    await GATE["open"].wait()
    return "charged"


@workflow()
async def charging() -> str:
    try:
        return await charge()
    except StepInterrupted:
        return "unknown"


async def test_a_step_that_happens_at_most_once_is_marked_before_it_begins(open_app: Opener) -> None:
    GATE["open"] = asyncio.Event()
    async with open_app(charging):
        run = await charging.start()
        await until(lambda: _called("charge"))
        assert [each.status.value for each in await steps_of(run.id)] == ["running"]
        GATE["open"].set()
        assert await charging.wait_for_completion(run.id) == "charged"


async def test_a_step_that_happens_at_most_once_is_not_repeated_after_a_restart(open_app: Opener) -> None:
    GATE["open"] = asyncio.Event()
    async with open_app(charging, drain_seconds=0):
        run = await charging.start()
        await until(lambda: _called("charge"))
    async with open_app(charging):
        assert await charging.wait_for_completion(run.id) == "unknown"
    assert CALLS == ["charge"]


async def _called(name: str) -> bool:
    return name in CALLS


@step()
async def inner() -> None:
    CALLS.append("inner")


@step(at_most_once=True)
async def charge_by_another() -> None:
    await inner()


@step(at_most_once=True)
async def charge_several() -> None:
    await gather(inner(), inner())


@workflow()
async def nesting() -> list[str]:
    errors: list[str] = []
    for each in (charge_by_another, charge_several):
        try:
            await each()
        except NestedCallRefused as error:
            errors.append(str(error))
    return errors


async def test_a_step_that_happens_at_most_once_calls_no_other(open_app: Opener) -> None:
    async with open_app(nesting):
        errors = await nesting()
        assert len(errors) == 2
        assert all("at_most_once" in error for error in errors)
        assert CALLS == []


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"retry": 3}, TypeError, "RetryPolicy"),
        ({"retry": RetryPolicy(), "max_retries": 2}, ValueError, "either"),
        ({"at_most_once": True, "max_retries": 1}, ValueError, "at most once"),
        ({"at_most_once": True, "retry": RetryPolicy()}, ValueError, "at most once"),
        ({"at_most_once": "yes"}, TypeError, "at_most_once"),
        ({"timeout": 0}, ValueError, "above zero"),
        ({"timeout": -1}, ValueError, "timeout"),
        ({"timeout": "1"}, TypeError, "timeout"),
        ({"timeout": 1, "retry": RetryPolicy(attempt_timeout=QUICK)}, ValueError, "either"),
    ],
)
def test_options_that_contradict_each_other_are_refused(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        step(**options)


# -- synchronous steps ----------------------------------------------------------------------------------------------------


@step()
def add(first: int, second: int) -> int:
    CALLS.append(threading.current_thread().name)
    return first + second


@step()
def write(text: str) -> int:
    session = get_sync_session()
    session.add(SyncNote(text=text))
    session.flush()
    return len(session.exec(select(SyncNote)).all())


@step(max_retries=0)
def write_and_fail(text: str) -> None:
    get_sync_session().add(SyncNote(text=text))
    raise ValueError(text)


@workflow()
async def adding() -> int:
    return await add(1, second=await add(2, 3))


async def test_a_plain_function_is_a_step_in_a_thread(open_app: Opener) -> None:
    async with open_app(adding):
        run = await adding.start()
        assert await adding.wait_for_completion(run.id) == 6
        assert [each.result for each in await steps_of(run.id)] == [5, 6]
    assert await add(1, 1) == 2
    assert {name.startswith("planar-step") for name in CALLS} == {True}


@workflow()
async def writing() -> int:
    try:
        await write_and_fail("undone")
    except ValueError:
        return await write("kept")
    return 0


async def test_what_a_synchronous_step_writes_commits_with_its_record(open_app: Opener) -> None:
    async with open_app(writing):
        await current_services().get(DatabaseManager).migrate(application=[SyncNote.metadata])
        assert await writing() == 1
        async with current_services().get(DatabaseManager).get_session() as session:
            assert [note.text for note in (await session.exec(select(SyncNote))).all()] == ["kept"]


@step()
def look_around() -> str:
    try:
        get_context()
    except ForeignTaskError:
        return "no steps here"
    return "steps here"


@step()
def stop_iterating() -> None:
    raise StopIteration


@step()
async def ask_for_the_other() -> None:
    get_sync_session()


@workflow()
async def looking(body: str) -> str:
    steps: dict[str, Callable[[], Any]] = {"look": look_around, "stop": stop_iterating, "other": ask_for_the_other}
    try:
        return str(await steps[body]())
    except (RuntimeError, LookupError) as error:
        return f"{type(error).__name__}: {error}"


async def test_a_synchronous_step_meets_clear_limits(open_app: Opener) -> None:
    async with open_app(looking):
        assert await looking("look") == "no steps here"
        assert await asyncio.wait_for(looking("stop"), 5) == "RuntimeError: a step raised StopIteration"
        assert "use get_session()" in await looking("other")


RELEASED = threading.Event()


@step(timeout=0.05)
def block() -> str:
    RELEASED.wait(10)
    try:
        get_sync_session().add(SyncNote(text="late"))
    except Exception as error:
        CALLS.append(type(error).__name__)
    return "late"


@workflow()
async def blocking() -> str:
    try:
        return await block()
    except StepTimeout:
        return "timeout"


async def test_a_synchronous_step_that_takes_too_long_is_left_behind_and_writes_nothing(open_app: Opener) -> None:
    RELEASED.clear()
    async with open_app(blocking):
        assert await blocking() == "timeout"
        RELEASED.set()
        await until(lambda: _called("SessionEnded"))


async def test_the_retry_of_a_branch_outlives_a_restart(open_app: Opener) -> None:
    async with open_app(retrying_beside):
        run = await retrying_beside.start()
        await until(lambda: _called("call"))
        await until_status(run.id, "suspended")
    CALLS.append("restart")
    async with open_app(retrying_beside):
        assert (await until_status(run.id, "failed", "succeeded")).status.value == "failed"
    assert CALLS == ["call", "restart", "call"]


@step(retry=RetryPolicy(1, timedelta(seconds=1), jitter=0))
async def fail_again() -> None:
    CALLS.append("call")
    raise ConnectionError("again")


@workflow()
async def retrying_beside() -> None:
    await gather(fail_again(), suspend(interval=timedelta(days=1)))
