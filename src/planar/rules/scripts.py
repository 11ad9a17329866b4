"""Can the engine read the scripts of a graph? Asked in a process with limits, since reading one may take forever, too."""

from __future__ import annotations

import re
from typing import Final

from planar.rules.checking.findings import Finding, FindingCode, at
from planar.rules.checking.texts import MAX_SCRIPT
from planar.rules.compiled import CompiledGraph
from planar.rules.errors import RuleEvaluationFailed, RuleNotChecked, RuleSandboxBusy, RuleSandboxError
from planar.rules.graph import JDMEdge, JDMGraph
from planar.rules.nodes import FunctionNode, FunctionNodeContent, InputNode, OutputNode

_PARSED: Final = "planar:parsed"
_STOP: Final = f"throw new Error('{_PARSED}');"
"""Stands before a script, so that it is read and linked, and not executed."""

_NO_MEMORY: Final = "out of memory"
"""What the process answers whose memory has run out, which may have been filled before."""

_PLACE: Final = re.compile(r"\(line (\d+)\)")


async def check_scripts(graph: JDMGraph, *, in_use: bool = False) -> list[Finding]:
    """What is wrong with the function nodes of *graph* before they are executed; *in_use*: it was promoted, and somebody waits for it.

    Raises:
        RuleSandboxBusy, RuleNotChecked: it cannot be found out now.
    """
    scripts = [node for node in graph.nodes if isinstance(node, FunctionNode) and len(node.source) <= MAX_SCRIPT]
    return [finding for node in scripts for finding in await _check(node, in_use)]


async def _check(node: FunctionNode, in_use: bool) -> list[Finding]:
    if not node.source.strip():
        return [at(node, FindingCode.BAD_SCRIPT, "The script is empty.", suggestion=_EXPORT)]
    if isinstance(node.content, str):
        return []  # the older form is wrapped by the engine: it can only be executed
    if not re.search(r"\bhandler\b", node.source):
        return [at(node, FindingCode.BAD_SCRIPT, "The script exports no handler.", suggestion=_EXPORT)]
    stopped = node.model_copy(update={"content": FunctionNodeContent(source=f"{_STOP} {node.source}")})
    try:
        await CompiledGraph("The script", _alone(stopped), is_draft=not in_use).evaluate("{}")
    except RuleEvaluationFailed as error:
        if _PARSED in error.reason:
            return []
        if error.reason == _NO_MEMORY:
            raise _not_checked(node, error.message) from None
        line = _PLACE.search(error.message)
        where = f" at line {line[1]}" if line is not None else ""
        message = f"The script cannot be read{where}: {error.reason}."
        return [at(node, FindingCode.BAD_SCRIPT, message, row=int(line[1]) if line else None)]
    except RuleSandboxBusy:
        raise
    except RuleSandboxError as error:
        # A machine that stands still for a moment does the same to a script that is right.
        raise _not_checked(node, error.message) from None
    return []


def _not_checked(node: FunctionNode, reason: str) -> RuleNotChecked:
    return RuleNotChecked(
        f"Whether the script of '{node.name or node.id}' can be read could not be found out: {reason[:1].lower()}{reason[1:].rstrip('.')}. "
        "Try again; if it stays so, make the script smaller."
    )


def _alone(node: FunctionNode) -> JDMGraph:
    """A graph in which *node* stands by itself."""
    return JDMGraph(
        nodes=[InputNode(id="planar:in"), node, OutputNode(id="planar:out")],
        edges=[
            JDMEdge(id="planar:1", sourceId="planar:in", targetId=node.id),
            JDMEdge(id="planar:2", sourceId=node.id, targetId="planar:out"),
        ],
    )


_EXPORT: Final = "Write `export const handler = async (input) => { ...; return {...}; };`."
