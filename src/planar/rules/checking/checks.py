"""Everything that can be found in a graph by looking at it."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from pydantic import BaseModel

from planar.rules.checking.fields import OPEN_SCOPE, Scope, scope_of, scopes
from planar.rules.checking.findings import Finding, FindingSeverity
from planar.rules.checking.nested import check_nested
from planar.rules.checking.schemas import SchemaTooLarge, check_schemas, resolved
from planar.rules.checking.tables import check_table
from planar.rules.checking.texts import check_texts
from planar.rules.checking.topology import check_topology
from planar.rules.checking.usage import check_fields, check_outputs
from planar.rules.graph import JDMGraph, schema_of
from planar.rules.nodes import DecisionTableNode


def check_graph(
    graph: JDMGraph,
    *,
    takes: type[BaseModel] | None = None,
    gives: type[BaseModel] | None = None,
    name: str | None = None,
    known_rules: Collection[str] = (),
    active_graphs: Mapping[str, JDMGraph] | None = None,
) -> list[Finding]:
    """What is wrong with *graph*: first what keeps it from being saved, then what is only told.

    Args:
        graph: the graph.
        takes, gives: the input and the output of the rule that it is of; without them, fields are not checked.
        name: the rule that it is of.
        known_rules: the rules that nested decisions may name.
        active_graphs: those of them whose active version is a graph; None if that was not looked up.

    Scripts are not read here, as that takes a process: `planar.rules.scripts` does.
    """
    found = [*check_topology(graph), *check_texts(graph), *check_nested(graph, name, known_rules, active_graphs)]
    if takes is not None and gives is not None:
        found.extend(check_schemas(graph, schema_of(takes), schema_of(gives)))
    seen = scopes(graph, _scope(takes) if takes is not None else OPEN_SCOPE)
    found.extend(check_fields(graph, seen))
    if gives is not None:
        found.extend(check_outputs(graph, seen, gives))
    for node in graph.nodes:
        if isinstance(node, DecisionTableNode) and node.id in seen:
            found.extend(check_table(node, seen[node.id]))
    return sorted(found, key=lambda finding: finding.severity is not FindingSeverity.ERROR)


def _scope(takes: type[BaseModel]) -> Scope:
    try:
        return scope_of(resolved(schema_of(takes), hints=True))
    except (SchemaTooLarge, RecursionError):
        return OPEN_SCOPE
