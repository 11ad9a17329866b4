"""Listeners hear what happened after it is durable, as rows; one that fails hurts nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from planar import PlanarApp, sqlite_config
from planar.context import ServiceNotFound
from planar.db.session import SessionScope, bind_session, get_session
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import Workflow, WorkflowStep, cancel, emit_event, step, wait_for_event, workflow
from planar.workflows.notifications import Notification, WorkflowNotification, step_notify, workflow_notification_context
from tests.databases import Databases
from tests.integration.engine.conftest import Opener, run_of, steps_of, until, until_status

pytestmark = pytest.mark.anyio


class Heard(list[WorkflowNotification]):
    """A listener that remembers."""

    def __call__(self, notification: WorkflowNotification) -> None:
        self.append(notification)

    def kinds(self, run_id: UUID) -> list[str]:
        return [each.kind.value for each in self if run_id == (each.data.id if isinstance(each.data, Workflow) else each.data.workflow_id)]

    def row(self, kind: Notification) -> Any:
        return next(each.data for each in self if each.kind is kind)


@step()
async def greet(name: str) -> str:
    return f"hello {name}"


@step()
async def fail() -> None:
    raise LookupError("nothing there")


@workflow()
async def greeting(name: str) -> str:
    return await greet(name)


@workflow()
async def failing() -> None:
    await fail()


@workflow()
async def waiting() -> None:
    await greet("first")
    await wait_for_event("go")


@workflow()
async def greeting_again() -> str:
    return await greet("again")


MAY_END: list[asyncio.Event] = []
"""The last one is of the test that runs now."""


@workflow()
async def deaf() -> None:
    while not MAY_END[-1].is_set():
        with suppress(asyncio.CancelledError):
            await MAY_END[-1].wait()


class NotificationNote(PlanarBaseEntity, table=True):
    text: str


async def test_a_run_is_told_from_its_start_to_its_end_in_order(open_app: Opener) -> None:
    async with open_app(greeting):
        heard = Heard()
        async with workflow_notification_context(heard):
            run = await greeting.start("ann")
            await greeting.wait_for_completion(run.id)
            await until(_has(heard, Notification.WORKFLOW_SUCCEEDED))
        assert heard.kinds(run.id)[0] == "workflow-started"
        assert heard.kinds(run.id)[-2:] == ["step-succeeded", "workflow-succeeded"]


async def test_what_is_told_are_rows_that_belong_to_no_session(open_app: Opener) -> None:
    async with open_app(greeting):
        heard = Heard()
        async with workflow_notification_context(heard):
            run = await greeting.start("ann")
            await until(_has(heard, Notification.WORKFLOW_SUCCEEDED))
        started, ended, done = (heard.row(Notification(kind)) for kind in ("workflow-started", "workflow-succeeded", "step-succeeded"))
        assert (started.id, started.function_name, started.args, started.status) == (run.id, "greeting", ["ann"], "pending")
        assert ended.status == "succeeded"
        assert isinstance(done, WorkflowStep)
        assert (done.workflow_id, done.step_id, done.result, done.status) == (run.id, 1, "hello ann", "succeeded")


async def test_a_step_is_told_of_when_everybody_can_read_it(open_app: Opener, databases: Databases) -> None:
    seen: list[bool] = []

    async with open_app(greeting):

        def look(notification: WorkflowNotification) -> None:
            if isinstance(notification.data, WorkflowStep):
                seen.append(_is_stored(databases, notification.data))

        async with workflow_notification_context(look):
            await greeting("ann")
            await until(_answer(lambda: bool(seen)))
    assert seen == [True]


async def test_failure_suspension_resumption_and_cancellation_are_told(open_app: Opener) -> None:
    async with open_app(failing, waiting, max_parked_runs=0):
        heard = Heard()
        async with workflow_notification_context(heard):
            failed = await failing.start()
            resumed, cancelled = await waiting.start(), await waiting.start()
            for run in (resumed, cancelled):
                await until_status(run.id, "suspended")
            await cancel(cancelled.id)
            await emit_event("go", workflow_id=resumed.id)
            await until(_has(heard, Notification.WORKFLOW_SUCCEEDED))
            await until(_has(heard, Notification.WORKFLOW_FAILED))
        assert [kind for kind in heard.kinds(failed.id) if kind.endswith("failed")] == ["step-failed", "workflow-failed"]
        told = [kind for kind in heard.kinds(resumed.id) if kind.startswith("workflow")]
        assert told == ["workflow-started", "workflow-suspended", "workflow-resumed", "workflow-succeeded"]
        assert heard.row(Notification.WORKFLOW_SUSPENDED).status == "suspended"


async def test_the_row_of_an_ended_run_says_how_it_ended(open_app: Opener) -> None:
    async with open_app(greeting, failing):
        heard = Heard()
        async with workflow_notification_context(heard):
            await greeting("ann")
            with pytest.raises(LookupError):
                await failing()
            await until(_has(heard, Notification.WORKFLOW_FAILED))
        succeeded, failed = heard.row(Notification.WORKFLOW_SUCCEEDED), heard.row(Notification.WORKFLOW_FAILED)
        assert (succeeded.status, succeeded.result, succeeded.error) == ("succeeded", "hello ann", None)
        assert (failed.status, failed.result, failed.error["message"]) == ("failed", None, "nothing there")
        for row in (succeeded, failed):
            stored = await run_of(row.id)
            assert (row.result, row.error, row.args) == (stored.result, stored.error, stored.args)
            assert heard.kinds(row.id).count(f"workflow-{row.status.value}") == 1


@pytest.mark.parametrize("parked", [0, 100])
async def test_a_run_that_is_cancelled_while_it_sleeps_is_told_of_once(open_app: Opener, parked: int) -> None:
    async with open_app(waiting, max_parked_runs=parked):
        run = await waiting.start()
        await until_status(run.id, "suspended")
        heard = Heard()
        async with workflow_notification_context(heard):
            await cancel(run.id, "not needed")
            await until(_has(heard, Notification.WORKFLOW_CANCELLED))
            await greeting_again()
            await until(_has(heard, Notification.WORKFLOW_SUCCEEDED))
        assert heard.kinds(run.id) == ["workflow-cancelled"]
        row = heard.row(Notification.WORKFLOW_CANCELLED)
        assert (row.status, row.error["message"], row.function_name) == ("cancelled", "not needed", "waiting")


async def test_a_cancellation_in_a_transaction_is_told_of_with_its_commit(open_app: Opener) -> None:
    async with open_app(waiting) as app:
        run, other = await waiting.start(), await waiting.start()
        for each in (run, other):
            await until_status(each.id, "suspended")
        heard = Heard()
        scope = SessionScope(app.db_manager, label="request")
        async with workflow_notification_context(heard):
            with bind_session(scope):
                for each, committed in ((run, False), (other, True)):
                    get_session().add(NotificationNote(text="with it"))
                    await cancel(each.id)
                    assert len(heard) == 0
                    await (scope.commit() if committed else scope.rollback())
            await scope.close()
            await until(_has(heard, Notification.WORKFLOW_CANCELLED))
        assert [each.data.id for each in heard] == [other.id]  # type: ignore[union-attr]


async def test_a_run_that_is_given_up_is_told_of(open_app: Opener, databases: Databases) -> None:
    async with open_app(waiting):
        run = await waiting.start()
        await until_status(run.id, "suspended")
    # As if its worker had died of it again and again.
    await databases.ask("update {planar}workflow_claim set recoveries = 99 returning run_id")
    heard = Heard()
    async with open_app(waiting), workflow_notification_context(heard):
        await emit_event("go")
        await until(_has(heard, Notification.WORKFLOW_FAILED))
        row = heard.row(Notification.WORKFLOW_FAILED)
        assert (row.id, row.status, row.error["type"]) == (run.id, "failed", "TooManyRecoveries")
        assert heard.kinds(run.id).count("workflow-failed") == 1


async def test_a_run_whose_code_is_left_behind_is_told_of(open_app: Opener) -> None:
    MAY_END.append(asyncio.Event())
    async with open_app(deaf, cancel_seconds=0.05, drain_seconds=0.1):
        heard = Heard()
        async with workflow_notification_context(heard):
            run = await deaf.start()
            await until_status(run.id, "running")
            await cancel(run.id, "listen!")
            await until(_has(heard, Notification.WORKFLOW_CANCELLED))
            MAY_END[-1].set()
            await greeting_again()
            await until(_has(heard, Notification.WORKFLOW_SUCCEEDED))
        assert heard.kinds(run.id).count("workflow-cancelled") == 1
        assert heard.row(Notification.WORKFLOW_CANCELLED).error["message"] == "listen!"


async def test_a_callback_that_raises_is_logged_and_hurts_nobody(open_app: Opener, caplog: pytest.LogCaptureFixture) -> None:
    def broken(notification: WorkflowNotification) -> None:
        raise RuntimeError("a listener's own trouble")

    async with open_app(greeting):
        heard = Heard()
        with caplog.at_level(logging.ERROR, "planar"):
            async with workflow_notification_context(broken), workflow_notification_context(heard):
                assert await greeting("ann") == "hello ann"
                await until(_has(heard, Notification.WORKFLOW_SUCCEEDED))
    assert "a callback for notifications failed" in caplog.text


async def test_nobody_is_told_after_the_block(open_app: Opener) -> None:
    async with open_app(greeting) as app:
        heard, other = Heard(), Heard()
        async with workflow_notification_context(other):
            async with workflow_notification_context(heard):
                await greeting("ann")
                await until(_has(heard, Notification.WORKFLOW_SUCCEEDED))
            before = len(heard)
            await greeting("bo")
            await until(_answer(lambda: len([each for each in other if each.kind is Notification.WORKFLOW_SUCCEEDED]) == 2))
        assert len(heard) == before
        assert not app.notices.listeners  # and while nobody listens, nothing is built


async def test_the_apps_own_callback_hears_of_every_life_of_the_app(databases: Databases) -> None:
    heard = Heard()
    app = PlanarApp(config=await databases.config(), on_workflow_notification=heard).register_workflow(greeting)
    for name in ("ann", "bo"):
        assert await app.run_standalone(greeting, name) == f"hello {name}"
    assert [each.data.args for each in heard if each.kind is Notification.WORKFLOW_STARTED] == [["ann"], ["bo"]]  # type: ignore[union-attr]


async def test_a_coroutine_function_is_no_callback(tmp_path: Path) -> None:
    async def asynchronous(notification: WorkflowNotification) -> None: ...

    with pytest.raises(TypeError, match="plain function"):
        PlanarApp(config=sqlite_config(str(tmp_path / "app.db")), on_workflow_notification=asynchronous)  # type: ignore[arg-type]


async def test_without_an_app_nobody_can_listen() -> None:
    with pytest.raises(ServiceNotFound):
        async with workflow_notification_context(Heard()):
            raise AssertionError("there is no app")


async def test_a_step_that_something_else_executes_can_be_told_of(open_app: Opener) -> None:
    async with open_app(greeting):
        run = await greeting.start("ann")
        await greeting.wait_for_completion(run.id)
        (row,) = await steps_of(run.id)
        heard = Heard()
        step_notify(row, Notification.STEP_RUNNING)
        async with workflow_notification_context(heard):
            step_notify(row, Notification.STEP_RUNNING)
        assert heard == [WorkflowNotification(Notification.STEP_RUNNING, row)]
        assert (await run_of(run.id)).status == "succeeded"


def _has(heard: Heard, kind: Notification) -> Callable[[], Awaitable[bool]]:
    return _answer(lambda: any(each.kind is kind for each in heard))


def _answer(question: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return question()

    return ask


def _is_stored(databases: Databases, row: WorkflowStep) -> bool:
    query = f"select status from {{planar}}workflow_step where workflow_id = '{row.workflow_id.hex}' and step_id = {row.step_id}"
    return [tuple(each) for each in databases.ask_at_once(query)] == [("succeeded",)]
