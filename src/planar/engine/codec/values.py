"""How is a value written when only the value itself is known?"""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Any, cast
from uuid import UUID

from pydantic import BaseModel
from pydantic_core import PydanticSerializationError, to_jsonable_python

from planar.engine.codec.rendering import render
from planar.engine.codec.stored import AS_IS, NotStorable, duration, encoded, moment, number, ordered

DEPTH = 150
"""How deep a value may be nested. The parser of the other side gives up at 200."""


def plain(value: Any, depth: int = 0) -> Any:
    """The stored form of *value* by its type, in plain JSON values.

    Raises:
        NotStorable: it has none, or it is nested too deeply or in itself; the path leads to the part.
    """
    kind = cast("type[Any]", type(value))
    if kind in AS_IS:
        return value
    if depth > DEPTH:
        raise NotStorable("it is nested too deeply, or contains itself")
    writer = _WRITERS.get(kind)
    if writer is not None:
        return writer(value)
    if kind is list or kind is tuple:
        return _items(cast("Iterable[Any]", value), depth)
    if kind is dict:
        return _entries(cast("Mapping[Any, Any]", value), depth)
    return _by_family(value, depth)


def _by_family(value: Any, depth: int) -> Any:
    """The stored form of an instance of a subclass, and of what pydantic knows."""
    if isinstance(value, Enum):
        return plain(value.value, depth + 1)
    if isinstance(value, BaseModel):
        return render(value)
    if isinstance(value, type):
        return _schema(cast("type[Any]", value))
    if dataclasses.is_dataclass(value):
        return _fields(value, depth)
    for family, writer in _FAMILIES:
        if isinstance(value, family):
            return writer(value)
    if isinstance(value, Mapping):
        return _entries(cast("Mapping[Any, Any]", value), depth)
    if isinstance(value, Set):
        return ordered(_items(cast("Iterable[Any]", value), depth))
    if isinstance(value, _SEQUENCES):
        return _items(cast("Iterable[Any]", value), depth)
    return _foreign(value)


def _foreign(value: Any) -> Any:
    """The stored form of what only pydantic knows: a URL, a network address, a pattern."""
    name = type(value).__name__
    if hasattr(value, "get_secret_value"):
        raise NotStorable("a secret is never written to the journal: read it inside the step that needs it")
    if not hasattr(value, "__next__"):
        with suppress(PydanticSerializationError, ValueError, RecursionError):
            return to_jsonable_python(value)
    elif not hasattr(value, "read"):
        raise NotStorable(f"{_article(name)} can be read only once: pass a list")
    raise NotStorable(f"{_article(name)} has no stored form: pass plain values, a dataclass or a pydantic model")


def _article(name: str) -> str:
    return f"{'an' if name[:1].lower() in 'aeiou' else 'a'} `{name}`"


def _items(values: Iterable[Any], depth: int) -> list[Any]:
    found: list[Any] = []
    for index, value in enumerate(values):
        try:
            found.append(plain(value, depth + 1))
        except NotStorable as error:
            raise error.inside(index) from None
    return found


def _entries(values: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in values.items():
        name = key if type(key) is str else key_text(key)
        if name in found:
            raise NotStorable(f"two keys are both written as {name!r}: annotate the types of the keys")
        try:
            found[name] = plain(value, depth + 1)
        except NotStorable as error:
            raise error.inside(key) from None
    return found


def _fields(value: Any, depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        try:
            found[field.name] = plain(getattr(value, field.name), depth + 1)
        except NotStorable as error:
            raise error.inside_field(field.name) from None
    return found


def key_text(key: Any) -> str:
    """A key of a JSON object that stands for *key*: a text as it is, anything else that is one value as JSON."""
    stored = plain(key)
    if isinstance(stored, str):
        return stored
    if isinstance(stored, list | dict):
        raise NotStorable(f"the key {key!r} is more than one value: annotate the types of keys and values (`dict[..., ...]`)")
    return json.dumps(stored)


def _schema(kind: type[Any]) -> dict[str, Any]:
    if issubclass(kind, BaseModel):
        return kind.model_json_schema()
    raise NotStorable(f"the class `{kind.__name__}` has no stored form: only classes of pydantic models have one")


def _encoded_view(value: memoryview) -> str:
    return encoded(bytes(value))


def _text(value: str) -> str:
    return str.__str__(value)


_SEQUENCES: tuple[type[Any], ...] = (list, tuple, deque, Sequence)

_WRITERS: dict[type[Any], Callable[[Any], Any]] = {
    float: number,
    Decimal: str,
    UUID: str,
    datetime: moment,
    date: moment,
    time: moment,
    timedelta: duration,
    bytes: encoded,
    bytearray: encoded,
}

_FAMILIES: tuple[tuple[type[Any], Callable[[Any], Any]], ...] = (
    (str, _text),
    (int, int.__int__),
    (float, number),
    (PurePath, str),
    (UUID, str),
    (date, moment),
    (time, moment),
    (timedelta, duration),
    (Decimal, str),
    (bytes, encoded),
    (bytearray, encoded),
    (memoryview, _encoded_view),
)


def same(first: Any, second: Any) -> bool:
    """Whether two values are equal in every part, and every part is of the same class."""
    kind = cast("type[Any]", type(first))
    if kind is not type(second):
        return False
    if isinstance(first, BaseModel):
        return _same_fields(first, second, tuple(kind.model_fields)) and same(first.__pydantic_extra__, second.__pydantic_extra__)
    if dataclasses.is_dataclass(first):
        return _same_fields(first, second, tuple(field.name for field in dataclasses.fields(first)))
    if isinstance(first, Mapping):
        return _same_mapping(cast("Mapping[Any, Any]", first), second)
    if isinstance(first, list | tuple):
        items = cast("Sequence[Any]", first)
        return len(items) == len(second) and all(map(same, items, second))
    if isinstance(first, Set):
        elements = cast("Set[Any]", first)
        return elements == second and {type(item) for item in elements} == {type(item) for item in second}
    return bool(first == second) or bool(first != first and second != second)


def _same_fields(first: Any, second: Any, names: tuple[str, ...]) -> bool:
    return all(same(getattr(first, name, None), getattr(second, name, None)) for name in names)


def _same_mapping(first: Mapping[Any, Any], second: Mapping[Any, Any]) -> bool:
    return (
        first.keys() == second.keys()
        and {type(key) for key in first} == {type(key) for key in second}
        and all(same(value, second[key]) for key, value in first.items())
    )
