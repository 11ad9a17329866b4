"""People answer over HTTP: what fits wakes the run, what does not leaves everything as it was."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest
from pydantic import BaseModel, ConfigDict, Field

from planar import PlanarApp
from planar.files import PlanarFile
from planar.files.storage.base import Storage
from planar.files.storage.memory import MemoryStorage
from planar.human import Human, Quorum
from planar.workflows import workflow
from tests.integration.http.conftest import invalid, problem_of
from tests.integration.human.conftest import TASKS, OpenTasks, TasksApi

pytestmark = pytest.mark.anyio


async def test_a_run_goes_on_with_the_answer(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("expense", who="bob", amount="1000000000000.01")
        task = await api.task(task_id)
        assert (task["name"], task["title"], task["description"]) == ("approval", "Approve an expense", "Is it reasonable?")
        assert (task["status"], task["message"], task["workflow_id"]) == ("pending", "Please look", run_id)
        assert task["input_data"] == {"who": "bob", "amount": "1000000000000.01"}
        assert task["suggested_data"]["approved"] is True
        assert task["output_schema"]["properties"]["limit"]["x-planar-presentation"] == {"inputType": "money"}
        answer = await api.complete(task_id, "ann", approved=True, limit="0.1", until="2027-01-02")
        assert answer.status_code == 200, answer.text
        done = answer.json()
        assert (done["status"], done["completed_by"], done["output_data"]["limit"]) == ("completed", "ann", "0.1")
        assert await api.result(run_id) == {"approved": True, "note": "", "limit": "0.1", "until": "2027-01-02"}


MISFITS: list[tuple[Any, list[str]]] = [
    ({}, ["body.output_data"]),
    ({"output_data": []}, ["body.output_data"]),
    ({"output_data": {}}, ["body.output_data.approved"]),
    ({"output_data": {"approved": "perhaps"}}, ["body.output_data.approved"]),
    ({"output_data": {"approved": True, "more": 1}}, ["body.output_data.more"]),
    ({"output_data": {"approved": True, "until": "soon", "limit": "x"}}, ["body.output_data.limit", "body.output_data.until"]),
    ({"output_data": {"approved": True}, "more": 1}, ["body.more"]),
    ({"output_data": {"approved": True}, "completed_by": "ann"}, ["body.completed_by"]),
]


async def test_an_answer_that_does_not_fit_leaves_the_task_open(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("expense")
        before = await api.task(task_id)
        for body, places in MISFITS:
            found = {
                place.replace(".str", "").replace(".decimal", "") for place, _ in invalid(await api.act(task_id, "complete", body, "bob"))
            }
            assert found == set(places), body
        assert await api.task(task_id) == before
        assert (await api.complete(task_id, approved=False)).status_code == 200
        assert (await api.result(run_id))["approved"] is False


async def test_of_many_who_answer_at_once_one_wins(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("ask_lax")
        calls = [api.complete(task_id, f"user{n}", note=str(n)) for n in range(6)]
        cancels = [api.act(task_id, "cancel", None, "boss") for _ in range(2)]
        answers = await asyncio.gather(*calls, *cancels)
        won = [number for number, answer in enumerate(answers) if answer.status_code == 200]
        assert len(won) == 1, [answer.text for answer in answers]
        for number, answer in enumerate(answers):
            if number not in won:
                problem_of(answer, 409, "human_task_closed")
        task = await api.task(task_id)
        assert task["version"] == 2
        expected = f"answered: {won[0]}" if won[0] < 6 else "cancelled"
        assert await api.result(run_id) == expected


async def test_two_tasks_of_a_run_are_two(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, first = await api.ask("ask_twice")
        await api.complete(first, note="a")
        second = await api.task_of(run_id)
        assert second != first
        await api.complete(second, note="b")
        assert await api.result(run_id) == ["a", "b"]
        assert [task["message"] for task in await api.tasks(workflow_id=run_id)] == ["Two?", "One?"]


async def test_a_cancelled_task_is_not_an_empty_answer(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("ask_lax")
        answer = await api.act(task_id, "cancel", {"reason": "moot"}, "ann")
        assert (answer.json()["status"], answer.json()["reason"], answer.json()["completed_by"]) == ("cancelled", "moot", "ann")
        assert await api.result(run_id) == "moot"
        problem_of(await api.complete(task_id, note="late"), 409, "human_task_closed")


async def test_an_uncaught_cancellation_fails_the_run_with_its_own_name(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("uncaught")
        await api.act(task_id, "cancel")
        run = await api.api.until(run_id, "failed")
        assert run["error"]["type"] == "HumanTaskCancelled"


async def test_a_forged_event_is_refused(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("expense")
        body = {"event_key": f"human_task_completed:{task_id}", "payload": {"output_data": {"approved": True}}, "workflow_id": run_id}
        problem_of(await api.api.post("/workflows/events/emit", body), 403, "event_key_reserved")
        assert (await api.task(task_id))["status"] == "pending"
        assert (await api.api.until(run_id, "suspended", "succeeded", "failed"))["status"] == "suspended"


async def test_what_is_not_there_is_not_found(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        unknown = str(uuid4())
        problem_of(await api.api.get(f"{TASKS}/{unknown}"), 404, "human_task_not_found")
        for what, body in (("complete", {"output_data": {}}), ("cancel", None), ("claim", None), ("release", None), ("delegate", {})):
            problem_of(await api.act(unknown, what, body, "ann"), 404, "human_task_not_found")
        assert invalid(await api.api.get(f"{TASKS}/me"))


@pytest.mark.parametrize("workflow", ["uncaught", "outer"])
async def test_the_end_of_a_run_closes_its_task(open_tasks: OpenTasks, workflow: str) -> None:
    async with open_tasks() as api:
        run_id = await api.api.start(workflow)
        task_id = await api.any_task()
        await api.api.until(run_id, "suspended")
        assert (await api.api.post(f"/workflows/{workflow}/runs/{run_id}/cancel")).status_code == 202
        await api.api.until(run_id, "cancelled")
        task = await api.task(task_id)
        assert (task["status"], task["reason"], task["completed_by"]) == ("cancelled", "run cancelled", "system")
        problem_of(await api.complete(task_id, approved=True), 409, "human_task_closed")


async def test_who_answers_is_who_sends_the_request(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("ask_ann")
        problem_of(await api.complete(task_id, "bob", approved=True), 403, "human_task_not_addressed")
        problem_of(await api.complete(task_id, approved=True), 403, "human_task_not_addressed")
        body = {"output_data": {"approved": True}, "completed_by": "ann"}
        assert invalid(await api.act(task_id, "complete", body, "bob")) == [("body.completed_by", "not_you")]
        assert (await api.act(task_id, "complete", body, "ann")).json()["completed_by"] == "ann"
        assert await api.result(run_id) == "ann"


async def test_the_steps_of_a_run_show_their_task(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, first = await api.ask("ask_twice")
        await api.complete(first, note="a")
        second = await api.task_of(run_id)
        await api.api.until(run_id, "suspended")
        steps = (await api.api.get(f"/workflows/ask_twice/runs/{run_id}/steps", limit=50)).json()["items"]
        asking = [step for step in steps if step["parent_step_id"] is None]
        assert [step["meta"]["human_task"]["id"] for step in asking] == [first, second]
        assert [step["meta"]["human_task"]["status"] for step in asking] == ["completed", "pending"]
        assert [(step["function_name"].rpartition("human.")[2], step["step_type"]) for step in steps[:2]] == [
            ("Human.run_step", "human_in_the_loop"),
            ("Human._create_task", "human_in_the_loop"),
        ]
        shown = await api.api.get(f"/workflows/ask_twice/runs/{run_id}/steps/{steps[1]['step_id']}")
        assert shown.json()["result"] == first
        assert (await api.api.get("/system-info")).json()["pending_human_tasks"] == 1


class Signed(BaseModel):
    """An answer with files."""

    model_config = ConfigDict(extra="forbid")
    approved: bool
    contract: PlanarFile = Field(alias="theContract")
    more: list[PlanarFile] = []


signature = Human("signature", "Sign it", Signed)
both_sign = Human("both sign", "Sign it, both of you", Signed, quorum=Quorum(2))


@workflow()
async def sign() -> str:
    """The name of what was signed."""
    return (await signature(message="Please sign")).output.contract.filename


@workflow()
async def sign_twice() -> str:
    """Waits for two."""
    return (await both_sign(message="Please sign")).output.contract.filename


async def stored_file(api: TasksApi) -> dict[str, Any]:
    answer = await api.api.post("/file/upload", files=[("files", ("real.txt", b"12345", "text/plain"))])
    assert answer.status_code == 200, answer.text
    return answer.json()[0]


@pytest.mark.parametrize("wanted", ["sign", "sign_twice"])
async def test_files_in_an_answer_are_those_that_are_recorded(open_tasks: OpenTasks, wanted: str) -> None:
    def prepare(app: PlanarApp) -> None:
        app.services.add(Storage, MemoryStorage())

    async with open_tasks([sign, sign_twice], prepare=prepare) as api:
        run_id, task_id = await api.ask(wanted)
        stored = await stored_file(api)
        unknown, lie = {**stored, "id": str(uuid4())}, {**stored, "filename": "../../etc/passwd", "content_type": "a/b", "size": 7}
        before = await api.task(task_id)
        answer = await api.complete(task_id, "ann", approved=True, theContract=lie, more=[stored, unknown])
        assert invalid(answer) == [("body.output_data.more.1", "unknown_file")]
        assert await api.task(task_id) == before
        for who in ("ann", "bob"):
            answer = await api.complete(task_id, who, approved=True, theContract=lie, more=[stored])
            assert answer.status_code == 200, answer.text
            if wanted == "sign":
                break
        assert answer.json()["output_data"] == {"approved": True, "theContract": stored, "more": [stored]}
        assert await api.result(run_id) == "real.txt"
