"""Lists, deletion, and who uses a file."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import Field
from uuid_utils.compat import uuid7

from planar import PlanarApp
from planar.files import PlanarFile
from planar.files.checking import check_files
from planar.files.columns import file_field
from planar.files.errors import UnknownFiles
from planar.files.models import PlanarFileUse
from planar.files.storage.memory import MemoryStorage
from planar.human.models import HumanTask, HumanTaskAttachment
from planar.modeling.orm import PlanarBaseEntity
from planar.security import Principal
from planar.security.actions import Action
from planar.security.authorization import Authorizer, Decision
from planar.security.resources import FileResource, ResourceDescriptor
from planar.workflows import step, workflow
from planar.workflows.waiting import wait_for_event
from tests.integration.files.conftest import OpenFiles, in_script
from tests.integration.http.conftest import invalid, problem_of

pytestmark = pytest.mark.anyio


class FiledContract(PlanarBaseEntity, table=True):
    """An entity with a file."""

    title: str = Field(default="")
    scan: UUID | None = file_field(description="What was signed.")


@workflow()
async def reviewing(paper: PlanarFile, others: list[PlanarFile] | None = None) -> str:
    """Takes files, and waits."""
    await wait_for_event("reviewed")
    return paper.content_type


@workflow()
async def typed(paper: PlanarFile) -> str:
    """Takes a file, and ends."""
    return paper.content_type


async def test_files_are_listed_newest_first_and_page_by_page(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = [await api.store(f"File {number}.txt") for number in range(5)]
        answer = await api.get("/file/", limit=2)
        assert [file["filename"] for file in answer.json()["items"]] == ["File 4.txt", "File 3.txt"]
        assert answer.json()["total"] == 5
        seen = [file["id"] for file in answer.json()["items"]]
        while "next" in answer.links:
            answer = await api.client.get(answer.links["next"]["url"])
            seen += [file["id"] for file in answer.json()["items"]]
        assert seen == [file["id"] for file in reversed(stored)]
        assert (await api.get("/file/", total="false")).json()["total"] is None


async def test_a_list_is_narrowed_by_name_type_creator_and_run(open_files: OpenFiles) -> None:
    async with open_files() as api:
        await api.store("100%_sure.TXT")
        await api.store("1000 sure.txt")
        await api.store("p.png", b"\x89PNG\r\n\x1a\n", "image/png")

        async def names(**filters: Any) -> list[str]:
            answer = await api.get("/file/", **filters)
            assert answer.json()["total"] == len(answer.json()["items"])
            return [file["filename"] for file in answer.json()["items"]]

        assert await names(name="%_") == ["100%_sure.TXT"]
        assert await names(name="SURE.t") == ["1000 sure.txt", "100%_sure.TXT"]
        assert await names(content_type="image/*") == ["p.png"]
        assert await names(content_type="text/plain") == ["1000 sure.txt", "100%_sure.TXT"]
        assert await names(content_type="text/pl") == []
        assert await names(created_by="nobody") == []
        assert await names(run_id=str(uuid4())) == []
        for wrong in ({"limit": 0}, {"limit": 1001}, {"offset": -1}, {"run_id": "x"}, {"after": "x"}):
            assert (await api.get("/file/", **wrong)).status_code == 422


async def test_whoever_may_not_see_a_file_does_not_find_it_in_a_list(open_files: OpenFiles) -> None:
    hidden: set[str | None] = set()

    class Hiding:
        def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
            return Decision(resource.resource_id not in hidden)

    async with open_files([reviewing], prepare=lambda app: app.use_authorizer(Hiding())) as api:
        shown, secret = await api.store("shown.txt"), await api.store("secret.txt")
        hidden.add(secret["id"])
        assert [file["id"] for file in (await api.get("/file/")).json()["items"]] == [shown["id"]]
        # However the id is written.
        for written in (secret["id"], secret["id"].upper(), UUID(secret["id"]).hex, "{" + secret["id"] + "}"):
            problem_of(await api.content(written), 401, "not_authenticated")
        # Nor can it be had through a run.
        answer = await api.post("/workflows/reviewing/start", {"paper": secret})
        assert invalid(answer) == [("body.paper", "unknown_file")]


async def test_a_row_names_only_files_that_exist_and_that_its_sender_may_see(open_files: OpenFiles) -> None:
    hidden: set[str | None] = set()

    class Hiding:
        def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
            return Decision(resource.resource_id not in hidden)

    def prepare(app: PlanarApp) -> None:
        app.use_authorizer(Hiding()).register_entity(FiledContract)

    rows = "/entities/FiledContract/instances"
    async with open_files(prepare=prepare) as api:
        shown, secret = (await api.store("shown.txt"))["id"], (await api.store("secret.txt"))["id"]
        made = (await api.post(rows, {"title": "a", "scan": secret})).json()["id"]
        hidden.add(secret)
        for wrong in (str(uuid4()), secret):
            assert invalid(await api.post(rows, {"scan": wrong})) == [("body.scan", "unknown_file")]
            answer = await api.post(f"{rows}/bulk", [{"scan": shown}, {}, {"scan": wrong}])
            assert invalid(answer) == [("body.2.scan", "unknown_file")]
        # What the row has already may stay, and is not to be had again once it is gone.
        place = f"/planar/v1{rows}/{made}"
        assert (await api.client.put(place, json={"title": "b", "scan": secret})).status_code == 200
        assert (await api.client.patch(place, json={"scan": shown})).status_code == 200
        assert invalid(await api.client.patch(place, json={"scan": secret})) == [("body.scan", "unknown_file")]
        assert (await api.get(rows)).json()["total"] == 1


class EitherWay(PlanarBaseEntity, table=True):
    """An entity that declares one file as a file, and one by its id."""

    whole: PlanarFile | None = file_field()
    by_id: UUID | None = file_field()


async def test_a_file_is_given_as_it_is_shown_or_as_its_upload_answered(open_files: OpenFiles) -> None:
    async with open_files(prepare=lambda app: app.register_entity(EitherWay)) as api:
        stored = await api.store()
        held = {"whole": stored["id"], "by_id": stored["id"]}
        for given in (held, {"whole": stored, "by_id": stored}, {name: {"id": stored["id"]} for name in held}):
            made = (await api.post("/entities/EitherWay/instances", given)).json()
            assert {name: made["data"][name] for name in held} == held
            place = f"/planar/v1/entities/EitherWay/instances/{made['id']}"
            shown = (await api.client.get(place)).json()["data"]
            again = await api.client.put(place, json={name: shown[name] for name in held})
            assert again.status_code == 200, again.text
            assert {name: again.json()["data"][name] for name in held} == held
        for wrong in ("no id", 5, [stored["id"]], {"id": "no id"}, {"name": "x"}):
            for name in held:
                answer = await api.post("/entities/EitherWay/instances", {name: wrong})
                assert {".".join(place.split(".")[:2]) for place, _ in invalid(answer)} == {f"body.{name}"}, answer.text
            answer = await api.client.patch(place, json={"whole": wrong})
            assert answer.status_code == 422
        assert invalid(await api.post("/entities/EitherWay/instances", {"whole": str(uuid4())})) == [("body.whole", "unknown_file")]
        entity = (await api.get("/entities/EitherWay")).json()
        for schema in (entity["json_schema"], entity["create_schema"], entity["replace_schema"]):
            whole, by_id = schema["properties"]["whole"], schema["properties"]["by_id"]
            assert {**whole, "title": ""} == {**by_id, "title": ""}
            assert whole["anyOf"][0] == {"type": "string", "format": "uuid"}
            assert whole["x-planar-presentation"] == {"inputType": "file"}


async def test_a_deleted_file_is_gone_with_its_bytes(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store()
        assert (await api.client.delete(f"/planar/v1/file/{stored['id']}")).status_code == 204
        assert await api.refs() == set()
        problem_of(await api.content(stored["id"]), 404, "file_not_found")
        problem_of(await api.client.delete(f"/planar/v1/file/{stored['id']}"), 404, "file_not_found")
        assert await api.databases.ask("select ref from {planar}planar_file_blob") == []


async def test_a_storage_that_cannot_delete_leaves_an_orphan_and_no_record(open_files: OpenFiles) -> None:
    class Stuck(MemoryStorage):
        stuck = True

        async def delete(self, ref: str) -> None:
            if self.stuck:
                raise OSError("stuck")
            await super().delete(ref)

    storage = Stuck()
    async with open_files(storage=storage) as api:
        stored = await api.store()
        assert (await api.client.delete(f"/planar/v1/file/{stored['id']}")).status_code == 204
        assert (len(await api.refs()), await api.recorded()) == (1, set())
        storage.stuck = False
        assert (await api.collect()).orphans == 1
        assert await api.refs() == set()


async def with_session(app: PlanarApp, *rows: Any) -> None:
    async with app.db_manager.get_session() as session:
        session.add_all(rows)
        await session.commit()


async def test_a_file_that_an_entity_names_is_in_use(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store()
        contract = FiledContract(title="Lease", scan=UUID(stored["id"]))
        key = contract.id
        await with_session(api.app, contract)
        (reference,) = (await api.get(f"/file/{stored['id']}/references")).json()
        assert reference == {"kind": "entity", "name": "filedcontract", "id": str(key), "place": "scan", "in_use": True}
        told = problem_of(await api.client.delete(f"/planar/v1/file/{stored['id']}"), 409, "file_in_use")
        assert str(key) in told
        assert (await api.client.delete(f"/planar/v1/file/{stored['id']}?force=true")).status_code == 204


class Secretive:
    """Nobody may do anything to what is called by one of *hidden*."""

    def __init__(self, *hidden: str | None) -> None:
        self.hidden = hidden

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        named = {resource.resource_id, getattr(resource, "name", "")}
        return Decision(isinstance(resource, FileResource) or not named.intersection(self.hidden))


@pytest.mark.parametrize("user", ["row", "run"])
async def test_what_begins_to_use_a_file_while_it_is_deleted_keeps_it_or_is_refused(open_files: OpenFiles, user: str) -> None:
    async with open_files([reviewing], prepare=lambda app: app.register_entity(FiledContract)) as api:
        seen: set[tuple[int, int]] = set()
        for turn in range(12):
            stored = await api.store()
            if user == "row":
                using = api.post("/entities/FiledContract/instances", {"scan": stored["id"]})
            else:
                using = api.post("/workflows/reviewing/start", {"paper": stored})
            deleting = api.client.delete(f"/planar/v1/file/{stored['id']}")
            # Either may be the first.
            answers = await asyncio.gather(*((using, deleting) if turn % 2 else (deleting, using)))
            used, deleted = answers if turn % 2 else reversed(answers)
            seen.add((used.status_code, deleted.status_code))
        assert seen <= {(201 if user == "row" else 202, 409), (422, 204)}


async def test_a_file_that_belongs_to_a_task_is_in_use(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store()
        task = HumanTask(
            id=uuid7(), name="approve", title="Approve", workflow_id=uuid7(), workflow_name="w", step_id=1, step_path="1", output_schema={}
        )
        await with_session(api.app, task, HumanTaskAttachment(task_id=task.id, file_id=UUID(stored["id"])))
        (reference,) = (await api.get(f"/file/{stored['id']}/references")).json()
        assert reference == {"kind": "human_task", "name": "approve", "id": str(task.id), "place": "attachment", "in_use": True}
        assert str(task.id) in problem_of(await api.client.delete(f"/planar/v1/file/{stored['id']}"), 409, "file_in_use")
        api.app.services.add(Authorizer, Secretive("approve"))
        assert (await api.get(f"/file/{stored['id']}/references")).json() == []
        assert (await api.client.delete(f"/planar/v1/file/{stored['id']}?force=true")).status_code == 204


@pytest.mark.parametrize("is_served", [True, False])
async def test_who_uses_a_file_is_told_to_whoever_may_see_them(open_files: OpenFiles, is_served: bool) -> None:
    def prepare(app: PlanarApp) -> None:
        if is_served:
            app.register_entity(FiledContract, name="Contract")

    async with open_files([reviewing], prepare=prepare) as api:
        stored = await api.store()
        path = f"/file/{stored['id']}"
        contracts = [FiledContract(scan=UUID(stored["id"])) for _ in range(2)]
        name, keys = "Contract" if is_served else "filedcontract", {str(each.id) for each in contracts}
        await with_session(api.app, *contracts)
        run_id = await api.start("reviewing", paper=stored)

        async def told() -> set[tuple[str, str]]:
            return {(each["name"], each["id"]) for each in (await api.get(f"{path}/references")).json()}

        rows, run = {(name, key) for key in keys}, {("reviewing", run_id)}
        assert await told() == rows | run
        for hidden, seen, words in (
            (("Contract" if is_served else None,), run, f"run reviewing {run_id} and 2 others."),
            (("reviewing",), rows, " and another."),
            (("Contract" if is_served else None, "reviewing"), set[tuple[str, str]](), "in use by 3 others."),
        ):
            api.app.services.add(Authorizer, Secretive(*hidden))
            assert await told() == seen
            refusal = problem_of(await api.client.delete(f"/planar/v1{path}"), 409, "file_in_use")
            assert words in refusal
            assert {word for word in ("reviewing", name, run_id, *keys) if word in refusal} == {word for each in seen for word in each}


async def test_a_run_uses_its_files_until_it_ends(open_files: OpenFiles) -> None:
    async with open_files([reviewing]) as api:
        stored = await api.store()
        run_id = await api.start("reviewing", paper=stored, others=[stored])
        await api.until(run_id, "suspended")
        (reference,) = (await api.get(f"/file/{stored['id']}/references")).json()
        assert reference == {"kind": "run", "name": "reviewing", "id": run_id, "place": "paper", "in_use": True}
        problem_of(await api.client.delete(f"/planar/v1/file/{stored['id']}"), 409, "file_in_use")
        await api.post("/workflows/events/emit", {"event_key": "reviewed"})
        await api.until(run_id, "succeeded")
        (reference,) = (await api.get(f"/file/{stored['id']}/references")).json()
        assert reference["in_use"] is False
        assert (await api.client.delete(f"/planar/v1/file/{stored['id']}")).status_code == 204


@step()
async def draw() -> PlanarFile:
    """Stores a file."""
    return await PlanarFile.upload(b"drawn", "drawn.txt")


@workflow()
async def drawing() -> str:
    """Has a file of its own step, and waits."""
    file = await draw()
    await wait_for_event("seen")
    return file.filename


@workflow()
async def told() -> str:
    """Waits for a file, starts another run with it, and waits for that."""
    event = await wait_for_event("come")
    return await reviewing(PlanarFile.model_validate(event["file"]))


async def test_a_run_uses_what_its_steps_hand_on_until_it_ends(open_files: OpenFiles) -> None:
    async with open_files([drawing]) as api:
        run_id = await api.start("drawing")
        await api.until(run_id, "suspended")
        (stored,) = (await api.get("/file/")).json()["items"]
        found = (await api.get(f"/file/{stored['id']}/references")).json()
        assert found == [
            {"kind": "run", "name": "drawing", "id": run_id, "place": "step 1", "in_use": True},
            {"kind": "made_by", "name": "drawing", "id": run_id, "place": "step 1", "in_use": False},
        ]
        problem_of(await api.client.delete(f"/planar/v1/file/{stored['id']}"), 409, "file_in_use")
        await api.post("/workflows/events/emit", {"event_key": "seen"})
        await api.until(run_id, "succeeded")
        assert [each["kind"] for each in (await api.get(f"/file/{stored['id']}/references")).json()] == ["made_by"]
        assert (await api.client.delete(f"/planar/v1/file/{stored['id']}")).status_code == 204


async def test_a_run_uses_what_it_was_told_and_what_code_has_started_it_with(open_files: OpenFiles) -> None:
    async with open_files([told, reviewing]) as api:
        stored = await api.store()
        run_id = await api.start("told")
        await api.until(run_id, "suspended")
        assert (await api.get(f"/file/{stored['id']}/references")).json() == []
        await api.post("/workflows/events/emit", {"event_key": "come", "payload": {"file": stored}})
        async with asyncio.timeout(20):
            while len(found := (await api.get(f"/file/{stored['id']}/references")).json()) < 2:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
        assert {(each["name"], each["place"], each["in_use"]) for each in found} == {
            ("told", "step 1", True),
            ("reviewing", "arguments", True),
        }
        assert {each["id"] for each in found if each["name"] == "told"} == {run_id}
        problem_of(await api.client.delete(f"/planar/v1/file/{stored['id']}"), 409, "file_in_use")


async def test_a_run_that_goes_on_is_seen_behind_any_number_that_have_ended(open_files: OpenFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("planar.files.run_uses.MOST_REFERENCES", 2)
    async with open_files([reviewing, typed]) as api:
        stored = await api.store()
        waiting = await api.start("reviewing", paper=stored)
        for _ in range(3):
            await api.until(await api.start("typed", paper=stored), "succeeded")
        found = (await api.get(f"/file/{stored['id']}/references")).json()
        assert [(each["name"], each["in_use"]) for each in found] == [("reviewing", True), ("typed", False)]
        assert waiting in problem_of(await api.client.delete(f"/planar/v1/file/{stored['id']}"), 409, "file_in_use")


async def test_a_run_that_is_about_to_start_uses_its_files_already(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = await api.store()
        coming, never_came = uuid7(), UUID(int=uuid7().int - (3_700_000 << 80))
        await with_session(api.app, PlanarFileUse(file_id=UUID(stored["id"]), run_id=never_came, place="paper"))
        assert (await api.get(f"/file/{stored['id']}/references")).json() == []
        await with_session(api.app, PlanarFileUse(file_id=UUID(stored["id"]), run_id=coming, place="paper"))
        (reference,) = (await api.get(f"/file/{stored['id']}/references")).json()
        assert reference == {"kind": "run", "name": "", "id": str(coming), "place": "paper", "in_use": True}
        problem_of(await api.client.delete(f"/planar/v1/file/{stored['id']}"), 409, "file_in_use")


async def test_what_a_client_says_of_a_file_is_replaced_by_what_is_recorded(open_files: OpenFiles) -> None:
    async with open_files([reviewing]) as api:
        stored = await api.store("real.txt", b"12345")
        lie = {"id": stored["id"], "filename": "lie.exe", "content_type": "application/x-lie", "size": 1}
        run_id = await api.start("reviewing", paper=lie, others=[lie])
        await api.until(run_id, "suspended")
        (row,) = await api.databases.ask("select kwargs from {planar}workflow_run")
        assert "lie" not in row[0]
        assert row[0].count("real.txt") == 2


async def test_a_file_that_is_not_known_is_told_by_its_place(open_files: OpenFiles) -> None:
    async with open_files([reviewing]) as api:
        stored = await api.store()
        other = {**stored, "id": str(uuid4())}
        answer = await api.post("/workflows/reviewing/start", {"paper": stored, "others": [stored, other]})
        assert invalid(answer) == [("body.others.1", "unknown_file")]
        assert await api.databases.ask("select * from {planar}planar_file_use") == []
        # An id is needed: none is made up.
        answer = await api.post("/workflows/reviewing/start", {"paper": {"filename": "a", "content_type": "b/c"}})
        assert invalid(answer) == [("body.paper.id", "missing")]


async def test_any_value_can_be_checked(open_files: OpenFiles) -> None:
    async with open_files() as api:
        stored = PlanarFile.model_validate(await api.store("real.txt"))
        claimed = PlanarFile(id=stored.id, filename="lie", content_type="x/y", size=7)

        async def check() -> None:
            found = await check_files({"a": [{"b": (claimed,)}]}, ("place",))
            assert found == [(("place", "a", 0, "b", 0), stored.id)]
            assert claimed == stored
            with pytest.raises(UnknownFiles, match=r"place\.x"):
                await check_files({"x": PlanarFile(id=uuid4(), filename="a", content_type="b/c")}, ("place",))
            assert await check_files({"a": 1, "b": [None, "text"]}) == []

        await in_script(api.app, check)


def test_a_form_shows_a_file_as_something_to_upload() -> None:
    assert PlanarFile.model_json_schema()["x-planar-presentation"] == {"inputType": "file"}
    scan = FiledContract.model_json_schema()["properties"]["scan"]
    assert scan["x-planar-presentation"] == {"inputType": "file"}
    assert scan["description"] == "What was signed."
