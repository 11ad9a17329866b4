"""Is what came out what was expected, and which rows of a graph's tables took part? Pure functions of results and traces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from pydantic import BaseModel, ValidationError

from planar.rules.graph import JDMGraph
from planar.rules.nodes import DecisionTableNode, SwitchNode


class Difference(BaseModel):
    """A field that is not as expected."""

    field: str
    expected: Any = None
    actual: Any = None


def differences(actual: BaseModel, expected: Mapping[str, Any]) -> list[Difference]:
    """The fields of *expected* that *actual* has otherwise; compared as values of their types, so that 10 is 10.00.

    Args:
        actual: what came out.
        expected: fields, by the names that JSON has for them.
    """
    known = actual.model_dump(by_alias=True)
    shown = actual.model_dump(mode="json", by_alias=True)
    found = [Difference(field=name, expected=value) for name, value in expected.items() if name not in known]
    for name, value in expected.items():
        if name in known and not _same(actual, shown, known[name], name, value):
            found.append(Difference(field=name, expected=value, actual=shown.get(name)))
    return found


def _same(actual: BaseModel, shown: Mapping[str, Any], known: Any, name: str, expected: Any) -> bool:
    try:
        wanted = type(actual).model_validate({**shown, name: expected}).model_dump(by_alias=True)
    except ValidationError:
        return shown.get(name) == expected
    return bool(wanted.get(name) == known)


class NodeCoverage(BaseModel):
    """Which rows of a table, or statements of a switch, took part. Rows are numbered from 1."""

    node_id: str
    node_name: str
    rows: int
    hit: list[int]
    missed: list[int]


class Coverage:
    """What of a graph took part in some evaluations."""

    def __init__(self, graph: JDMGraph) -> None:
        self._graph = graph
        self._hit: dict[str, set[int]] = {}

    def add(self, trace: Mapping[str, Any]) -> None:
        """Take one evaluation's trace into account."""
        for node in self._graph.nodes:
            step = trace.get(node.id)
            told: Any = cast("Mapping[str, Any]", step).get("traceData") if isinstance(step, Mapping) else None
            if isinstance(node, DecisionTableNode):
                self._hit.setdefault(node.id, set()).update(index + 1 for index in _indices(told))
            elif isinstance(node, SwitchNode):
                ids = set(_statement_ids(told))
                self._hit.setdefault(node.id, set()).update(
                    number for number, statement in enumerate(node.content.statements, 1) if statement.id in ids
                )

    def nodes(self) -> list[NodeCoverage]:
        """What took part, of each table and each switch."""
        return list(self._nodes())

    def _nodes(self) -> Iterator[NodeCoverage]:
        for node in self._graph.nodes:
            if isinstance(node, DecisionTableNode | SwitchNode):
                rows = len(node.content.rules if isinstance(node, DecisionTableNode) else node.content.statements)
                hit = self._hit.get(node.id, set())
                missed = [number for number in range(1, rows + 1) if number not in hit]
                yield NodeCoverage(node_id=node.id, node_name=node.name, rows=rows, hit=sorted(hit), missed=missed)


def _indices(told: Any) -> Iterable[int]:
    """The rows in what a table tells: one, a list of them under ``collect``, lists of those in a loop."""
    if isinstance(told, list):
        for each in cast("list[Any]", told):
            yield from _indices(each)
    elif isinstance(told, Mapping):
        known = cast("Mapping[str, Any]", told)
        index = known.get("index")
        if isinstance(index, int):
            yield index
        else:
            for each in known.values():
                yield from _indices(each)


def _statement_ids(told: Any) -> Iterable[str]:
    statements: Any = cast("Mapping[str, Any]", told).get("statements") if isinstance(told, Mapping) else None
    for statement in cast("list[Any]", statements or []):
        if isinstance(statement, Mapping):
            yield str(cast("Mapping[str, Any]", statement).get("id"))
