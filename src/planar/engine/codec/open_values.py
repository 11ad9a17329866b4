"""How is a value written where any class may stand: a type parameter, a protocol, a base class of anything?

What JSON has no word for is stored with the name of its class, in every part, so that it comes back as it was.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, cast

from pydantic import BaseModel, PlainValidator

from planar.engine.codec.forms import ALL_KINDS, Form
from planar.engine.codec.names import TYPE, VALUE, Names, is_wrapped, wrapped
from planar.engine.codec.nominal import FormOf, found
from planar.engine.codec.stored import AS_IS, NotStorable, number, ordered, text_of
from planar.engine.codec.values import DEPTH, plain

_SINGLE = (Enum, PurePath, BaseModel)
_GATHERED: tuple[type[Any], ...] = (tuple, set, frozenset)


class OpenValues:
    """Writes and restores values of any storable class, naming the class where it must."""

    def __init__(self, names: Names, form_of: FormOf, singles: frozenset[type[Any]]) -> None:
        self._names = names
        self._form_of = form_of
        self._singles = singles
        """Types of single values, which have a form of their own."""

    def form(self, hint: Any) -> Form:
        """The form of a place in which any value may stand."""
        return Form(hint, Any, self.dump, lambda _: True, ALL_KINDS, Annotated[Any, PlainValidator(self.restore)], AS_IS, AS_IS)

    def dump(self, value: Any, depth: int = 0) -> Any:
        """The stored form of *value*.

        Raises:
            NotStorable: it has none.
        """
        kind = cast("type[Any]", type(value))
        if kind in AS_IS:
            return value
        if depth > DEPTH:
            raise NotStorable("it is nested too deeply, or contains itself")
        if kind is float:
            return value if math.isfinite(value) else wrapped("builtins:float", number(value))
        if kind is list:
            return self._items(value, depth)
        if kind is dict:
            return self._entries(value, depth)
        if kind in _GATHERED:
            items = self._items(value, depth)
            return wrapped(f"builtins:{kind.__name__}", items if kind is tuple else ordered(items))
        if kind in self._singles or issubclass(kind, _SINGLE) or dataclasses.is_dataclass(kind) or hasattr(kind, "_fields"):
            return self._single(value, kind)
        return plain(value, depth)

    def restore(self, stored: Any, depth: int = 0) -> Any:
        """The value that *stored* stands for."""
        if isinstance(stored, list):
            return [self.restore(item) for item in cast("list[Any]", stored)]
        if not isinstance(stored, dict):
            return stored
        if not is_wrapped(stored):
            return {key: self.restore(part) for key, part in cast("dict[str, Any]", stored).items()}
        parts = cast("dict[str, Any]", stored)
        kind = found(self._names, parts[TYPE], object)
        if kind is dict:
            return {self.restore(key): self.restore(part) for key, part in parts[VALUE]}
        if kind in _GATHERED:
            return kind(self.restore(item) for item in parts[VALUE])
        return self._form_of(kind).reader.read(text_of(parts[VALUE]))

    def _single(self, value: Any, kind: type[Any]) -> Any:
        stored = self._form_of(kind).dump(value)
        if is_wrapped(stored):
            return stored  # a generic model, which named its own parametrization
        return wrapped(self._names.label(kind, object), stored)

    def _items(self, values: Any, depth: int) -> list[Any]:
        items: list[Any] = []
        for index, value in enumerate(values):
            try:
                items.append(self.dump(value, depth + 1))
            except NotStorable as error:
                raise error.inside(index) from None
        return items

    def _entries(self, values: Mapping[Any, Any], depth: int) -> Any:
        entries: dict[Any, Any] = {}
        for key, value in values.items():
            try:
                entries[key] = self.dump(value, depth + 1)
            except NotStorable as error:
                raise error.inside(key) from None
        if all(type(key) is str for key in entries) and not is_wrapped(entries):
            return entries
        return wrapped("builtins:dict", [[self.dump(key, depth + 1), part] for key, part in entries.items()])
