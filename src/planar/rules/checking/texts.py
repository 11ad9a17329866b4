"""Is every cell, expression and condition one that the engine can read? Each is compiled as the engine would compile it.

The engine itself finds nothing wrong with a broken cell: it never matches, or gives nothing, and the evaluation succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from planar import lazy
from planar.rules.checking.findings import Finding, FindingCode, at
from planar.rules.engine_errors import read_failure
from planar.rules.graph import JDMGraph
from planar.rules.nodes import DecisionTableNode, ExpressionNode, FunctionNode, SwitchNode

MAX_TEXT: Final = 10_000
"""The longest cell, expression or condition, in characters."""
MAX_SCRIPT: Final = 100_000
"""The longest script, in characters."""


def check_texts(graph: JDMGraph) -> list[Finding]:
    """What in *graph* the engine could not read. Scripts are only measured here: `planar.rules.scripts` reads them."""
    found: list[Finding] = []
    for node in graph.nodes:
        if isinstance(node, DecisionTableNode):
            found.extend(_table(node))
        elif isinstance(node, ExpressionNode):
            found.extend(_expressions(node))
        elif isinstance(node, SwitchNode):
            found.extend(_switch(node))
        elif isinstance(node, FunctionNode) and len(node.source) > MAX_SCRIPT:
            message = f"The script has {len(node.source)} characters; {MAX_SCRIPT} are allowed."
            found.append(at(node, FindingCode.SCRIPT_TOO_LARGE, message, suggestion="Move data out of the script, into tables."))
    return found


def why_unreadable(text: str, *, unary: bool) -> str | None:
    """Why the engine cannot read *text*; None if it can.

    Args:
        text: a cell, an expression or a condition that is not empty.
        unary: whether it is compared with a value, as the cells of a table's input columns are.
    """
    compile_text: Callable[[str], Any] = lazy.zen().compile_unary_expression if unary else lazy.zen().compile_expression
    try:
        compile_text(text)
    except Exception as error:
        return read_failure(str(error)).reason
    return None


def _checked(text: str, *, unary: bool) -> tuple[FindingCode | None, str]:
    """A code for a text that is too long, and what is wrong with it; two nothings if all is well."""
    if not text.strip():
        return None, ""
    if len(text) > MAX_TEXT:
        return FindingCode.TEXT_TOO_LARGE, f"It has {len(text)} characters; {MAX_TEXT} are allowed."
    return None, why_unreadable(text, unary=unary) or ""


def _table(node: DecisionTableNode) -> Iterator[Finding]:
    for column in node.content.inputs:
        code, wrong = _checked(column.field or "", unary=False)
        if wrong:
            message = f"The column compares with '{column.field}', which cannot be read: {wrong}."
            yield at(node, code or FindingCode.BAD_EXPRESSION, message, column=column.name or column.id, suggestion=_NAME_A_FIELD)
    for number, row in enumerate(node.content.rules, 1):
        for column in node.content.inputs:
            # Without a field of its own the cell is a whole condition.
            yield from _cell(node, number, column.name or column.id, row.cell(column.id), unary=bool(column.field))
        for column in node.content.outputs:
            yield from _cell(node, number, column.name or column.id, row.cell(column.id), unary=False)


def _cell(node: DecisionTableNode, row: int, column: str, text: str, *, unary: bool) -> Iterator[Finding]:
    code, wrong = _checked(text, unary=unary)
    if wrong:
        message = f"Row {row}, column '{column}': the cell {text[:80]!r} cannot be read: {wrong}."
        suggestion = _WRITE_A_CONDITION if unary else _WRITE_A_VALUE
        yield at(node, code or FindingCode.BAD_CELL, message, row=row, column=column, suggestion=suggestion, current_value=text[:200])


def _expressions(node: ExpressionNode) -> Iterator[Finding]:
    for number, expression in enumerate(node.content.expressions, 1):
        code, wrong = _checked(expression.value, unary=False)
        if wrong:
            message = f"The expression of '{expression.key}' cannot be read: {wrong}."
            place: dict[str, Any] = {"row": number, "column": expression.key, "current_value": expression.value[:200]}
            yield at(node, code or FindingCode.BAD_EXPRESSION, message, suggestion=_WRITE_A_VALUE, **place)


def _switch(node: SwitchNode) -> Iterator[Finding]:
    for number, statement in enumerate(node.content.statements, 1):
        code, wrong = _checked(statement.condition, unary=False)
        if wrong:
            message = f"Condition {number} cannot be read: {wrong}."
            place: dict[str, Any] = {"row": number, "column": statement.id, "current_value": statement.condition[:200]}
            yield at(node, code or FindingCode.BAD_CONDITION, message, suggestion="Write a comparison, such as amount > 100.", **place)


_NAME_A_FIELD: Final = "Name a field of the input, such as customer.country."
_WRITE_A_CONDITION: Final = 'Write a comparison with the column\'s value, such as > 100, [1..10] or "a", "b"; leave it empty for any value.'
_WRITE_A_VALUE: Final = 'Write a value or an expression; a text stands in quotes: "like this".'
