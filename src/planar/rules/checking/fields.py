"""Which fields does each node of a graph see, and which does a text name? What cannot be said is left open, never guessed."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from planar.rules.checking.topology import ordered, ways
from planar.rules.graph import JDMGraph
from planar.rules.nodes import DecisionTableNode, ExpressionNode, InputNode, JDMNode, OutputNode, SwitchNode

Schema = Mapping[str, Any]

_OPEN: Final[Schema] = {}
"""A field of which nothing is known."""


@dataclass(frozen=True, slots=True)
class Scope:
    """The fields that a node sees, with their schemas (resolved). ``is_open`` if there may be others."""

    fields: Mapping[str, Schema] = field(default_factory=dict[str, Schema])
    is_open: bool = False

    def find(self, path: str) -> Schema | None:
        """The schema of a dotted field: empty if nothing is known of it, None if there is none of that name."""
        first, *rest = path.split(".")
        found = self.fields.get(first)
        if found is None:
            return _OPEN if self.is_open else None
        for name in rest:
            properties = cast("Mapping[str, Schema] | None", found.get("properties"))
            if properties is None:
                return _OPEN if _may_have_fields(found) else None
            inner = properties.get(name)
            if inner is None:
                return None
            found = inner
        return found

    def joined(self, other: Scope) -> Scope:
        """What is seen where two ways meet."""
        return Scope({**other.fields, **self.fields}, self.is_open or other.is_open)


OPEN_SCOPE: Final = Scope({}, is_open=True)


def scope_of(schema: Schema) -> Scope:
    """The fields of an object of *schema*, which is resolved."""
    properties = cast("Mapping[str, Schema]", schema.get("properties") or {})
    return Scope(dict(properties), is_open=not properties or bool(schema.get("additionalProperties")))


def scopes(graph: JDMGraph, takes: Scope) -> dict[str, Scope]:
    """What each node of *graph* sees of an input with the fields *takes*; nodes in or behind a circle see anything."""
    _, backward = ways(graph)
    seen: dict[str, Scope] = {}
    given: dict[str, Scope] = {}
    for node in ordered(graph):
        before = [given[name] for name in backward.get(node.id, ()) if name in given]
        scope = before[0] if before else takes if isinstance(node, InputNode) else OPEN_SCOPE
        for other in before[1:]:
            scope = scope.joined(other)
        seen[node.id], given[node.id] = _inside(node, scope), _given(node, scope)
    return seen


def _inside(node: JDMNode, scope: Scope) -> Scope:
    """What the texts of *node* see: with an input field, what is in that."""
    if not isinstance(node, DecisionTableNode | ExpressionNode) or not (node.content.inputField or node.content.executionMode == "loop"):
        return scope
    found = scope.find(node.content.inputField) if node.content.inputField else None
    if found is None or node.content.executionMode == "loop" or "properties" not in found:
        return OPEN_SCOPE
    return scope_of(found)


def _given(node: JDMNode, scope: Scope) -> Scope:
    if isinstance(node, InputNode | OutputNode | SwitchNode):
        return scope
    if not isinstance(node, DecisionTableNode | ExpressionNode):
        return OPEN_SCOPE
    content = node.content
    collects = isinstance(node, DecisionTableNode) and node.content.hitPolicy == "collect"
    if content.executionMode == "loop" or collects or content.outputPath:
        base = Scope({**scope.fields, **({content.outputPath.split(".")[0]: _OPEN} if content.outputPath else {})}, is_open=True)
        return base
    names = [column.field for column in node.content.outputs] if isinstance(node, DecisionTableNode) else _keys(node)
    own: dict[str, Schema] = {name.split(".")[0]: _OPEN for name in names if name}
    passed = content.passThrough or getattr(content, "passThorough", None)
    return Scope({**(scope.fields if passed else {}), **own}, is_open=bool(passed) and scope.is_open)


def _keys(node: ExpressionNode) -> list[str]:
    return [expression.key for expression in node.content.expressions]


def _may_have_fields(schema: Schema) -> bool:
    return "type" not in schema or schema["type"] in ("object", "array")


# -- what a text names ----------------------------------------------------------------------------------------------------

_QUOTED: Final = re.compile(r'"[^"]*"|\'[^\']*\'')
_PATH: Final = re.compile(r"(?<![\w.$#)\]])[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
_WORDS: Final = frozenset({"and", "or", "not", "in", "true", "false", "null"})
_DOTTED: Final = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*\Z")


def is_path(text: str) -> bool:
    """Whether *text* is just the name of a field."""
    return _DOTTED.match(text) is not None


def names_in(text: str) -> Iterator[str]:
    """The dotted fields that an expression names. Those in a text template, and behind ``$`` and ``#``, are not looked at."""
    if "`" in text:
        return
    plain = _QUOTED.sub(lambda match: " " * len(match[0]), text)
    for match in _PATH.finditer(plain):
        behind = plain[match.end() :].lstrip()[:1]
        before = plain[: match.start()].rstrip()[-1:]
        is_key = behind == ":" and before in ("{", ",")
        is_assigned = behind == "=" and not plain[match.end() :].lstrip().startswith("==")
        if behind != "(" and not is_key and not is_assigned and match[0].split(".")[0] not in _WORDS:
            yield match[0]
