"""What is a rule, and of what is its graph made? The names that applications import."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from planar.rules.graph import JDMEdge, JDMGraph, starting_graph
from planar.rules.nodes import (
    DecisionNode,
    DecisionNodeContent,
    DecisionRule,
    DecisionTableNode,
    DecisionTableNodeContent,
    Expression,
    ExpressionNode,
    ExpressionNodeContent,
    FunctionNode,
    FunctionNodeContent,
    InputNode,
    InputOutputNodeContent,
    JDMNode,
    JDMNodeWithType,
    OutputNode,
    Position,
    RuleTableInput,
    RuleTableOutput,
    SwitchNode,
    SwitchNodeContent,
    SwitchStatement,
)

__all__ = [
    "DecisionNode",
    "DecisionNodeContent",
    "DecisionRule",
    "DecisionTableNode",
    "DecisionTableNodeContent",
    "Expression",
    "ExpressionNode",
    "ExpressionNodeContent",
    "FunctionNode",
    "FunctionNodeContent",
    "InputNode",
    "InputOutputNodeContent",
    "JDMEdge",
    "JDMGraph",
    "JDMNode",
    "JDMNodeWithType",
    "OutputNode",
    "Position",
    "Rule",
    "RuleBase",
    "RuleEngineConfig",
    "RuleSerializeable",
    "RuleTableInput",
    "RuleTableOutput",
    "SwitchNode",
    "SwitchNodeContent",
    "SwitchStatement",
    "create_jdm_graph",
]


class RuleBase(BaseModel):
    """A rule's name, and what it is for."""

    name: str
    description: str


class RuleEngineConfig(BaseModel):
    """What is stored of a version of a rule: its graph."""

    model_config = ConfigDict(serialize_by_alias=True)

    jdm: JDMGraph


class Rule(RuleBase):
    """A rule: from a value of ``input`` it decides one of ``output``."""

    input: type[BaseModel]
    output: type[BaseModel]

    def to_config(self) -> RuleEngineConfig:
        """The graph that an editor begins with; the same each time."""
        return RuleEngineConfig(jdm=create_jdm_graph(self))


class RuleSerializeable(RuleBase):
    """A rule as answers show it: with the schemas of what it takes and gives, and its versions."""

    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    configs: list[Any] = Field(default_factory=list[Any])


def create_jdm_graph(rule: Rule) -> JDMGraph:
    """A table with one row for *rule*, which gives a plain value for each field of its output. The same each time, ids included."""
    return starting_graph(rule.input, rule.output)
