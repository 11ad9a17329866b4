"""What is a decision graph, and which one does a rule begin with? Values only."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, cast

from pydantic import BaseModel, Field, model_validator

from planar.modeling.json_schema import FormSchema
from planar.rules.limits import check_limits
from planar.rules.nodes import (
    DecisionNode,
    DecisionRule,
    DecisionTableNode,
    DecisionTableNodeContent,
    InputNode,
    InputOutputNodeContent,
    JDMModel,
    JDMNodeWithType,
    OutputNode,
    Position,
    RuleTableInput,
    RuleTableOutput,
)

MAX_NODES: Final = 500
MAX_EDGES: Final = 2_000


class JDMEdge(JDMModel):
    """A way from a node to the next; from a switch, ``sourceHandle`` is the statement whose way it is."""

    id: str
    type: Literal["edge"] = "edge"
    sourceId: str  # noqa: N815 - the format's name
    targetId: str  # noqa: N815 - the format's name
    sourceHandle: str | None = Field(default=None, exclude_if=lambda value: value is None)  # noqa: N815 - the format's name


class JDMGraph(JDMModel):
    """A decision graph."""

    nodes: list[JDMNodeWithType] = Field(max_length=MAX_NODES)
    edges: list[JDMEdge] = Field(max_length=MAX_EDGES)

    @model_validator(mode="before")
    @classmethod
    def _within_limits(cls, raw: Any) -> Any:
        check_limits(raw)
        return raw

    def nested_names(self) -> list[str]:
        """The rules that nested decisions name, each once, in order."""
        return list(dict.fromkeys(node.content.key for node in self.nodes if isinstance(node, DecisionNode)))


def starting_graph(input_type: type[BaseModel], output_type: type[BaseModel]) -> JDMGraph:
    """A graph that can be edited further: one table with one row, which gives a plain value for each field of *output_type*.

    The same types give the same graph, ids included.
    """
    takes, gives = schema_of(input_type), schema_of(output_type)
    first_field = next(iter(takes.get("properties", {})), "")
    outputs = list(gives.get("properties", {}).items())
    inputs = [RuleTableInput(id=f"input-{first_field}", field=first_field, name=first_field)] if first_field else []
    row: dict[str, Any] = {"_id": "row-1", **{column.id: "" for column in inputs}}
    row.update({f"output-{name}": default_cell(schema, gives.get("$defs", {})) for name, schema in outputs})
    table = DecisionTableNodeContent(
        hitPolicy="first",
        rules=[DecisionRule.model_validate(row)],
        inputs=inputs,
        outputs=[RuleTableOutput(id=f"output-{name}", field=name, name=name) for name, _ in outputs],
        # A type that allows nothing else would refuse what is passed through.
        passThrough=gives.get("additionalProperties") is not False,
        executionMode="single",
    )
    return JDMGraph(
        nodes=[
            InputNode(id="input", name="Input", content=_content(takes), position=Position(x=100, y=100)),
            DecisionTableNode(id="decision-table-1", name="decisionTable1", content=table, position=Position(x=400, y=100)),
            OutputNode(id="output", name="Output", content=_content(gives), position=Position(x=700, y=100)),
        ],
        edges=[
            JDMEdge(id="edge-1", sourceId="input", targetId="decision-table-1"),
            JDMEdge(id="edge-2", sourceId="decision-table-1", targetId="output"),
        ],
    )


def schema_of(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema of what a graph reads of *model*, or must give for it."""
    return model.model_json_schema(by_alias=True, schema_generator=FormSchema)


def default_cell(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """A cell that gives a plain value of *schema*; an empty one where there is none."""
    for known in _alternatives(schema, definitions):
        members = known.get("enum") or ([known["const"]] if "const" in known else [])
        if members:
            return json.dumps(members[0])
        match known.get("type"):
            case "string":
                return "" if "format" in known else '"default value"'
            case "boolean":
                return "true"
            case "number" | "integer":
                return "0"
            case _:
                continue
    return ""


def _alternatives(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    if "$ref" in schema:
        name = str(schema["$ref"]).rpartition("/")[2]
        yield cast("Mapping[str, Any]", definitions.get(name, {}))
        return
    options = cast("list[Mapping[str, Any]]", schema.get("anyOf") or schema.get("allOf") or [])
    if not options:
        yield schema
    for option in options:
        yield from _alternatives(option, definitions)


def _content(schema: Mapping[str, Any]) -> InputOutputNodeContent:
    return InputOutputNodeContent(schema=json.dumps(schema))
