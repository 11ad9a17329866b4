"""Rows are made, changed, replaced and deleted over HTTP, as their class says."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from planar.security import Principal
from planar.security.actions import Action
from planar.security.authorization import Authorizer, Decision
from planar.security.resources import ResourceDescriptor
from tests.integration.entities.conftest import Entities, misfits, problem
from tests.integration.entities.world import Visit

pytestmark = pytest.mark.anyio


async def test_a_new_row_is_answered_as_it_is_found_later(api: Entities) -> None:
    answer = await api.ask("POST", "/Customer/instances", {"name": "-Ann", "limit": 12.5, "since": "2020-02-29", "level": "gold"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert made["entity_name"] == "Customer"
    assert made["data"]["name"] == "Ann"
    assert made["data"]["limit"] == "12.50"
    assert made["data"]["level"] == "gold"
    assert made["data"]["created_by"] == "system"
    assert "secret" not in made["data"]
    assert answer.headers["location"] == f"/planar/v1/entities/Customer/instances/{made['id']}"
    found = await api.client.get(answer.headers["location"])
    assert found.json() == made
    assert found.headers["etag"] == answer.headers["etag"] == made["etag"]


async def test_every_type_comes_back_as_it_went_in(api: Entities) -> None:
    sent = {
        "text": "ä\n\"'\\%_",
        "maybe": "",
        "number": -(2**31),
        "big": 2**63 - 1,
        "ratio": 0.1,
        "price": "1234567890.12",
        "exact": "123456789012345678901234567890.123456789",
        "flag": True,
        "level": "silver",
        "day": "0001-01-01",
        "moment": "2024-02-29T23:59:59.999999+02:00",
        "clock": "23:59:59.000001",
        "span": "P1DT2H",
        "other": "0190163d-8694-739b-aea5-966c26f8ad91",
        "labels": ["red", "ä"],
        "anything": {"deep": [1, 2.5, None, {"x": "y"}]},
        "raw": "AP8B",
    }
    made = await api.make("Sample", **sent)
    assert {name: made["data"][name] for name in sent} == sent | {"moment": "2024-02-29T21:59:59.999999Z"}
    assert (await api.get(f"/Sample/instances/{made['id']}")) == made


async def test_numbers_are_read_as_they_are_written(api: Entities) -> None:
    answer = await api.ask(
        "POST", "/Sample/instances", b'{"text": "x", "exact": 1234567890123456789.123456789, "ratio": 1e-7, "number": 2.0}'
    )
    assert answer.status_code == 201, answer.text
    assert answer.json()["data"]["exact"] == "1234567890123456789.123456789"
    assert answer.json()["data"]["ratio"] == 1e-7
    assert answer.json()["data"]["number"] == 2


async def test_what_does_not_fit_is_named(api: Entities) -> None:
    answer = await api.ask(
        "POST",
        "/Customer/instances",
        {"name": "", "limit": "1.234", "level": "iron", "id": str(uuid4()), "secret": "x", "colour": 1, "score": 3},
    )
    found = misfits(answer)
    assert set(found) == {"body.name", "body.limit", "body.level", "body.id", "body.secret", "body.colour", "body.score"}
    assert found["body.score"] == "Extra inputs are not permitted: this field is set by the server"
    assert found["body.secret"] == found["body.colour"]
    assert set(misfits(await api.ask("POST", "/Customer/instances", {}))) == {"body.name"}


UNFIT = [
    ("number", 2**31),
    ("number", 10**400),
    ("big", 2**63),
    ("text", "a\0b"),
    ("text", "\ud800"),
    ("text", None),
    ("maybe", "x" * 51),
    ("moment", "2024-01-01T00:00:00"),
    ("moment", "0001-01-01T00:00:00+14:00"),
    ("clock", "12:00:00+01:00"),
    ("price", "12345678901.00"),
    ("price", "NaN"),
    ("exact", "1e2000"),
    ("exact", "Infinity"),
    ("labels", ["a\0"]),
    ("anything", {"a": {"b\0": 1}}),
    ("raw", "not base64!"),
    ("other", "x"),
    ("flag", "perhaps"),
]


async def test_values_that_no_database_takes_are_refused_at_their_place(api: Entities) -> None:
    made = await api.make("Sample", text="x")
    for field, value in UNFIT:
        for method, path in (("POST", "/Sample/instances"), ("PATCH", f"/Sample/instances/{made['id']}")):
            found = misfits(await api.ask(method, path, {"text": "x", field: value}))
            assert all(place.startswith(f"body.{field}") for place in found), (field, value, found)


async def test_what_is_not_json_is_refused(api: Entities) -> None:
    for body in (b"{", b"\xff", b'{"name": NaN}', b"[" * 100_000, b'{"number": ' + b"1" * 5000 + b"}"):
        problem(await api.ask("POST", "/Sample/instances", body), 400, "unreadable_body")


async def test_a_body_that_is_no_object_or_no_json_is_refused(api: Entities) -> None:
    assert set(misfits(await api.ask("POST", "/Customer/instances", []))) == {"body"}
    assert set(misfits(await api.ask("POST", "/Customer/instances/bulk", {}))) == {"body"}
    assert set(misfits(await api.ask("POST", "/Customer/instances/bulk", [1]))) == {"body.0"}
    answer = await api.ask("POST", "/Customer/instances", b"name=x", headers={"content-type": "text/plain"})
    assert set(misfits(answer)) == {"header.content-type"}


async def test_a_change_leaves_out_or_clears(api: Entities) -> None:
    made = await api.make("Customer", name="Ann", email="ann@x", notes="n")
    changed = await api.ask("PATCH", f"/Customer/instances/{made['id']}", {"email": None})
    assert changed.status_code == 200, changed.text
    data = changed.json()["data"]
    assert (data["name"], data["email"], data["notes"]) == ("Ann", None, "n")
    assert data["updated_at"] > made["data"]["updated_at"]
    assert set(misfits(await api.ask("PATCH", f"/Customer/instances/{made['id']}", {"name": None}))) == {"body.name"}


async def test_nothing_to_change_changes_nothing(api: Entities) -> None:
    made = await api.make("Customer", name="--Ann")
    assert made["data"]["name"] == "-Ann"
    for body in ({}, {"email": None}):
        changed = await api.ask("PATCH", f"/Customer/instances/{made['id']}", body)
        assert changed.json() == made  # the validator of the name never sees its own result


async def test_a_replacement_gives_defaults_to_what_it_leaves_out(api: Entities) -> None:
    made = await api.make("Customer", name="Ann", email="ann@x", notes="n", level="gold")
    changed = await api.ask("PUT", f"/Customer/instances/{made['id']}", {"name": "Bea"})
    assert changed.status_code == 200, changed.text
    data = changed.json()["data"]
    assert (data["name"], data["email"], data["notes"], data["level"]) == ("Bea", None, "", "bronze")
    assert data["created_at"] == made["data"]["created_at"]
    assert set(misfits(await api.ask("PUT", f"/Customer/instances/{made['id']}", {}))) == {"body.name"}


async def test_a_field_that_is_given_once_is_not_changed(api: Entities) -> None:
    made = await api.make("Order", number="A1")
    found = misfits(await api.ask("PATCH", f"/Order/instances/{made['id']}", {"number": "A2"}))
    assert found == {"body.number": "Extra inputs are not permitted: this field is given once, when the row is made"}


async def test_the_class_looks_at_the_whole_changed_row(api: Entities) -> None:
    made = await api.make("Order", number="A1")
    path = f"/Order/instances/{made['id']}"
    assert misfits(await api.ask("PATCH", path, {"status": "paid"})) == {"body": "Value error, a paid order says when it was paid"}
    assert (await api.get(path))["data"]["status"] == "open"
    changed = await api.ask("PATCH", path, {"status": "paid", "paid_at": "2024-01-01T00:00:00Z"})
    assert changed.json()["data"]["status"] == "paid"
    assert set(misfits(await api.ask("POST", "/Order/instances", {"number": "A2", "status": "paid"}))) == {"body"}


async def test_a_deleted_row_is_gone(api: Entities) -> None:
    made = await api.make("Customer", name="Ann")
    path = f"/Customer/instances/{made['id']}"
    answer = await api.ask("DELETE", path)
    assert (answer.status_code, answer.content) == (204, b"")
    for method, body in (("GET", None), ("DELETE", None), ("PATCH", {}), ("PUT", {"name": "x"})):
        problem(await api.ask(method, path, body), 404, "instance_not_found")


async def test_who_is_referred_to_is_not_deleted(api: Entities) -> None:
    customer = await api.make("Customer", name="Ann")
    order = await api.make("Order", number="A1", customer_id=customer["id"])
    body = problem(await api.ask("DELETE", f"/Customer/instances/{customer['id']}"), 409, "still_referenced")
    assert body["detail"] == "Rows of order refer to this Customer by customer_id. Change or delete them first."
    assert (await api.get(f"/Order/instances/{order['id']}"))["data"]["customer_id"] == customer["id"]


async def test_who_refers_to_a_row_is_told_to_whoever_may_list_them(api: Entities) -> None:
    class NoOrders:
        def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
            return Decision(resource.resource_id != "Order")

    customer = await api.make("Customer", name="Ann")
    await api.make("Order", number="A1", customer_id=customer["id"])
    patient = await api.make("Patient", name="Bea")
    async with api.app.db_manager.get_session() as session:
        session.add(Visit(reason="secret", patient_id=UUID(patient["id"])))
        await session.commit()
    api.app.services.add(Authorizer, NoOrders())
    body = problem(await api.ask("DELETE", f"/Customer/instances/{customer['id']}"), 409, "still_referenced")
    assert body["detail"] == "Other rows refer to this Customer. Change or delete them first."
    body = problem(await api.ask("DELETE", f"/Patient/instances/{patient['id']}"), 409, "still_referenced")
    assert body["detail"] == "Other rows refer to this Patient. Change or delete them first."


async def test_what_belongs_to_a_row_goes_with_it(api: Entities) -> None:
    order = await api.make("Order", number="A1")
    await api.make("Line", order_id=order["id"], product="p")
    assert (await api.ask("DELETE", f"/Order/instances/{order['id']}")).status_code == 204
    assert (await api.list("Line"))["total"] == 0


async def test_a_violated_constraint_names_its_fields(api: Entities) -> None:
    ann = await api.make("Customer", name="Ann", email="ann@x")
    bea = await api.make("Customer", name="Bea", email="bea@x")
    body = problem(await api.ask("POST", "/Customer/instances", {"name": "x", "email": "ann@x"}), 409, "not_unique")
    assert body["detail"] == "Another Customer has the same email."
    assert body["errors"] == [{"type": "not_unique", "loc": ["body", "email"], "msg": "Another Customer has the same email."}]
    problem(await api.ask("PATCH", f"/Customer/instances/{bea['id']}", {"email": "ann@x"}), 409, "not_unique")
    body = problem(await api.ask("POST", "/Order/instances", {"number": "1", "customer_id": str(uuid4())}), 409, "missing_reference")
    assert [found["loc"] for found in body["errors"]] == [["body", "customer_id"]]
    order = await api.make("Order", number="2", customer_id=ann["id"])
    body = problem(await api.ask("PATCH", f"/Order/instances/{order['id']}", {"customer_id": order["id"]}), 409, "missing_reference")
    assert [found["loc"] for found in body["errors"]] == [["body", "customer_id"]]
    body = problem(await api.ask("POST", "/Line/instances", {"order_id": order["id"], "product": "p", "quantity": 0}), 409, "check_failed")
    assert "quantity_is_positive" in body["detail"]
    assert "INSERT" not in str(body)


async def test_a_stale_change_is_refused_and_a_fresh_one_is_not(api: Entities) -> None:
    made = await api.make("Customer", name="Ann")
    path = f"/Customer/instances/{made['id']}"
    first = await api.ask("PATCH", path, {"name": "Bea"}, headers={"if-match": made["etag"]})
    assert first.status_code == 200
    assert first.headers["etag"] not in (made["etag"], "")
    for method, body in (("PATCH", {"name": "Cleo"}), ("PUT", {"name": "Cleo"}), ("DELETE", None)):
        problem(await api.ask(method, path, body, headers={"if-match": made["etag"]}), 412, "stale_instance")
    assert (await api.get(path))["data"]["name"] == "Bea"
    tags = f'"x", {first.headers["etag"]}'
    assert (await api.ask("PATCH", path, {"name": "Cleo"}, headers={"if-match": tags})).status_code == 200
    assert (await api.ask("DELETE", path, headers={"if-match": "*"})).status_code == 204


async def test_a_version_is_the_tag_of_a_row_that_has_one(api: Entities) -> None:
    made = await api.make("Counter", value=1)
    assert made["etag"] == '"v1"'
    assert set(misfits(await api.ask("PATCH", f"/Counter/instances/{made['id']}", {"version": 7}))) == {"body.version"}
    changed = await api.ask("PATCH", f"/Counter/instances/{made['id']}", {"value": 2}, headers={"if-match": '"v1"'})
    assert changed.json()["etag"] == '"v2"'
    problem(await api.ask("PATCH", f"/Counter/instances/{made['id']}", {"value": 3}, headers={"if-match": '"v1"'}), 412, "stale_instance")


async def test_a_row_that_is_known_is_not_sent_again(api: Entities) -> None:
    made = await api.make("Customer", name="Ann")
    path = f"/Customer/instances/{made['id']}"
    answer = await api.ask("GET", path, headers={"if-none-match": f"W/{made['etag']}"})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", made["etag"])
    assert (await api.ask("GET", path, headers={"if-none-match": '"other"'})).status_code == 200


async def test_of_two_changes_at_once_one_is_refused_and_none_is_lost(api: Entities) -> None:
    made = await api.make("Customer", name="Ann")
    path = f"/Customer/instances/{made['id']}"
    for turn in range(10):
        etag = (await api.get(path))["etag"]
        names = [f"n{turn}.{place}" for place in range(4)]
        answers = await asyncio.gather(*(api.ask("PATCH", path, {"name": name}, headers={"if-match": etag}) for name in names))
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200, 412, 412, 412]
        won = next(answer.json() for answer in answers if answer.status_code == 200)
        assert await api.get(path) == won


async def test_changes_of_different_fields_at_once_are_all_kept(api: Entities) -> None:
    made = await api.make("Customer", name="Ann")
    path = f"/Customer/instances/{made['id']}"
    changes = [{"email": "a@x"}, {"notes": "n"}, {"level": "gold"}, {"limit": "3"}]
    answers = await asyncio.gather(*(api.ask("PATCH", path, change) for change in changes))
    assert [answer.status_code for answer in answers] == [200] * 4
    data = (await api.get(path))["data"]
    assert (data["email"], data["notes"], data["level"], data["limit"]) == ("a@x", "n", "gold", "3.00")


async def test_what_is_only_marked_as_deleted_is_restored(api: Entities) -> None:
    made = await api.make("Note", title="t")
    path = f"/Note/instances/{made['id']}"
    assert (await api.ask("DELETE", path)).status_code == 204
    problem(await api.ask("GET", path), 404, "instance_not_found")
    problem(await api.ask("PATCH", path, {"title": "u"}), 404, "instance_not_found")
    assert (await api.list("Note"))["total"] == 0
    assert (await api.list("Note", deleted="only"))["total"] == 1
    assert (await api.get(path, deleted="include"))["data"]["deleted_at"] is not None
    restored = await api.ask("POST", f"{path}/restore")
    assert (restored.status_code, restored.json()["data"]["deleted_at"]) == (200, None)
    assert (await api.list("Note"))["total"] == 1
    assert set(misfits(await api.ask("PATCH", path, {"deleted_at": None}))) == {"body.deleted_at"}
    customer = await api.make("Customer", name="Ann")
    problem(await api.ask("POST", f"/Customer/instances/{customer['id']}/restore"), 409, "not_soft_deleted")


async def test_keys_of_other_kinds(api: Entities) -> None:
    first, second = await api.make("City", name="a"), await api.make("City", name="b")
    assert int(second["id"]) > int(first["id"])
    assert (await api.get(f"/City/instances/{first['id']}"))["data"] == {"id": int(first["id"]), "name": "a"}
    for wrong in ("x", "99999999999999999999", "1.5"):
        assert set(misfits(await api.ask("GET", f"/City/instances/{wrong}"))) == {"path.instance_id"}
    await api.make("Country", code="de", name="Germany")
    assert (await api.get("/Country/instances/de"))["data"]["name"] == "Germany"
    problem(await api.ask("POST", "/Country/instances", {"code": "de", "name": "x"}), 409, "not_unique")
    assert set(misfits(await api.ask("PATCH", "/Country/instances/de", {"code": "fr"}))) == {"body.code"}
    assert set(misfits(await api.ask("GET", "/Country/instances/%00"))) == {"path.instance_id"}
    assert set(misfits(await api.ask("GET", "/Customer/instances/none"))) == {"path.instance_id"}


async def test_a_read_only_entity_is_only_read(api: Entities) -> None:
    assert (await api.list("Rate"))["items"] == []
    row = f"/Rate/instances/{uuid4()}"
    for method, path, body in (
        ("POST", "/Rate/instances", {"percent": 1}),
        ("PATCH", row, {}),
        ("PUT", row, {"percent": 1}),
        ("DELETE", row, None),
        ("POST", "/Rate/instances/bulk", []),
    ):
        problem(await api.ask(method, path, body), 403, "entity_read_only")


async def test_an_unknown_entity_is_not_found(api: Entities) -> None:
    row = f"/Nothing/instances/{uuid4()}"
    for method, path in (("GET", "/Nothing"), ("GET", "/Nothing/instances"), ("GET", row), ("POST", "/Nothing/instances"), ("DELETE", row)):
        problem(await api.ask(method, path), 404, "entity_not_found")
