"""How is an object written down, when are two the same, and what differs between them? Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, cast

from pydantic import BaseModel


class DifferenceKind(StrEnum):
    """What happened at a place."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference of two objects, at a place that a JSON pointer (RFC 6901) names. ``before`` or ``after`` is None if not there."""

    pointer: str
    kind: DifferenceKind
    before: Any = None
    after: Any = None


MAX_DEPTH: Final = 100
"""How many levels of objects and lists a version may have."""

IDENTITY_KEYS: Final = ("id", "_id")
"""Items of a list that all have one of these are matched by it, so that a row moved or put between others does not change all."""


def text_of(config: BaseModel) -> str:
    """*config* as JSON text, by alias."""
    return config.model_dump_json(by_alias=True)


def is_too_deep(value: Any, limit: int = MAX_DEPTH) -> bool:
    """Whether *value* has more than *limit* levels of objects and lists: whoever compares two such would run out of stack."""
    level: list[Any] = [value]
    for _ in range(limit + 1):
        if not any(isinstance(each, dict | list) for each in level):
            return False
        level = [inner for each in level for inner in _inside(each)]
    return True


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return cast("dict[str, Any]", value).values()
    return cast("list[Any]", value) if isinstance(value, list) else ()


def plain_of(text: str) -> Any:
    """A stored text as JSON; as a text, if somebody wrote another one into the table."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def fingerprint_of(text: str) -> str:
    """The SHA-256 of a JSON text, whatever the order of its keys and its spaces."""
    plain = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(plain.encode("ascii")).hexdigest()


def differences(before: Any, after: Any, pointer: str = "") -> Iterator[Difference]:
    """What leads from *before* to *after*, both plain JSON values, in the order of the places.

    An item of a list that was matched by its key is named by its place in *after*, or in *before* if it was removed.
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        yield from _of_objects(cast("Mapping[str, Any]", before), cast("Mapping[str, Any]", after), pointer)
    elif isinstance(before, list) and isinstance(after, list):
        yield from _of_lists(cast("list[Any]", before), cast("list[Any]", after), pointer)
    elif not _same(before, after):
        yield Difference(pointer, DifferenceKind.CHANGED, before, after)


def _of_objects(before: Mapping[str, Any], after: Mapping[str, Any], pointer: str) -> Iterator[Difference]:
    for key in (*before, *(key for key in after if key not in before)):
        place = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
        if key not in after:
            yield Difference(place, DifferenceKind.REMOVED, before=before[key])
        elif key not in before:
            yield Difference(place, DifferenceKind.ADDED, after=after[key])
        else:
            yield from differences(before[key], after[key], place)


def _of_lists(before: Sequence[Any], after: Sequence[Any], pointer: str) -> Iterator[Difference]:
    old, new = _by_identity(before, after)
    for identity, place in new.items():
        if identity in old:
            yield from differences(before[old[identity]], after[place], f"{pointer}/{place}")
        else:
            yield Difference(f"{pointer}/{place}", DifferenceKind.ADDED, after=after[place])
    for identity, place in old.items():
        if identity not in new:
            yield Difference(f"{pointer}/{place}", DifferenceKind.REMOVED, before=before[place])
    kept = [identity for identity in old if identity in new]
    moved = [identity for identity in new if identity in old]
    if kept != moved:
        yield Difference(pointer, DifferenceKind.CHANGED, before=kept, after=moved)


def _by_identity(before: Sequence[Any], after: Sequence[Any]) -> tuple[dict[Any, int], dict[Any, int]]:
    """Where the items of both lists stand, by what identifies them: a key that all have, else their places."""
    for key in IDENTITY_KEYS:
        old, new = _places(before, key), _places(after, key)
        if old is not None and new is not None:
            return old, new
    return {place: place for place in range(len(before))}, {place: place for place in range(len(after))}


def _places(items: Sequence[Any], key: str) -> dict[Any, int] | None:
    found: dict[Any, int] = {}
    for place, item in enumerate(items):
        identity = cast("Mapping[str, Any]", item).get(key) if isinstance(item, Mapping) else None
        if not isinstance(identity, str) or identity in found:
            return None
        found[identity] = place
    return found


def _same(before: Any, after: Any) -> bool:
    """Python takes True for 1, and JSON does not."""
    return isinstance(before, bool) == isinstance(after, bool) and before == after
