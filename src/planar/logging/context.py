"""Which fields does every record of this task carry? An immutable mapping in one context variable.

Nothing in here can leak from one task to another: a change makes a new mapping for the current task, and tasks that were
started before keep the one that they had.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from types import MappingProxyType, TracebackType
from typing import Any

_NO_FIELDS: Mapping[str, Any] = MappingProxyType({})

_fields: ContextVar[Mapping[str, Any]] = ContextVar("planar_log_fields", default=_NO_FIELDS)


def get_context_metadata() -> Mapping[str, Any]:
    """The fields that records of the current task carry: a read-only mapping, as it is at this moment."""
    return _fields.get()


def set_context_metadata(key: str, value: Any) -> None:
    """Add one field to every later record of the current task and of the tasks that it starts from now on.

    Args:
        key: the field's name; an earlier value under that name is replaced.
        value: anything; shown as JSON where it can be, as text where it cannot.
    """
    _fields.set(MappingProxyType({**_fields.get(), key: value}))


def bind_log_fields(**fields: Any) -> AbstractContextManager[Mapping[str, Any]]:
    """Add fields to every record that is written inside a ``with`` block, and take them away at its end.

    Args:
        fields: names and values; an inner block's value hides an outer one's.
    """
    return _Binding(fields)


class _Binding:
    """The block of `bind_log_fields`. A class and not a generator, because the engine enters one for every step."""

    __slots__ = ("_fields", "_token")

    def __init__(self, fields: Mapping[str, Any]) -> None:
        self._fields = fields
        self._token: Token[Mapping[str, Any]] | None = None

    def __enter__(self) -> Mapping[str, Any]:
        merged = MappingProxyType({**_fields.get(), **self._fields})
        self._token = _fields.set(merged)
        return merged

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        token, self._token = self._token, None
        if token is not None:
            _fields.reset(token)
