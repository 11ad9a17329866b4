"""The app's own code reads, answers and cancels tasks: in scripts, in steps and in workflow code."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from planar import PlanarApp
from planar.app.lifespan import script_session
from planar.context import bind_services
from planar.db.session import get_session
from planar.errors import PlanarError
from planar.human import Human, HumanTaskStatus, cancel_human_task, complete_human_task, get_human_task, get_human_tasks, service
from planar.human.errors import HumanTaskAnswered, HumanTaskClaimed, HumanTaskClosed, HumanTaskNotAddressed, HumanTaskNotFound
from planar.human.people import who_asks
from planar.modeling.errors import Misfits
from planar.security import Principal, as_principal
from planar.workflows import emit_event, step, workflow
from planar.workflows.errors import ReservedEventKey
from tests.integration.human import sample
from tests.integration.human.conftest import OpenTasks, named

pytestmark = pytest.mark.anyio


class Nothing(BaseModel):
    """All there is to say is that it is there."""

    def __bool__(self) -> bool:
        return False


empty = Human("empty", "Nothing to see", Nothing, input_type=Nothing)


@workflow(name="ask_nothing")
async def ask_nothing() -> str:
    return type((await empty(Nothing(), suggested_data=Nothing())).output).__name__


@step()
async def answer_in_step(task_id: UUID, fails: bool) -> None:
    await complete_human_task(task_id, {"note": "from a step"})
    if fails:
        raise ConnectionError("after the answer")


@workflow(name="clerk")
async def clerk(task_id: UUID, fails: bool) -> str:
    try:
        await answer_in_step(task_id, fails)
    except ConnectionError:
        await complete_human_task(task_id, {"note": "from the workflow"})
    return "done"


@workflow(name="forger")
async def forger(task_id: UUID) -> None:
    await emit_event(f"human_task_completed:{task_id}", {"output_data": {"approved": True}})


ALL = (*sample.ALL, ask_nothing, clerk, forger)


async def test_an_empty_model_is_asked_about_and_suggested(open_tasks: OpenTasks) -> None:
    async with open_tasks(ALL) as api:
        run_id, task_id = await api.ask("ask_nothing")
        task = await api.task(task_id)
        assert (task["input_data"], task["suggested_data"], task["message"]) == ({}, {}, None)
        assert task["input_schema"]["title"] == "Nothing"
        assert (await api.complete(task_id)).status_code == 200
        assert await api.result(run_id) == "Nothing"


async def test_code_reads_and_ends_tasks(open_tasks: OpenTasks) -> None:
    async with open_tasks(ALL) as api:
        run_id, first = await api.ask("ask_twice")
        with bind_services(api.api.app.services):
            async with script_session(api.api.app.services, "test"):
                with pytest.raises(Misfits, match="note"):
                    await complete_human_task(UUID(first), {"note": 1})
                await complete_human_task(UUID(first), {"note": "a"}, completed_by="ann")
                with pytest.raises(HumanTaskClosed, match=r"is not pending \(status: completed\)"):
                    await cancel_human_task(UUID(first))
                with pytest.raises(HumanTaskNotFound, match="not found"):
                    await complete_human_task(uuid4(), {})
                found = await get_human_task(UUID(first))
                assert found is not None
                assert (found.status, found.completed_by, found.output_data) == (HumanTaskStatus.COMPLETED, "ann", {"note": "a"})
                assert await get_human_task(uuid4()) is None
                second = await api.task_of(run_id)
                pending = await get_human_tasks(HumanTaskStatus.PENDING, UUID(run_id))
                assert [str(task.id) for task in pending] == [second]


async def test_whoever_acts_in_code_is_asked_as_over_http(open_tasks: OpenTasks) -> None:
    async with open_tasks(ALL) as api:
        run_id, task_id = await api.ask("ask_ann")
        with bind_services(api.api.app.services):
            async with script_session(api.api.app.services, "test"):
                with as_principal(Principal(sub="bob")), pytest.raises(HumanTaskNotAddressed):
                    await complete_human_task(UUID(task_id), {"approved": True})
                with as_principal(Principal(sub="ann")):
                    with pytest.raises(Misfits, match="completed_by"):
                        await complete_human_task(UUID(task_id), {"approved": True}, completed_by="bob")
                    await complete_human_task(UUID(task_id), {"approved": True}, completed_by="ann")
        assert await api.result(run_id) == "ann"


async def test_one_person_is_one_whether_or_not_the_identity_shows_an_address(open_tasks: OpenTasks) -> None:
    bare, addressed = Principal(sub="u1"), Principal(sub="u1", user_email="ann@example.org")
    namesake = Principal(sub="u2", user_email="ann@example.org")
    async with open_tasks(ALL) as api:
        run_id, task_id = await api.ask("ask_both")
        _, other = await api.ask("expense")
        with bind_services(api.api.app.services):
            async with script_session(api.api.app.services, "test"):
                with as_principal(addressed):
                    await complete_human_task(UUID(task_id), {"approved": True})
                    await service.claim(UUID(other), who_asks())
                with as_principal(bare):
                    with pytest.raises(HumanTaskAnswered):
                        await complete_human_task(UUID(task_id), {"approved": True})
                    await service.claim(UUID(other), who_asks())
                with as_principal(namesake):
                    with pytest.raises(HumanTaskClaimed):
                        await service.claim(UUID(other), who_asks())
                    await complete_human_task(UUID(task_id), {"approved": True})
        assert await api.result(run_id) == "True by ann@example.org"


async def test_a_request_without_an_identity_is_not_code(open_tasks: OpenTasks) -> None:
    async def answer(task_id: UUID, name: str | None = None) -> str:
        try:
            await complete_human_task(task_id, {"approved": True}, completed_by=name)
        except PlanarError as error:
            return error.code
        return "answered"

    def prepare(app: PlanarApp) -> None:
        app.fastapi.post("/answer/{task_id}")(answer)

    async with open_tasks(ALL, prepare=prepare) as api:
        run_id, task_id = await api.ask("ask_ann")
        for query, code in (("", "human_task_not_addressed"), ("?name=ann", "validation_error")):
            assert (await api.api.client.post(f"/answer/{task_id}{query}")).json() == code
        assert (await api.api.client.post(f"/answer/{task_id}", headers=named("ann"))).json() == "answered"
        assert await api.result(run_id) == "ann"
        # A run is code also where a request without an identity has started it.
        run_id, task_id = await api.ask("ask_lax")
        assert await api.api.finish("clerk", task_id=task_id, fails=False)
        assert await api.result(run_id) == "answered: from a step"


async def test_an_answer_in_a_session_that_has_written_comes_with_its_commit(open_tasks: OpenTasks) -> None:
    async with open_tasks(ALL) as api:
        run_id, task_id = await api.ask("ask_lax")
        _, other = await api.ask("ask_lax")
        with bind_services(api.api.app.services):
            async with script_session(api.api.app.services, "test"):
                # The first answer of a script is its own transaction; one in a transaction that has written belongs to that.
                task = await get_human_task(UUID(other))
                assert task is not None
                task.title = "Changed"
                await complete_human_task(UUID(task_id), {"note": "held"})
                await get_session().rollback()
        assert (await api.task(task_id))["status"] == "pending"
        await api.complete(task_id, note="again")
        assert await api.result(run_id) == "answered: again"


@pytest.mark.parametrize(("fails", "note"), [(False, "from a step"), (True, "from the workflow")])
async def test_an_answer_in_a_step_is_undone_with_it(open_tasks: OpenTasks, fails: bool, note: str) -> None:
    async with open_tasks(ALL) as api:
        run_id, task_id = await api.ask("ask_lax")
        assert await api.api.finish("clerk", task_id=task_id, fails=fails)
        assert await api.result(run_id) == f"answered: {note}"


async def test_a_workflow_cannot_forge_an_answer_either(open_tasks: OpenTasks) -> None:
    async with open_tasks(ALL) as api:
        run_id, task_id = await api.ask("expense")
        forged = await api.api.finish("forger", task_id=task_id)
        assert (forged["status"], forged["error"]["type"]) == ("failed", "ReservedEventKey")
        with bind_services(api.api.app.services), pytest.raises(ReservedEventKey):
            await emit_event(f"human_task_completed:{task_id}", {}, UUID(run_id))
        assert (await api.api.until(run_id, "suspended", "succeeded", "failed"))["status"] == "suspended"
