"""Who may not do something learns nothing by trying: permission comes before look-ups and before the body is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import uuid4

import pytest

from planar import PlanarApp
from planar.security import Principal
from planar.security.actions import Action
from planar.security.authorization import Decision
from planar.security.resources import ResourceDescriptor
from tests.integration.http.conftest import V1, OpenApi, problem_of

pytestmark = [pytest.mark.anyio, pytest.mark.store_independent]

ANN = {"X-Planar-Dev-User": "ann"}
UNKNOWN = uuid4()


@dataclass
class Policy:
    """Allows what *allows* says."""

    allows: Callable[[Action, str | None], bool]

    def decide(self, principal: Principal | None, action: Action, resource: ResourceDescriptor) -> Decision:
        return Decision(self.allows(action, resource.resource_id))


def under(policy: Callable[[Action, str | None], bool]) -> Callable[[PlanarApp], object]:
    return lambda app: app.use_authorizer(Policy(policy))


REQUESTS = [
    ("POST", "/workflows/missing/start"),
    ("POST", "/workflows/summing/start"),
    ("GET", f"/workflows/{UNKNOWN}/status"),
    ("GET", "/workflows/not-an-id/status"),
    ("GET", "/workflows/"),
    ("GET", "/workflows/missing"),
    ("GET", "/workflows/missing/runs?limit=0"),
    ("GET", f"/workflows/summing/runs/{UNKNOWN}"),
    ("POST", f"/workflows/summing/runs/{UNKNOWN}/cancel"),
    ("GET", f"/workflows/summing/runs/{UNKNOWN}/steps"),
    ("GET", f"/workflows/summing/runs/{UNKNOWN}/steps/0"),
    ("POST", "/workflows/events/emit"),
    ("GET", "/workflows/events/list?limit=0"),
    ("GET", "/system-info"),
]


async def test_whoever_may_nothing_learns_nothing(open_api: OpenApi) -> None:
    async with open_api(prepare=under(lambda action, name: False)) as api:
        for method, path in REQUESTS:
            nobody = await api.client.request(method, V1 + path, content=b"{not json")
            problem_of(nobody, 401, "not_authenticated")
            ann = await api.client.request(method, V1 + path, content=b"{not json", headers=ANN)
            assert problem_of(ann, 403, "not_authorized") == "Not authorized to perform this action."


async def test_whether_the_app_lives_is_told_to_everybody(open_api: OpenApi) -> None:
    async with open_api(prepare=under(lambda action, name: False)) as api:
        assert (await api.get("/health")).json() == {"status": "ok"}
        assert (await api.get("/health/ready")).json()["checks"]["database"]["ok"]


async def test_each_action_is_asked_for_the_workflow_in_the_path(open_api: OpenApi) -> None:
    asked: list[tuple[str, str | None]] = []

    def note(action: Action, name: str | None) -> bool:
        asked.append((action.value, name))
        return True

    async with open_api(prepare=under(note)) as api:
        run = await api.finish("summing", left=1)
        path = f"/workflows/summing/runs/{run['id']}"
        for call in (api.get(path), api.get("/workflows/summing/runs"), api.get(f"{path}/steps"), api.get(f"{path}/steps/1")):
            await call
        await api.post(f"{path}/cancel")
        assert asked == [("Workflow::Run", "summing"), *[("Workflow::ViewDetails", "summing")] * 4, ("Workflow::Cancel", "summing")]
        asked.clear()
        await api.get("/workflows/")
        await api.get("/workflows/events/list")
        await api.post("/workflows/events/emit", {"event_key": "door"})
        await api.get("/system-info")
        kinds = [
            ("Workflow::List", None),
            ("Event::List", None),
            ("Event::Emit", None),
            ("Event::Emit", "door"),
            ("System::ViewInfo", None),
        ]
        assert asked == kinds


async def test_a_run_of_a_workflow_that_one_may_not_see_is_not_there(open_api: OpenApi) -> None:
    async with open_api(prepare=under(lambda action, name: action.value != "Workflow::ViewDetails" or name != "summing")) as api:
        hidden = await api.start("summing", left=1)
        problem_of(await api.client.get(f"{V1}/workflows/{hidden}/status", headers=ANN), 404, "run_not_found")
        seen = await api.start("nothing")
        assert (await api.client.get(f"{V1}/workflows/{seen}/status", headers=ANN)).status_code == 200


async def test_permission_to_emit_may_leave_keys_out(open_api: OpenApi) -> None:
    async with open_api(prepare=under(lambda action, name: name != "secret")) as api:
        problem_of(await api.post("/workflows/events/emit", {"event_key": "secret"}, headers=ANN), 403, "not_authorized")
        assert (await api.post("/workflows/events/emit", {"event_key": "open"}, headers=ANN)).status_code == 200


async def test_a_run_acts_as_whoever_started_it(open_api: OpenApi) -> None:
    async with open_api() as api:
        answers = [await api.post("/workflows/acting/start", params={"wait": 20}, headers=headers) for headers in (ANN, {})]
        assert [answer.json()["result"] for answer in answers] == ["ann", "nobody"]
        assert "principal" not in answers[0].json()
