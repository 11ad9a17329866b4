"""What can a pydantic model hold that its own JSON would lose or spoil?

Asked once per class, of its fields' annotations and of everything that they reach. Most models hold nothing of the kind,
and are written without a further look.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, MutableSet, Set
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, cast, get_args, get_origin
from uuid import UUID
from weakref import WeakKeyDictionary

from pydantic import AnyUrl, BaseModel, EmailStr, HttpUrl

_CLOSED: frozenset[Any] = frozenset(
    {None, type(None), ..., bool, int, str, bytes, date, datetime, time, timedelta, Decimal, UUID, AnyUrl, HttpUrl, EmailStr}
)
_CLOSED_FAMILIES = (Enum, PurePath)
"""What holds nothing but itself. Everything else is watched: numbers that JSON has no word for, sets, which have no order, and what
may hold either."""

EXTRA = "__pydantic_extra__"
"""The attribute in which a model keeps what it did not declare."""


@dataclass(frozen=True, slots=True)
class Survey:
    """``watched``: the fields that can reach a float, a set or anything at all. ``classes``: the models and dataclasses that
    are reached. ``secrets``, ``tables``: whether a secret or a database row is reached. ``infinite``: the class writes
    infinite numbers by itself, as texts or in a way of its own. ``light``: where its fields hold what is annotated, and its
    serializers are pydantic's, all that it can lose are infinite numbers, which it writes as null, and the fields of subclasses."""

    watched: tuple[str, ...]
    classes: frozenset[type[Any]]
    secrets: bool
    tables: bool
    infinite: bool
    light: bool

    @property
    def harmless(self) -> bool:
        """Whether every instance can be written and read by pydantic alone."""
        return not (self.watched or self.classes or self.secrets or self.tables or self.infinite)


_surveys: WeakKeyDictionary[type[Any], Survey] = WeakKeyDictionary()


def survey_of(cls: type[Any]) -> Survey:
    """The survey of *cls*, a pydantic model or a dataclass."""
    found = _surveys.get(cls)
    if found is None:
        found = _surveys[cls] = _survey(cls)
    return found


def is_table(cls: type[Any]) -> bool:
    """Whether *cls* is a model whose instances are rows of a database table."""
    config: dict[str, Any] = getattr(cls, "model_config", {})
    return bool(config.get("table"))


def is_model(kind: Any) -> bool:
    """Whether *kind* is a pydantic model's class."""
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _survey(cls: type[Any]) -> Survey:
    reached = _reach(cls)
    config: dict[str, Any] = getattr(cls, "model_config", None) or getattr(cls, "__pydantic_config__", None) or {}
    watched = tuple(name for name, leaves in _leaves_by_field(cls).items() if any(_is_watched(leaf) for leaf in leaves))
    leaves = [leaf for kind in (cls, *reached) for found in _leaves_by_field(kind).values() for leaf in found]
    secrets = any(_is_secret(leaf) for leaf in leaves)
    tables = is_table(cls) or any(is_table(kind) for kind in reached)
    infinite = config.get("ser_json_inf_nan", "null") != "null"
    # The values in a dataclass are not checked: anything may stand there.
    closed = all(map(is_model, reached)) and all(leaf is float for leaf in leaves if not _has_fields(leaf) and _is_watched_itself(leaf))
    light = closed and not (secrets or tables or infinite)
    return Survey(watched, frozenset(reached), secrets, tables, infinite, light)


def _reach(cls: type[Any]) -> set[type[Any]]:
    """The models and dataclasses that the fields of *cls* lead to, directly or not."""
    reached: set[type[Any]] = set()
    waiting = [cls]
    while waiting:
        for leaves in _leaves_by_field(waiting.pop()).values():
            found = {leaf for leaf in leaves if _has_fields(leaf)} - reached
            reached |= found
            waiting.extend(found)
    return reached


def _is_watched(leaf: Any) -> bool:
    if not _has_fields(leaf):
        return _is_watched_itself(leaf)
    found = (inner for kind in (leaf, *_reach(leaf)) for leaves in _leaves_by_field(kind).values() for inner in leaves)
    return any(_is_watched_itself(inner) for inner in found if not _has_fields(inner))


def _is_watched_itself(leaf: Any) -> bool:
    try:
        return leaf not in _CLOSED and not (isinstance(leaf, type) and issubclass(leaf, _CLOSED_FAMILIES))
    except TypeError:
        return True  # it cannot be looked up


def _is_secret(leaf: Any) -> bool:
    return isinstance(leaf, type) and hasattr(cast("Any", leaf), "get_secret_value")


def _has_fields(leaf: Any) -> bool:
    return is_model(leaf) or (isinstance(leaf, type) and dataclasses.is_dataclass(cast("Any", leaf)))


def _leaves_by_field(cls: type[Any]) -> dict[str, list[Any]]:
    fields: dict[str, Any] | None = getattr(cls, "__pydantic_fields__", None)
    if fields is not None:
        found = {name: list(_leaves(field.annotation)) for name, field in fields.items()}
        config: dict[str, Any] = getattr(cls, "model_config", {})
        return found | {EXTRA: [Any]} if config.get("extra") == "allow" else found
    return {field.name: list(_leaves(field.type)) for field in dataclasses.fields(cls)}


_TOLD = (set, frozenset, Set, MutableSet)
"""Containers that are leaves themselves."""


def _leaves(hint: Any, seen: tuple[Any, ...] = ()) -> Iterator[Any]:
    """The types that *hint* is made of, without the containers around them."""
    if any(hint is outer for outer in seen):
        return
    inner: Any = getattr(hint, "__supertype__", None) or getattr(hint, "__value__", None)
    if inner is not None:
        yield from _leaves(inner, (*seen, hint))
        return
    origin, args = get_origin(hint), get_args(hint)
    if origin in _TOLD or _is_secret(origin):
        yield origin
    if not args:
        yield hint
    if origin is not Literal:
        for arg in args[:1] if origin is Annotated else args:
            yield from _leaves(arg, (*seen, hint))
