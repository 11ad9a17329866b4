"""How is a value kept in a run's record? The stored form as plain JSON values, for programs that look into records.

The engine itself writes and reads JSON text, through `planar.engine.codec`; these functions give the same forms.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from pydantic import BaseModel
from pydantic_core import from_json

from planar.engine.codec import CallCodec
from planar.engine.codec.compiler import Compiler
from planar.engine.codec.reasons import reason
from planar.engine.codec.stored import text_of
from planar.engine.codec.unions import optional_form
from planar.engine.codec.values import plain
from planar.engine.errors import ArgumentNotStorable, CallNotRestorable

_PRIMITIVES = (type(None), bool, int, float, str, Decimal, UUID, datetime, date, time, timedelta)

_codecs: WeakKeyDictionary[Callable[..., Any], CallCodec] = WeakKeyDictionary()


def is_pydantic_model(obj: object) -> bool:
    """Whether *obj* is a pydantic model, or the class of one."""
    return isinstance(obj, BaseModel) or (isinstance(obj, type) and issubclass(obj, BaseModel))


def serialize_primitive(value: Any) -> Any:
    """The stored form of a single value: None, a bool, a number, a text, a Decimal, a UUID, a time or a duration.

    Raises:
        ArgumentNotStorable: it is something else (also a TypeError).
    """
    if not isinstance(value, _PRIMITIVES):
        raise ArgumentNotStorable(f"`{type(value).__name__}` is not a single value: use serialize_value.")
    return serialize_value(value)


def deserialize_primitive(value: Any, type_hint: Any = None) -> Any:
    """The single value that a stored form stands for; the stored form itself without a hint.

    Raises:
        CallNotRestorable: it does not fit the hint (also a ValueError).
    """
    return deserialize_value(value, type_hint)


def serialize_value(value: Any) -> Any:
    """The stored form of any value by its own type, in plain JSON values.

    Raises:
        ArgumentNotStorable: it has none; the message leads to the part (also a TypeError).
    """
    try:
        return plain(value)
    except Exception as error:  # a user's serializer can fail in any way
        raise ArgumentNotStorable(f"The value cannot be stored: {reason(error)}.") from None


def deserialize_value(value: Any, type_hint: Any = None) -> Any:
    """The value that a stored form stands for where *type_hint* is annotated; the stored form itself without a hint.

    Raises:
        CallNotRestorable: it does not fit the hint (also a ValueError).
    """
    if type_hint is None:
        return value
    try:
        return optional_form(Compiler("", {}, {}).form(type_hint)).reader.read(text_of(value))
    except Exception as error:  # a user's validator can fail in any way
        raise CallNotRestorable(f"The value cannot be restored: {reason(error)}.") from None


def serialize_args(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The stored forms of the arguments of a call.

    Raises:
        TypeError: they do not fit the parameters of *func*.
        ArgumentNotStorable: one has no stored form; the message names it.
    """
    args_text, kwargs_text = _codec_of(func).dump_call(tuple(args), dict(kwargs))
    return from_json(args_text), from_json(kwargs_text)


def deserialize_args(func: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments that stored forms stand for, each as its parameter is annotated.

    Raises:
        CallNotRestorable: they do not fit; the message names each that does not.
    """
    positional, keywords = _codec_of(func).load_call(text_of(list(args)), text_of(dict(kwargs)))
    return list(positional), keywords


def serialize_result(func: Callable[..., Any], result: Any) -> Any:
    """The stored form of a result of *func*.

    Raises:
        ResultNotStorable: it has none, or does not fit the annotation.
    """
    return from_json(_codec_of(func).roundtrip_result(result)[0])


def deserialize_result(func: Callable[..., Any], result: Any, return_type: Any = None) -> Any:
    """The result that a stored form stands for: by *return_type*, else by the annotation of *func*, else as it is stored.

    Raises:
        CallNotRestorable: it does not fit.
    """
    codec = _codec_of(func) if return_type is None else CallCodec(func, return_type=return_type)
    return codec.load_result(text_of(result))


def _codec_of(func: Callable[..., Any]) -> CallCodec:
    """The codec of a workflow or a step, or of any function; made once."""
    own = getattr(func, "codec", None)
    if isinstance(own, CallCodec):
        return own
    codec = _codecs.get(func)
    if codec is None:
        codec = _codecs[func] = CallCodec(func)
    return codec
