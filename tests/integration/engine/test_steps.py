"""What a step promises: its writes exactly once, its retries, its place, and who acted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from planar.context import current_services
from planar.db.errors import SessionNotBound
from planar.db.manager import DatabaseManager
from planar.db.session import SessionScope, bind_session, get_session
from planar.engine.core.retry import RetryPolicy
from planar.modeling.orm import PlanarBaseEntity
from planar.security.auth_context import Principal, as_principal, get_current_principal
from planar.workflows import as_step, step, suspend, wait, wait_for_event, workflow
from planar.workflows.exceptions import EventTimeout
from planar.workflows.models import StepType
from tests.integration.engine.conftest import Opener, client, steps_of, until, until_status

pytestmark = pytest.mark.anyio

CALLS: list[str] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    CALLS.clear()


class StepNote(PlanarBaseEntity, table=True):
    text: str


async def notes() -> list[tuple[str, str]]:
    async with current_services().get(DatabaseManager).get_session() as session:
        return [(note.text, note.created_by) for note in (await session.exec(select(StepNote).order_by(StepNote.id))).all()]


@step()
async def note(text: str, fails: bool = False) -> str:
    get_session().add(StepNote(text=text))
    if fails:
        await get_session().flush()
        raise ValueError("after the write")
    return text


@workflow()
async def noting() -> list[str]:
    written = [await note("one")]
    try:
        await note("lost", fails=True)
    except ValueError as error:
        written.append(str(error))
    await wait_for_event("go")
    return [*written, await note("two")]


@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}])
async def test_a_steps_writes_happen_exactly_once_and_a_failed_ones_never(open_app: Opener, limits: dict[str, int]) -> None:
    async with open_app(noting, **limits):
        run = await noting.start()
        await until_status(run.id, "suspended")
        await client().emit(client().new_event("go", "{}"))
        assert await noting.wait_for_completion(run.id) == ["one", "after the write", "two"]
        assert [text for text, _ in await notes()] == ["one", "two"]


async def test_steps_act_as_whoever_started_the_run(open_app: Opener) -> None:
    async with open_app(signing):
        with as_principal(Principal(sub="ann", user_email="ann@example.org")):
            run = await signing.start()
        assert await signing.wait_for_completion(run.id) == "ann"
        assert await notes() == [("signed", "ann@example.org")]


@workflow()
async def signing() -> str | None:
    await note("signed")
    await suspend(interval=timedelta(milliseconds=10))
    return await who()


@step()
async def who() -> str | None:
    principal = get_current_principal()
    return principal.sub if principal else None


@workflow()
async def undurable() -> None:
    get_session()


async def test_workflow_code_has_no_session_of_its_own(open_app: Opener) -> None:
    async with open_app(undurable):
        with pytest.raises(SessionNotBound, match="step"):
            await undurable()


@step(max_retries=2)
async def flaky() -> str:
    CALLS.append("try")
    if len(CALLS) < 3:
        raise ConnectionError("not yet")
    return f"after {len(CALLS)}"


@step(max_retries=1)
async def hopeless() -> None:
    CALLS.append("try")
    raise ConnectionError("never")


@workflow()
async def retrying() -> str:
    return await flaky()


@workflow()
async def giving_up() -> str:
    try:
        await hopeless()
    except ConnectionError as error:
        return str(error)
    return "?"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    for wrapper in (flaky, hopeless):
        monkeypatch.setattr(wrapper, "retry", RetryPolicy(wrapper.retry.max_retries, timedelta(milliseconds=10)))


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}])
async def test_a_failed_step_is_tried_again_as_often_as_was_said(open_app: Opener, limits: dict[str, int]) -> None:
    async with open_app(retrying, giving_up, **limits):
        run = await retrying.start()
        assert await retrying.wait_for_completion(run.id) == "after 3"
        assert [(record.retry_count, record.status.value) for record in await steps_of(run.id)] == [(2, "succeeded")]
        CALLS.clear()
        assert await giving_up() == "never"
        assert CALLS == ["try", "try"]


async def test_a_retry_waits_across_a_restart_and_counts_on(open_app: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flaky, "retry", RetryPolicy(2, timedelta(milliseconds=300)))
    async with open_app(retrying):
        run = await retrying.start()
        row = await until_status(run.id, "suspended")
        assert row.reason == "retry"
    async with open_app(retrying):
        assert await retrying.wait_for_completion(run.id) == "after 3"
    assert len(CALLS) == 3


@step()
async def outer() -> int:
    first = await inner(1)
    await suspend(interval=timedelta(milliseconds=20))
    return first + await inner(2)


@step()
async def inner(number: int) -> int:
    CALLS.append(f"inner {number}")
    return number


@workflow()
async def nesting() -> int:
    return await outer() + await inner(10)


@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}])
async def test_steps_nest_and_each_runs_once(open_app: Opener, limits: dict[str, int]) -> None:
    async with open_app(nesting, **limits):
        run = await nesting.start()
        assert await nesting.wait_for_completion(run.id) == 13
        assert CALLS == ["inner 1", "inner 2", "inner 10"]
        records = await steps_of(run.id)
        assert [(r.step_id, r.parent_step_id, r.path, r.sub_step_count) for r in records] == [
            (1, None, "1", 3),
            (2, 1, "1.1", 0),
            (3, 1, "1.2", 0),
            (4, 1, "1.3", 0),
            (5, None, "2", 0),
        ]


@workflow()
async def child(number: int) -> int:
    if number < 0:
        raise LookupError(f"no {number}")
    await suspend(interval=timedelta(milliseconds=10))
    return await inner(number)


@workflow()
async def family() -> dict[str, Any]:
    total = await child(1) + await child(2)
    started = await child.start_step(3)
    try:
        await child(-1)
    except LookupError as error:
        missing = str(error)
    return {"total": total, "missing": missing, "third": await child.wait_for_completion(started)}


@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}])
async def test_children_run_once_and_give_back_results_and_errors(open_app: Opener, limits: dict[str, int]) -> None:
    async with open_app(family, child, **limits):
        assert await family() == {"total": 3, "missing": "no -1", "third": 3}
    assert sorted(CALLS) == ["inner 1", "inner 2", "inner 3"]


@workflow()
async def collecting() -> list[int]:
    taken = [(await wait_for_event("number"))["n"] for _ in range(3)]
    try:
        await wait_for_event("number", max_wait_time=0.05)
    except EventTimeout as error:
        return taken if isinstance(error, ValueError) and isinstance(error, TimeoutError) else []
    return []


@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}])
async def test_each_event_is_taken_once_and_in_order(open_app: Opener, limits: dict[str, int]) -> None:
    async with open_app(collecting, **limits):
        await client().emit(client().new_event("number", '{"n": 0}'))  # before the run: not for it
        run = await collecting.start()
        for number in (1, 2, 3):
            await client().emit(client().new_event("number", f'{{"n": {number}}}'))
        assert await collecting.wait_for_completion(run.id) == [1, 2, 3]


@workflow()
async def polling() -> int:
    await ready_at_last(3)
    return len(CALLS)


@wait(poll_interval=0.01, max_wait_time=5)
async def ready_at_last(times: int) -> bool:
    CALLS.append("asked")
    return len(CALLS) >= times


async def test_a_condition_is_asked_again_until_it_holds(open_app: Opener) -> None:
    async with open_app(polling):
        assert await polling() == 3


async def test_as_step_keeps_its_options_apart() -> None:
    async def job() -> None: ...

    assert as_step(job, StepType.COMPUTE) is as_step(job, StepType.COMPUTE)
    assert as_step(job, StepType.RULE) is not as_step(job, StepType.COMPUTE)
    assert as_step(inner, StepType.RULE) is inner


async def test_a_request_that_has_written_may_start_and_await_runs(open_app: Opener) -> None:
    async with open_app(noting, child) as app:
        scope = SessionScope(app.db_manager, label="request")
        with bind_session(scope):
            get_session().add(StepNote(text="mine"))
            run = await child.start(5)
            assert await client().store.load_run(run.id) is None  # with my commit, not before
            await get_session().commit()
            assert await asyncio.wait_for(child.wait_for_completion(run.id), 5) == 5
            get_session().add(StepNote(text="again"))
            assert await asyncio.wait_for(child(6), 5) == 6
        await scope.close()
        assert [text for text, _ in await notes()] == ["mine", "again"]


@step()
async def write_then_start() -> None:
    session = get_session()
    session.add(StepNote(text="written"))
    await session.flush()
    await child.start(7)
    if len(CALLS) == 0:
        CALLS.append("first")
        raise ValueError("the first attempt is undone, and with it the start")


@workflow()
async def starting_from_a_step() -> int:
    try:
        await write_then_start()
    except ValueError:
        await write_then_start()
    return 1


async def test_a_start_in_a_step_that_has_written_is_part_of_its_transaction(open_app: Opener) -> None:
    async with open_app(starting_from_a_step, child):
        assert await asyncio.wait_for(starting_from_a_step(), 10) == 1
        assert [text for text, _ in await notes()] == ["written"]
        await until(_child_has_run)
        assert CALLS == ["first", "inner 7"]


async def _child_has_run() -> bool:
    return "inner 7" in CALLS


@step(max_retries=1)
async def retried_around() -> str:
    CALLS.append("around")
    value = await inner(1)
    if CALLS.count("around") == 1:
        raise ConnectionError("after the nested step")
    return f"{value}"


@workflow()
async def retrying_around() -> str:
    return await retried_around()


@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}])
async def test_a_retry_does_not_run_a_nested_step_again_that_was_recorded(
    open_app: Opener, limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retried_around, "retry", RetryPolicy(1, timedelta(milliseconds=10)))
    async with open_app(retrying_around, **limits):
        run = await retrying_around.start()
        assert await asyncio.wait_for(retrying_around.wait_for_completion(run.id), 10) == "1"
        assert CALLS == ["around", "inner 1", "around"]
        assert [(r.path, r.status.value, r.retry_count) for r in await steps_of(run.id)] == [("1", "succeeded", 1), ("1.1", "succeeded", 0)]
