"""Whose task is it? Assignment, claims, delegation, several approvers, drafts, comments and files, over HTTP."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from planar.files.models import PlanarFileMetadata
from planar.human.models import HumanTaskAnswer
from planar.security import Principal
from planar.security.actions import Action, HumanTaskAction
from planar.security.authorization import Decision
from planar.security.resources import HumanTaskResource, ResourceDescriptor
from tests.integration.http.conftest import invalid, problem_of
from tests.integration.human.conftest import TASKS, OpenTasks, TasksApi, named

pytestmark = pytest.mark.anyio


async def test_a_claim_keeps_others_away_until_it_is_released(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("expense")
        problem_of(await api.act(task_id, "claim"), 403, "human_task_needs_identity")
        claimed = (await api.act(task_id, "claim", who="ann")).json()
        assert (claimed["status"], claimed["claimed_by"]) == ("claimed", "ann")
        again = (await api.act(task_id, "claim", who="ann")).json()
        assert again["claimed_at"] == claimed["claimed_at"]
        problem_of(await api.act(task_id, "claim", who="bob"), 409, "human_task_claimed")
        problem_of(await api.act(task_id, "release", who="bob"), 409, "human_task_claimed")
        problem_of(await api.complete(task_id, "bob", approved=True), 409, "human_task_claimed")
        released = (await api.act(task_id, "release", who="ann")).json()
        assert (released["status"], released["claimed_by"], released["claimed_at"]) == ("pending", None, None)
        assert (await api.complete(task_id, "bob", approved=True)).status_code == 200
        assert (await api.result(run_id))["approved"]


async def test_of_many_who_claim_at_once_one_has_it(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        answers = await asyncio.gather(*(api.act(task_id, "claim", who=f"user{n}") for n in range(6)))
        assert sorted(answer.status_code for answer in answers) == [200, *[409] * 5]


async def test_a_task_for_a_role_is_for_whoever_has_it(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("ask_finance")
        problem_of(await api.act(task_id, "claim", who="bob;sales"), 403, "human_task_not_addressed")
        assert (await api.act(task_id, "claim", who="bob;sales,finance")).status_code == 200
        assert (await api.complete(task_id, "bob;finance", approved=True)).status_code == 200
        assert await api.result(run_id) == "bob"


async def test_a_delegated_task_is_somebody_elses(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("ask_ann")
        await api.act(task_id, "claim", who="ann")
        given = (await api.act(task_id, "delegate", {"assignee": "bob", "priority": 7}, "ann")).json()
        assert (given["status"], given["assignee"], given["claimed_by"], given["priority"]) == ("pending", "bob", None, 7)
        problem_of(await api.complete(task_id, "ann", approved=True), 403, "human_task_not_addressed")
        assert invalid(await api.act(task_id, "delegate", {"assignee": "", "more": 1}, "ann"))
        assert (await api.complete(task_id, "bob", approved=True)).status_code == 200
        assert await api.result(run_id) == "bob"


async def test_two_have_to_agree(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("ask_both")
        problem_of(await api.act(task_id, "claim", who="ann"), 409, "human_task_not_claimable")
        problem_of(await api.complete(task_id, approved=True), 403, "human_task_needs_identity")
        first = (await api.complete(task_id, "ann", approved=True, note="fine")).json()
        assert (first["status"], first["approvals"], first["quorum"]) == ("pending", 1, 2)
        problem_of(await api.complete(task_id, "ann", approved=True), 409, "human_task_answered")
        assert (await api.api.until(run_id, "suspended", "succeeded", "failed"))["status"] == "suspended"
        second = (await api.complete(task_id, "bob", approved=True, note="me too")).json()
        assert (second["status"], second["completed_by"]) == ("completed", "bob")
        assert await api.result(run_id) == "True by bob"
        answers = (await api.api.get(f"{TASKS}/{task_id}/answers")).json()
        assert [(answer["answered_by"], answer["approves"], answer["data"]["note"]) for answer in answers] == [
            ("ann", True, "fine"),
            ("bob", True, "me too"),
        ]


async def test_a_quorum_is_not_given_to_too_few(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("ask_both")

        async def give(**to: str) -> list[tuple[str, str]] | int:
            answer = await api.act(task_id, "delegate", to, "boss")
            return invalid(answer) if answer.status_code == 422 else answer.status_code

        too_few = [("body.assignee", "too_few_people")]
        assert await give(assignee="ann") == too_few
        assert await give(assigned_role="finance") == 200
        assert await give(assignee="ann", assigned_role="finance") == 200
        assert (await api.complete(task_id, "ann", approved=True)).status_code == 200
        assert await give(assignee="ann") == too_few
        assert await give(assignee="bob") == 200
        assert (await api.complete(task_id, "bob", approved=True)).status_code == 200
        assert await api.result(run_id) == "True by bob"


async def test_many_answers_at_once_are_all_counted(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("ask_unanimous")
        answers = await asyncio.gather(*(api.complete(task_id, f"user{n % 3}", approved=False) for n in range(6)))
        assert sum(answer.status_code == 200 for answer in answers) == 2
        assert (await api.task(task_id))["rejections"] == 2
        assert (await api.result(run_id)).startswith("False by user")


@pytest.mark.parametrize(("workflow", "result"), [("ask_both", "False by ann"), ("ask_unanimous", None)])
async def test_one_no_is_enough_unless_as_many_are_needed(open_tasks: OpenTasks, workflow: str, result: str | None) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask(workflow)
        answer = await api.complete(task_id, "ann", approved=False)
        assert answer.json()["status"] == ("pending" if result is None else "completed")
        if result is not None:
            assert await api.result(run_id) == result


async def test_a_draft_is_kept_for_whoever_saved_it_and_need_not_fit(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        path = f"/planar/v1{TASKS}/{task_id}/draft"
        for data in ({"approved": "perhaps"}, {"note": "later"}):
            saved = await api.api.client.put(path, json={"data": data}, headers=named("ann"))
            assert saved.status_code == 200, saved.text
        assert (await api.api.client.get(path, headers=named("ann"))).json()["data"] == {"note": "later"}
        assert (await api.api.client.get(path, headers=named("bob"))).json() is None
        assert (await api.task(task_id))["version"] == 1
        await api.complete(task_id, "ann", approved=True)
        assert (await api.api.client.get(path, headers=named("ann"))).json() is None
        problem_of(await api.api.client.put(path, json={"data": {}}, headers=named("ann")), 409, "human_task_closed")


async def drafts(api: TasksApi) -> int:
    async with api.api.app.db_manager.get_session() as session:
        return len((await session.exec(select(HumanTaskAnswer).where(HumanTaskAnswer.is_draft))).all())


@pytest.mark.parametrize("end", ["complete", "cancel", "run"])
async def test_drafts_go_with_the_end_of_their_task(open_tasks: OpenTasks, end: str) -> None:
    async with open_tasks() as api:
        run_id, task_id = await api.ask("ask_both")
        _, other = await api.ask("expense")
        for who in ("ann", "bob"):
            for task in (task_id, other):
                await api.api.client.put(f"/planar/v1{TASKS}/{task}/draft", json={"data": {}}, headers=named(who))
        assert await drafts(api) == 4
        match end:
            case "complete":
                await api.complete(task_id, "ann", approved=True)
                assert await drafts(api) == 3, "ann's, who has answered"
                await api.complete(task_id, "eve", approved=True)
            case "cancel":
                await api.act(task_id, "cancel")
            case _:
                await api.api.until(run_id, "suspended")
                await api.api.post(f"/workflows/ask_both/runs/{run_id}/cancel")
                await api.api.until(run_id, "cancelled")
        assert await drafts(api) == 2


async def test_a_draft_and_the_end_of_its_task_at_once_leave_no_draft(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        for _ in range(5):
            _, task_id = await api.ask("expense")
            path = f"/planar/v1{TASKS}/{task_id}/draft"
            saves = [api.api.client.put(path, json={"data": {}}, headers=named(f"user{n}")) for n in range(4)]
            answers = await asyncio.gather(*saves[:2], api.complete(task_id, approved=True), *saves[2:])
            assert {answer.status_code for answer in answers} <= {200, 409}
            assert answers[2].status_code == 200
            assert await drafts(api) == 0


async def test_many_drafts_of_one_person_at_once_are_one(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        path = f"/planar/v1{TASKS}/{task_id}/draft"
        calls = [api.api.client.put(path, json={"data": {"note": n}}, headers=named("ann")) for n in range(6)]
        assert [answer.status_code for answer in await asyncio.gather(*calls)] == [200] * 6
        assert (await api.api.client.get(path, headers=named("ann"))).json()["data"]["note"] in range(6)
        async with api.api.app.db_manager.get_session() as session:
            found = await session.exec(select(HumanTaskAnswer).where(HumanTaskAnswer.task_id == UUID(task_id)))
            assert len(found.all()) == 1


async def test_comments_are_signed_and_in_order(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        for who, text in (("ann", "Why?"), ("bob", "Because.")):
            assert (await api.act(task_id, "comments", {"text": text}, who)).status_code == 201
        said = (await api.api.get(f"{TASKS}/{task_id}/comments")).json()
        assert [(each["created_by"], each["text"]) for each in said] == [("ann", "Why?"), ("bob", "Because.")]
        assert invalid(await api.act(task_id, "comments", {"text": ""}, "ann"))
        problem_of(await api.act(str(uuid4()), "comments", {"text": "Hm"}, "ann"), 404, "human_task_not_found")


async def test_an_unknown_file_cannot_be_attached(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        problem_of(await api.act(task_id, "attachments", {"file_id": str(uuid4())}, "ann"), 404, "file_not_found")
        assert (await api.api.get(f"{TASKS}/{task_id}/attachments")).json() == []


async def test_a_file_is_attached_once(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        async with api.api.app.db_manager.get_session() as session:
            file = PlanarFileMetadata(filename="a.txt", content_type="text/plain", size=1, storage_ref="a" * 32, sha256="0" * 64)
            session.add(file)
            await session.commit()
        assert (await api.act(task_id, "attachments", {"file_id": str(file.id)}, "ann")).status_code == 201
        calls = [api.act(task_id, "attachments", {"file_id": str(file.id)}, "bob") for _ in range(6)]
        assert [answer.status_code for answer in await asyncio.gather(*calls)] == [201] * 6
        _, other = await api.ask("expense")
        calls = [api.act(other, "attachments", {"file_id": str(file.id)}, f"user{n}") for n in range(6)]
        assert [answer.status_code for answer in await asyncio.gather(*calls)] == [201] * 6
        assert len((await api.api.get(f"{TASKS}/{other}/attachments")).json()) == 1
        attached = (await api.api.get(f"{TASKS}/{task_id}/attachments")).json()
        assert [(each["file_id"], each["created_by"]) for each in attached] == [(str(file.id), "ann")]


# -- lists ------------------------------------------------------------------------------------------------------------------


async def test_lists_show_whose_tasks_they_are(open_tasks: OpenTasks) -> None:
    async with open_tasks() as api:
        ids = {workflow: (await api.ask(workflow))[1] for workflow in ("expense", "ask_ann", "ask_finance", "ask_lax")}
        names = {task_id: workflow for workflow, task_id in ids.items()}

        async def shown(who: str | None = None, **params: object) -> list[str]:
            return [names[task["id"]] for task in await api.tasks(who, **params)]

        assert await shown() == ["ask_lax", "ask_finance", "ask_ann", "expense"]
        await api.act(ids["ask_lax"], "claim", who="ann")
        assert await shown("ann", view="mine") == ["ask_lax", "ask_ann"]
        assert await shown("bob;finance,sales", view="my_roles") == ["ask_finance"]
        assert await shown("ann", view="unassigned") == ["expense"]
        assert await shown(view="mine") == []
        assert await shown(workflow="ask_ann") == await shown(name="for ann") == await shown(assignee="ann") == ["ask_ann"]
        assert await shown(role="finance") == ["ask_finance"]
        assert await shown(status="claimed") == ["ask_lax"]
        assert await shown(sort="priority") == ["ask_finance", "ask_ann", "expense", "ask_lax"]
        assert (await shown(sort="due"))[:2] == ["ask_ann", "ask_finance"]
        assert await shown(overdue=True) == []
        assert invalid(await api.api.get(f"{TASKS}/", after=str(uuid4()))) == [("query.after", "unknown_task")]
        assert invalid(await api.api.get(f"{TASKS}/", limit=0, view="yours"))


@pytest.mark.parametrize("sort", ["created", "due", "priority"])
async def test_pages_follow_each_other_in_every_order(open_tasks: OpenTasks, sort: str) -> None:
    async with open_tasks() as api:
        for workflow in ("expense", "ask_ann", "ask_finance", "ask_ann", "ask_lax"):
            await api.ask(workflow)
        everything = [task["id"] for task in await api.tasks(sort=sort)]
        assert len(everything) == 5
        page = await api.api.get(f"{TASKS}/", sort=sort, limit=2)
        assert page.headers["x-total-count"] == "5"
        assert not {"input_data", "output_schema"} & page.json()[0].keys()
        seen = [task["id"] for task in page.json()]
        while "link" in page.headers:
            page = await api.api.client.get(page.headers["link"].partition(">")[0].removeprefix("<"))
            seen += [task["id"] for task in page.json()]
        assert seen == everything
        assert "x-total-count" not in (await api.api.get(f"{TASKS}/", total="false")).headers
        assert "output_schema" in (await api.tasks(include="payload"))[0]


# -- permission -------------------------------------------------------------------------------------------------------------


class ByAttributes:
    """Everybody may do everything to tasks of the workflow that they are called after, and lists are for all."""

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        if isinstance(resource, HumanTaskResource) and resource.workflow is not None:
            return Decision(principal is not None and resource.workflow == principal.sub)
        return Decision(True)


async def test_a_policy_decides_by_what_the_task_is(open_tasks: OpenTasks) -> None:
    async with open_tasks(prepare=lambda app: app.use_authorizer(ByAttributes())) as api:
        await api.api.start("expense")
        async with asyncio.timeout(20):
            while not (mine := await api.tasks("expense")):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
        task_id = mine[0]["id"]
        assert await api.tasks("bob") == []
        for what, body in (
            ("complete", {"output_data": {}}),
            ("cancel", None),
            ("claim", None),
            ("delegate", {}),
            ("comments", {"text": "x"}),
        ):
            # This policy permits what it knows only the id of, so that what there is not is not found, and neither is what is not for bob.
            for who in ("bob", None):
                for asked in (task_id, str(uuid4())):
                    problem_of(await api.act(asked, what, body, who), 404, "human_task_not_found")
        assert (await api.complete(task_id, "expense", approved=True)).status_code == 200


class OnlyByAttributes:
    """Whoever a task is for may do everything to it, and everybody may see tasks of their own name; nothing else is permitted."""

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        if not isinstance(resource, HumanTaskResource) or action is HumanTaskAction.LIST:
            return Decision(True)
        is_theirs = principal is not None and resource.assignee == principal.sub
        return Decision(is_theirs or (action is HumanTaskAction.VIEW_DETAILS and resource.workflow == "ask_ann" and principal is not None))


async def test_a_policy_may_permit_by_attributes_alone(open_tasks: OpenTasks) -> None:
    async with open_tasks(prepare=lambda app: app.use_authorizer(OnlyByAttributes())) as api:
        await api.api.start("ask_ann")
        async with asyncio.timeout(20):
            while not (mine := await api.tasks("ann")):  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
        task_id = mine[0]["id"]
        for asked in (task_id, str(uuid4()), "me"):
            problem_of(await api.complete(asked, "bob", approved=True), 403, "not_authorized")
            problem_of(await api.complete(asked, approved=True), 401, "not_authenticated")
        assert (await api.act(task_id, "claim", who="ann")).status_code == 200
        assert (await api.complete(task_id, "ann", approved=True)).status_code == 200
