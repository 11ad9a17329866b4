"""Does a JSON value fit a schema? As far as its shape goes, for answers to forms that the code of this process does not have any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, cast

Schema = Any
"""A schema as it is stored: an object, or true or false."""

MAX_STEPS: Final = 200
"""Through so many schemas one within the other; a schema that only refers to itself has no end."""

_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "integer": lambda value: _is_number(value) and value == value // 1,
    "number": lambda value: _is_number(value),
}


def fits(schema: Schema, value: Any) -> bool:
    """Whether *value* has the shape that *schema* asks for: types, fields, alternatives and given values.

    Bounds, patterns and formats are for the model that reads it: a pattern, say, means another thing in another language.
    """
    known: dict[str, Schema] = cast("dict[str, Any]", schema).get("$defs", {}) if isinstance(schema, dict) else {}
    return _fits(schema, value, known, MAX_STEPS)


def _fits(schema: Schema, value: Any, known: Mapping[str, Schema], steps: int) -> bool:
    if not isinstance(schema, dict) or steps == 0:
        return schema is True
    asked = cast("dict[str, Any]", schema)

    def also(inner: Schema) -> bool:
        return _fits(inner, value, known, steps - 1)

    if "$ref" in asked and not also(known.get(asked["$ref"].rpartition("/")[2], False)):
        return False
    if "enum" in asked and not any(_is_same(value, each) for each in asked["enum"]):
        return False
    if "const" in asked and not _is_same(value, asked["const"]):
        return False
    if not all(also(each) for each in asked.get("allOf", ())):
        return False
    if not all(any(also(each) for each in asked[name]) for name in ("anyOf", "oneOf") if name in asked):
        return False
    return _has_type(asked, value) and _parts_fit(asked, value, known, steps - 1)


def _has_type(asked: dict[str, Any], value: Any) -> bool:
    wanted = asked.get("type")
    names = [wanted] if isinstance(wanted, str) else wanted
    return names is None or any(_TYPES[name](value) for name in names if name in _TYPES)


def _parts_fit(asked: dict[str, Any], value: Any, known: Mapping[str, Schema], steps: int) -> bool:
    if isinstance(value, dict):
        fields = cast("dict[str, Any]", value)
        declared, rest = asked.get("properties", {}), asked.get("additionalProperties", True)
        return set(asked.get("required", ())) <= fields.keys() and all(
            _fits(declared.get(name, rest), each, known, steps) for name, each in fields.items()
        )
    if isinstance(value, list):
        items = cast("list[Any]", value)
        first = asked.get("prefixItems", ())
        rest = asked.get("items", True)
        return all(_fits(first[place] if place < len(first) else rest, each, known, steps) for place, each in enumerate(items))
    return True


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_same(value: Any, given: Any) -> bool:
    """Equal as JSON has it, where true is not 1."""
    return type(value) is type(given) and value == given
