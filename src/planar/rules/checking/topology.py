"""Do the nodes and edges of a graph lead from its input to its output?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from planar.rules.checking.findings import Finding, FindingCode, FindingSeverity, at
from planar.rules.graph import JDMGraph
from planar.rules.nodes import InputNode, JDMNode, OutputNode, SwitchNode

Ways = Mapping[str, Sequence[str]]


def check_topology(graph: JDMGraph) -> list[Finding]:
    """What is wrong with the nodes and edges of *graph*."""
    found = [*_ids(graph), *_ends(graph), *_edges(graph)]
    forward, backward = ways(graph)
    circle = cycle(graph, forward)
    if circle:
        names = " → ".join(node.name or node.id for node in (*circle, circle[0]))
        message = f"The graph goes in a circle: {names}."
        found.append(at(circle[0], FindingCode.CYCLE, message, suggestion="Remove one of the edges between them."))
    return found + _reach(graph, forward, backward)


def ways(graph: JDMGraph) -> tuple[Ways, Ways]:
    """Where the edges of each node lead to, and where those that lead to it come from."""
    known = {node.id for node in graph.nodes}
    forward: dict[str, list[str]] = defaultdict(list)
    backward: dict[str, list[str]] = defaultdict(list)
    for edge in graph.edges:
        if edge.sourceId in known and edge.targetId in known:
            forward[edge.sourceId].append(edge.targetId)
            backward[edge.targetId].append(edge.sourceId)
    return forward, backward


def ordered(graph: JDMGraph) -> list[JDMNode]:
    """The nodes, each after those that lead to it; those in and behind a circle are left out."""
    forward, backward = ways(graph)
    open_ways = {node.id: len(backward.get(node.id, ())) for node in graph.nodes}
    by_id = {node.id: node for node in graph.nodes}
    ready = [node.id for node in graph.nodes if not open_ways[node.id]]
    order: list[JDMNode] = []
    while ready:
        current = ready.pop()
        order.append(by_id[current])
        for target in forward.get(current, ()):
            open_ways[target] -= 1
            if not open_ways[target]:
                ready.append(target)
    return order


def cycle(graph: JDMGraph, forward: Ways) -> list[JDMNode]:
    """The nodes of one circle, in order; none if there is no circle."""
    by_id = {node.id: node for node in graph.nodes}
    rest = set(by_id) - {node.id for node in ordered(graph)}
    # What is left over is in a circle or behind one: going back from there, a circle is found.
    backward: dict[str, str] = {}
    for source in rest:
        for target in forward.get(source, ()):
            backward[target] = source
    if not rest:
        return []
    path: list[str] = []
    current = min(rest)
    while current not in path:
        path.append(current)
        current = backward[current]
    return [by_id[name] for name in reversed(path[path.index(current) :])]


def reachable(starts: Sequence[str], edges: Ways) -> set[str]:
    """Everything that *edges* lead to from *starts*, these included."""
    seen = set(starts)
    waiting = list(starts)
    while waiting:
        for target in edges.get(waiting.pop(), ()):
            if target not in seen:
                seen.add(target)
                waiting.append(target)
    return seen


def _ids(graph: JDMGraph) -> list[Finding]:
    counts = Counter(node.id for node in graph.nodes)
    return [
        at(node, FindingCode.DUPLICATE_ID, f"Two nodes have the id '{node.id}'.", suggestion="Give each node an id of its own.")
        for node in {node.id: node for node in graph.nodes}.values()
        if counts[node.id] > 1
    ]


def _ends(graph: JDMGraph) -> list[Finding]:
    inputs = [node for node in graph.nodes if isinstance(node, InputNode)]
    outputs = [node for node in graph.nodes if isinstance(node, OutputNode)]
    found: list[Finding] = []
    if len(inputs) != 1:
        message = f"The graph has {len(inputs) or 'no'} input nodes; it needs exactly one."
        found.append(_of_many(inputs, FindingCode.INPUT_COUNT, message, "Keep one input node."))
    if len(outputs) != 1:
        message = f"The graph has {len(outputs) or 'no'} output nodes; it needs exactly one."
        found.append(_of_many(outputs, FindingCode.OUTPUT_COUNT, message, "Keep one output node, to which everything leads."))
    return found


def _of_many(nodes: Sequence[JDMNode], code: FindingCode, message: str, suggestion: str) -> Finding:
    if nodes:
        return at(nodes[-1], code, message, suggestion=suggestion)
    return Finding(code=code, message=message, suggestion=suggestion)


def _edges(graph: JDMGraph) -> list[Finding]:
    by_id = {node.id: node for node in graph.nodes}
    found: list[Finding] = []
    for edge in graph.edges:
        for end in (edge.sourceId, edge.targetId):
            if end not in by_id:
                other = by_id.get(edge.sourceId) or by_id.get(edge.targetId)
                message = f"The edge '{edge.id}' leads to or from '{end}', which does not exist."
                more: dict[str, Any] = {"node_id": other.id, "node_name": other.name} if other is not None else {}
                found.append(Finding(code=FindingCode.DANGLING_EDGE, message=message, suggestion="Remove the edge.", **more))
        source = by_id.get(edge.sourceId)
        if isinstance(source, SwitchNode) and edge.sourceHandle not in {statement.id for statement in source.content.statements}:
            message = f"The edge '{edge.id}' leaves the switch at '{edge.sourceHandle}', which is none of its statements."
            found.append(at(source, FindingCode.DANGLING_EDGE, message, suggestion="Let it begin at a statement of the switch."))
    return found


def _reach(graph: JDMGraph, forward: Ways, backward: Ways) -> list[Finding]:
    inputs = [node.id for node in graph.nodes if isinstance(node, InputNode)]
    outputs = [node for node in graph.nodes if isinstance(node, OutputNode)]
    if not inputs or not outputs:
        return []
    from_input = reachable(inputs, forward)
    to_output = reachable([node.id for node in outputs], backward)
    found: list[Finding] = []
    for node in graph.nodes:
        if node.id not in from_input:
            is_output = isinstance(node, OutputNode)
            code = FindingCode.OUTPUT_UNREACHABLE if is_output else FindingCode.NODE_UNREACHABLE
            severity = FindingSeverity.ERROR if is_output else FindingSeverity.WARNING
            message = f"No way leads from the input to '{node.name or node.id}'."
            found.append(at(node, code, message, severity=severity, suggestion="Connect it, or remove it."))
        elif node.id not in to_output and not isinstance(node, InputNode):
            message = f"No way leads from '{node.name or node.id}' to the output, so what it gives is lost."
            warning = FindingSeverity.WARNING
            found.append(at(node, FindingCode.DEAD_END, message, severity=warning, suggestion="Connect it to the output, or remove it."))
    return found
