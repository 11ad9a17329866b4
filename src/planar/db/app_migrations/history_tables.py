"""Which tables does the history make? Read from the revision files: what they never made is not theirs to drop."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from typing import TypeAlias

TableName: TypeAlias = tuple[str | None, str]
"""Schema, and name."""


def tables_of_history(sources: Iterable[str]) -> set[TableName]:
    """The tables that the revision files *sources* name with ``create_table`` or ``rename_table``, dropped since or not."""
    found: set[TableName] = set()
    for source in sources:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                found.update(_made_by(node, node.func.attr))
    return found


def _made_by(call: ast.Call, function: str) -> Iterable[TableName]:
    place = {"create_table": 0, "rename_table": 1}.get(function)
    if place is None or len(call.args) <= place:
        return
    name = call.args[place]
    schema = next((word.value for word in call.keywords if word.arg == "schema"), None)
    if isinstance(name, ast.Constant) and isinstance(name.value, str):
        yield (schema.value if isinstance(schema, ast.Constant) and isinstance(schema.value, str) else None), name.value
