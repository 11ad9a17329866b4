from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from planar.rules.errors import RuleInputUnusable
from planar.rules.graph import JDMGraph
from planar.rules.limits import MAX_BRACKETS, MAX_CHARACTERS, MAX_DEPTH, brackets
from planar.rules.values import context_text


def graph(value: str, **more: Any) -> dict[str, Any]:
    content = {"expressions": [{"id": "e", "key": "out", "value": value}]}
    node = {"id": "n", "type": "expressionNode", "name": "n", "content": content, "position": {"x": 0, "y": 0}, **more}
    return {"nodes": [node], "edges": []}


def nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


def test_a_graph_within_the_limits_is_taken() -> None:
    JDMGraph.model_validate(graph("[" * MAX_BRACKETS + "]" * MAX_BRACKETS))
    JDMGraph.model_validate(graph("1", extra=2**63 - 1))


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (graph("[" * 40_000 + "]" * 40_000), "brackets are nested"),
        (graph("(" * (MAX_BRACKETS + 1)), "brackets are nested"),
        (graph("1", extra=2**63), "64 bits"),
        (graph("1", extra=nested(MAX_DEPTH + 1)), "nested more than 100 deep"),
        (graph("x" * (MAX_CHARACTERS + 1)), "characters together"),
        (graph("1", **{"(" * 300: 1}), "brackets are nested"),
    ],
    ids=["40,000 brackets", "one bracket too many", "a large integer", "deep values", "a long text", "a deep key"],
)
def test_what_the_engine_could_not_bear_is_refused_before_anything_is_made_of_it(raw: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        JDMGraph.model_validate(raw)


def test_brackets_side_by_side_are_not_nested() -> None:
    assert brackets("()[]{}" * 1000) == 1
    assert brackets(")))(") == 1


def test_an_input_that_is_nested_too_deeply_is_refused_by_name() -> None:
    assert context_text({"a": nested(MAX_DEPTH - 1)})
    for depth in (MAX_DEPTH + 1, 900, 5000):
        with pytest.raises(RuleInputUnusable, match="nested more than 100 deep"):
            context_text({"a": nested(depth)})


@pytest.mark.parametrize("place", ["name", "note"])
def test_half_a_character_is_refused(place: str) -> None:
    node = {"id": "input", "type": "inputNode", "name": "n", "content": {"schema": ""}, place: "\ud800"}
    with pytest.raises(ValidationError, match="half a character"):
        JDMGraph.model_validate({"nodes": [node], "edges": []})
