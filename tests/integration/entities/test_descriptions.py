"""Entities describe themselves, and show nothing to those who may not see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest

from planar.security import Principal
from planar.security.actions import Action, EntityAction
from planar.security.authorization import Authorizer, Decision
from planar.security.resources import ResourceDescriptor
from tests.integration.entities.conftest import Entities, misfits, problem
from tests.integration.entities.test_relations import statements
from tests.integration.entities.world import ENTITIES

pytestmark = pytest.mark.anyio


async def test_entities_are_listed_with_their_counts_by_one_statement(api: Entities) -> None:
    await api.make_many("City", [{"name": "a"}, {"name": "b"}])
    note = await api.make("Note", title="t")
    await api.ask("DELETE", f"/Note/instances/{note['id']}")
    with statements(api) as told:
        found = await api.get("/")
    assert len(told) == 1
    assert [item["name"] for item in found] == sorted(entity.__name__ for entity in ENTITIES)
    counts = {item["name"]: item["instance_count"] for item in found}
    assert (counts["City"], counts["Note"], counts["Order"]) == (2, 0, 0)
    assert found[[item["name"] for item in found].index("Customer")]["description"] == "Somebody who buys."
    with statements(api) as told:
        assert {item["instance_count"] for item in await api.get("/", counts=False)} == {None}
    assert told == []


async def test_an_entity_has_forms(api: Entities) -> None:
    customer = await api.get("/Customer")
    shown = customer["json_schema"]["properties"]
    assert shown["id"]["readOnly"] is shown["score"]["readOnly"] is True
    assert shown["limit"]["x-planar-presentation"] == {"inputType": "money", "decimalPlaces": 2}
    assert shown["notes"]["x-planar-presentation"] == {"inputType": "long-text"}
    assert "secret" not in shown
    created = customer["create_schema"]
    assert created["required"] == ["name"]
    assert created["additionalProperties"] is False
    assert set(created["properties"]) == {"name", "email", "level", "since", "limit", "notes"}
    labels = created["$defs"]["Level"]["x-planar-presentation"]
    assert labels == {"inputType": "enum", "labels": {"gold": "Gold", "silver": "Silver", "bronze": "Bronze"}}
    assert "required" not in customer["update_schema"]
    assert "default" not in customer["update_schema"]["properties"]["level"]
    assert customer["display_field"] == "name"
    assert customer["search_fields"] == ["name", "email", "notes"]
    assert {item["name"]: item["entity"] for item in customer["relations"]} == {"orders": "Order", "tags": "Tag"}
    order = await api.get("/Order")
    assert order["create_schema"]["properties"]["customer_id"]["x-planar-presentation"] == {
        "inputType": "entity-select",
        "entity": "Customer",
        "displayField": "name",
    }
    assert order["json_schema"]["properties"]["number"]["writeOnce"] is True
    placed = order["create_schema"]["properties"]["placed_at"]
    assert placed["x-planar-presentation"] == {"inputType": "datetime"}
    (status,) = [field for field in order["fields"] if field["name"] == "status"]
    assert (status["kind"], status["operators"]) == ("enum", ["eq", "ne", "in", "not_in", "is_null"])
    note = await api.get("/Note", counts=False)
    assert (note["soft_delete"], note["max_page"], note["instance_count"]) == (True, 50, None)
    about = note["create_schema"]["properties"]["about"]["x-planar-presentation"]
    assert about == {"inputType": "entity-select", "entity": "Customer", "displayField": "name"}


@dataclass
class Policy:
    """Allows what *allows* says."""

    allows: Callable[[Action, str | None], bool]

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        return Decision(self.allows(action, resource.resource_id))


def under(api: Entities, allows: Callable[[Action, str | None], bool]) -> None:
    api.app.services.add(Authorizer, Policy(allows))


async def test_each_action_is_asked_before_anything_is_read(api: Entities) -> None:
    row = f"/Customer/instances/{uuid4()}"
    requests: list[tuple[str, str, EntityAction]] = [
        ("GET", "/Customer", EntityAction.VIEW_DETAILS),
        ("GET", "/Customer/instances?limit=0", EntityAction.LIST),
        ("GET", "/Customer/options", EntityAction.LIST),
        ("GET", "/Customer/groups", EntityAction.LIST),
        ("GET", row, EntityAction.VIEW_DETAILS),
        ("POST", "/Customer/instances", EntityAction.CREATE),
        ("POST", "/Customer/instances/bulk", EntityAction.CREATE),
        ("PATCH", row, EntityAction.UPDATE),
        ("PUT", row, EntityAction.UPDATE),
        ("PATCH", "/Customer/instances/bulk", EntityAction.UPDATE),
        ("POST", f"{row}/restore", EntityAction.UPDATE),
        ("DELETE", row, EntityAction.DELETE),
        ("DELETE", "/Customer/instances/bulk", EntityAction.DELETE),
    ]
    for method, path, action in requests:
        under(api, lambda asked, name, action=action: (asked, name) != (action, "Customer"))  # type: ignore[misc] - bound in the loop
        with statements(api) as told:
            problem(await api.ask(method, path, b"{not json"), 401, "not_authenticated")
            problem(await api.ask(method, path.replace("Customer", "Nothing"), b"{}"), *_not_found(method, path))
        assert told == []
    under(api, lambda asked, name: False)
    problem(await api.ask("GET", "/"), 401, "not_authenticated")


def _not_found(method: str, path: str) -> tuple[int, str]:
    # A parameter of the address that does not fit is told of before the entity is looked for.
    return (422, "validation_error") if "limit=0" in path or path.endswith("/groups") else (404, "entity_not_found")


async def test_whoever_may_not_list_another_entity_does_not_see_it_through_this_one(api: Entities) -> None:
    ann = await api.make("Customer", name="Ann")
    order = await api.make("Order", number="1", customer_id=ann["id"])
    under(api, lambda action, name: name != "Customer")
    found = await api.get(f"/Order/instances/{order['id']}")
    assert found["references"]["customer"] == {"id": ann["id"], "label": None, "entity": "Customer", "deleted": False}
    for params in ({"expand": "customer"}, {"filter": "customer.name:eq:Ann"}, {"sort": "customer.name"}):
        assert misfits(await api.ask("GET", "/Order/instances", params=params))
    assert [item["name"] for item in (await api.get("/Order"))["relations"]] == ["lines"]
    listed: list[Any] = await api.get("/")
    assert "Customer" not in [item["name"] for item in listed]


async def test_changes_are_signed_by_who_makes_them(api: Entities) -> None:
    made = await api.ask("POST", "/Customer/instances", {"name": "Ann"}, headers={"x-planar-dev-user": "ann"})
    assert made.json()["data"]["created_by"] == "ann"
    path = f"/Customer/instances/{made.json()['id']}"
    changed = await api.ask("PATCH", path, {"notes": "n"}, headers={"x-planar-dev-user": "bea"})
    assert (changed.json()["data"]["created_by"], changed.json()["data"]["updated_by"]) == ("ann", "bea")
