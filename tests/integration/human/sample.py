"""Workflows that ask people."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from pydantic import BaseModel, ConfigDict

from planar.human import Escalation, Human, HumanTaskCancelled, HumanTaskExpired, Quorum, Timeout
from planar.workflows import workflow


class Expense(BaseModel):
    who: str
    amount: Decimal


class Approval(BaseModel):
    model_config = ConfigDict(extra="forbid")

    approved: bool
    note: str = ""
    limit: Decimal | None = None
    until: date | None = None


class Anything(BaseModel):
    """All of it may be left out, so that nothing at all is an answer."""

    note: str | None = None


approval = Human("approval", "Approve an expense", Approval, "Is it reasonable?", Expense)
lax = Human("lax", "Say something", Anything)
for_ann = Human("for ann", "Only Ann knows", Approval, assign_to="ann", priority=5, due=timedelta(hours=1))
for_finance = Human("for finance", "The department knows", Approval, assign_role="finance", priority=9, due=timedelta(days=2))
hurried = Human("hurried", "Be quick", Approval, timeout=Timeout(timedelta(minutes=10)))
reminded = Human(
    "reminded",
    "Do not forget",
    Approval,
    timeout=Timeout(timedelta(hours=10)),
    assign_to="ann",
    reminders=[timedelta(hours=1), timedelta(hours=2)],
    escalate=Escalation(timedelta(hours=3), to_role="boss", priority=100),
)
shared = Human("shared", "Both have to agree", Approval, quorum=Quorum(2))
unanimous = Human("unanimous", "As many noes as ayes", Approval, quorum=Quorum(2, rejections=2))


@workflow(name="expense")
async def expense(who: str = "bob", amount: Decimal = Decimal("9.50")) -> Approval:
    answer = await approval(Expense(who=who, amount=amount), "Please look", Approval(approved=True))
    return answer.output


@workflow(name="ask_twice")
async def ask_twice() -> list[str | None]:
    first = await lax(message="One?")
    second = await lax(message="Two?")
    return [first.output.note, second.output.note]


@workflow(name="ask_ann")
async def ask_ann() -> str | None:
    return (await for_ann(message="Well?")).completed_by


@workflow(name="ask_finance")
async def ask_finance() -> str | None:
    return (await for_finance(message="Well?")).completed_by


@workflow(name="ask_hurried")
async def ask_hurried() -> str:
    try:
        answer = await hurried(message="Well?")
    except HumanTaskExpired as error:
        return f"expired: {isinstance(error, TimeoutError) and isinstance(error, ValueError)}"
    except HumanTaskCancelled:
        return "cancelled"
    return f"approved: {answer.output.approved}"


@workflow(name="ask_lax")
async def ask_lax() -> str:
    try:
        return f"answered: {(await lax(message='Well?')).output.note}"
    except HumanTaskCancelled as error:
        return str(error).rpartition(" ")[2]


@workflow(name="ask_reminded")
async def ask_reminded() -> bool:
    return (await reminded(message="Well?")).output.approved


@workflow(name="ask_both")
async def ask_both() -> str:
    answer = await shared(message="Well?")
    return f"{answer.output.approved} by {answer.completed_by}"


@workflow(name="ask_unanimous")
async def ask_unanimous() -> str:
    answer = await unanimous(message="Well?")
    return f"{answer.output.approved} by {answer.completed_by}"


@workflow(name="uncaught")
async def uncaught() -> bool:
    return (await approval(message="Well?")).output.approved


@workflow(name="outer")
async def outer() -> bool:
    return await uncaught()


ALL = (expense, ask_twice, ask_ann, ask_finance, ask_hurried, ask_lax, ask_reminded, ask_both, ask_unanimous, uncaught, outer)
