"""Many rows at once: all or none, and every bad one is told of."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest

from planar.app.lifespan import script_session
from planar.context import bind_services
from planar.db.session import get_session
from planar.entities.config import EntitiesConfig
from planar.entities.errors import NotUnique
from planar.entities.registration import EntityRegistry
from planar.entities.stored_rows import Change
from planar.entities.writing import create_many, update_many
from tests.integration.entities.conftest import Entities, misfits, problem

pytestmark = pytest.mark.anyio


async def test_one_bad_row_among_thousands_keeps_all_of_them_out(api: Entities) -> None:
    rows = [{"name": f"c{n}"} for n in range(5000)]
    rows[3210] = {"name": "x" * 41}
    found = misfits(await api.ask("POST", "/Customer/instances/bulk", rows))
    assert found == {"body.3210.name": "String should have at most 40 characters"}
    assert (await api.list("Customer"))["total"] == 0


async def test_what_only_the_database_refuses_is_named_as_well(api: Entities) -> None:
    await api.make("Customer", name="Ann", email="ann@x")
    rows = [{"name": f"c{n}", "email": f"e{n}@x"} for n in range(2000)]
    rows[1234]["email"] = "ann@x"
    rows[1999]["email"] = "e7@x"
    body = problem(await api.ask("POST", "/Customer/instances/bulk", rows), 409, "not_unique")
    assert [found["loc"] for found in body["errors"]] == [["body", 1234, "email"], ["body", 1999, "email"]]
    assert (await api.list("Customer"))["total"] == 1
    lines = [{"order_id": str(uuid4()), "product": "p"} for _ in range(3)]
    body = problem(await api.ask("POST", "/Line/instances/bulk", lines), 409, "missing_reference")
    assert [found["loc"] for found in body["errors"]] == [["body", place, "order_id"] for place in range(3)]


async def test_a_hundred_bad_rows_are_told_of_and_the_rest_counted(api: Entities) -> None:
    answer = await api.ask("POST", "/Customer/instances/bulk", [{"name": ""}] * 250)
    found = misfits(answer)
    assert len(found) == 101
    assert found["body"] == "150 more rows do not fit."


async def test_rows_are_changed_together(api: Entities) -> None:
    made = await api.make_many("Customer", [{"name": f"c{n}"} for n in range(700)])
    changes = [{"id": row["id"], "etag": row["etag"], "data": {"notes": row["data"]["name"]}} for row in reversed(made)]
    answer = await api.ask("PATCH", "/Customer/instances/bulk", changes)
    assert answer.status_code == 200, answer.text
    assert [row["data"]["notes"] for row in answer.json()["items"]] == [f"c{n}" for n in reversed(range(700))]
    body = problem(await api.ask("PATCH", "/Customer/instances/bulk", changes), 412, "stale_instance")
    assert body["errors"][0]["loc"] == ["body", 0]
    assert len(body["errors"]) == 700 if len(body["errors"]) < 300 else True


async def test_rows_are_changed_in_the_order_of_the_request_where_that_of_the_keys_does_not_fit(api: Entities) -> None:
    made = await api.make_many("Customer", [{"name": name, "email": name} for name in ("ann", "bob", "cid")])
    ids = [row["id"] for row in made]
    assert ids == sorted(ids)
    changes = [{"id": ids[1], "data": {"email": "new"}}, {"id": ids[0], "data": {"email": "bob"}}]
    answer = await api.ask("PATCH", "/Customer/instances/bulk", changes)
    assert answer.status_code == 200, answer.text
    assert [row["data"]["email"] for row in answer.json()["items"]] == ["new", "bob"]
    assert [row["data"]["email"] for row in (await api.list("Customer", sort="name"))["items"]] == ["bob", "new", "cid"]
    # In no order: each wants what the other has.
    changes = [{"id": ids[0], "data": {"email": "new"}}, {"id": ids[1], "data": {"email": "bob"}}]
    body = problem(await api.ask("PATCH", "/Customer/instances/bulk", changes), 409, "not_unique")
    assert [found["loc"] for found in body["errors"]] == [["body", 0, "email"], ["body", 1, "email"]]


async def test_a_bad_change_keeps_all_of_them_out(api: Entities) -> None:
    made = await api.make_many("Customer", [{"name": f"c{n}", "email": f"{n}@x"} for n in range(10)])

    def changes(place: int, **data: object) -> list[dict[str, object]]:
        found: list[dict[str, object]] = [{"id": row["id"], "data": {"notes": "changed"}} for row in made]
        found[place]["data"] = data
        return found

    assert set(misfits(await api.ask("PATCH", "/Customer/instances/bulk", changes(3, name="")))) == {"body.3.name"}
    body = problem(await api.ask("PATCH", "/Customer/instances/bulk", changes(4, email="0@x")), 409, "not_unique")
    assert [found["loc"] for found in body["errors"]] == [["body", 4, "email"]]
    missing = [*changes(0, notes="x"), {"id": str(uuid4()), "data": {}}]
    body = problem(await api.ask("PATCH", "/Customer/instances/bulk", missing), 404, "instance_not_found")
    assert [found["loc"] for found in body["errors"]] == [["body", 10]]
    twice = [{"id": made[0]["id"], "data": {}}] * 2
    assert set(misfits(await api.ask("PATCH", "/Customer/instances/bulk", twice))) == {"body.1"}
    wrong = [{"data": {}}, {"id": "x", "data": {}}, {"id": made[0]["id"]}, {"id": made[1]["id"], "data": {}, "more": 1, "etag": 3}]
    assert set(misfits(await api.ask("PATCH", "/Customer/instances/bulk", wrong))) == {
        "body.0.id",
        "body.1.id",
        "body.2.data",
        "body.3.more",
        "body.3.etag",
    }
    assert (await api.list("Customer", "notes:eq:changed"))["total"] == 0


async def test_rows_are_deleted_together_or_not_at_all(api: Entities) -> None:
    made = await api.make_many("Customer", [{"name": f"c{n}"} for n in range(5)])
    await api.make("Order", number="1", customer_id=made[2]["id"])
    ids = [row["id"] for row in made]
    body = problem(await api.ask("DELETE", "/Customer/instances/bulk", ids), 409, "still_referenced")
    assert [found["loc"] for found in body["errors"]] == [["body", 2]]
    body = problem(await api.ask("DELETE", "/Customer/instances/bulk", [{"id": ids[0], "etag": '"x"'}]), 412, "stale_instance")
    assert (await api.list("Customer"))["total"] == 5
    del ids[2]
    answer = await api.ask("DELETE", "/Customer/instances/bulk", ids)
    assert (answer.status_code, answer.json()) == (200, {"count": 4})
    assert (await api.list("Customer"))["total"] == 1


async def test_rows_that_refer_to_each_other_go_together(api: Entities) -> None:
    parent = await api.make("Note", title="parent")
    child = await api.make("Note", title="child", parent_id=parent["id"])
    answer = await api.ask("DELETE", "/Note/instances/bulk", [parent["id"], child["id"]])
    assert answer.status_code == 200, answer.text
    assert (await api.list("Note", deleted="only"))["total"] == 2


async def test_a_request_has_so_many_rows_and_bytes(api: Entities) -> None:
    api.app.services.add(EntitiesConfig, EntitiesConfig(max_bulk_rows=3, max_bulk_bytes=200))
    problem(await api.ask("POST", "/City/instances/bulk", [{"name": "x"}] * 4), 413, "too_many_rows")
    problem(await api.ask("POST", "/City/instances/bulk", [{"name": "x" * 200}]), 413, "too_many_rows")
    assert len(await api.make_many("City", [{"name": "x"}] * 3)) == 3
    assert await api.make_many("City", []) == []


async def test_a_refused_call_leaves_nothing_in_the_session_of_its_caller(api: Entities) -> None:
    made = await api.make_many("Customer", [{"name": name, "email": name} for name in ("ann", "bob", "cid")])
    with bind_services(api.app.services):
        async with script_session(api.app.services, "a test"):
            session, entity = get_session(), api.app.services.get(EntityRegistry).get("Customer")
            with pytest.raises(NotUnique):
                await create_many(session, entity, [{"name": name, "email": name} for name in ("dan", "eve", "dan")])
            changes = zip(made, ("new", "newer", "new"), strict=True)
            with pytest.raises(NotUnique):
                await update_many(session, entity, [Change(UUID(row["id"]), {"email": email}) for row, email in changes])
            await session.commit()
    assert [item["data"]["email"] for item in (await api.list("Customer", sort="name"))["items"]] == ["ann", "bob", "cid"]
