"""Runs that ask people: one task for each question, and whoever ends it wakes the run, or has done neither."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta

from pydantic import BaseModel, field_validator

from planar.db.session import get_session
from planar.engine.errors import RunAlreadyEnded
from planar.human import (
    Escalation,
    Human,
    HumanTask,
    HumanTaskCancelled,
    HumanTaskExpired,
    HumanTaskStatus,
    Quorum,
    Timeout,
    cancel_human_task,
    complete_human_task,
    get_human_tasks,
    service,
)
from planar.human.errors import HumanTaskAnswered, HumanTaskClosed
from planar.human.forms import FORMS
from planar.human.lifecycle import Who
from planar.workflows import step, workflow
from planar.workflows import timeout as within
from planar.workflows.exceptions import BranchTimeout
from tests.scenario.crashes.conftest import Everywhere
from tests.scenario.crashes.harness import Outcomes, Played, Scenario, both_end, client, ends, run_id, start
from tests.scenario.crashes.ledger import note


class Said(BaseModel):
    text: str


question = Human("crash question", "question", Said)
urgent = Human("crash urgent", "urgent", Said, timeout=Timeout(timedelta(hours=1)), reminders=[timedelta(minutes=10)])


class Vote(BaseModel):
    approved: bool


vote = Human(
    "crash vote",
    "vote",
    Vote,
    quorum=Quorum(2),
    reminders=[timedelta(minutes=10)],
    escalate=Escalation(timedelta(minutes=20), priority=5),
)


class Picky(Said):
    """As the run has it: other code, which serves people, has another model of the same form."""

    @field_validator("text")
    @classmethod
    def is_not_no(cls, text: str) -> str:
        if text == "no":
            raise ValueError("not like this")
        return text


picky = Human("crash picky", "picky", Picky)
FORMS.add("crash picky", Said, picky.output_schema)


@step(max_retries=1)
async def prepare(label: str) -> str:
    if note("prepare") == 1:
        raise ConnectionError("not yet")
    return label


@step()
async def conclude(label: str) -> str:
    note("conclude")
    return label


@workflow()
async def crash_asking(label: str) -> list[str]:
    await prepare(label)
    first = await question(message=f"{label} first")
    await conclude(label)
    second = await question(message=f"{label} second")
    return [first.output.text, second.output.text]


@workflow()
async def crash_refused(label: str) -> str:
    await prepare(label)
    try:
        return (await question(message=label)).output.text
    except HumanTaskCancelled:
        return await conclude(f"{label} cancelled")


@workflow()
async def crash_waiting_for_people(label: str) -> str:
    await prepare(label)
    try:
        return (await urgent(message=label)).output.text
    except HumanTaskExpired:
        return await conclude(f"{label} expired")


@workflow()
async def crash_picky(label: str) -> str:
    return (await picky(message=label)).output.text


@workflow()
async def crash_voting(label: str) -> str | None:
    return (await vote(message=label)).completed_by


async def ask(label: str) -> str:
    return (await question(message=label)).output.text


@workflow()
async def crash_in_time(label: str) -> str:
    try:
        return await within(ask(label), 60)
    except BranchTimeout:
        return await conclude(f"{label} late")


async def asked(label: str, message: str) -> HumanTask:
    """The task of that run with that message, once it is there."""
    while True:
        await asyncio.sleep(3600)
        async with get_session().begin_read():
            found = [task for task in await get_human_tasks(workflow_id=run_id(label)) if task.message == message]
        assert len(found) <= 1, "a second task"
        if found:
            return found[0]


Act = Callable[[HumanTask], Awaitable[None]]


async def once(label: str, message: str, act: Act) -> None:
    """What a caller does who asks again when there was no answer."""
    task = await asked(label, message)
    if task.status is HumanTaskStatus.PENDING:
        with suppress(HumanTaskClosed):
            await act(task)


async def say(task: HumanTask) -> None:
    await complete_human_task(task.id, {"text": f"yes to {task.message}"})


async def answering() -> Outcomes:
    await asyncio.gather(*(start(label, crash_asking, label) for label in ("A", "B")))
    for message in ("first", "second"):
        for label in ("A", "B"):
            await once(label, f"{label} {message}", say)
    return await both_end()


def no_second_task(number: int) -> Callable[[Played], None]:
    def check(played: Played) -> None:
        assert len(played.left.tasks) == number, played.left.tasks
        # Each that ended woke its run by one event; an expired one, and one that ended with its run, wakes nobody.
        ended = [task for task in played.left.tasks if " expired " not in task and "run cancelled" not in task]
        assert len(played.left.events) == len(ended)

    return check


def test_an_answer_and_the_waking_of_its_run_are_one(everywhere_with_sessions: Everywhere) -> None:
    expected = {label: f'succeeded: ["yes to {label} first","yes to {label} second"]' for label in ("A", "B")}
    everywhere_with_sessions(Scenario("human tasks answered", answering, expected, check=no_second_task(4)))


async def cancelling() -> Outcomes:
    await asyncio.gather(*(start(label, crash_refused, label) for label in ("A", "B")))
    for label in ("A", "B"):
        await once(label, label, lambda task: cancel_human_task(task.id, "moot"))
    return await both_end()


def test_a_cancelled_task_wakes_its_run_whatever_dies(everywhere_with_sessions: Everywhere) -> None:
    expected = {label: f'succeeded: "{label} cancelled"' for label in ("A", "B")}
    everywhere_with_sessions(Scenario("human tasks cancelled", cancelling, expected, check=no_second_task(2)))


async def expiring() -> Outcomes:
    await asyncio.gather(*(start(label, crash_waiting_for_people, label) for label in ("A", "B")))
    return await both_end()


def test_a_task_expires_with_its_step_whatever_dies(everywhere_with_sessions: Everywhere) -> None:
    expected = {label: f'succeeded: "{label} expired"' for label in ("A", "B")}
    everywhere_with_sessions(Scenario("human tasks expired", expiring, expected, check=no_second_task(2)))


async def giving_up() -> Outcomes:
    """The runs are cancelled while they ask."""
    await asyncio.gather(*(start(label, crash_refused, label) for label in ("A", "B")))
    for label in ("A", "B"):
        await asked(label, label)
        with suppress(RunAlreadyEnded):
            await client().cancel(run_id(label), "given up")
    return await both_end()


def test_a_task_ends_with_its_run_whatever_dies(everywhere_with_sessions: Everywhere) -> None:
    expected = dict.fromkeys(("A", "B"), "cancelled: RunCancelled: given up")
    everywhere_with_sessions(Scenario("human tasks of cancelled runs", giving_up, expected, check=no_second_task(2)))


async def voting() -> Outcomes:
    """Two vote after the reminder and the escalation. One run is enough: nothing of it concerns others."""
    await start("A", crash_voting, "A")
    for who in ("ann", "bob"):
        task = await asked("A", "A")
        with suppress(HumanTaskAnswered, HumanTaskClosed):
            await complete_human_task(task.id, {"approved": True}, who)
    return {"A": await ends("A")}


def test_each_answer_and_what_time_brings_counts_once_whatever_dies(everywhere_with_sessions: Everywhere) -> None:
    def check(played: Played) -> None:
        no_second_task(1)(played)
        assert played.left.tasks == ['vote completed {"approved":true} 2 answers, 1 reminders, 5 changes, 5 told'], played.left.tasks

    everywhere_with_sessions(
        Scenario("human tasks of several people", voting, {"A": 'succeeded: "bob"'}, check=check, interleaves=False, retries=False)
    )


ANN, BOB = (Who(name, frozenset({name}), sub=name) for name in ("ann", "bob"))


async def handing_on() -> Outcomes:
    """One claims it and gives it to another, who keeps a draft, and whose first answer the run cannot read."""
    await start("A", crash_picky, "A")
    task = await asked("A", "A")
    if task.version == 1:
        await service.claim(task.id, ANN)
    if task.assignee is None:
        await service.delegate(task.id, ANN, "bob", None)
    if task.version <= 3:
        with suppress(HumanTaskClosed):
            await service.save_draft(task.id, {"text": "n"}, BOB)
            await service.complete(task.id, {"text": "no"}, BOB)
    while (task := await asked("A", "A")).version < 5:
        pass
    with suppress(HumanTaskClosed):
        await service.complete(task.id, {"text": "yes"}, BOB)
    return {"A": await ends("A")}


def test_a_task_is_handed_on_and_opened_again_once_whatever_dies(everywhere_with_sessions: Everywhere) -> None:
    def check(played: Played) -> None:
        assert played.left.tasks == ['picky completed {"text":"yes"} 0 answers, 0 reminders, 6 changes, 6 told'], played.left.tasks
        assert len(played.left.events) == 2, "each end woke the run once"

    everywhere_with_sessions(
        Scenario("human tasks handed on", handing_on, {"A": 'succeeded: "yes"'}, check=check, interleaves=False, retries=False)
    )


async def withdrawing() -> Outcomes:
    await start("A", crash_in_time, "A")
    await asyncio.sleep(3600)  # the second process has time to find the first one dead, though the run may have ended
    return {"A": await ends("A")}


def test_a_task_is_withdrawn_once_whatever_dies(everywhere_with_sessions: Everywhere) -> None:
    def check(played: Played) -> None:
        assert played.left.tasks == ["question cancelled withdrawn 0 answers, 0 reminders, 2 changes, 2 told"], played.left.tasks

    everywhere_with_sessions(
        Scenario("human tasks withdrawn", withdrawing, {"A": 'succeeded: "A late"'}, check=check, interleaves=False, retries=False)
    )
