"""What stands in a decision graph? One class a kind of node, with the names and the JSON of GoRules' JDM format.

What a graph holds beyond that (an editor's own notes) is kept, so that saving a graph loses nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field


def _is_none(value: Any) -> bool:
    return value is None


class JDMModel(BaseModel):
    """A part of a graph: written under the format's own names (``schema``, ``_id``), read under those and Python's."""

    model_config = ConfigDict(extra="allow", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)


class Position(JDMModel):
    """Where an editor draws a node."""

    x: int | float = 0
    y: int | float = 0


class InputOutputNodeContent(JDMModel):
    """The JSON schema, as a text, of what comes in or goes out; for people and editors: what is evaluated is checked against the code."""

    schema_: str = Field(default="", alias="schema")


class RuleTableInput(JDMModel):
    """A column of conditions: the expression that its cells are compared with; without a field each cell is a condition of its own."""

    id: str
    field: str | None = None
    name: str = ""


class RuleTableOutput(JDMModel):
    """A column of results: the (dotted) field that its cells give."""

    id: str
    field: str
    name: str = ""


class DecisionRule(JDMModel):
    """A row of a table: its id, and a cell by the id of each column."""

    model_config = ConfigDict(extra="allow", validate_by_name=True, validate_by_alias=True, serialize_by_alias=True)
    id_: str = Field(default="", alias="_id")

    def cell(self, column: str) -> str:
        """The text of a cell; an empty one means any value, or no result."""
        value: Any = (self.model_extra or {}).get(column)
        return "" if value is None else str(value).strip()


HitPolicy: TypeAlias = Literal["first", "collect"]
ExecutionMode: TypeAlias = Literal["single", "loop"]


class _Transform(JDMModel):
    """What tables and expressions have in common: where they read, where they write, and whether the input goes on with the result."""

    passThrough: bool | None = Field(default=None, exclude_if=_is_none)  # noqa: N815 - the format's name
    inputField: str | None = None  # noqa: N815 - the format's name
    outputPath: str | None = None  # noqa: N815 - the format's name
    executionMode: ExecutionMode | None = None  # noqa: N815 - the format's name


class DecisionTableNodeContent(_Transform):
    """A table: ``first`` takes the first row that fits, ``collect`` all of them as a list."""

    hitPolicy: HitPolicy = "first"  # noqa: N815 - the format's name
    rules: list[DecisionRule] = Field(default_factory=list[DecisionRule])
    inputs: list[RuleTableInput] = Field(default_factory=list[RuleTableInput])
    outputs: list[RuleTableOutput] = Field(default_factory=list[RuleTableOutput])
    passThorough: bool | None = Field(default=None, exclude_if=_is_none)  # noqa: N815 - a typing error that graphs are stored with


class FunctionNodeContent(JDMModel):
    """A JavaScript module that exports ``handler``."""

    source: str


class SwitchStatement(JDMModel):
    """A way out of a switch: edges with its id as ``sourceHandle`` are taken if the condition holds; an empty one always does."""

    id: str
    condition: str = ""
    isDefault: bool | None = Field(default=None, exclude_if=_is_none)  # noqa: N815 - the format's name


class SwitchNodeContent(JDMModel):
    """``first`` takes the first statement that holds, ``collect`` every one."""

    hitPolicy: HitPolicy = "first"  # noqa: N815 - the format's name
    statements: list[SwitchStatement] = Field(default_factory=list[SwitchStatement])


class Expression(JDMModel):
    """A field and what it becomes."""

    id: str
    key: str
    value: str = ""


class ExpressionNodeContent(_Transform):
    """Fields that are computed, one after the other; ``$.key`` is the value of an earlier one."""

    expressions: list[Expression] = Field(default_factory=list[Expression])


class DecisionNodeContent(_Transform):
    """Another rule of the app, by its name."""

    key: str


class NodeBase(JDMModel):
    """What every node has."""

    id: str
    name: str = ""
    position: Position = Field(default_factory=Position)


class InputNode(NodeBase):
    """Where the input comes in."""

    type: Literal["inputNode"] = "inputNode"
    content: InputOutputNodeContent = Field(default_factory=InputOutputNodeContent)


class OutputNode(NodeBase):
    """Where the result goes out."""

    type: Literal["outputNode"] = "outputNode"
    content: InputOutputNodeContent = Field(default_factory=InputOutputNodeContent)


class DecisionTableNode(NodeBase):
    """A decision table."""

    type: Literal["decisionTableNode"] = "decisionTableNode"
    content: DecisionTableNodeContent


class FunctionNode(NodeBase):
    """A script. A bare text is the older form, ``const handler = (input, helpers) => …``."""

    type: Literal["functionNode"] = "functionNode"
    content: FunctionNodeContent | str

    @property
    def source(self) -> str:
        """The script."""
        return self.content if isinstance(self.content, str) else self.content.source


class SwitchNode(NodeBase):
    """A switch."""

    type: Literal["switchNode"] = "switchNode"
    content: SwitchNodeContent


class ExpressionNode(NodeBase):
    """Expressions."""

    type: Literal["expressionNode"] = "expressionNode"
    content: ExpressionNodeContent


class DecisionNode(NodeBase):
    """A nested decision."""

    type: Literal["decisionNode"] = "decisionNode"
    content: DecisionNodeContent


JDMNode: TypeAlias = InputNode | OutputNode | DecisionTableNode | FunctionNode | SwitchNode | ExpressionNode | DecisionNode
JDMNodeWithType: TypeAlias = Annotated[JDMNode, Field(discriminator="type")]
