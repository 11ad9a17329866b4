"""What does it cost to decide with a table of 20 rows, beside the bare engine?

    python benchmarks/rules.py [--seconds 2] [--rounds 5]

Prints how many evaluations a second the bare engine makes of a table that it has compiled, and how many Planar makes of the same: by
`await approve(expense)` in an app whose active version is that table, as in a request, for which the target is a third; and without
choosing the version, from a model to a model, with the input written as JSON and the result checked against its type. They take turns
in one process, and the median round counts. Beside it stands what the engine makes when its graph is not compiled before, and what a
script costs in its process. It judges nothing; the exit code is 0.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

import zen
from pydantic import BaseModel

from planar import PlanarApp, sqlite_config
from planar.rules import rule
from planar.rules.compiled import CompiledGraph
from planar.rules.config import RulesConfig
from planar.rules.deciding import evaluate_compiled
from planar.rules.graph import JDMGraph, starting_graph
from planar.rules.models import RuleEngineConfig
from planar.rules.nodes import DecisionTableNodeContent
from planar.rules.registration import RuleDefinition
from planar.rules.rule_configuration import rule_configuration
from planar.rules.sandbox.pool import ScriptPool

ROWS: Final = 20
TARGET: Final = 1 / 3


class Expense(BaseModel):
    amount: int
    country: str


class Approval(BaseModel):
    approved: bool
    limit: int


@rule(description="The rule that is measured.")
def approve(expense: Expense) -> Approval:
    return Approval(approved=False, limit=0)


def table() -> JDMGraph:
    """Twenty rows, of which the input fits the last."""
    graph = starting_graph(Expense, Approval)
    rows = [{"_id": str(n), "amount": f"> {1000 - n}", "country": '"DE"', "approved": "true", "limit": str(n)} for n in range(ROWS - 1)]
    content = {
        "hitPolicy": "first",
        "inputs": [{"id": name, "field": name, "name": name} for name in ("amount", "country")],
        "outputs": [{"id": name, "field": name, "name": name} for name in ("approved", "limit")],
        "rules": [*rows, {"_id": "last", "approved": "false", "limit": "0"}],
    }
    graph.nodes[1] = graph.nodes[1].model_copy(update={"content": DecisionTableNodeContent.model_validate(content)})
    return graph


async def rate(call: Callable[[], Awaitable[object]], seconds: float) -> float:
    """How often *call* is made in a second, one after the other."""
    count, begin = 0, time.perf_counter()
    while (passed := time.perf_counter() - begin) < seconds:
        for _ in range(20):
            await call()
        count += 20
    return count / passed


async def measure(seconds: float, rounds: int) -> None:
    graph = table()
    definition: RuleDefinition = approve.definition
    compiled = CompiledGraph("The rule", graph, None, Approval)
    document = {"main": graph.model_dump(mode="json", exclude_none=True)}
    engine = zen.ZenEngine({"loader": {"type": "static", "content": document}})
    uncompiled = zen.ZenEngine().create_decision(json.dumps(document["main"]))
    context, value = {"amount": 5, "country": "DE"}, Expense(amount=5, country="DE")

    async def bare() -> object:
        return engine.evaluate("main", context)

    async def anew() -> object:
        return uncompiled.evaluate(context)

    async def ours() -> object:
        return await evaluate_compiled(definition, compiled, value)

    async def called() -> object:
        return await approve(value)

    saved = await rule_configuration.write_config("approve", RuleEngineConfig(jdm=graph))
    await rule_configuration.promote_config(saved.id)
    calls = (bare, called, ours, anew)
    measured = [[await rate(call, seconds / 4 if call is anew else seconds) for call in calls] for _ in range(rounds)]
    middle = sorted(measured, key=lambda rates: rates[1] / rates[0])[rounds // 2]
    print(f"bare engine, compiled: {middle[0]:,.0f} a second")
    print(f"Planar, `await approve(expense)`: {middle[1]:,.0f} a second, {middle[1] / middle[0]:.2f} of it (target {TARGET:.2f})")
    print(f"the same without choosing the version: {middle[2]:,.0f} a second, {middle[2] / middle[0]:.2f} of it")
    print(f"bare engine, not compiled before: {statistics.median(rates[3] for rates in measured):,.0f} a second")
    print(f"a script in its process: {await scripts(seconds):,.0f} a second")


async def scripts(seconds: float) -> float:
    """How often a script is evaluated in a second, one after the other."""
    pool = ScriptPool(RulesConfig(script_processes=1))
    source = "export const handler = async (input) => ({approved: input.amount < 100, limit: 0})"
    graph: dict[str, Any] = table().model_dump(mode="json", exclude_none=True)
    graph["nodes"][1] |= {"type": "functionNode", "content": {"source": source}}

    async def run() -> object:
        return await pool.evaluate("script", "main", {"main": graph}, '{"amount": 5, "country": "DE"}')

    try:
        await run()
        return await rate(run, seconds)
    finally:
        await pool.close()


def main() -> None:
    parser = argparse.ArgumentParser(description="What deciding with a table costs.")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long each is measured")
    parser.add_argument("--rounds", type=int, default=5, help="how often; the median counts")
    given = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as name:
        app = PlanarApp(config=sqlite_config(str(Path(name) / "rules.db"))).register_rule(approve)
        asyncio.run(app.run_standalone(measure, given.seconds, max(1, given.rounds)))


if __name__ == "__main__":
    main()
