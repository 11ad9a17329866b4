"""How are single values written and restored: numbers, texts, times, names of files, bytes?"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, cast
from uuid import UUID

from pydantic import BeforeValidator, Field, GetCoreSchemaHandler, PlainValidator
from pydantic_core import core_schema

from planar.engine.codec.forms import AS_IS, NO_TYPES, Form
from planar.engine.codec.stored import NotStorable
from planar.engine.codec.values import plain

_TEXT = frozenset({"str"})
_NONE = frozenset({type(None)})
_NUMBERS = frozenset({"bool", "int", "float", "str"})
"""What pydantic reads as a number, or as a time, which can be a number of seconds."""


class _IntOrBool:
    """Says to pydantic that a bool is an int that stays a bool; an error speaks of the int alone."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        choices: list[core_schema.CoreSchema | tuple[core_schema.CoreSchema, str]] = [core_schema.bool_schema(strict=True), handler(source)]
        return core_schema.union_schema(choices, custom_error_type="int_type")


def _only(*names: str) -> frozenset[str]:
    return frozenset(names)


def _is(kind: type[Any]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_date(value: Any) -> bool:
    return isinstance(value, date) and not isinstance(value, datetime)


def _dump_date(value: Any) -> Any:
    if isinstance(value, datetime):
        raise NotStorable("a datetime stands where a date is annotated: pass `.date()` of it, or annotate it as datetime")
    return plain(value)


def restore_timedelta(stored: Any) -> Any:
    """A timedelta from its parts, from a number of seconds or from ISO text; pydantic reads what is not handled here."""
    if not isinstance(stored, dict):
        return stored
    parts = cast("dict[str, Any]", stored)
    if not parts or not parts.keys() <= {"days", "seconds", "microseconds"}:
        raise ValueError("a timedelta is an object of days, seconds and microseconds, a number of seconds or an ISO text")
    try:
        return timedelta(**parts)
    except (TypeError, OverflowError) as error:
        raise ValueError(f"not a timedelta: {error}") from None


def _restore_datetime(stored: Any) -> Any:
    return _from_iso(datetime, stored)


def _restore_time(stored: Any) -> Any:
    return _from_iso(time, stored)


def _from_iso(kind: type[datetime] | type[time], stored: Any) -> Any:
    """What this class wrote; anything else is left to pydantic, which reads more."""
    if not isinstance(stored, str):
        return stored
    try:
        return kind.fromisoformat(stored)
    except ValueError:
        return stored


def _restore_bytes(stored: Any) -> bytes:
    if isinstance(stored, bytes | bytearray):
        return bytes(stored)
    if not isinstance(stored, str):
        raise ValueError("bytes are a base64 text")
    try:
        return base64.b64decode(stored.translate(str.maketrans("-_", "+/")), validate=True)
    except ValueError as error:
        raise ValueError(f"bytes are a base64 text: {error}") from None


def _restore_bytearray(stored: Any) -> bytearray:
    return bytearray(_restore_bytes(stored))


def none_form() -> Form:
    """None, and nothing else."""
    return Form(None, None, plain, lambda value: value is None, _only("null"), exact=_NONE, same=_NONE)


def _path_form(kind: type[PurePath]) -> Form:
    def restore(stored: Any) -> PurePath:
        if not isinstance(stored, str | PurePath):
            raise ValueError("a path is a text")
        return kind(stored)

    return Form(kind, Annotated[Any, PlainValidator(restore)], plain, _is(kind), _TEXT)


def _simple(
    kind: type[Any],
    load: Any,
    kinds: frozenset[str],
    exact: frozenset[type[Any]] = NO_TYPES,
    *,
    same: bool = False,
    reads: frozenset[str] = _NUMBERS,
) -> Form:
    return Form(kind, load, plain, _is(kind), kinds, exact=exact, same=frozenset({kind}) if same else NO_TYPES, reads=reads)


def scalar_forms() -> dict[Any, Form]:
    """The form of each type of a single value."""
    forms = [
        none_form(),
        _simple(bool, bool, _only("bool"), frozenset({bool}), same=True),
        Form(
            int,
            Annotated[int, _IntOrBool()],
            plain,
            _is_int,
            _only("int"),
            exact=AS_IS & {bool, int},
            same=frozenset({int, bool}),
            reads=_NUMBERS,
        ),
        _simple(float, float, _only("float", "str"), frozenset({float, int})),
        _simple(str, str, _TEXT, frozenset({str}), same=True, reads=_TEXT),
        _simple(UUID, UUID, _TEXT, frozenset({UUID}), same=True, reads=_TEXT),
        _simple(Decimal, Annotated[Decimal, Field(allow_inf_nan=True)], _TEXT, frozenset({Decimal})),
        Form(date, date, _dump_date, _is_date, _TEXT, exact=frozenset({date}), same=frozenset({date}), reads=_NUMBERS),
        _simple(datetime, Annotated[datetime, BeforeValidator(_restore_datetime)], _TEXT),
        _simple(time, Annotated[time, BeforeValidator(_restore_time)], _TEXT),
        Form(timedelta, Annotated[timedelta, BeforeValidator(restore_timedelta)], plain, _is(timedelta), _only("dict"), reads=_NUMBERS),
        Form(bytes, Annotated[Any, PlainValidator(_restore_bytes)], plain, _is(bytes), _TEXT),
        Form(bytearray, Annotated[Any, PlainValidator(_restore_bytearray)], plain, _is(bytearray), _TEXT),
        *(_path_form(kind) for kind in (PurePath, Path, PurePosixPath, PureWindowsPath, PosixPath)),
    ]
    return {form.hint: form for form in forms}
