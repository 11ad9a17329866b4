"""Does a graph use fields that exist, and does it give what the rule returns?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from planar import lazy
from planar.rules.checking.fields import Scope, is_path, names_in
from planar.rules.checking.findings import Finding, FindingCode, FindingSeverity, at
from planar.rules.checking.texts import why_unreadable
from planar.rules.checking.topology import ways
from planar.rules.graph import JDMGraph
from planar.rules.nodes import DecisionTableNode, ExpressionNode, JDMNode, NodeBase, OutputNode, SwitchNode

_DECLARE: Final = "Name a field of the input, or one that an earlier node gives."


def check_fields(graph: JDMGraph, seen: Mapping[str, Scope]) -> Iterator[Finding]:
    """Names of fields that do not exist: in a column of a table an error, in an expression, where a name may mean more, a warning."""
    for node in graph.nodes:
        scope = seen.get(node.id, Scope(is_open=True))
        if isinstance(node, DecisionTableNode | ExpressionNode) and node.content.inputField:
            # What the node reads stands outside of it: it is checked where it comes from.
            continue
        if isinstance(node, DecisionTableNode):
            yield from _of_table(node, scope)
        elif isinstance(node, ExpressionNode):
            known = scope
            for number, expression in enumerate(node.content.expressions, 1):
                yield from _unknown(node, expression.value, known, row=number, column=expression.key)
                known = Scope({**known.fields, expression.key.split(".")[0]: {}}, known.is_open)
        elif isinstance(node, SwitchNode):
            for number, statement in enumerate(node.content.statements, 1):
                yield from _unknown(node, statement.condition, scope, row=number, column=statement.id)


def _of_table(node: DecisionTableNode, scope: Scope) -> Iterator[Finding]:
    for column in node.content.inputs:
        path = column.field or ""
        if is_path(path) and scope.find(path) is None:
            name = column.name or column.id
            message = f"Column '{name}' compares '{path}', which is no field here."
            yield at(node, FindingCode.UNKNOWN_FIELD, message, column=name, field_path=path, suggestion=_DECLARE)
        elif path:
            yield from _unknown(node, path, scope, column=column.name or column.id)
    for number, row in enumerate(node.content.rules, 1):
        for column in (*node.content.inputs, *node.content.outputs):
            yield from _unknown(node, row.cell(column.id), scope, row=number, column=column.name or column.id)


def _unknown(node: NodeBase, text: str, scope: Scope, **place: Any) -> Iterator[Finding]:
    for name in names_in(text):
        if scope.find(name) is None:
            message = f"'{name}' is no field here, so its value is null."
            warning = FindingSeverity.WARNING
            yield at(node, FindingCode.UNKNOWN_FIELD, message, severity=warning, field_path=name, suggestion=_DECLARE, **place)


# -- what comes out -------------------------------------------------------------------------------------------------------


def check_outputs(graph: JDMGraph, seen: Mapping[str, Scope], output: type[BaseModel]) -> Iterator[Finding]:
    """Fields that *output* must have and nothing gives, and values in tables that it can never take."""
    node = next((each for each in graph.nodes if isinstance(each, OutputNode)), None)
    if node is None:
        return
    scope = seen.get(node.id, Scope(is_open=True))
    for name, field in output.model_fields.items():
        key = field.alias or name
        if field.is_required() and scope.find(key) is None:
            message = f"Nothing gives the field '{key}', which the rule must return."
            yield at(node, FindingCode.MISSING_OUTPUT, message, field_path=key, suggestion=f"Add a column or an expression for '{key}'.")
    _, backward = ways(graph)
    by_id = {each.id: each for each in graph.nodes}
    for name in dict.fromkeys(backward.get(node.id, ())):
        yield from _values(by_id[name], output)


def _values(node: JDMNode, output: type[BaseModel]) -> Iterator[Finding]:
    adapters = {field.alias or name: TypeAdapter[Any](cast("type[Any]", field.annotation)) for name, field in output.model_fields.items()}
    if isinstance(node, DecisionTableNode) and not node.content.outputPath and node.content.hitPolicy == "first":
        for column in node.content.outputs:
            if column.field in adapters:
                cells = [row.cell(column.id) for row in node.content.rules]
                yield from _misfits(node, column.name or column.id, column.field, cells, adapters[column.field])
    elif isinstance(node, ExpressionNode) and not node.content.outputPath:
        for number, expression in enumerate(node.content.expressions, 1):
            if expression.key in adapters:
                yield from _misfits(node, expression.key, expression.key, [expression.value], adapters[expression.key], number)


def _misfits(node: NodeBase, column: str, field: str, cells: list[str], adapter: TypeAdapter[Any], first_row: int = 1) -> Iterator[Finding]:
    for number, cell in enumerate(cells, first_row):
        if not is_literal(cell) or why_unreadable(cell, unary=False) is not None:
            continue
        value = lazy.zen().evaluate_expression(cell, {})
        try:
            adapter.validate_python(value)
        except ValidationError as error:
            message = f"Row {number}, column '{column}': {cell[:80]} is no value of '{field}': {error.errors()[0]['msg']}."
            place: dict[str, Any] = {"row": number, "column": column, "field_path": field, "current_value": value}
            yield at(
                node, FindingCode.WRONG_TYPE, message, suggestion=f"Give a value that '{field}' of {_title(adapter)} can take.", **place
            )


def _title(adapter: TypeAdapter[Any]) -> str:
    kind = adapter.json_schema().get("type")
    return f"the type {kind}" if isinstance(kind, str) else "its type"


def is_literal(text: str) -> bool:
    """Whether a cell is a value and nothing that is computed."""
    plain = text.strip()
    return bool(plain) and "(" not in plain and ".." not in plain and "`" not in plain and "$" not in plain and not [*names_in(plain)]
