"""Rows refer to each other: with labels, whole where that is asked for, and by a number of statements that does not grow."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event, text

from tests.integration.entities.conftest import Entities, misfits, problem
from tests.integration.entities.register import Register
from tests.integration.entities.world import Note, Pin

pytestmark = pytest.mark.anyio


@contextmanager
def statements(api: Entities | Register) -> Iterator[list[str]]:
    """What is asked of the database in the block."""
    engine = api.app.db_manager.get_engine().sync_engine
    told: list[str] = []

    def tell(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        told.append(statement)

    event.listen(engine, "before_cursor_execute", tell)
    try:
        yield told
    finally:
        event.remove(engine, "before_cursor_execute", tell)


async def test_a_reference_has_a_label(api: Entities) -> None:
    ann = await api.make("Customer", name="Ann")
    order = await api.make("Order", number="A1", customer_id=ann["id"])
    assert order["references"] == {"customer": {"id": ann["id"], "label": "Ann", "entity": "Customer", "deleted": False}}
    assert (await api.make("Order", number="A2"))["references"] == {"customer": None}
    line = await api.make("Line", order_id=order["id"], product="p")
    assert line["references"]["order"] == {"id": order["id"], "label": "A1", "entity": "Order", "deleted": False}
    assert "references" not in (await api.list("Order", references=False))["items"][0]


async def test_a_chosen_entity_and_a_bare_foreign_key_are_references_too(api: Entities) -> None:
    ann = await api.make("Customer", name="Ann")
    parent = await api.make("Note", title="parent", about=ann["id"])
    assert parent["references"] == {"about": {"id": ann["id"], "label": "Ann", "entity": "Customer", "deleted": False}, "parent_id": None}
    child = await api.make("Note", title="child", about=ann["id"], parent_id=parent["id"])
    # As programs may write it, and as it was written before keys were looked for.
    async with api.app.db_manager.get_session() as session:
        (await session.get_one(Note, UUID(child["id"]))).about = "no key"
        await session.commit()
    child = await api.get(f"/Note/instances/{child['id']}")
    assert child["references"] == {
        "about": {"id": "no key", "label": None, "entity": "Customer", "deleted": False},
        "parent_id": {"id": parent["id"], "label": "parent", "entity": "Note", "deleted": False},
    }
    found = await api.list("Note", "parent_id.title:eq:parent", expand="about,parent_id")
    assert [item["id"] for item in found["items"]] == [child["id"]]
    assert found["items"][0]["expanded"]["parent_id"]["id"] == parent["id"]
    assert found["items"][0]["expanded"]["about"] is None


async def test_relations_are_expanded_on_request(api: Entities) -> None:
    ann = await api.make("Customer", name="Ann")
    orders = await api.make_many("Order", [{"number": f"A{n}", "customer_id": ann["id"]} for n in range(5)])
    bea = await api.make("Customer", name="Bea")
    found = await api.get(f"/Customer/instances/{ann['id']}", expand="orders,tags", expand_limit=3)
    assert [item["id"] for item in found["expanded"]["orders"]["items"]] == [order["id"] for order in orders[:3]]
    assert found["expanded"]["orders"]["more"] is True
    assert found["expanded"]["tags"] == {"items": [], "more": False}
    assert "secret" not in str(found)
    page = await api.list("Customer", expand="orders", sort="name")
    assert [len(item["expanded"]["orders"]["items"]) for item in page["items"]] == [5, 0]
    order = await api.get(f"/Order/instances/{orders[0]['id']}", expand="customer,lines")
    assert order["expanded"]["customer"]["data"]["name"] == "Ann"
    assert order["expanded"]["customer"]["id"] == ann["id"]
    assert bea["references"] == {}


async def test_filters_and_orders_look_one_relation_further(api: Entities) -> None:
    ann, bea = await api.make("Customer", name="Ann", level="gold"), await api.make("Customer", name="Bea")
    orders = await api.make_many(
        "Order", [{"number": "1", "customer_id": bea["id"]}, {"number": "2", "customer_id": ann["id"]}, {"number": "3"}]
    )
    await api.make("Line", order_id=orders[0]["id"], product="pear", quantity=7)

    async def numbers(*filters: str, **params: Any) -> list[str]:
        return [item["data"]["number"] for item in (await api.list("Order", *filters, **params))["items"]]

    assert await numbers("customer.name:eq:Ann") == ["2"]
    assert await numbers("customer.level:ne:gold") == ["1"]
    assert await numbers("lines.quantity:gt:5") == ["1"]
    assert await numbers("lines.product:ilike:PE%", "customer.name:in:Ann,Bea") == ["1"]
    assert await numbers(sort="customer.name") == ["2", "1", "3"]
    assert await numbers(sort="-customer.name,number") == ["1", "2", "3"]
    first = await api.list("Order", sort="-customer.level,number", limit=1)
    rest = await api.list("Order", sort="-customer.level,number", limit=5, after=first["next"])
    assert [item["data"]["number"] for item in [*first["items"], *rest["items"]]] == ["1", "2", "3"]
    found = misfits(await api.ask("GET", "/Order/instances", params={"sort": "lines.quantity"}))
    assert "several lines" in found["query.sort.0"]
    assert (
        "Relations: customer, lines"
        in misfits(await api.ask("GET", "/Order/instances", params={"filter": "clerk.name:eq:x"}))["query.filter.0"]
    )
    customers = await api.list("Customer", "orders.number:in:1,2")
    assert customers["total"] == 2


async def test_a_hidden_key_does_not_show_through_its_relationship(api: Entities) -> None:
    for entity, relation in (("Visit", "patient"), ("Patient", "visits"), ("Hint", "about"), ("Hint", "doctor"), ("Patient", "hints")):
        field = "id" if relation != "patient" else "name"
        asked: tuple[dict[str, str], ...] = ({"expand": relation}, {"filter": f"{relation}.{field}:eq:x"}, {"sort": f"{relation}.{field}"})
        for params in asked:
            assert misfits(await api.ask("GET", f"/{entity}/instances", params=params)), (entity, params)
    assert (await api.make("Visit", reason="x"))["references"] == {}
    assert (await api.make("Hint"))["references"] == {}


async def test_rows_marked_as_deleted_are_neither_found_across_a_relation_nor_referred_to_anew(api: Entities) -> None:
    gone, there = await api.make("Note", title="t"), await api.make("Note", title="t")
    old = await api.make("Reply", text="old", note_id=gone["id"])
    await api.make("Reply", text="new", note_id=there["id"])
    assert (await api.ask("DELETE", f"/Note/instances/{gone['id']}")).status_code == 204
    for question in ("note.title:eq:t", "note.deleted_at:is_null", "note.title:ne:x"):
        assert [item["data"]["text"] for item in (await api.list("Reply", question))["items"]] == ["new"], question
    assert (await api.list("Reply", "note.deleted_at:is_null:false"))["total"] == 0
    for entity, field, more in (("Reply", "note_id", {"text": "x"}), ("Note", "parent_id", {"title": "x"})):
        rows = [more, {**more, field: gone["id"]}]
        body = problem(await api.ask("POST", f"/{entity}/instances/bulk", rows), 409, "missing_reference")
        assert [found["loc"] for found in body["errors"]] == [["body", 1, field]]
    path = f"/Reply/instances/{old['id']}"
    assert (await api.ask("PUT", path, {"text": "still", "note_id": gone["id"]})).status_code == 200
    assert (await api.ask("PATCH", path, {"note_id": there["id"]})).status_code == 200
    body = problem(await api.ask("PATCH", path, {"note_id": gone["id"]}), 409, "missing_reference")
    assert [found["loc"] for found in body["errors"]] == [["body", "note_id"]]
    await api.ask("POST", f"/Note/instances/{gone['id']}/restore")
    assert (await api.ask("PATCH", path, {"note_id": gone["id"]})).status_code == 200


async def test_what_a_row_refers_to_is_marked_once_it_is_deleted(api: Entities) -> None:
    gone = await api.make("Note", title="gone")
    reply = await api.make("Reply", text="r", note_id=gone["id"])
    assert reply["references"]["note"] == {"id": gone["id"], "label": "gone", "entity": "Note", "deleted": False}
    assert (await api.ask("DELETE", f"/Note/instances/{gone['id']}")).status_code == 204
    shown = await api.get(f"/Reply/instances/{reply['id']}", expand="note")
    assert shown["references"]["note"] == {"id": gone["id"], "label": "gone", "entity": "Note", "deleted": True}
    assert shown["expanded"] == {"note": None}
    assert [item["expanded"] for item in (await api.list("Reply", expand="note"))["items"]] == [{"note": None}]
    assert (await api.get("/Note/options", search="gone"))["items"] == []
    await api.ask("POST", f"/Note/instances/{gone['id']}/restore")
    assert (await api.get(f"/Reply/instances/{reply['id']}", expand="note"))["expanded"]["note"]["id"] == gone["id"]


async def test_what_is_chosen_must_be_there(api: Entities) -> None:
    ann, wrong = await api.make("Customer", name="Ann"), str(uuid4())
    note = await api.make("Note", title="t", about=ann["id"])
    path = f"/Note/instances/{note['id']}"
    for value in (wrong, "no key", "", note["id"]):
        assert set(misfits(await api.ask("POST", "/Note/instances", {"title": "x", "about": value}))) == {"body.about"}
        assert set(misfits(await api.ask("PATCH", path, {"about": value}))) == {"body.about"}
        rows = [{"title": "a", "about": ann["id"]}, {"title": "b"}, {"title": "c", "about": value}]
        assert set(misfits(await api.ask("POST", "/Note/instances/bulk", rows))) == {"body.2.about"}
    assert (await api.ask("DELETE", f"/Customer/instances/{ann['id']}")).status_code == 204
    # What the row has already may stay.
    assert (await api.ask("PUT", path, {"title": "u", "about": ann["id"]})).status_code == 200
    assert (await api.ask("PATCH", path, {"about": None})).status_code == 200
    assert set(misfits(await api.ask("PATCH", path, {"about": ann["id"]}))) == {"body.about"}


async def test_what_is_marked_as_deleted_is_not_chosen(api: Entities) -> None:
    gone = await api.make("Note", title="gone")
    pin = await api.make("Pin", note=gone["id"], several=[gone["id"]])
    assert pin["references"].keys() == {"note", "city", "other"}
    assert (await api.ask("DELETE", f"/Note/instances/{gone['id']}")).status_code == 204
    assert (await api.get(f"/Pin/instances/{pin['id']}"))["references"]["note"]["deleted"] is True
    answer = await api.ask("POST", "/Pin/instances", {"note": gone["id"], "city": "9" * 30})
    assert misfits(answer) == {
        "body.note": f"There is no Note {gone['id']}",
        "body.city": f"There is no City {'9' * 30}",
    }


async def test_choices_are_looked_for_by_one_statement_for_each_entity(api: Entities) -> None:
    await api.make("City", name="Rome")
    notes = await api.make_many("Note", [{"title": str(number)} for number in range(100)])
    rows = [{"note": note["id"], "city": "1"} for note in notes]
    counts: list[int] = []
    for some in (rows[:2], rows):
        with statements(api) as told:
            await api.make_many("Pin", some)
        counts.append(sum(statement.startswith(("SELECT note.id", "SELECT city.id")) for statement in told))
    assert counts == [2, 2]


async def test_a_chosen_key_that_no_database_could_look_for_is_shown_as_it_is(api: Entities) -> None:
    rome = await api.make("City", name="Rome")
    pins = await api.make_many("Pin", [{"city": rome["id"]}, {"city": rome["id"]}])
    async with api.app.db_manager.get_session() as session:
        (await session.get_one(Pin, UUID(pins[0]["id"]))).city = "9" * 30
        await session.commit()
    found = {item["id"]: item for item in (await api.list("Pin", expand="city"))["items"]}
    assert found[pins[0]["id"]]["references"]["city"] == {"id": "9" * 30, "label": None, "entity": "City", "deleted": False}
    assert [found[pin["id"]]["expanded"]["city"] is None for pin in pins] == [True, False]


async def test_new_rows_may_choose_each_other(api: Entities) -> None:
    first, second = str(uuid4()), str(uuid4())
    lines = [{"id": first, "other": second}, {"id": second, "other": first}]
    body = "\n".join(map(json.dumps, lines)).encode()
    answer = await api.ask("POST", "/Pin/import", body, headers={"content-type": "application/jsonl"})
    assert answer.status_code == 200, answer.text
    assert (await api.list("Pin"))["total"] == 2


async def test_many_to_many_goes_across_the_table_between(api: Entities) -> None:
    ann, red = await api.make("Customer", name="Ann"), await api.make("Tag", label="red")
    await api.make("Customer", name="Bea")

    async with api.app.db_manager.get_session() as session:
        plain = session.dialect.name == "sqlite"
        values = {"c": ann["id"].replace("-", ""), "t": red["id"].replace("-", "")} if plain else {"c": ann["id"], "t": red["id"]}
        into = "insert into customertag (customer_id, tag_id) values ('{c}', '{t}')".format(**values)
        await (await session.connection()).execute(text(into))
        await session.commit()
    found = await api.list("Customer", "tags.label:eq:red", expand="tags")
    assert [item["id"] for item in found["items"]] == [ann["id"]]
    assert found["items"][0]["expanded"]["tags"]["items"][0]["data"]["label"] == "red"


async def test_a_list_of_many_rows_takes_as_many_statements_as_one_of_a_single_row(api: Entities) -> None:
    counted: list[int] = []
    for number in (1, 199):
        customers = await api.make_many("Customer", [{"name": f"c{n}"} for n in range(number)])
        orders = await api.make_many("Order", [{"number": str(uuid4()), "customer_id": made["id"]} for made in customers])
        await api.make_many("Line", [{"order_id": order["id"], "product": "p"} for order in orders])
        for path, params in (
            ("/Order/instances", {"expand": "customer,lines", "limit": 1000, "sort": "customer.name", "filter": "customer.name:like:c%"}),
            ("/Customer/instances", {"expand": "orders,tags", "limit": 1000, "search": "c"}),
            ("/Customer/options", {"limit": 1000}),
            ("/Order/groups", {"by": "customer_id,status", "limit": 1000}),
        ):
            await api.get(path, **params)
            with statements(api) as told:
                found = await api.get(path, **params)
            assert found["total"] == (1 if number == 1 else 200)
            counted.append(len(told))
    assert counted[:4] == counted[4:] == [5, 4, 2, 2]


async def test_choices_have_labels_and_are_searched(api: Entities) -> None:
    await api.make_many("Customer", [{"name": "Bea"}, {"name": "Ann"}, {"name": "Carl", "email": "ann@x"}])
    found = await api.get("/Customer/options", search="ann", limit=1)
    assert [item["label"] for item in found["items"]] == ["Ann"]
    assert found["total"] == 2
    assert found["items"][0].keys() == {"id", "label"}
    line = await api.get("/Line/options")
    assert line["items"] == []
