"""Versions over HTTP: what is answered, what is refused, and to whom."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from planar import PlanarApp
from planar.object_config import VersionChooser
from planar.security import Principal
from planar.security.actions import Action, ObjectConfigAction
from planar.security.authorization import Decision
from planar.security.resources import ResourceDescriptor
from tests.integration.http.conftest import V1, Api, invalid, problem_of
from tests.integration.object_config.conftest import OpenApi
from tests.integration.object_config.world import have_limits

pytestmark = pytest.mark.anyio

BASE = "/object-configurations"
ANN = {"X-Planar-Dev-User": "ann"}
ZERO = str(UUID(int=0))


async def save(api: Api, name: str = "limits", **data: Any) -> dict[str, Any]:
    """Save a version; what the answer says of it."""
    answer = await api.post(f"{BASE}/", {"object_type": "limits", "object_name": name, "data": data, "comment": "why"})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def promote(api: Api, config_id: str, name: str = "limits") -> Any:
    return await api.post(f"{BASE}/promote", {"object_type": "limits", "config_id": config_id, "object_name": name})


async def test_a_version_is_saved_promoted_compared_and_taken_back(open_api: OpenApi) -> None:
    async with open_api((), prepare=have_limits) as api:
        api.client.headers.update(ANN)
        one, two = await save(api, ceiling=1), await save(api, ceiling=2, lines=[{"id": "a"}])
        assert (one["version"], one["state"], one["active"], one["author"], one["comment"]) == (1, "validated", False, "ann", "why")
        answer = await promote(api, two["id"])
        assert answer.status_code == 200, answer.text
        configs = answer.json()["configs"]
        assert [(each["version"], each["active"]) for each in configs] == [(2, True), (1, False), (0, False)]
        assert configs[-1]["id"] == ZERO
        assert configs[0]["data"] == {"ceiling": 2, "lines": [{"id": "a"}]}
        diff = (await api.get(f"{BASE}/{two['id']}/diff", against=one["id"])).json()
        assert [each["pointer"] for each in diff["differences"]] == ["/ceiling", "/lines/0"]
        assert (await api.get(f"{BASE}/{one['id']}/diff", against=ZERO)).json()["from_version"] == 0
        configs = (await promote(api, ZERO)).json()["configs"]
        assert [each["active"] for each in configs] == [False, False, True]
        history = (await api.get(f"{BASE}/{one['id']}/promotions")).json()
        assert [(each["from_version"], each["to_version"]) for each in history["items"]] == [(2, 0), (0, 2)]
        assert (await api.client.delete(f"{V1}{BASE}/{one['id']}")).status_code == 204
        problem_of(await api.client.delete(f"{V1}{BASE}/{two['id']}"), 409, "configuration_not_deletable")
        problem_of(await api.get(f"{BASE}/{one['id']}"), 404, "configuration_not_found")


async def test_lists_are_paged_counted_and_without_payload_unless_asked(open_api: OpenApi) -> None:
    async with open_api((), prepare=have_limits) as api:
        for number in range(5):
            await save(api, "prices" if number == 3 else "limits", ceiling=number)
        page = await api.get(f"{BASE}/", object_type="limits", object_name="limits", limit=3)
        assert (page.json()["total"], [each["version"] for each in page.json()["items"]]) == (4, [4, 3, 2])
        assert not any("data" in each for each in page.json()["items"])
        following = await api.client.get(page.headers["Link"].split(";")[0].strip("<>"))
        assert [each["version"] for each in following.json()["items"]] == [1]
        assert "Link" not in following.headers
        whole = (await api.get(f"{BASE}/", object_type="limits", include="payload", total="false")).json()
        assert (whole["total"], [each["data"]["ceiling"] for each in whole["items"]]) == (None, [4, 3, 2, 1, 0])


async def test_a_broken_version_is_shown_with_what_is_stored(open_api: OpenApi) -> None:
    async with open_api((), prepare=have_limits) as api:
        one, two = await save(api, ceiling=1), await save(api, ceiling=2)
        await api.databases.ask('update {planar}object_configuration set data = \'{{"ceiling":"high"}}\' where version = 1')
        api.app.services.get(VersionChooser).forget_all()
        listed = (await api.get(f"{BASE}/", object_type="limits")).json()["items"]
        assert [each["is_broken"] for each in listed] == [False, True]
        shown = (await api.get(f"{BASE}/{one['id']}")).json()
        assert (shown["data"], shown["is_broken"], shown["diagnostics"]["issues"][0]["field_path"]) == (
            {"ceiling": "high"},
            True,
            "ceiling",
        )
        assert (await promote(api, two["id"])).status_code == 200
        refused = await promote(api, one["id"])
        assert (refused.status_code, refused.json()["code"], refused.json()["error"]) == (400, "configuration_invalid", "ValidationError")
        assert (await api.post(f"{BASE}/{one['id']}/validate")).json()["state"] == "draft"


async def test_what_is_wrong_is_refused(open_api: OpenApi) -> None:
    async with open_api((), prepare=have_limits) as api:
        saved = await save(api)
        problem_of(await promote(api, saved["id"], "prices"), 409, "configuration_of_another_object")
        problem_of(await promote(api, saved["id"], "nothing"), 404, "configurable_not_found")
        problem_of(await promote(api, str(uuid4())), 404, "configuration_not_found")
        unknown = await api.post(f"{BASE}/promote", {"object_type": "rocks", "config_id": saved["id"], "object_name": "limits"})
        problem_of(unknown, 404, "unknown_object_type")
        problem_of(await api.get(f"{BASE}/", object_type="rocks"), 404, "unknown_object_type")
        assert invalid(await promote(api, "what")) == [("body.config_id", "uuid_parsing")]
        assert invalid(await api.get(f"{BASE}/", object_type="a\0"))[0][0] == "query.object_type"
        assert (await api.get(f"{BASE}/", object_type="limits", limit=0)).status_code == 422
        other = await save(api, "prices")
        problem_of(await api.get(f"{BASE}/{saved['id']}/diff", against=other["id"]), 409, "configuration_of_another_object")
        wrong = await api.post(f"{BASE}/", {"object_type": "limits", "object_name": "limits", "data": {"ceiling": "high"}})
        assert (wrong.status_code, wrong.json()["code"]) == (422, "configuration_unreadable")
        assert wrong.json()["errors"][0]["loc"] == ["body", "data", "ceiling"]
        invalid_draft = await save(api, ceiling=-1)
        assert (invalid_draft["state"], invalid_draft["is_broken"]) == ("draft", True)
        refused = (await promote(api, invalid_draft["id"])).json()
        assert (
            refused["diagnostics"]["suggested_fix"] == {"ceiling": 100, "rows": []}
            or refused["diagnostics"]["suggested_fix"]["lines"] == []
        )


@dataclass
class Only:
    """Allows the routes, and of the objects only *name*; to *update* and *promote* it if said."""

    name: str
    actions: tuple[Action, ...]

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        if not isinstance(action, ObjectConfigAction) or resource.resource_id is None:
            return Decision(True)
        return Decision(resource.resource_id == self.name and action in self.actions)


async def test_whoever_may_not_promote_does_not_and_learns_nothing(open_api: OpenApi) -> None:
    async with open_api((), prepare=have_limits) as api:
        mine, hidden = await save(api), await save(api, "prices")
        api.client.headers.update(ANN)
        api.app.use_authorizer(Only("limits/limits", (ObjectConfigAction.VIEW_DETAILS,)))
        assert (await promote(api, mine["id"])).status_code == 403
        assert (await promote(api, ZERO, "nothing")).status_code == 403
        assert (await api.post(f"{BASE}/{mine['id']}/validate")).status_code == 403
        assert (await api.client.delete(f"{V1}{BASE}/{mine['id']}")).status_code == 403
        problem_of(await api.get(f"{BASE}/{hidden['id']}"), 404, "configuration_not_found")
        problem_of(await api.client.delete(f"{V1}{BASE}/{hidden['id']}"), 404, "configuration_not_found")
        assert [each["id"] for each in (await api.get(f"{BASE}/", object_type="limits")).json()["items"]] == [mine["id"]]
        assert (await api.get(f"{BASE}/", object_type="limits", object_name="prices")).status_code == 403


@dataclass
class Nothing:
    """Allows nothing."""

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        return Decision(False)


async def test_every_route_asks_before_it_reads(open_api: OpenApi) -> None:
    def closed(app: PlanarApp) -> None:
        have_limits(app)
        app.use_authorizer(Nothing())

    async with open_api((), prepare=closed) as api:
        for method, path in [
            ("POST", "/promote"),
            ("POST", "/"),
            ("GET", "/?limit=0"),
            ("GET", "/uses"),
            ("GET", "/x"),
            ("GET", "/x/diff"),
            ("GET", "/x/promotions"),
            ("POST", "/x/validate"),
            ("DELETE", "/x"),
        ]:
            answer = await api.client.request(method, f"{V1}{BASE}{path}", content=b"{not json")
            assert answer.status_code in (401, 403), (method, path, answer.text)
