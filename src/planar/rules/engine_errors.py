"""What does the engine mean by an error? Its text is JSON, sometimes with a native backtrace behind it, sometimes plain words."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Final, cast

from planar.rules.errors import RuleEvaluationFailed
from planar.rules.graph import JDMGraph

_BACKTRACE: Final = re.compile(r"\n\s*Stack backtrace:.*", re.DOTALL)
_CAUSED_BY: Final = re.compile(r"\s*Caused by:\s*")
_SCRIPT_PLACE: Final = re.compile(r"\s*at (?:\S+ )?\(?node:[^\s)]*:(\d+):(\d+)\)?")

_GRAPH_WORDS: Final = {
    "invalidInputCount": "a graph needs exactly one input",
    "invalidOutputCount": "a graph needs an output",
    "cyclicGraph": "the graph goes in a circle",
    "missingNode": "an edge leads to a node that does not exist",
}


@dataclass(frozen=True, slots=True)
class EngineFailure:
    """What the engine said: which node failed, if one did, why, and at which line and column of its script, if it is one."""

    kind: str
    reason: str
    node_id: str | None = None
    line: int | None = None
    column: int | None = None


def read_failure(text: str) -> EngineFailure:
    """Understand the text of an engine's error."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text.lstrip())
    except ValueError:
        return EngineFailure("error", _words(text))
    if not isinstance(value, dict):
        return EngineFailure("error", _words(text))
    known = cast("dict[str, Any]", value)
    kind = str(known.get("type", "error"))
    source: Any = known.get("source")
    if isinstance(source, dict):
        kind, source = str(cast("dict[str, Any]", source).get("type", kind)), None
    reason = str(source) if source is not None else _GRAPH_WORDS.get(kind, kind)
    place = _SCRIPT_PLACE.search(reason)
    node_id = known.get("nodeId")
    return EngineFailure(
        kind,
        _words(_SCRIPT_PLACE.sub("", reason)),
        str(node_id) if node_id is not None else None,
        int(place[1]) if place else None,
        int(place[2]) if place else None,
    )


def failed_evaluation(what: str, text: str, graph: JDMGraph | None) -> RuleEvaluationFailed:
    """The error of ours for an engine's error.

    Args:
        what: the rule and its version.
        text: what the engine said.
        graph: where to find the node's name.
    """
    failure = read_failure(text)
    name = next((node.name for node in graph.nodes if node.id == failure.node_id), None) if graph is not None else None
    where = f" at node '{name or failure.node_id}'" if failure.node_id is not None else ""
    line = f" (line {failure.line})" if failure.line is not None else ""
    return RuleEvaluationFailed(f"{what} failed{where}{line}: {failure.reason}.", failure.node_id, name, failure.reason)


def _words(text: str) -> str:
    plain = _CAUSED_BY.sub(": ", _BACKTRACE.sub("", text)).strip()
    return plain.removeprefix("Error: ").removeprefix(": ").rstrip(".")
