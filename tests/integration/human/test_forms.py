"""Other processes serve people than the one that works on the run, and one of them has the next version of the code."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from pydantic import BaseModel, model_validator

from planar.clock import Clock
from planar.human import Human, HumanTaskExpired, Quorum, Timeout
from planar.human.forms import FORMS, schema_of
from planar.testing.clock import ManualClock
from planar.workflows import workflow
from tests.integration.http.conftest import problem_of
from tests.integration.human.conftest import TASKS, OpenTasks, TasksApi, named
from tests.integration.human.test_activity import story

pytestmark = pytest.mark.anyio


class Before(BaseModel):
    approved: bool


class After(BaseModel):
    approved: bool
    verdict: str


class Other(BaseModel):
    verdict: str


class Strict(Before):
    """The same form, which not all that fits it is an answer to."""

    @model_validator(mode="after")
    def is_yes(self) -> Strict:
        if not self.approved:
            raise KeyError("whatever validators raise")
        return self


moved = Human("moved on", "Yes?", Before, timeout=Timeout(timedelta(hours=1)))
shared = Human("moved on, both", "Yes?", Strict, quorum=Quorum(2, rejections=2))


@workflow(name="ask_moved")
async def ask_moved() -> str:
    try:
        answer = await moved(message="?")
    except HumanTaskExpired:
        return "expired"
    return f"{answer.output.approved} by {answer.completed_by}"


@workflow(name="ask_moved_both")
async def ask_moved_both() -> str:
    answer = await shared(message="?")
    return f"{answer.output.approved} by {answer.completed_by}"


ALL = (ask_moved, ask_moved_both)


@contextmanager
def served_by(human: Human[Any], output_type: type[BaseModel], schema: dict[str, Any] | None = None) -> Iterator[None]:
    """Whoever serves people has *output_type* for *human*, and not what the run has."""
    kept = FORMS._types.pop(human.name)
    FORMS.add(human.name, output_type, schema or schema_of(output_type))
    try:
        yield
    finally:
        FORMS._types[human.name] = kept


async def reopened(api: TasksApi, task_id: str, version: int) -> dict[str, Any]:
    async with asyncio.timeout(20):
        while (task := await api.task(task_id))["version"] < version:  # noqa: ASYNC110 - nothing tells
            await asyncio.sleep(0.005)
    return task


async def test_an_answer_fits_the_form_that_the_run_asked_with(open_tasks: OpenTasks) -> None:
    async with open_tasks(ALL) as api:
        run_id, task_id = await api.ask("ask_moved")
        with served_by(moved, After):
            for only_one in ({"approved": True}, {"approved": "yes", "verdict": "good"}):
                problem_of(await api.complete(task_id, "ann", **only_one), 409, "human_task_form_unknown")
            assert (await api.complete(task_id, "ann")).status_code == 422
            assert (await api.task(task_id))["version"] == 1
            # What is kept is for the code that asked, too.
            assert (await api.complete(task_id, "ann", approved=True, verdict="good")).status_code == 200
        assert await api.result(run_id) == "True by ann"


async def test_a_task_is_open_again_if_its_run_cannot_read_the_answer(open_tasks: OpenTasks) -> None:
    async with open_tasks(ALL) as api:
        run_id, task_id = await api.ask("ask_moved")
        asked = (await api.task(task_id))["output_schema"]
        with served_by(moved, Other, asked):
            assert (await api.complete(task_id, "ann", verdict="good")).status_code == 200
        task = await reopened(api, task_id, 3)
        assert (task["status"], task["reason"], task["output_data"], task["completed_by"]) == ("pending", "unreadable", None, None)
        assert task["output_schema"] == asked
        draft = await api.api.client.get(f"/planar/v1{TASKS}/{task_id}/draft", headers=named("ann"))
        assert draft.json()["data"] == {"verdict": "good"}
        assert (await api.api.until(run_id, "suspended"))["status"] == "suspended"
        assert (await api.complete(task_id, "ann", approved=True)).json()["reason"] is None
        assert await api.result(run_id) == "True by ann"
        assert await story(api, task_id) == [
            ("create", "system", "pending"),
            ("complete", "ann", "completed"),
            ("reopen", "system", "pending"),
            ("complete", "ann", "completed"),
        ]


async def test_a_task_that_is_open_again_still_expires(open_tasks: OpenTasks) -> None:
    clock = ManualClock()
    async with open_tasks(ALL, prepare=lambda app: app.services.add(Clock, clock)) as api:
        run_id, task_id = await api.ask("ask_moved")
        with served_by(moved, Other, moved.output_schema):
            await api.complete(task_id, "ann", verdict="good")
        await reopened(api, task_id, 3)
        await api.api.until(run_id, "suspended")
        clock.move_to(clock.now() + timedelta(hours=2))
        assert await api.result(run_id) == "expired"
        assert ((await api.task(task_id))["reason"], (await story(api, task_id))[-1]) == (None, ("expire", "system", "expired"))


async def test_of_several_answers_the_one_that_decided_is_taken_back(open_tasks: OpenTasks) -> None:
    async with open_tasks(ALL) as api:
        run_id, task_id = await api.ask("ask_moved_both")
        with served_by(shared, Before, shared.output_schema):
            for who in ("ann", "bob"):
                assert (await api.complete(task_id, who, approved=False)).status_code == 200
        task = await reopened(api, task_id, 4)
        assert (task["status"], task["approvals"], task["rejections"]) == ("pending", 0, 1)
        problem_of(await api.complete(task_id, "ann", approved=True), 409, "human_task_answered")
        for who in ("bob", "eve"):
            assert (await api.complete(task_id, who, approved=True)).status_code == 200
        assert await api.result(run_id) == "True by eve"
        answers = (await api.api.get(f"{TASKS}/{task_id}/answers")).json()
        assert [(each["answered_by"], each["approves"]) for each in answers] == [("ann", False), ("bob", True), ("eve", True)]
