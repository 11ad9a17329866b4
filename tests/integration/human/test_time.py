"""What time brings to a task: reminders, an escalation, its end; and who is told of all that."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlmodel import select

from planar import PlanarApp
from planar.app.lifespan import script_session
from planar.clock import Clock
from planar.context import bind_services
from planar.engine.client import Client
from planar.engine.core.model import Event
from planar.human import Escalation
from planar.human.announcing import HumanTaskHooks, HumanTaskNews
from planar.human.changing import event_key
from planar.human.config import HumanConfig, WebhookConfig
from planar.human.models import HumanTaskAnswer
from planar.human.running import escalate, remind
from planar.testing.clock import ManualClock
from tests.integration.http.conftest import problem_of
from tests.integration.human.conftest import OpenTasks, TasksApi, named

pytestmark = pytest.mark.anyio

SECRET = "a secret of enough length"


def on(clock: ManualClock) -> Any:
    return lambda app: app.services.add(Clock, clock)


async def until(api: TasksApi, task_id: str, **expected: Any) -> dict[str, Any]:
    """The task, once it is as expected."""
    async with asyncio.timeout(20):
        while True:
            task = await api.task(task_id)
            if expected.items() <= task.items():
                return task
            await asyncio.sleep(0.005)


async def test_a_task_expires_with_its_run_going_on(open_tasks: OpenTasks) -> None:
    clock = ManualClock()
    async with open_tasks(prepare=on(clock)) as api:
        run_id, task_id = await api.ask("ask_hurried")
        task = await api.task(task_id)
        await api.api.client.put(f"/planar/v1/human-tasks/{task_id}/draft", json={"data": {}}, headers=named("ann"))
        assert task["deadline"] == "2026-01-01T00:10:00Z"
        await api.api.until(run_id, "suspended")
        clock.move_to(clock.now() + timedelta(minutes=9))
        assert (await api.task(task_id))["status"] == "pending"
        clock.move_to(clock.now() + timedelta(minutes=1))
        assert await api.result(run_id) == "expired: True"
        task = await api.task(task_id)
        assert (task["status"], task["completed_by"], task["completed_at"]) == ("expired", "system", "2026-01-01T00:10:00Z")
        problem_of(await api.complete(task_id, approved=True), 409, "human_task_closed")
        async with api.api.app.db_manager.get_session() as session:
            assert (await session.exec(select(HumanTaskAnswer))).all() == [], "the draft went with it"


async def test_an_answer_in_time_counts(open_tasks: OpenTasks) -> None:
    clock = ManualClock()
    async with open_tasks(prepare=on(clock)) as api:
        run_id, task_id = await api.ask("ask_hurried")
        await api.complete(task_id, approved=True)
        clock.move_to(clock.now() + timedelta(hours=1))
        assert await api.result(run_id) == "approved: True"
        assert (await api.task(task_id))["status"] == "completed"


async def test_reminders_and_an_escalation_come_at_their_times(open_tasks: OpenTasks) -> None:
    clock, heard = ManualClock(), list[HumanTaskNews]()

    def prepare(app: PlanarApp) -> None:
        on(clock)(app)
        app.on_human_task(heard.append)

    async with open_tasks(prepare=prepare) as api:
        run_id, task_id = await api.ask("ask_reminded")
        await api.act(task_id, "claim", who="ann")
        for hours, expected in ((1, {"reminders": 1, "status": "claimed"}), (2, {"reminders": 2}), (3, {"assigned_role": "boss"})):
            await api.api.until(run_id, "suspended")
            clock.move_to(ManualClock().now() + timedelta(hours=hours))
            task = await until(api, task_id, **expected)
        assert (task["status"], task["assignee"], task["claimed_by"], task["priority"]) == ("pending", None, None, 100)
        assert task["escalated_at"] == "2026-01-01T03:00:00Z"
        problem_of(await api.complete(task_id, "ann", approved=True), 403, "human_task_not_addressed")
        await api.complete(task_id, "eve;boss", approved=True)
        assert await api.result(run_id) is True
        async with asyncio.timeout(20):
            while len(heard) < 6:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
        assert sorted((news.version, news.status.value, news.reminders) for news in heard) == [
            (1, "pending", 0),
            (2, "claimed", 0),
            (3, "claimed", 1),
            (4, "claimed", 2),
            (5, "pending", 2),
            (6, "completed", 2),
        ]


async def test_a_false_alarm_brings_no_reminder_again(open_tasks: OpenTasks) -> None:
    clock = ManualClock()
    async with open_tasks(prepare=on(clock)) as api:
        run_id, task_id = await api.ask("ask_reminded")
        await api.api.until(run_id, "suspended")
        clock.move_to(clock.now() + timedelta(hours=1))
        await until(api, task_id, reminders=1)
        await api.api.until(run_id, "suspended")
        client = api.api.app.services.get(Client)
        alarm = Event(uuid4(), event_key(UUID(task_id)), "{}", UUID(run_id), clock.now())
        await client.emit(alarm)
        async with asyncio.timeout(20):
            while "Human._settle_task" not in (await api.api.get(f"/workflows/ask_reminded/runs/{run_id}/steps", limit=100)).text:  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.005)
        await api.api.until(run_id, "suspended")
        assert (await api.task(task_id))["reminders"] == 1
        clock.move_to(clock.now() + timedelta(hours=1))
        await until(api, task_id, reminders=2)
        await api.complete(task_id, "ann", approved=True)
        assert await api.result(run_id) is True
        assert (await api.task(task_id))["reminders"] == 2


async def test_what_is_due_at_a_moment_is_done_once(open_tasks: OpenTasks) -> None:
    moment = datetime(2026, 1, 1, 1, tzinfo=UTC)
    async with open_tasks() as api:
        _, task_id = await api.ask("expense")
        services = api.api.app.services

        async def act(what: Callable[[UUID], Awaitable[Any]]) -> Any:
            with bind_services(services):
                async with script_session(services, "test"):
                    return await what(UUID(task_id))

        first = await act(lambda task: remind(task, moment))
        assert await act(lambda task: remind(task, moment)) == first
        assert await act(lambda task: remind(task, moment + timedelta(hours=1))) != first
        assert (await api.task(task_id))["reminders"] == 2
        to_boss = Escalation(timedelta(hours=1), to_role="boss")
        first = await act(lambda task: escalate(task, to_boss, moment))
        await api.act(task_id, "delegate", {"assignee": "ann"}, "ann")
        assert await act(lambda task: escalate(task, to_boss, moment)) == first
        assert (await api.task(task_id))["assignee"] == "ann", "it did not go to the boss again"


async def test_a_hook_hears_of_a_task_that_ended_with_its_run(open_tasks: OpenTasks) -> None:
    heard: asyncio.Queue[HumanTaskNews] = asyncio.Queue()

    async def hear(news: HumanTaskNews) -> None:
        await heard.put(news)

    async with open_tasks(prepare=lambda app: app.on_human_task(hear)) as api:
        run_id, task_id = await api.ask("uncaught")
        await api.api.until(run_id, "suspended")
        await api.api.post(f"/workflows/uncaught/runs/{run_id}/cancel")
        async with asyncio.timeout(20):
            told = [await heard.get() for _ in range(2)]
        assert sorted((str(news.task_id), news.version, news.status.value) for news in told) == [
            (task_id, 1, "pending"),
            (task_id, 2, "cancelled"),
        ]
        assert heard.empty()


@asynccontextmanager
async def receiver(answers: list[int]) -> AsyncGenerator[tuple[int, list[tuple[dict[str, str], bytes]]]]:
    """A server that takes what webhooks send, and answers with *answers* first; its port."""
    received: list[tuple[dict[str, str], bytes]] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        received.append((headers, await reader.readexactly(int(headers["content-length"]))))
        status = answers.pop(0) if answers else 200
        writer.write(f"HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1], received


async def test_a_webhook_is_signed_and_tried_again_until_it_is_taken(open_tasks: OpenTasks) -> None:
    async with receiver([503]) as (port, received):
        webhook = WebhookConfig(url=f"http://127.0.0.1:{port}/tasks?app=1", secret=SECRET)  # type: ignore[arg-type]

        def prepare(app: PlanarApp) -> None:
            app.services.get(HumanTaskHooks).config = HumanConfig(webhook=webhook)

        async with open_tasks(prepare=prepare) as api:
            _, task_id = await api.ask("expense")
            async with asyncio.timeout(20):
                while len(received) < 2:  # noqa: ASYNC110 - nothing tells
                    await asyncio.sleep(0.01)
        for headers, body in received:
            assert headers["x-planar-delivery"] == f"{task_id}:1"
            stamp, _, digest = headers["x-planar-signature"].removeprefix("t=").partition(",v1=")
            assert digest == hmac.new(SECRET.encode(), f"{stamp}.".encode() + body, hashlib.sha256).hexdigest()
            news = json.loads(body)
            assert (news["task_id"], news["status"], news["name"]) == (task_id, "pending", "approval")
            assert not {"input_data", "output_data"} & news.keys()
