"""Do the schemas in a graph say what the code says? What is only for people (titles, descriptions, defaults, examples) does not count."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from planar.rules.checking.findings import Finding, FindingCode, at
from planar.rules.graph import JDMGraph
from planar.rules.nodes import InputNode, OutputNode

Schema = Mapping[str, Any]

_FOR_PEOPLE: Final = frozenset({"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly"})
_RESOLVED: Final = frozenset({"$defs", "definitions"})
_DEPTH: Final = 24
"""A type that contains itself is compared so deep."""


def check_schemas(graph: JDMGraph, takes: Schema, gives: Schema) -> list[Finding]:
    """How the schemas of the input and the output node differ from *takes* and *gives*, those of the code."""
    found: list[Finding] = []
    for kind, expected in ((InputNode, takes), (OutputNode, gives)):
        node = next((each for each in graph.nodes if isinstance(each, kind)), None)
        if node is None:
            continue
        try:
            stored: Any = json.loads(node.content.schema_ or "{}")
        except ValueError:
            stored = None
        if not isinstance(stored, dict):
            found.append(
                at(
                    node,
                    FindingCode.VALUE_MISMATCH,
                    "The schema is not a JSON object.",
                    for_object=node.type,
                    suggestion=json.dumps(expected),
                )
            )
            continue
        for finding in differences(resolved(expected), resolved(cast("Schema", stored)), ""):
            finding.node_id, finding.node_name, finding.for_object = node.id, node.name, node.type
            found.append(finding)
    return found


def resolved(schema: Schema, *, hints: bool = False) -> dict[str, Any]:
    """*schema* with its references replaced by what they mean, and without what is only for people, but for the *hints* of forms."""
    definitions = cast("Schema", schema.get("$defs") or schema.get("definitions") or {})
    return cast("dict[str, Any]", _resolve(schema, definitions, 0, hints))


def _resolve(value: Any, definitions: Schema, depth: int, hints: bool) -> Any:
    if isinstance(value, list):
        return [_resolve(item, definitions, depth, hints) for item in cast("list[Any]", value)]
    if not isinstance(value, dict):
        return value
    known = cast("dict[str, Any]", value)
    if "$ref" in known and depth < _DEPTH:
        target = definitions.get(str(known["$ref"]).rpartition("/")[2], {})
        rest = {name: each for name, each in known.items() if name != "$ref"}
        return _resolve({**cast("Schema", target), **rest}, definitions, depth + 1, hints)
    result: dict[str, Any] = {}
    for name, each in known.items():
        if name == "properties" and isinstance(each, dict):
            # A field may be called "title".
            fields = cast("dict[str, Any]", each)
            result[name] = {field: _resolve(inner, definitions, depth + 1, hints) for field, inner in fields.items()}
        elif name not in _FOR_PEOPLE | _RESOLVED and (hints or not name.startswith("x-")):
            result[name] = _resolve(each, definitions, depth + 1, hints)
    return result


def differences(expected: Schema, stored: Schema, path: str) -> Iterator[Finding]:
    """How *stored* differs from *expected*; both are resolved."""
    wanted, present = _properties(expected), _properties(stored)
    for name, schema in wanted.items():
        place = f"{path}.{name}" if path else name
        if name not in present:
            yield Finding(
                code=FindingCode.MISSING_FIELD,
                message=f"The field '{place}' of the code is missing.",
                field_path=place,
                reference_value=schema,
                suggestion="Add the field to the schema, or start again from the suggested graph.",
            )
        else:
            yield from differences(schema, present[name], place)
    for name, schema in present.items():
        place = f"{path}.{name}" if path else name
        if name not in wanted:
            yield Finding(
                code=FindingCode.EXTRA_FIELD,
                message=f"The code has no field '{place}'.",
                field_path=place,
                current_value=schema,
                suggestion="Remove the field from the schema.",
            )
    yield from _own_differences(expected, stored, path)


def _own_differences(expected: Schema, stored: Schema, path: str) -> Iterator[Finding]:
    for name in sorted({*expected, *stored} - {"properties"}):
        wanted, present = expected.get(name), stored.get(name)
        if name == "required":
            wanted, present = sorted(wanted or []), sorted(present or [])
        if name == "items" and isinstance(wanted, dict) and isinstance(present, dict):
            yield from differences(cast("Schema", wanted), cast("Schema", present), f"{path}[]")
        elif wanted != present:
            yield Finding(
                code=FindingCode.VALUE_MISMATCH,
                message=f"'{name}' of {_called(path)} is {json.dumps(present)}, and {json.dumps(wanted)} in the code.",
                field_path=f"{path}.{name}" if path else name,
                reference_value=wanted,
                current_value=present,
                suggestion=f"Set '{name}' to {json.dumps(wanted)}.",
            )


def _properties(schema: Schema) -> dict[str, Schema]:
    return cast("dict[str, Schema]", schema.get("properties") or {})


def _called(path: str) -> str:
    return f"the field '{path}'" if path else "the whole"
