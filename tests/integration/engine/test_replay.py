"""A run goes on from its record: the same results, the same errors, and never another step's."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from planar import PlanarApp
from planar.engine.errors import UnreadableHistory
from planar.workflows import cancel, execute, step, suspend, wait_for_event, workflow
from planar.workflows.exceptions import ForeignTaskError, NonDeterministicStepCallError, StepError, WorkflowNameTaken
from tests.integration.engine.conftest import Opener, client, run_of, steps_of, until_status

pytestmark = pytest.mark.anyio

CALLS: list[str] = []
SWAPPED = False
SHORTER = False


@pytest.fixture(autouse=True)
def fresh() -> None:
    global SWAPPED, SHORTER
    CALLS.clear()
    SWAPPED = SHORTER = False


class Refused(Exception):
    """An error of the application's own."""

    def __init__(self, why: str, code: int) -> None:
        super().__init__(why, code)
        self.why, self.code = why, code


@step()
async def one() -> int:
    CALLS.append("one")
    return 1


@step()
async def two() -> int:
    CALLS.append("two")
    return 2


@step()
async def refuse() -> None:
    CALLS.append("refuse")
    raise Refused("too much", 7)


@workflow()
async def swapping() -> int:
    first = await (two() if SWAPPED else one())
    await wait_for_event("go")
    return first


@workflow()
async def shortening() -> int:
    value = 0 if SHORTER else await one()
    await_event = not SHORTER
    if await_event:
        await wait_for_event("go")
    return value


@workflow()
async def catching() -> list[object]:
    caught: list[object] = []
    try:
        await refuse()
    except Refused as error:
        caught = [type(error).__name__, error.why, error.code]
    CALLS.append(f"caught {caught}")
    await wait_for_event("go")
    return caught


async def test_a_recorded_step_never_runs_again_after_a_restart(open_app: Opener) -> None:
    async with open_app(swapping):
        run = await swapping.start()
        await until_status(run.id, "suspended")
    async with open_app(swapping):
        await client().emit(client().new_event("go", "{}"))
        assert await swapping.wait_for_completion(run.id) == 1
    assert CALLS == ["one"]


@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}])
async def test_a_run_goes_on_the_same_whether_it_stayed_in_memory_or_not(open_app: Opener, limits: dict[str, int]) -> None:
    async with open_app(catching, **limits):
        run = await catching.start()
        await until_status(run.id, "suspended")
        await client().emit(client().new_event("go", "{}"))
        assert await catching.wait_for_completion(run.id) == ["Refused", "too much", 7]
    assert CALLS.count("refuse") == 1
    assert CALLS.count("caught ['Refused', 'too much', 7]") == (1 if not limits else 2)


async def test_a_step_swapped_between_start_and_resume_is_detected(open_app: Opener) -> None:
    global SWAPPED
    async with open_app(swapping):
        run = await swapping.start()
        await until_status(run.id, "suspended")
    SWAPPED = True
    async with open_app(swapping):
        await client().emit(client().new_event("go", "{}"))
        with pytest.raises(NonDeterministicStepCallError, match=r"^Non-deterministic step call detected at step ID 1\..*one.*two"):
            await swapping.wait_for_completion(run.id)
        assert [record.function_name.rsplit(".", 1)[-1] for record in await steps_of(run.id)] == ["one", "wait_for_event"]
    assert CALLS == ["one"]


async def test_a_recorded_step_that_is_not_called_any_more_is_detected(open_app: Opener) -> None:
    global SHORTER
    async with open_app(shortening):
        run = await shortening.start()
        await until_status(run.id, "suspended")
    SHORTER = True
    async with open_app(shortening):
        await client().emit(client().new_event("go", "{}"))
        with pytest.raises(NonDeterministicStepCallError, match="ended without it"):
            await shortening.wait_for_completion(run.id)


@workflow()
async def swallowing() -> str:
    try:
        await (two() if SWAPPED else one())
    except Exception:
        return "swallowed"
    await wait_for_event("go")
    return "fine"


async def test_catching_the_error_of_a_divergence_does_not_mend_it(open_app: Opener) -> None:
    global SWAPPED
    async with open_app(swallowing):
        run = await swallowing.start()
        await until_status(run.id, "suspended")
    SWAPPED = True
    async with open_app(swallowing):
        await client().emit(client().new_event("go", "{}"))
        with pytest.raises(NonDeterministicStepCallError):
            await swallowing.wait_for_completion(run.id)


@workflow()
async def local_error() -> str:
    class Hidden(Exception):
        pass

    @step()
    async def hide() -> None:
        raise Hidden("behind the house")

    try:
        await hide()
    except StepError as error:
        return f"{error.type}: {error.message}"
    except Hidden:
        return "caught as itself, which a replay could not"
    return "nothing"


async def test_a_class_that_cannot_be_restored_is_a_step_error_at_the_first_run_too(open_app: Opener) -> None:
    async with open_app(local_error):
        assert await local_error() == "Hidden: behind the house"


@workflow()
async def gathering() -> None:
    await asyncio.gather(one(), two())


@workflow()
async def tasking() -> None:
    await asyncio.create_task(one.wrapped_fn())


@pytest.mark.parametrize("foreign", [gathering, tasking])
async def test_a_step_called_in_a_foreign_task_is_refused_with_the_remedy(open_app: Opener, foreign: object) -> None:
    async with open_app(gathering, tasking):
        with pytest.raises(ForeignTaskError, match="Await it in the workflow itself"):
            await foreign()  # type: ignore[operator]
    assert CALLS == []


async def test_two_workflows_of_one_name_in_one_app_are_refused(open_app: Opener) -> None:
    def make() -> object:
        @workflow(name="swapping")
        async def other() -> None:
            """Another workflow of the same name."""

        return other

    with pytest.raises(WorkflowNameTaken, match=r"@workflow\(name=\.\.\.\)"):
        async with open_app(swapping, make()):
            raise AssertionError("both were accepted")


@workflow()
async def napping() -> str:
    await suspend(interval=timedelta(milliseconds=50))
    return "rested"


async def test_a_run_that_suspended_and_finished_says_succeeded(open_app: Opener) -> None:
    async with open_app(napping):
        run = await napping.start()
        assert await napping.wait_for_completion(run.id) == "rested"
        row = await until_status(run.id, "succeeded")
        assert (row.wakeup_at, row.waiting_for_event, row.reason) == (None, None, None)


async def test_a_sleep_is_never_cut_short_by_a_restart(open_app: Opener) -> None:
    async with open_app(sleeping_a_second):
        run = await sleeping_a_second.start()
        first = await until_status(run.id, "suspended")
    async with open_app(sleeping_a_second):
        row = await until_status(run.id, "suspended", "succeeded")
        assert row.wakeup_at == first.wakeup_at
        await sleeping_a_second.wait_for_completion(run.id)
        ended = await until_status(run.id, "succeeded")
        assert first.wakeup_at is not None
        assert ended.updated_at >= first.wakeup_at


@workflow()
async def sleeping_a_second() -> None:
    await suspend(interval=timedelta(seconds=1))


async def test_a_timeout_around_a_step_means_the_same_on_replay(open_app: Opener) -> None:
    async with open_app(giving_up, max_parked_runs=0):
        run = await giving_up.start()
        await until_status(run.id, "suspended")
        await client().emit(client().new_event("go", "{}"))
        assert await giving_up.wait_for_completion(run.id) == "gave up"
    assert CALLS.count("slow") == 1


@step()
async def slow() -> str:
    CALLS.append("slow")
    if CALLS.count("slow") == 1:
        await asyncio.sleep(30)
    return "quick this time"


@workflow()
async def giving_up() -> str:
    try:
        async with asyncio.timeout(0.1):
            outcome = await slow()
    except TimeoutError:
        outcome = "gave up"
    await wait_for_event("go")
    return outcome


async def write(app: PlanarApp, statement: str, run_id: UUID) -> None:
    """Execute *statement*, in which ``{planar}`` goes before a table, and ``{run}`` is the run's id."""
    engine = app.db_manager.get_engine()
    is_sqlite = engine.dialect.name == "sqlite"
    words = {"planar": "" if is_sqlite else "planar.", "run": f"'{run_id.hex if is_sqlite else run_id}'"}
    async with engine.begin() as connection:
        await connection.execute(text(statement.format(**words)))


async def change_history(app: PlanarApp, run_id: UUID, kind: str) -> None:
    await write(app, f"update {{planar}}workflow_step set step_type = '{kind}' where step_id = 1 and workflow_id = {{run}}", run_id)


async def test_a_history_that_cannot_be_read_is_in_nobodys_way(open_app: Opener) -> None:
    """It may be a newer version's: the run waits for a worker that can read it."""
    async with open_app(swapping) as app:
        broken, sound = await swapping.start(), await swapping.start()
        await until_status(broken.id, "suspended")
        await until_status(sound.id, "suspended")
        await change_history(app, broken.id, "unheard of")
    async with open_app(swapping) as app:
        await client().emit(client().new_event("go", "{}"))
        assert await swapping.wait_for_completion(sound.id) == 1
        aside = await until_status(broken.id, "suspended")
        assert aside.wakeup_at is not None
        assert aside.wakeup_at > client().now()
        await change_history(app, broken.id, "compute")
        await write(app, "update {planar}workflow_claim set due_at = '2020-01-01 00:00:00.000000' where run_id = {run}", broken.id)
    async with open_app(swapping):
        assert await swapping.wait_for_completion(broken.id) == 1
    assert CALLS == ["one", "one"]


async def test_a_run_whose_history_cannot_be_read_can_be_cancelled_and_says_why_it_cannot_be_driven(open_app: Opener) -> None:
    async with open_app(swapping) as app:
        run = await swapping.start()
        await until_status(run.id, "suspended")
        await change_history(app, run.id, "unheard of")
        await client().emit(client().new_event("other", "{}"))
    async with open_app(swapping, role={"works": False}) as app:
        await client().emit(client().new_event("go", "{}"))
        with pytest.raises(UnreadableHistory, match="cannot be read by this version"):
            await execute(await run_of(run.id))
        await cancel(run.id)
        assert (await run_of(run.id)).status.value == "cancelled"
    assert CALLS == ["one"]
