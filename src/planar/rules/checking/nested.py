"""Do nested decisions name rules that the app has and that have a graph, and do they end?"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from planar.rules.checking.findings import Finding, FindingCode, FindingSeverity, at
from planar.rules.graph import JDMGraph
from planar.rules.nodes import DecisionNode


def check_nested(
    graph: JDMGraph, name: str | None, known: Collection[str], graphs: Mapping[str, JDMGraph] | None, broken: Collection[str] = ()
) -> list[Finding]:
    """What is wrong with the nested decisions of *graph*.

    Args:
        graph: the graph.
        name: the rule that it is of, if that is known.
        known: the rules of the app.
        graphs: those of them that have an active graph; None if that was not looked up.
        broken: those whose active graph does not fit the code any more.
    """
    found: list[Finding] = []
    for node in graph.nodes:
        if not isinstance(node, DecisionNode):
            continue
        key = node.content.key
        if key not in known:
            message = f"'{node.name or node.id}' asks the rule '{key}', which this app does not have."
            choices = ", ".join(sorted(known)) or "none"
            suggestion = f"Name one of its rules: {choices}."
            found.append(at(node, FindingCode.UNKNOWN_NESTED_RULE, message, field_path=key, suggestion=suggestion))
        elif key == name or (graphs is not None and name is not None and name in _behind(key, graphs)):
            message = f"'{node.name or node.id}' asks the rule '{key}', which asks this one again: it would never end."
            found.append(at(node, FindingCode.NESTED_CYCLE, message, field_path=key, suggestion="Ask another rule."))
        elif key in broken:
            message = f"'{node.name or node.id}' asks the rule '{key}', whose active version does not fit the code any more."
            suggestion = f"Promote another version of '{key}' first."
            found.append(_warning(node, FindingCode.NESTED_RULE_BROKEN, message, suggestion))
        elif graphs is not None and key not in graphs:
            message = f"'{node.name or node.id}' asks the rule '{key}', whose active version is code, which a graph cannot ask."
            found.append(_warning(node, FindingCode.NESTED_RULE_IN_CODE, message, f"Promote a graph of '{key}' first."))
    return found


def _warning(node: DecisionNode, code: FindingCode, message: str, suggestion: str) -> Finding:
    return at(node, code, message, severity=FindingSeverity.WARNING, field_path=node.content.key, suggestion=suggestion)


def _behind(key: str, graphs: Mapping[str, JDMGraph]) -> set[str]:
    """Every rule that the graph of *key* asks, directly or not."""
    seen: set[str] = set()
    waiting = [key]
    while waiting:
        graph = graphs.get(waiting.pop())
        fresh = [] if graph is None else [each for each in graph.nested_names() if each not in seen]
        seen.update(fresh)
        waiting.extend(fresh)
    return seen
