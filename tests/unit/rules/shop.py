"""Types and graphs of the tests."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from planar.rules.graph import JDMGraph, starting_graph
from planar.rules.nodes import DecisionTableNodeContent


class Tier(StrEnum):
    """How good a customer is."""

    GOLD = "gold"
    SILVER = "silver"


class Customer(BaseModel):
    """A part of what comes in."""

    country: str
    age: int


class Order(BaseModel):
    """What comes in."""

    amount: Decimal
    count: int
    tier: Tier
    vip: bool
    customer: Customer
    note: str | None = None


class Verdict(BaseModel):
    """What goes out."""

    ok: bool
    limit: Decimal = Decimal(0)


ALL = {"ok": "true"}


def table(*rows: dict[str, str], hit_policy: str = "first", inputs: tuple[str, ...] = ("amount", "count", "tier", "vip")) -> JDMGraph:
    """A graph of one table with *rows*, whose cells are given by column."""
    graph = starting_graph(Order, Verdict)
    content: dict[str, Any] = {
        "hitPolicy": hit_policy,
        "inputs": [{"id": name, "field": name, "name": name} for name in inputs],
        "outputs": [{"id": "ok", "field": "ok", "name": "ok"}],
        "rules": [{"_id": str(number), **row} for number, row in enumerate(rows, 1)],
    }
    graph.nodes[1] = graph.nodes[1].model_copy(update={"name": "table", "content": DecisionTableNodeContent.model_validate(content)})
    return graph
