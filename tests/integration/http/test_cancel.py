"""Cancelling over HTTP."""

from __future__ import annotations

from uuid import uuid4

import pytest

from tests.integration.http.conftest import OpenApi, invalid, problem_of

pytestmark = pytest.mark.anyio


async def test_a_waiting_run_ends_at_once_with_its_reason(open_api: OpenApi) -> None:
    async with open_api() as api:
        run_id = await api.start("awaiting", key="never")
        await api.until(run_id, "suspended")
        answer = await api.post(f"/workflows/awaiting/runs/{run_id}/cancel", {"reason": "ordered twice"})
        assert (answer.status_code, answer.json()) == (202, {"id": run_id, "status": "cancelled"})
        run = await api.run(run_id)
        assert (run["status"], run["reason"], run["waiting_for_event"]) == ("cancelled", None, None)
        assert "ordered twice" in run["error"]["message"]


async def test_children_end_with_their_parent(open_api: OpenApi) -> None:
    async with open_api() as api:
        parent = await api.start("parenting", key="never")
        await api.until(parent, "suspended")
        (child,) = (await api.get("/workflows/awaiting/runs")).json()["items"]
        assert (await api.post(f"/workflows/parenting/runs/{parent}/cancel")).status_code == 202
        await api.until(parent, "cancelled")
        await api.until(child["id"], "cancelled")


async def test_a_run_that_has_ended_cannot_be_cancelled(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("nothing")
        problem_of(await api.post(f"/workflows/nothing/runs/{run['id']}/cancel"), 409, "run_already_ended")
        assert (await api.run(run["id"]))["status"] == "succeeded"


async def test_only_a_run_of_that_workflow_is_cancelled(open_api: OpenApi) -> None:
    async with open_api() as api:
        run_id = await api.start("awaiting", key="never")
        await api.until(run_id, "suspended")
        problem_of(await api.post(f"/workflows/nothing/runs/{run_id}/cancel"), 404, "run_not_found")
        problem_of(await api.post(f"/workflows/awaiting/runs/{uuid4()}/cancel"), 404, "run_not_found")
        assert (await api.run(run_id))["status"] == "suspended"


async def test_a_request_that_does_not_fit_is_refused(open_api: OpenApi) -> None:
    async with open_api() as api:
        run_id = await api.start("awaiting", key="never")
        for body in ({"reason": ""}, {"reason": "x" * 1001}, {"why": "because"}, ["now"]):
            assert invalid(await api.post(f"/workflows/awaiting/runs/{run_id}/cancel", body))
        assert (await api.until(run_id, "suspended"))["cancel_reason"] is None
