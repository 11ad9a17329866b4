"""Rules of a shop, and workflows that ask them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from planar.rules import rule
from planar.rules.graph import JDMGraph, starting_graph
from planar.rules.nodes import DecisionTableNodeContent
from planar.workflows import step, workflow
from planar.workflows.waiting import wait_for_event


class Tier(StrEnum):
    """How good a customer is."""

    GOLD = "gold"
    SILVER = "silver"


class Expense(BaseModel):
    """What somebody wants to be paid back."""

    amount: Decimal
    tier: Tier = Tier.SILVER
    days: int = 0


class Approval(BaseModel):
    """Whether it is paid, and up to which amount."""

    approved: bool
    limit: Decimal = Decimal(0)


@rule(description="Small expenses are paid at once.")
def approve(expense: Expense) -> Approval:
    """By code, only what costs less than 100 is."""
    return Approval(approved=expense.amount < 100)


@rule(description="The same, written as a coroutine.")
async def approve_later(expense: Expense) -> Approval:
    """By code, nothing is."""
    return Approval(approved=False)


class Everything(BaseModel):
    """A value of each type that has a form of its own in graphs."""

    amount: Decimal
    day: date
    at: datetime
    naive: datetime
    tier: Tier
    key: UUID
    tags: set[str]
    inner: Approval
    note: str | None = Field(default=None, alias="remark")


EVERYTHING = Everything(
    amount=Decimal("1234567890123456789.12345678"),
    day=date(2026, 2, 28),
    at=datetime(2026, 2, 28, 12, 30, 15, 123456, tzinfo=UTC),
    naive=datetime(2026, 2, 28, 12, 30, tzinfo=UTC).replace(tzinfo=None),
    tier=Tier.GOLD,
    key=UUID("018f4e3a-0000-7000-8000-000000000001"),
    tags={"b", "a"},
    inner=Approval(approved=True, limit=Decimal("0.1")),
    remark="hello",
)


@rule(description="What comes in goes out.")
def echo(value: Everything) -> Everything:
    """By code, too."""
    return value


@step()
async def after(approval: Approval) -> bool:
    """Something that follows."""
    return approval.approved


@workflow()
async def pay(amount: Decimal) -> bool:
    """Ask once."""
    return await after(await approve(Expense(amount=amount)))


@workflow()
async def pay_twice(amount: Decimal, wait: bool = False) -> list[bool]:
    """Ask, wait, and ask again."""
    first = await approve(expense=Expense(amount=amount))
    if wait:
        await wait_for_event("go")
    second = await approve(Expense(amount=amount))
    return [first.approved, second.approved]


RULES = (approve, approve_later, echo)
WORKFLOWS = (pay, pay_twice)


def table(*rows: dict[str, str], hit_policy: str = "first", through: bool = False, **columns: Any) -> JDMGraph:
    """A graph of `approve` with one table; a row has ``amount``, ``tier``, ``days``, ``approved`` and ``limit``, as far as it is given."""
    graph = starting_graph(Expense, Approval)
    inputs, outputs = columns.get("inputs", ("amount", "tier", "days")), columns.get("outputs", ("approved", "limit"))
    content: dict[str, Any] = {
        "hitPolicy": hit_policy,
        "passThrough": through,
        "executionMode": "single",
        "inputs": [{"id": name, "field": name, "name": name} for name in inputs],
        "outputs": [{"id": name, "field": name, "name": name} for name in outputs],
        "rules": [{"_id": f"row-{number}", **row} for number, row in enumerate(rows, 1)],
    }
    node = graph.nodes[1]
    graph.nodes[1] = node.model_copy(update={"name": "approvals", "content": DecisionTableNodeContent.model_validate(content)})
    return graph


def between(node: dict[str, Any], *, after_table: bool = False) -> JDMGraph:
    """A graph of `approve` with *node* in the place of its table, or behind one that approves."""
    graph = table({"approved": "true", "limit": "1"}, through=True).model_dump(mode="json")
    placed = {"name": node["id"], "position": {"x": 0, "y": 0}, **node}
    if after_table:
        graph["nodes"].append(placed)
        graph["edges"][1]["targetId"] = placed["id"]
        graph["edges"].append({"id": "edge-3", "type": "edge", "sourceId": placed["id"], "targetId": "output"})
    else:
        graph["nodes"][1] = placed
        graph["edges"][0]["targetId"] = graph["edges"][1]["sourceId"] = placed["id"]
    return JDMGraph.model_validate(graph)


def script(source: str) -> JDMGraph:
    """A graph of `approve` with a script in the place of its table."""
    return between({"id": "script", "type": "functionNode", "content": {"source": source}})


APPROVE_ALL = table({"approved": "true", "limit": "amount * 2"})
