"""Whatever is sent to the routes of tasks is answered, and never by a failure of ours: on both databases."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest
from pydantic import BaseModel, ConfigDict

from planar.human import Human
from planar.workflows import workflow
from tests.integration.human import sample
from tests.integration.human.conftest import TASKS, OpenTasks, named

pytestmark = pytest.mark.anyio

DEEP: Any = 1
for _ in range(200):
    DEEP = [DEEP]

TEXTS: list[Any] = [
    "",
    "\0",
    "a\0b",
    "\ud800",
    "x\udfff",
    "a" * 300,
    "a" * 20_000,
    "\uffff\u202e",
    "\U0010ffff" * 300,
    "' or 1=1 --",
    "%",
    "null",
]
VALUES: list[Any] = [
    *TEXTS,
    None,
    True,
    -1,
    2**31,
    2**63,
    2**64,
    10**400,
    float("nan"),
    float("inf"),
    1e308,
    [],
    {},
    ["\0"],
    {"\0": "\0"},
    {"\ud800": 1},
    {"": {"": "\0"}},
    {"note": "\0"},
    {"note": "\ud800"},
    {"note": "a" * 20_000},
    {"approved": True, "limit": "1e999999"},
    {"approved": True, "limit": "NaN"},
    {"approved": True, "limit": 10**400},
    {"approved": True, "until": "0000-00-00"},
    {"approved": True, "note": "\0"},
    DEEP,
    {"a": DEEP},
]
FIELDS = {
    "complete": ["output_data", "completed_by"],
    "cancel": ["reason", "cancelled_by"],
    "delegate": ["assignee", "assigned_role", "priority"],
    "comments": ["text"],
    "attachments": ["file_id"],
    "draft": ["data"],
    "claim": [],
    "release": [],
}
OTHERS = {"complete": {"output_data": {"approved": True}}, "draft": {}}
RAW = [
    b"",
    b"null",
    b"[]",
    b"{",
    b"\xff\xfe",
    b'"\\ud800"',
    b'{"a":' * 2000,
    b"1" * 10_000,
    b'{"output_data": {"approved": ' + b"9" * 5000 + b"}}",
    b"\0",
]
QUERY = [
    "status",
    "view",
    "overdue",
    "name",
    "workflow",
    "workflow_id",
    "assignee",
    "role",
    "sort",
    "after",
    "limit",
    "offset",
    "total",
    "include",
]
PAGED = ["activity", "answers", "comments", "attachments"]


class Loose(BaseModel):
    model_config = ConfigDict(val_json_bytes="base64")

    anything: Any = None
    raw: bytes = b""
    note: str | None = None
    names: dict[str, str] = {}


loose = Human("loose", "Anything", Loose)


@workflow(name="ask_loosely")
async def ask_loosely() -> int:
    return len((await loose(message="?")).output.names)


def in_path(text: Any) -> str:
    return quote(str(text).encode("utf-8", "surrogatepass"), safe="")


async def test_no_body_makes_a_failure(open_tasks: OpenTasks) -> None:
    failed: list[Any] = []
    async with open_tasks([*sample.ALL, ask_loosely]) as api:
        ids = [(await api.ask(name))[1] for name in ("expense", "ask_lax", "ask_both")]

        async def send(task_id: str, what: str, content: bytes) -> None:
            method = "PUT" if what == "draft" else "POST"
            answer = await api.api.client.request(
                method, f"/planar/v1{TASKS}/{task_id}/{what}", content=content, headers={"Content-Type": "application/json", **named("ann")}
            )
            if answer.status_code >= 500:
                failed.append((what, content[:80], answer.status_code))

        for what, fields in FIELDS.items():
            for content in RAW if what in ("complete", "cancel") else ():
                await send(ids[0], what, content)
            for field in fields:
                for value in VALUES if field in ("output_data", "data", "priority") else (*TEXTS, None, 1, [], {}):
                    task_id = ids[len(str(value)) % 3] if what != "cancel" else ids[0]
                    await send(task_id, what, json.dumps({**OTHERS.get(what, {}), field: value}).encode())
        for value in [{"raw": "/w=="}, *VALUES[len(TEXTS) + 10 :]]:
            # What can be stored is shown, and read by the run.
            run_id, task_id = await api.ask("ask_loosely")
            await send(task_id, "draft", json.dumps({"data": value}).encode())
            for read in ("", "/draft"):
                answer = await api.api.client.get(f"/planar/v1{TASKS}/{task_id}{read}", headers=named("ann"))
                if answer.status_code >= 500:
                    failed.append((read, str(value)[:80], answer.status_code))
            for output in (value, {"names": value}, {"anything": value}):
                await send(task_id, "complete", json.dumps({"output_data": output}).encode())
            if (await api.task(task_id))["status"] == "completed":
                await api.result(run_id)
    assert not failed, "\n".join(map(str, failed))


async def test_no_query_and_no_path_makes_a_failure(open_tasks: OpenTasks) -> None:
    failed: list[Any] = []
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        texts = [text if len(str(text)) < 5000 else "a" * 5000 for text in TEXTS]
        texts += ["-1", str(2**31), str(2**63), str(2**64), "9" * 400, "1e5", "NaN", str(uuid4()), task_id.upper(), "{" + task_id + "}"]

        async def get(path: str, method: str = "GET") -> None:
            answer = await api.api.client.request(method, f"/planar/v1{TASKS}{path}", headers=named("ann"))
            if answer.status_code >= 500:
                failed.append((method, path[:80], answer.status_code))

        for text in texts:
            for name in QUERY:
                await get(f"/?{name}={in_path(text)}")
            for what in PAGED:
                await get(f"/{task_id}/{what}?after={in_path(text)}")
        for text in (*TEXTS[1:5], "9" * 400, "{" + task_id + "}"):
            for what in ("", *(f"/{what}" for what in (*PAGED, "draft"))):
                await get(f"/{in_path(text)}{what}")
            for what in FIELDS:
                await get(f"/{in_path(text)}/{what}", "PUT" if what == "draft" else "POST")
        for raw in ("%ED%A0%80", "%FF", "%00"):
            await get(f"/?name={raw}&{raw}={raw}")
            await get(f"/{raw}")
    assert not failed, "\n".join(map(str, failed))
