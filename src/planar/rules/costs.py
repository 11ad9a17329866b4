"""How much may it cost to evaluate a graph? Pure functions of graphs, which would rather say too much.

A process that evaluates something that grows without bounds ends for lack of memory, and whoever evaluates in place with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final

from planar.rules.graph import JDMGraph
from planar.rules.nodes import DecisionNode, DecisionTableNode, DecisionTableNodeContent, ExpressionNode, FunctionNode, JDMNode, SwitchNode

CHEAP_CELLS: Final = 2_000
"""Up to so many cells and expressions are evaluated in place, which takes less than handing them to a process."""
CHEAP_TEXT: Final = 1_000
"""No longer cell or expression is evaluated in place, in characters."""
CHEAP_GROWTH: Final = 64
"""How many times as large as the input a result in place may become: by naming values more than once, node after node."""

_TOKEN: Final = re.compile(r"""\s+|"[^"\\`]*"|'[^'\\`]*'|\d+(?:\.\d+)?|[^\W\d]\w*|\$\w*|\.\.|[<>=!]=|[-+*/%<>!?:,.()\[\]{};]""")
"""The parts of a text that is bounded; whatever is no such part (a template, a closure's ``#``) is not said to be."""
_WORDS: Final = frozenset({"and", "or", "not", "in", "true", "false", "null"})
_FUNCTIONS: Final = frozenset(
    {"abs", "ceil", "contains", "endsWith", "floor", "isNumeric", "len", "lower", "max", "min", "number", "round", "startsWith"}
    | {"string", "sum", "trim", "trunc", "type", "upper"}
)
"""The functions whose work and result are bounded by what they are given."""
_INTERVAL: Final = re.compile(r"\s*(?:not\s+in\s+)?[\[(\]]\s*-?\d+(?:\.\d+)?\s*\.\.\s*-?\d+(?:\.\d+)?\s*[\])\[]\s*")
"""A cell that compares with an interval. Elsewhere ``[1..9]`` is a list of all its numbers."""
_PATH: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*){0,15}")


class Cost(StrEnum):
    """Where a graph is evaluated."""

    CHEAP = "cheap"
    """In place: its work is bounded by its size and that of its input, and both are small."""
    SCRIPT = "script"
    """In a process with limits: that cannot be said."""


def cost_of(graphs: Iterable[JDMGraph]) -> Cost:
    """Where *graphs*, a graph and those nested in it, have to be evaluated."""
    known = list(graphs)
    if len(known) != 1:
        return Cost.SCRIPT
    (graph,) = known
    cells, growth = 0, 1
    for node in graph.nodes:
        found = list(_growths(node))
        if any(each is None for each in found):
            return Cost.SCRIPT
        cells += len(found)
        growth *= max(1, _together(node, [each for each in found if each is not None]))
        if cells > CHEAP_CELLS or growth > CHEAP_GROWTH:
            return Cost.SCRIPT
    return Cost.CHEAP


def _together(node: JDMNode, growths: list[int]) -> int:
    if isinstance(node, SwitchNode):
        return 1  # what comes in goes out
    if isinstance(node, DecisionTableNode) and node.content.hitPolicy == "first":
        columns = max(1, len(node.content.outputs))
        rows = growths[len(growths) - columns * len(node.content.rules) :]
        return 1 + max((sum(rows[at : at + columns]) for at in range(0, len(rows), columns)), default=0) if node.content.outputs else 1
    return 1 + sum(growths)


def _growths(node: JDMNode) -> Iterator[int | None]:
    """Of each text of *node* how many values it names; None if more cannot be excluded. The results of a table stand last, row by row."""
    if isinstance(node, FunctionNode | DecisionNode):
        yield None
    elif isinstance(node, SwitchNode):
        yield from (growth_of(statement.condition) for statement in node.content.statements)
    elif isinstance(node, DecisionTableNode | ExpressionNode):
        content = node.content
        paths = [path for path in (content.inputField, content.outputPath) if path]
        if content.executionMode == "loop" or not all(map(_PATH.fullmatch, paths)):
            yield None
        elif isinstance(content, DecisionTableNodeContent):
            yield from _of_table(content)
        else:
            yield from (growth_of(each.value) if _PATH.fullmatch(each.key) else None for each in content.expressions)


def _of_table(content: DecisionTableNodeContent) -> Iterator[int | None]:
    if not all(_PATH.fullmatch(column.field) for column in content.outputs):
        yield None
    for column in content.inputs:
        field = growth_of(column.field or "")
        yield None if field is None else 0
        for row in content.rules:
            compared = growth_of(row.cell(column.id), compares=bool(column.field))
            yield None if compared is None else 0
    for row in content.rules:
        yield from (growth_of(row.cell(column.id)) for column in content.outputs)


def growth_of(text: str, *, compares: bool = False) -> int | None:
    """How many values *text* names, each of which it may repeat once in what it gives; None if it may cost more.

    Args:
        text: a cell, an expression or a condition.
        compares: whether it is compared with a value, which ``$`` stands for.
    """
    if len(text) > CHEAP_TEXT:
        return None
    if compares and _INTERVAL.fullmatch(text):
        return 0
    tokens = _tokens(text)
    if tokens is None:
        return None
    named = 0
    for number, token in enumerate(tokens):
        before, following = tokens[number - 1] if number else "", tokens[number + 1] if number + 1 < len(tokens) else ""
        if token == ".." or (token[0] == "$" and (token != "$" or not compares or following in (".", "["))):
            return None
        if token[0] == "_" or token[0].isalpha():
            if following == "(" and token not in _FUNCTIONS | _WORDS:
                return None
            named += token not in _WORDS and before != "."
    return named


def _tokens(text: str) -> list[str] | None:
    found: list[str] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            return None
        place = match.end()
        if not match[0].isspace():
            found.append(match[0])
    return found
