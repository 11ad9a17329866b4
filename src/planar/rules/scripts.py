"""Can the engine read the scripts of a graph? Asked in a process with limits, since reading one may take forever, too."""

from __future__ import annotations

import re
from typing import Final

from planar.rules.checking.findings import Finding, FindingCode, at
from planar.rules.checking.texts import MAX_SCRIPT
from planar.rules.compiled import CompiledGraph
from planar.rules.errors import RuleCrashed, RuleEvaluationFailed, RuleTimeout
from planar.rules.graph import JDMEdge, JDMGraph
from planar.rules.nodes import FunctionNode, FunctionNodeContent, InputNode, OutputNode

_PARSED: Final = "planar:parsed"
_STOP: Final = f"throw new Error('{_PARSED}');"
"""Stands before a script, so that it is read and linked, and not executed."""

_PLACE: Final = re.compile(r"\(line (\d+)\)")


async def check_scripts(graph: JDMGraph, *, in_use: bool = False) -> list[Finding]:
    """What is wrong with the function nodes of *graph* before they are executed; *in_use*: it was promoted, and somebody waits for it.

    Raises:
        RuleSandboxBusy, RuleSandboxError: it cannot be found out now.
    """
    found: list[Finding] = []
    for node in graph.nodes:
        if isinstance(node, FunctionNode) and len(node.source) <= MAX_SCRIPT:
            wrong, was_stopped = await _check(node, in_use)
            found.extend(wrong)
            if was_stopped:
                break  # each further one might take as long
    return found


async def _check(node: FunctionNode, in_use: bool) -> tuple[list[Finding], bool]:
    """What is wrong with one, and whether reading it had to be stopped."""
    if not node.source.strip():
        return [at(node, FindingCode.BAD_SCRIPT, "The script is empty.", suggestion=_EXPORT)], False
    if isinstance(node.content, str):
        return [], False  # the older form is wrapped by the engine: it can only be executed
    if not re.search(r"\bhandler\b", node.source):
        return [at(node, FindingCode.BAD_SCRIPT, "The script exports no handler.", suggestion=_EXPORT)], False
    stopped = node.model_copy(update={"content": FunctionNodeContent(source=f"{_STOP} {node.source}")})
    try:
        await CompiledGraph("The script", _alone(stopped), is_draft=not in_use).evaluate("{}")
    except RuleEvaluationFailed as error:
        if _PARSED in error.reason:
            return [], False
        line = _PLACE.search(error.message)
        where = f" at line {line[1]}" if line is not None else ""
        message = f"The script cannot be read{where}: {error.reason}."
        return [at(node, FindingCode.BAD_SCRIPT, message, row=int(line[1]) if line else None)], False
    except (RuleTimeout, RuleCrashed) as error:
        return [at(node, FindingCode.BAD_SCRIPT, error.message, suggestion="Make the script smaller.")], True
    return [], False


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
