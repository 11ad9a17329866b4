"""Announcing events over HTTP, and looking at them."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from planar.context import bind_services
from planar.engine.errors import ArgumentNotStorable
from planar.workflows import emit_event
from tests.integration.http.conftest import OpenApi, invalid, problem_of

pytestmark = pytest.mark.anyio


async def test_an_event_wakes_the_run_that_waits_for_it(open_api: OpenApi) -> None:
    async with open_api() as api:
        run_id = await api.start("awaiting", key="door")
        await api.until(run_id, "suspended")
        answer = await api.post("/workflows/events/emit", {"event_key": "door", "payload": {"open": True}})
        assert answer.status_code == 200
        event = answer.json()
        assert (event["event_key"], event["payload"], event["workflow_id"], event["woken"]) == ("door", {"open": True}, None, 1)
        assert event["timestamp"].endswith("Z")
        run = await api.until(run_id, "succeeded")
        assert run["result"] == {"open": True}


async def test_an_event_may_be_for_one_run_only(open_api: OpenApi) -> None:
    async with open_api() as api:
        first, second = await api.start("awaiting", key="door"), await api.start("awaiting", key="door")
        await api.until(first, "suspended")
        await api.until(second, "suspended")
        event = (await api.post("/workflows/events/emit", {"event_key": "door", "workflow_id": second})).json()
        assert (event["woken"], event["workflow_id"], event["payload"]) == (1, second, {})
        await api.until(second, "succeeded")
        assert (await api.run(first))["status"] == "suspended"


async def test_an_event_for_an_unknown_run_is_refused(open_api: OpenApi) -> None:
    async with open_api() as api:
        problem_of(await api.post("/workflows/events/emit", {"event_key": "door", "workflow_id": str(uuid4())}), 404, "run_not_found")
        assert (await api.get("/workflows/events/list")).json() == []


async def test_the_same_idempotency_key_is_the_same_event(open_api: OpenApi) -> None:
    async with open_api() as api:
        body = {"event_key": "paid", "idempotency_key": "1"}
        first, second = [(await api.post("/workflows/events/emit", {**body, "payload": n})).json() for n in (1, 2)]
        assert (first["id"], first["payload"]) == (second["id"], second["payload"])
        assert len((await api.get("/workflows/events/list")).json()) == 1


MISFITS: list[tuple[Any, str]] = [
    ({}, "body.event_key"),
    ({"event_key": ""}, "body.event_key"),
    ({"event_key": "a\0b"}, "body.event_key"),
    ({"event_key": "k", "more": 1}, "body.more"),
    ({"event_key": "k", "workflow_id": "me"}, "body.workflow_id"),
    ({"event_key": "k", "payload": ["\ud800"]}, "body.payload"),
    ({"event_key": "k", "payload": {"\ud800": 1}}, "body.payload"),
    ([], "body"),
]


async def test_an_event_that_does_not_fit_is_refused(open_api: OpenApi) -> None:
    async with open_api() as api:
        for body, place in MISFITS:
            assert [found for found, _ in invalid(await api.post("/workflows/events/emit", body))] == [place]


async def test_what_cannot_be_shown_again_is_not_stored(open_api: OpenApi) -> None:
    async with open_api() as api:
        for payload in (b"NaN", b"[Infinity]", b"[" * 150 + b"]" * 150):
            body = b'{"event_key": "k", "payload": ' + payload + b"}"
            answer = await api.post("/workflows/events/emit", content=body, headers={"content-type": "application/json"})
            assert [found.split(".")[:2] for found, _ in invalid(answer)] == [["body", "payload"]]
        assert (await api.get("/workflows/events/list", include="payload")).json() == []


async def test_code_cannot_emit_what_cannot_be_shown_again_either(open_api: OpenApi) -> None:
    async with open_api() as api:
        with bind_services(api.app.services), pytest.raises(ArgumentNotStorable, match="must be JSON"):
            await emit_event("k", {"text": "\ud800"})


async def test_nobody_can_forge_what_planar_itself_announces(open_api: OpenApi) -> None:
    async with open_api() as api:
        answer = await api.post("/workflows/events/emit", {"event_key": f"human_task_completed:{uuid4()}", "payload": {"approved": True}})
        problem_of(answer, 403, "event_key_reserved")
        assert (await api.get("/workflows/events/list")).json() == []


async def test_events_are_listed_newest_first_with_total_and_next_page(open_api: OpenApi) -> None:
    async with open_api() as api:
        for number in range(5):
            await api.post("/workflows/events/emit", {"event_key": "odd&even" if number % 2 else "even", "payload": number})
        page = await api.get("/workflows/events/list", limit=2)
        newest = page.json()[0]["seq"]
        assert [event["seq"] for event in page.json()] == [newest, newest - 1]
        assert page.headers["x-total-count"] == "5"
        assert not any("payload" in event for event in page.json())
        seen = [event["seq"] for event in page.json()]
        while "link" in page.headers:
            target, _, relation = page.headers["link"].partition(">")
            assert relation == '; rel="next"'
            page = await api.client.get(target.removeprefix("<"))
            seen += [event["seq"] for event in page.json()]
        assert seen == list(range(newest, newest - 5, -1))

        odd = await api.get("/workflows/events/list", event_key="odd&even", include="payload", limit=1)
        assert ([event["payload"] for event in odd.json()], odd.headers["x-total-count"]) == ([3], "2")
        following = await api.client.get(odd.headers["link"].partition(">")[0].removeprefix("<"))
        assert [event["payload"] for event in following.json()] == [1]
        assert "x-total-count" not in (await api.get("/workflows/events/list", total="false")).headers


async def test_a_parameter_that_does_not_fit_is_refused(open_api: OpenApi) -> None:
    async with open_api() as api:
        for parameter, value in (("limit", "0"), ("limit", "1001"), ("offset", "-1"), ("after", "x"), ("event_key", "")):
            answer = await api.get("/workflows/events/list", **{parameter: value})
            assert [place for place, _ in invalid(answer)] == [f"query.{parameter}"]
