"""What happened to a task is kept with it, for whoever may see it; that and all that belongs to a task is read in pages."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func
from sqlmodel import select

from planar import PlanarApp
from planar.app.lifespan import script_session
from planar.clock import Clock
from planar.context import bind_services
from planar.files.models import PlanarFileMetadata
from planar.human import cancel_human_task
from planar.human.models import HumanTaskActivity
from planar.security.actions import HumanTaskAction
from planar.security.authorization import Authorizer, Decision
from planar.testing.clock import ManualClock
from planar.workflows import workflow
from tests.integration.http.conftest import invalid, problem_of
from tests.integration.human.conftest import TASKS, OpenTasks, TasksApi, named

pytestmark = pytest.mark.anyio


async def activity(api: TasksApi, task_id: str) -> list[dict[str, Any]]:
    answer = await api.api.get(f"{TASKS}/{task_id}/activity")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def story(api: TasksApi, task_id: str) -> list[tuple[str, str, str]]:
    return [(each["change"], each["actor"], each["status"]) for each in await activity(api, task_id)]


async def test_each_change_says_who_did_what_and_when(open_tasks: OpenTasks) -> None:
    clock = ManualClock()
    async with open_tasks(prepare=lambda app: app.services.add(Clock, clock)) as api:
        run_id, task_id = await api.ask("ask_reminded")
        await api.act(task_id, "claim", who="ann")
        await api.act(task_id, "release", who="ann")
        problem_of(await api.act(task_id, "claim", who="eve"), 403, "human_task_not_addressed")
        for hours in (1, 2, 3):
            await api.api.until(run_id, "suspended")
            clock.move_to(ManualClock().now() + timedelta(hours=hours))
            async with asyncio.timeout(20):
                while len(await activity(api, task_id)) < hours + 3:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.005)
        await api.act(task_id, "delegate", {"assignee": "bob"}, "eve;boss")
        await api.complete(task_id, "bob", approved=True)
        told = await activity(api, task_id)
        assert [each["version"] for each in told] == list(range(1, 9))
        assert await story(api, task_id) == [
            ("create", "system", "pending"),
            ("claim", "ann", "claimed"),
            ("release", "ann", "pending"),
            ("remind", "system", "pending"),
            ("remind", "system", "pending"),
            ("escalate", "system", "pending"),
            ("delegate", "eve", "pending"),
            ("complete", "bob", "completed"),
        ]
        assert (told[1]["subject"], told[1]["claimed_by"], told[1]["at"]) == ("ann", "ann", "2026-01-01T00:00:00Z")
        assert [each["moment"] for each in told[3:6]] == [f"2026-01-01T0{hour}:00:00Z" for hour in (1, 2, 3)]
        assert [(each["assignee"], each["assigned_role"]) for each in told[4:7]] == [("ann", None), (None, "boss"), ("bob", None)]
        assert await api.result(run_id) is True


async def test_each_answer_of_several_is_told(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("ask_both")
        for who in ("ann", "bob"):
            await api.complete(task_id, who, approved=True)
        assert [each[:2] for each in await story(api, task_id)] == [("create", "system"), ("answer", "ann"), ("complete", "bob")]


async def test_the_end_of_a_run_is_told_of_its_tasks(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("expense")
        await api.api.until(run_id, "suspended")
        await api.act(task_id, "claim", who="ann")
        await api.api.post(f"/workflows/expense/runs/{run_id}/cancel")
        await api.api.until(run_id, "cancelled")
        last = (await activity(api, task_id))[-1]
        assert (last["version"], last["change"], last["actor"], last["status"]) == (3, "cancel", "system", "cancelled")
        assert (last["reason"], last["claimed_by"]) == ("run cancelled", None)
        assert last["at"] == (await api.task(task_id))["updated_at"]


async def test_code_that_gives_the_reason_of_a_run_is_told_once(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        with bind_services(api.api.app.services):
            async with script_session(api.api.app.services, "test"):
                await cancel_human_task(UUID(task_id), "run failed")
        last = (await activity(api, task_id))[1:]
        assert [(each["change"], each["reason"], each["actor"]) for each in last] == [("cancel", "run failed", "system")]


async def test_somebody_who_is_called_as_the_run_signs_is_told_by_subject(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        assert (await api.act(task_id, "cancel", {"reason": "run failed"}, "system")).status_code == 200
        last = (await activity(api, task_id))[1:]
        assert [(each["change"], each["reason"], each["subject"]) for each in last] == [("cancel", "run failed", "system")]


@workflow(name="asks_nobody")
async def asks_nobody() -> int:
    return 7


async def test_a_run_that_asks_nobody_leaves_nothing(open_tasks: OpenTasks) -> None:
    async with open_tasks((asks_nobody,)) as api:
        await api.api.finish("asks_nobody")
        async with api.api.app.db_manager.get_session() as session:
            assert (await session.exec(select(func.count()).select_from(HumanTaskActivity))).one() == 0


async def test_activity_is_for_those_who_may_see_the_task(open_tasks: OpenTasks) -> None:
    class Blind:
        def decide(self, principal: object, action: object, resource: object) -> Decision:
            return Decision(action is not HumanTaskAction.VIEW_DETAILS)

    def forbid(app: PlanarApp) -> None:
        app.services.add(Authorizer, Blind())

    async with open_tasks(prepare=forbid) as api:
        for what in ("activity", "comments", "attachments", "answers"):
            assert (await api.api.get(f"{TASKS}/{uuid4()}/{what}")).status_code == 401
    async with open_tasks() as api:
        problem_of(await api.api.get(f"{TASKS}/{uuid4()}/activity"), 404, "human_task_not_found")


async def test_steps_show_tasks_to_those_only_who_may_see_them(open_tasks: OpenTasks) -> None:
    class NotAnns:
        def decide(self, principal: object, action: object, resource: object) -> Decision:
            return Decision(not (action is HumanTaskAction.VIEW_DETAILS and getattr(resource, "assignee", None) == "ann"))

    async with open_tasks() as api:
        runs = {name: (await api.ask(name))[0] for name in ("expense", "ask_ann")}
        for hidden in (False, True):
            if hidden:
                api.api.app.services.add(Authorizer, NotAnns())
            for name, run_id in runs.items():
                steps = (await api.api.get(f"/workflows/{name}/runs/{run_id}/steps", step_type="human_in_the_loop")).json()["items"]
                seen = [step["meta"] for step in steps if step["meta"] is not None]
                assert bool(seen) is not (hidden and name == "ask_ann"), (name, seen)


async def test_what_belongs_to_a_task_is_read_in_pages(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("ask_unanimous")
        async with api.api.app.db_manager.get_session() as session:
            files = [
                PlanarFileMetadata(filename=f"{n}.txt", content_type="text/plain", size=1, storage_ref=f"{n}" * 32, sha256="0" * 64)
                for n in range(3)
            ]
            session.add_all(files)
            await session.commit()
            ids = [str(file.id) for file in files]
        for file_id in ids:
            await api.act(task_id, "attachments", {"file_id": file_id}, "ann")
        for text in ("one", "two", "three"):
            await api.act(task_id, "comments", {"text": text}, "ann")
        for who, approved in (("ann", True), ("bob", False), ("eve", True)):
            assert (await api.complete(task_id, who, approved=approved)).status_code == 200
        expected = {
            "comments": ("text", ["one", "two", "three"]),
            "attachments": ("file_id", ids),
            "answers": ("answered_by", ["ann", "bob", "eve"]),
            "activity": ("change", ["create", "answer", "answer", "complete"]),
        }
        for what, (name, values) in expected.items():
            path: str | None = f"/planar/v1{TASKS}/{task_id}/{what}?limit=2"
            seen: list[str] = []
            while path is not None:
                answer = await api.api.client.get(path)
                assert answer.headers["x-total-count"] == str(len(values)), what
                assert len(answer.json()) <= 2
                seen += [each[name] for each in answer.json()]
                path = answer.headers["link"].partition(">")[0].removeprefix("<") if "link" in answer.headers else None
            assert seen == values, what
            whole = await api.api.get(f"{TASKS}/{task_id}/{what}", total=False)
            assert [each[name] for each in whole.json()] == values
            assert not {"x-total-count", "link"} & whole.headers.keys()
            for bad in ({"limit": 0}, {"limit": 1001}, {"after": "x"}):
                assert invalid(await api.api.get(f"{TASKS}/{task_id}/{what}", **bad)), (what, bad)
        assert invalid(await api.api.get(f"{TASKS}/{task_id}/attachments", after=str(uuid4()))) == [("query.after", "unknown_file")]
        assert (await api.api.client.get(f"/planar/v1{TASKS}/{task_id}/draft", headers=named("ann"))).json() is None
