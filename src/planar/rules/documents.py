"""What does the engine get of a graph? Pure functions of graphs.

The engine hands numbers back as floating point ones. For fields of the return type that are decimals, a last node therefore writes
their digits as texts beside the result.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, cast, get_args

import orjson
from pydantic import BaseModel

from planar.rules.graph import JDMGraph
from planar.rules.nodes import OutputNode

DIGITS_NODE: Final = "planar:digits"
DIGITS_FIELD: Final = "planar_digits"


def plain_document(graph: JDMGraph) -> dict[str, Any]:
    """The graph as the engine reads it: without the schemas, whose references it would follow to files and other machines."""
    document = graph.model_dump(mode="json", by_alias=True, exclude_none=True)
    for node in document["nodes"]:
        if node["type"] in ("inputNode", "outputNode"):
            node["content"] = {"schema": ""}
    return document


def rule_document(graph: JDMGraph, output: type[BaseModel]) -> dict[str, Any]:
    """The graph of a rule as the engine reads it, with exact decimals. What it gives is checked against the rule's type."""
    document = plain_document(graph)
    fields = decimal_fields(output)
    outputs = [node.id for node in graph.nodes if isinstance(node, OutputNode)]
    if fields and len(outputs) == 1:
        _add_digits(document, outputs[0], fields)
    return document


def decimal_fields(output: type[BaseModel]) -> list[str]:
    """The fields of *output* that are decimals, under the names that a graph uses."""
    return [field.alias or name for name, field in output.model_fields.items() if _is_decimal(field.annotation)]


def _is_decimal(annotation: Any) -> bool:
    return annotation is Decimal or any(_is_decimal(part) for part in get_args(annotation) if part is not type(None))


def _add_digits(document: dict[str, Any], output: str, fields: list[str]) -> None:
    for edge in document["edges"]:
        if edge["targetId"] == output:
            edge["targetId"] = DIGITS_NODE
    wanted = [name for name in fields if name.isidentifier()]
    expressions = [
        {"id": name, "key": f"{DIGITS_FIELD}.{name}", "value": f"type({name}) == 'number' ? string({name}) : null"} for name in wanted
    ]
    document["nodes"].append(
        {
            "id": DIGITS_NODE,
            "type": "expressionNode",
            "name": DIGITS_NODE,
            "content": {"expressions": expressions, "passThrough": True},
            "position": {"x": 0, "y": 0},
        }
    )
    document["edges"].append({"id": DIGITS_NODE, "type": "edge", "sourceId": DIGITS_NODE, "targetId": output})


def with_digits(result: Any) -> Any:
    """The engine's result, its decimals with all their digits."""
    if not isinstance(result, dict) or DIGITS_FIELD not in result:
        return cast("Any", result)
    known = cast("dict[str, Any]", result)
    digits = cast("Mapping[str, str | None]", known.pop(DIGITS_FIELD) or {})
    known.update({name: text for name, text in digits.items() if text is not None})
    return known


def without_digits(trace: Mapping[str, Any] | None) -> dict[str, Any]:
    """The engine's trace as that of the graph that was given: without the node that writes decimals, and its field."""
    if trace is None:
        return {}
    shown = {node: dict(step) for node, step in trace.items() if node != DIGITS_NODE}
    for step in shown.values():
        if isinstance(step.get("input"), dict):
            step["input"] = {name: value for name, value in step["input"].items() if name != DIGITS_FIELD}
    return shown


def document_text(document: Mapping[str, Any]) -> str:
    """*document* as JSON, the same for the same graph."""
    return orjson.dumps(document, option=orjson.OPT_SORT_KEYS).decode()
