"""The history of entities over HTTP: whose changes, in pages, also of rows that are gone, never of hidden fields."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlmodel import select

from planar import PlanarApp
from planar.db.history import PlanarEntityChange
from planar.entities.history_reading import prune_history
from planar.security.actions import EntityAction
from planar.security.auth_context import Principal, as_principal
from planar.security.authorization import Decision
from tests.databases import Databases
from tests.integration.entities.register import Register, Scrap, Shelf, Slip, open_register

pytestmark = pytest.mark.anyio


@pytest.fixture
async def register(databases: Databases) -> AsyncIterator[Register]:
    async with open_register(databases) as opened:
        yield opened


async def renamed(register: Register, shelf: Shelf, *names: str, who: str = "ada") -> None:
    with as_principal(Principal(sub=who, user_email=f"{who}@example.org")):
        for name in names:
            async with register.app.db_manager.get_session() as session:
                (await session.get_one(Shelf, shelf.id)).name = name
                await session.commit()


def short(answer: Any) -> list[tuple[str, Any, Any]]:
    assert answer.status_code == 200, answer.text
    return [(item["action"], (item["before"] or {}).get("name"), (item["after"] or {}).get("name")) for item in answer.json()["items"]]


async def test_a_row_has_its_history_also_when_it_is_gone(register: Register) -> None:
    shelf = Shelf(name="one")
    await register.stored(shelf, Shelf(name="other"))
    await renamed(register, shelf, "two")
    async with register.app.db_manager.get_session() as session:
        await session.delete(await session.get_one(Shelf, shelf.id))
        await session.commit()
    answer = await register.get(f"/Shelf/instances/{shelf.id}/history")
    assert short(answer) == [("delete", "two", None), ("update", "one", "two"), ("create", None, "one")]
    body = answer.json()
    assert (body["total"], body["next"]) == (3, None)
    assert body["items"][1]["changed_by"] == "ada"
    assert body["items"][1]["changed_by_email"] == "ada@example.org"
    assert body["items"][1]["entity_name"] == "Shelf"
    assert body["items"][1]["instance_id"] == str(shelf.id)
    assert datetime.fromisoformat(body["items"][1]["at"]).tzinfo is not None


async def test_hidden_fields_are_not_shown(register: Register) -> None:
    shelf = Shelf(name="one", secret="swordfish")
    await register.stored(shelf)
    answer = await register.get("/Shelf/history")
    assert answer.json()["total"] == 1
    assert "secret" not in answer.text
    assert "swordfish" not in answer.text


async def test_pages_follow_each_other_without_gaps(register: Register) -> None:
    shelf = Shelf(name="0")
    await register.stored(shelf)
    await renamed(register, shelf, *(str(number) for number in range(1, 8)))
    for path in ("/Shelf/history", f"/Shelf/instances/{shelf.id}/history"):
        names: list[str] = []
        after: dict[str, str] = {}
        while True:
            body = (await register.get(path, limit=3, total="false", **after)).json()
            assert body["total"] is None
            names += [item["after"]["name"] for item in body["items"]]
            if body["next"] is None:
                break
            after = {"after": body["next"]}
        assert names == [str(number) for number in range(7, -1, -1)]


async def test_changes_can_be_filtered(register: Register) -> None:
    shelf = Shelf(name="0")
    await register.stored(shelf)
    await renamed(register, shelf, "1", who="grace")
    middle = datetime.now(UTC) + timedelta(milliseconds=5)
    async with register.app.db_manager.get_session() as session:
        found = (await session.exec(select(PlanarEntityChange))).all()
    by = {change.action: change for change in found}
    middle = by["update"].at
    assert short(await register.get("/Shelf/history", who="grace")) == [("update", "0", "1")]
    assert short(await register.get("/Shelf/history", who="grace@example.org")) == [("update", "0", "1")]
    assert short(await register.get("/Shelf/history", who="system", action="create")) == [("create", None, "0")]
    assert short(await register.get("/Shelf/history", action="delete")) == []
    assert short(await register.get("/Shelf/history", since=middle.isoformat())) == [("update", "0", "1")]
    assert short(await register.get("/Shelf/history", until=middle.isoformat())) == [("create", None, "0")]
    assert short(await register.get("/Shelf/history", run_id=str(uuid4()))) == []


async def test_a_soft_deletion_shows_as_one(register: Register) -> None:
    slip = Slip(text="x")
    await register.stored(slip)
    async with register.app.db_manager.get_session() as session:
        (await session.get_one(Slip, slip.id)).deleted_at = datetime.now(UTC)
        await session.commit()
    assert [item["action"] for item in (await register.get("/Slip/history")).json()["items"]] == ["delete", "create"]


async def test_a_row_without_history_has_an_empty_one_and_one_that_never_was_is_not_found(register: Register) -> None:
    shelf = Shelf(name="one")
    await register.stored(shelf)
    async with register.app.db_manager.get_session() as session:
        assert await prune_history(session, datetime.now(UTC) + timedelta(days=1)) == 1
    assert (await register.get(f"/Shelf/instances/{shelf.id}/history")).json()["items"] == []
    for key in (str(uuid4()), "no-uuid", "%00"):
        answer = await register.get(f"/Shelf/instances/{key}/history")
        assert (answer.status_code, answer.json()["code"]) == (404, "instance_not_found")


async def test_pruning_forgets_what_is_old(register: Register) -> None:
    await register.stored(Shelf(name="one"), Shelf(name="two"))
    async with register.app.db_manager.get_session() as session:
        assert await prune_history(session, datetime.now(UTC) - timedelta(days=1)) == 0
        assert await prune_history(session, datetime.now(UTC) + timedelta(days=1)) == 2


async def test_an_entity_without_history_and_one_that_is_not_there_say_so(register: Register) -> None:
    await register.stored(Scrap(text="x"))
    answer = await register.get("/Scrap/history")
    assert (answer.status_code, answer.json()["code"]) == (404, "history_not_kept")
    answer = await register.get("/Nothing/history")
    assert (answer.status_code, answer.json()["code"]) == (404, "entity_not_found")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 1001},
        {"limit": "x"},
        {"after": "x"},
        {"since": "2024-01-01T00:00:00"},
        {"until": "yesterday"},
        {"since": "0001-01-01T00:00:00+23:00"},
        {"action": "explode"},
        {"run_id": "1"},
        {"who": "a\0b"},
        {"who": "x" * 501},
        {"total": "perhaps"},
    ],
)
async def test_wrong_questions_are_refused(register: Register, query: dict[str, Any]) -> None:
    answer = await register.get("/Shelf/history", **query)
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "validation_error"


class Strict:
    """Allows everything but to look at histories."""

    def decide(self, principal: Any, action: Any, resource: Any) -> Decision:
        return Decision(action is not EntityAction.VIEW_HISTORY)


async def test_a_history_needs_its_permission(databases: Databases) -> None:
    def prepare(app: PlanarApp) -> None:
        app.use_authorizer(Strict())  # type: ignore[arg-type] - a smaller one will do

    async with open_register(databases, prepare) as register:
        for path in ("/Shelf/history", f"/Shelf/instances/{uuid4()}/history", "/Nothing/history"):
            answer = await register.get(path)
            assert (answer.status_code, answer.json()["code"]) == (403, "not_authorized")
