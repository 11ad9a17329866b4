"""How does a value keep its class, where the annotation names only a base of it?

A value of exactly the annotated class is stored bare; one of a subclass with the name of its class.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, cast

from pydantic import PlainValidator

from planar.engine.codec.forms import NO_TYPES, Form, Reader
from planar.engine.codec.names import TYPE, VALUE, Names, is_wrapped, wrapped
from planar.engine.codec.stored import text_of
from planar.engine.codec.values import plain

FormOf = Callable[[Any], Form]
"""Gives the form of an annotation."""


def nominal_form(
    hint: Any,
    family: type[Any],
    inner: Form,
    names: Names,
    form_of: FormOf,
    concrete: Callable[[Any], type[Any]] = type,
    *,
    exact: frozenset[type[Any]] = NO_TYPES,
) -> Form:
    """The form of *hint*, whose values are instances of *family*; *inner* writes and restores the bare ones.

    *concrete* tells the class that a value is to be restored as.
    """
    bare = Reader(inner.load, inner.tagged)

    def dump(value: Any) -> Any:
        if not isinstance(value, family):
            return plain(value)
        kind = concrete(value)
        if kind is hint or (kind is type(value) and inner.fits(value)):
            return inner.dump(value)
        return wrapped(names.label(kind, family), form_of(kind).dump(value))

    def restore(stored: Any) -> Any:
        if not is_wrapped(stored):
            return bare.read(text_of(stored))
        parts = cast("dict[str, Any]", stored)
        return form_of(found(names, parts[TYPE], family)).reader.read(text_of(parts[VALUE]))

    def fits(value: Any) -> bool:
        return isinstance(value, family)

    return Form(hint, inner.load, dump, fits, inner.kinds, Annotated[Any, PlainValidator(restore)], exact=exact)


def found(names: Names, label: Any, family: type[Any]) -> Any:
    """The class named *label* in a stored value.

    Raises:
        ValueError: there is none.
    """
    try:
        return names.find(label, family)
    except LookupError as error:
        raise ValueError(str(error)) from None
