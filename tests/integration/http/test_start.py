"""Starting a run over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.http import sample
from tests.integration.http.conftest import V1, OpenApi, invalid, problem_of

pytestmark = pytest.mark.anyio


async def test_a_start_answers_202_and_says_where_the_run_is(open_api: OpenApi) -> None:
    async with open_api() as api:
        answer = await api.post("/workflows/summing/start", {"left": 1})
        assert answer.status_code == 202
        assert answer.json().keys() == {"id"}
        run_id = answer.json()["id"]
        assert answer.headers["location"] == f"{V1}/workflows/summing/runs/{run_id}"
        run = (await api.client.get(answer.headers["location"])).json()
        assert run["id"] == run_id


async def test_arguments_are_kept_by_name_with_their_defaults(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish("summing", left=1)
        assert (run["args"], run["kwargs"], run["result"]) == ([], {"left": 1, "right": 2}, 3)


async def test_a_workflow_without_parameters_needs_no_body(open_api: OpenApi) -> None:
    async with open_api() as api:
        for body in (b"", b"  ", b"{}"):
            answer = await api.post("/workflows/nothing/start", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 202
        assert (await api.post("/workflows/nothing/start")).status_code == 202


async def test_arguments_arrive_as_the_annotated_python_types(open_api: OpenApi) -> None:
    async with open_api() as api:
        run = await api.finish(
            "typed",
            moment="2026-01-02T03:04:05+02:00",
            who="0190a5b0-0000-7000-8000-000000000000",
            colour="blue",
            lines=[{"product": "tea", "amount": "1.10", "due": "2026-01-02"}],
            span=90,
            raw="AP8=",
            tags=["b", "a"],
            either="5",
        )
        assert run["status"] == "succeeded", run["error"]
        assert run["result"] == ["datetime", "UUID", "Colour", "Line", "date", "timedelta", "bytes", "set", "str", "NoneType"]


MISFITS: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({}, [("body.left", "missing")]),
    ({"left": 1, "more": 2}, [("body.more", "extra_forbidden")]),
    ({"left": "one"}, [("body.left", "int_parsing")]),
    ({"left": None, "right": []}, [("body.left", "int_type"), ("body.right", "int_type")]),
]


async def test_arguments_that_do_not_fit_are_named(open_api: OpenApi) -> None:
    async with open_api() as api:
        for arguments, wrong in MISFITS:
            assert invalid(await api.post("/workflows/summing/start", arguments)) == wrong
        assert (await api.get("/workflows/summing/runs")).json()["total"] == 0


async def test_a_body_that_is_no_object_is_refused(open_api: OpenApi) -> None:
    async with open_api() as api:
        for body in (b"[]", b'"text"', b"1", b"null", b"{", b"\xff", b'{"left": "\\ud800"}', b"[" * 5000):
            answer = await api.post("/workflows/summing/start", content=body, headers={"content-type": "application/json"})
            assert all(place.startswith("body") for place, _ in invalid(answer))


async def test_a_body_that_does_not_say_it_is_json_is_refused(open_api: OpenApi) -> None:
    async with open_api() as api:
        answer = await api.post("/workflows/summing/start", content=b'{"left": 1}', headers={"content-type": "text/plain"})
        assert invalid(answer) == [("header.content-type", "not_json")]


async def test_a_workflow_that_the_app_does_not_serve_is_not_found(open_api: OpenApi) -> None:
    async with open_api() as api:
        for name in ("missing", sample.not_served.name):
            assert problem_of(await api.post(f"/workflows/{name}/start", {}), 404, "workflow_not_found") == f"Workflow '{name}' not found"


async def test_arguments_over_the_limit_are_refused_with_413(open_api: OpenApi) -> None:
    async with open_api(max_argument_bytes=1000) as api:
        assert "max_argument_bytes" in problem_of(
            await api.post("/workflows/failing/start", {"message": "x" * 1000}), 413, "payload_too_large"
        )
        huge = await api.post("/workflows/failing/start", {"message": "x" * 200_000})
        problem_of(huge, 413, "payload_too_large")
        assert (await api.get("/workflows/failing/runs")).json()["total"] == 0


async def test_waiting_answers_with_the_run_that_ended(open_api: OpenApi) -> None:
    async with open_api() as api:
        answer = await api.post("/workflows/summing/start", {"left": 40}, params={"wait": 20})
        assert answer.status_code == 200
        assert (answer.json()["status"], answer.json()["result"]) == ("succeeded", 42)
        assert answer.headers["location"].endswith(answer.json()["id"])


async def test_waiting_for_a_run_that_does_not_end_in_time_answers_202(open_api: OpenApi) -> None:
    async with open_api() as api:
        answer = await api.post("/workflows/awaiting/start", {"key": "never"}, params={"wait": 0.05})
        assert answer.status_code == 202
        assert answer.json().keys() == {"id"}


async def test_how_long_to_wait_is_bounded(open_api: OpenApi) -> None:
    async with open_api() as api:
        for wait in ("-1", "60.5", "nan", "inf", "soon"):
            answer = await api.post("/workflows/summing/start", {"left": 1}, params={"wait": wait})
            assert [place for place, _ in invalid(answer)] == ["query.wait"]


async def test_the_same_idempotency_key_gives_the_same_run(open_api: OpenApi) -> None:
    async with open_api() as api:
        answers = [
            await api.post("/workflows/summing/start", {"left": left}, params={"wait": wait}, headers={"Idempotency-Key": key})
            for left, wait, key in [(1, 0, "a"), (1, 20, "a"), (2, 0, "a"), (1, 0, "b")]
        ]
        assert [answer.status_code for answer in answers] == [202, 200, 202, 202]
        ids = [answer.json()["id"] for answer in answers]
        assert ids[0] == ids[1] == ids[2] != ids[3]
        assert (await api.get("/workflows/summing/runs")).json()["total"] == 2


async def test_starts_with_one_key_at_the_same_time_are_one_run(open_api: OpenApi) -> None:
    async with open_api() as api:
        starts = [api.post("/workflows/awaiting/start", {"key": "k"}, headers={"Idempotency-Key": "once"}) for _ in range(10)]
        assert len({answer.json()["id"] for answer in await asyncio.gather(*starts)}) == 1
        assert (await api.get("/workflows/awaiting/runs")).json()["total"] == 1


async def test_an_idempotency_key_is_not_empty(open_api: OpenApi) -> None:
    async with open_api() as api:
        answer = await api.post("/workflows/nothing/start", headers={"Idempotency-Key": ""})
        assert [place for place, _ in invalid(answer)] == ["header.idempotency-key"]


async def test_a_name_that_is_not_plain_is_reached_through_its_location(open_api: OpenApi) -> None:
    async with open_api() as api:
        answer = await api.client.post(f"{V1}/workflows/na%C3%AFve%20name%3F/start", params={"wait": 20})
        assert answer.json()["result"] == "reached"
        assert (await api.client.get(answer.headers["location"])).json()["id"] == answer.json()["id"]
