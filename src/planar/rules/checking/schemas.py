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
_NESTED: Final = 100
"""No schema is nested deeper."""
_PARTS: Final = 20_000
"""So many parts of a schema are looked at: two references in each of a few dozen definitions would be without end."""


def check_schemas(graph: JDMGraph, takes: Schema, gives: Schema) -> list[Finding]:
    """How the schemas of the input and the output node differ from *takes* and *gives*, those of the code."""
    found: list[Finding] = []
    for kind, expected in ((InputNode, takes), (OutputNode, gives)):
        node = next((each for each in graph.nodes if isinstance(each, kind)), None)
        if node is None:
            continue
        try:
            found.extend(_of_node(node, expected))
        except (SchemaTooLarge, RecursionError):
            found.append(at(node, FindingCode.BAD_SCHEMA, "The schema is too large, or nested too deeply.", for_object=node.type))
    return found


def _of_node(node: InputNode | OutputNode, expected: Schema) -> list[Finding]:
    try:
        stored: Any = json.loads(node.content.schema_ or "{}")
    except ValueError:
        stored = None
    if not isinstance(stored, dict):
        message = "The schema is not a JSON object."
        return [at(node, FindingCode.VALUE_MISMATCH, message, for_object=node.type, suggestion=json.dumps(expected))]
    known = cast("Schema", stored)
    outside = next((target for target in _references(known) if not target.startswith("#/")), None)
    if outside is not None:
        message = f"The schema refers to {outside[:200]!r}, which is outside of it."
        return [at(node, FindingCode.BAD_SCHEMA, message, for_object=node.type, suggestion="Put what it means below '$defs'.")]
    try:
        wanted = resolved(expected)
    except (SchemaTooLarge, RecursionError):
        return []  # a type that contains itself several times is beyond comparing
    found = list(differences(wanted, resolved(known), ""))
    for finding in found:
        finding.node_id, finding.node_name, finding.for_object = node.id, node.name, node.type
    return found


def _references(schema: Schema) -> Iterator[str]:
    """What every ``$ref`` in *schema* names."""
    waiting: list[Any] = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            known = cast("dict[str, Any]", value)
            if isinstance(known.get("$ref"), str):
                yield known["$ref"]
            waiting.extend(known.values())
        elif isinstance(value, list):
            waiting.extend(cast("list[Any]", value))


class SchemaTooLarge(ValueError):
    """A schema with its references replaced has more parts than anybody compares."""


def resolved(schema: Schema, *, hints: bool = False) -> dict[str, Any]:
    """*schema* with its references replaced by what they mean, and without what is only for people, but for the *hints* of forms.

    Raises:
        SchemaTooLarge, RecursionError: it has too many parts, or is nested too deeply.
    """
    given: Any = schema.get("$defs") or schema.get("definitions")
    definitions = cast("Schema", given if isinstance(given, dict) else {})
    return cast("dict[str, Any]", _Resolver(definitions, hints).resolve(schema, 0))


class _Resolver:
    def __init__(self, definitions: Schema, hints: bool) -> None:
        self._definitions = definitions
        self._hints = hints
        self._left = _PARTS

    def resolve(self, value: Any, depth: int) -> Any:
        self._left -= 1
        if self._left < 0 or depth > _NESTED:
            raise SchemaTooLarge
        if isinstance(value, list):
            return [self.resolve(item, depth + 1) for item in cast("list[Any]", value)]
        if not isinstance(value, dict):
            return value
        known = cast("dict[str, Any]", value)
        if "$ref" in known and depth < _DEPTH:
            target = self._definitions.get(str(known["$ref"]).rpartition("/")[2], {})
            rest = {name: each for name, each in known.items() if name != "$ref"}
            return self.resolve({**cast("Schema", target if isinstance(target, dict) else {}), **rest}, depth + 1)
        result: dict[str, Any] = {}
        for name, each in known.items():
            if name == "properties" and isinstance(each, dict):
                # A field may be called "title".
                fields = cast("dict[str, Any]", each)
                result[name] = {field: self.resolve(inner, depth + 1) for field, inner in fields.items()}
            elif name not in _FOR_PEOPLE | _RESOLVED and (self._hints or not name.startswith("x-")):
                result[name] = self.resolve(each, depth + 1)
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
