"""Where is a graph evaluated, and how often is it compiled?"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from planar.rules.compiled import CompiledGraph, CompiledGraphs
from planar.rules.costs import Cost, cost_of
from planar.rules.documents import rule_document
from planar.rules.graph import JDMGraph, starting_graph
from planar.rules.nodes import ExpressionNodeContent
from planar.rules.runner import EvaluateError, evaluate_rule
from tests.unit.rules.shop import ALL, Order, Verdict, table

pytestmark = pytest.mark.anyio


def expressions(*values: str, **content: Any) -> JDMGraph:
    graph = starting_graph(Order, Verdict).model_dump()
    made = [{"id": str(number), "key": f"k{number}", "value": value} for number, value in enumerate(values)]
    graph["nodes"][1] |= {"type": "expressionNode", "content": ExpressionNodeContent.model_validate({"expressions": made, **content})}
    return JDMGraph.model_validate(graph)


@pytest.mark.parametrize(
    ("graph", "cost"),
    [
        (table(ALL), Cost.CHEAP),
        (table({"count": "[1..1000000000]", **ALL}), Cost.CHEAP),
        (table({"ok": "len([1..1000000000]) > 0"}), Cost.SCRIPT),
        (table({"count": "sum([1..3000000]) > 0", **ALL}), Cost.SCRIPT),
        (table({"count": "$ > 5", **ALL}), Cost.CHEAP),
        (table({"sum(map ([1..3000000], #))": "1", **ALL}, inputs=("sum(map ([1..3000000], #))",)), Cost.SCRIPT),
        (expressions("amount * 2"), Cost.CHEAP),
        (expressions("'..' == tier and not (vip)"), Cost.CHEAP),
        (expressions("1", "$.k0 + $.k0"), Cost.SCRIPT),
        (expressions("some (items, true)"), Cost.SCRIPT),
        (expressions("count\n(items, true)"), Cost.SCRIPT),
        (expressions("repeat(note, 1000000)"), Cost.SCRIPT),
        (expressions("`${note}`"), Cost.SCRIPT),
        (expressions("'" + "a" * 1001 + "'"), Cost.SCRIPT),
        (expressions(*["note + note"] * 40), Cost.SCRIPT),
        (expressions("sum(map(items, # * 2))"), Cost.SCRIPT),
        (expressions("amount", executionMode="loop"), Cost.SCRIPT),
        (table(*[{"count": str(number), **ALL} for number in range(500)]), Cost.SCRIPT),
    ],
)
def test_what_may_take_long_is_not_evaluated_in_place(graph: JDMGraph, cost: Cost) -> None:
    assert cost_of([graph]) is cost


async def test_a_graph_is_compiled_once_a_version() -> None:
    graphs, made = CompiledGraphs(kept=2), []

    def make() -> CompiledGraph:
        made.append(CompiledGraph("It", table(ALL), None, Verdict))
        return made[-1]

    first = graphs.get("a", make)
    await first.evaluate('{"amount": 1}')
    engine = first._engine
    await graphs.get("a", make).evaluate('{"amount": 2}')
    assert (len(made), first._engine) == (1, engine)
    graphs.get("b", make)
    graphs.get("a", make)
    graphs.get("c", make)
    assert len(graphs) == 2
    graphs.get("a", make)
    assert len(made) == 3, "what was used last is kept"


async def test_decimals_come_out_with_all_their_digits_and_leave_no_trace() -> None:
    graph = table({"ok": "true"})
    content = graph.nodes[1].content.model_dump()  # type: ignore[union-attr]
    content["outputs"].append({"id": "limit", "field": "limit", "name": "limit"})
    content["rules"][0]["limit"] = "amount / 3"
    graph.nodes[1].content = type(graph.nodes[1].content).model_validate(content)  # type: ignore[union-attr]
    given = graph.model_dump()
    done = await CompiledGraph("It", graph, None, Verdict).evaluate('{"amount": 1}', trace=True)
    assert done.result == {"ok": True, "limit": "0.3333333333333333333333333333"}
    assert Verdict.model_validate(done.result).limit == Decimal("0.3333333333333333333333333333")
    assert set(done.trace) == {"input", "decision-table-1", "output"}
    assert "planar_digits" not in str(done.trace)
    assert graph.model_dump() == given, "what was given is not changed"
    assert rule_document(graph, Verdict) != rule_document(graph, Order)


async def test_a_large_graph_gives_the_same_as_a_small_one() -> None:
    rows = [{"count": str(number), "ok": "true" if number % 2 else "false"} for number in range(700)]
    done = await CompiledGraph("It", table(*rows), None, Verdict).evaluate('{"count": 601}')
    assert done.result["ok"] is True


async def test_an_evaluation_that_fails_is_an_answer() -> None:
    answer = await evaluate_rule(
        expressions("1 + 'a'"), {"amount": 1, "count": 1, "tier": "gold", "vip": True, "customer": {"country": "x", "age": 1}}
    )
    assert isinstance(answer, EvaluateError)
    assert answer.data["nodeId"] == "decision-table-1"
    unusable = await evaluate_rule(expressions("1"), {"amount": float("nan")})
    assert isinstance(unusable, EvaluateError)
    assert unusable.code == "rule_input_unusable"


@pytest.mark.parametrize("output", [None, Verdict])
def test_the_engine_gets_no_schema_whose_references_it_would_follow(output: Any) -> None:
    graph = table(ALL).model_dump(mode="json")
    graph["nodes"][0]["content"] = graph["nodes"][-1]["content"] = {"schema": '{"$ref": "file:///etc/passwd"}', "other": "file:"}
    unsafe = JDMGraph.model_validate(graph)
    assert "file:" not in str(CompiledGraph("It", unsafe, {"inner": unsafe}, output).documents)


def test_what_doubles_node_after_node_is_not_evaluated_in_place() -> None:
    graph = expressions("k0 + k0").model_dump(mode="json")
    doubling = [{**graph["nodes"][1], "id": f"n{number}"} for number in range(20)]
    assert cost_of([JDMGraph.model_validate({**graph, "nodes": doubling})]) is Cost.SCRIPT


def test_a_draft_is_not_evaluated_in_place_however_small() -> None:
    assert CompiledGraph("It", table(ALL), is_draft=True).cost is Cost.SCRIPT
    assert CompiledGraph("It", table(ALL)).cost is Cost.CHEAP
