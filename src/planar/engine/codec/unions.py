"""How is a value written that may be of several types?

The value's own class decides, never the order of the members. Where the stored form tells by itself which member it is, it
stands bare: where no two members are written alike (`int | str`), or where reading it back gives the same value. Otherwise
it is stored with the name of the member (a text that looks like a UUID, in `UUID | str`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Optional, Union, cast

from pydantic import PlainValidator, ValidationError

from planar.engine.codec.forms import Form, Reader, kind_of
from planar.engine.codec.names import MARK, TYPE, VALUE, Names, is_wrapped, wrapped
from planar.engine.codec.stored import text_of
from planar.engine.codec.values import plain, same

_NONE = frozenset({type(None)})
_NULL = frozenset({"null"})
_PREFERRED = (bool, int, float, str)
"""Where JSON has a kind of its own for a type, pydantic prefers that type to any other that could read it."""


def optional_form(form: Form) -> Form:
    """The same, or None."""
    if type(None) in form.exact:
        return form

    def dump(value: Any) -> Any:
        return None if value is None else form.dump(value)

    def fits(value: Any) -> bool:
        return value is None or form.fits(value)

    return Form(
        Optional[form.hint],  # noqa: UP045 (a hint may be anything, and `|` is not defined for everything)
        Optional[form.load],  # noqa: UP045
        dump,
        fits,
        form.kinds | _NULL,
        Optional[form.tagged] if form.names_classes else None,  # noqa: UP045
        form.exact | _NONE,
        form.same | _NONE,
        light=form.light,
        may_lose=form.may_lose,
    )


def union_form(hint: Any, members: Sequence[Form], names: Names) -> Form:
    """One of *members*."""
    bare = Reader(_either([form.load for form in members]), _either([form.load for form in members]))
    is_clear = _are_disjoint(members)

    def dump(value: Any) -> Any:
        member = _member_of(value, members)
        if member is None:
            return plain(value)
        stored = value if type(value) in member.exact else member.dump(value)
        looks_wrapped = is_wrapped(stored) and not member.names_classes
        if (is_clear or _comes_back(value, stored, bare)) and not looks_wrapped:
            return stored
        return wrapped(names.describe(member.hint), stored)

    def restore(stored: Any) -> Any:
        if is_wrapped(stored):
            return _unwrapped(cast("dict[str, Any]", stored), members, names)
        if is_clear:
            members_of_kind = [form for form in members if kind_of(stored) in form.kinds]
            return (members_of_kind[0].reader if members_of_kind else bare).read(text_of(stored))
        return bare.read(text_of(stored))

    return Form(
        hint,
        _either([form.load for form in members]),
        dump,
        lambda value: any(form.fits(value) for form in members),
        frozenset[str]().union(*(form.kinds for form in members)),
        Annotated[Any, PlainValidator(restore)],
        exact=frozenset[type[Any]]().union(*(form.exact for form in members)) if is_clear else frozenset(),
        same=frozenset[type[Any]]().union(*(form.same for form in members)) if is_clear else frozenset(),
    )


def _either(loads: list[Any]) -> Any:
    return Union[tuple(loads)]  # noqa: UP007 (made at run time)


def _are_disjoint(members: Sequence[Form]) -> bool:
    """Whether the kind of the stored form tells the member, for pydantic too: no other member is written or read like it."""
    kinds = [kind for form in members for kind in form.kinds]
    return len(kinds) == len(set(kinds)) and not any(
        form.kinds & other.reads for form in members if form.hint not in _PREFERRED for other in members if other is not form
    )


def _member_of(value: Any, members: Sequence[Form]) -> Form | None:
    """The member that *value* belongs to: the one of exactly its class before one of a base."""
    kind = cast("type[Any]", type(value))
    fitting = [form for form in members if form.fits(value)]
    for form in fitting:
        if form.hint is kind:
            return form
    return fitting[0] if fitting else None


def _comes_back(value: Any, stored: Any, bare: Reader) -> bool:
    text = text_of(stored)
    if MARK in text:
        return False
    try:
        return same(value, bare.read(text))
    except ValidationError:
        return False


def _unwrapped(stored: dict[str, Any], members: Sequence[Form], names: Names) -> Any:
    """The value of the member that *stored* names, or of a member's subclass."""
    label, text = stored[TYPE], text_of(stored[VALUE])
    for form in members:
        if names.describe(form.hint) == label:
            return form.reader.read(text)
    for form in members:
        if form.names_classes:
            try:
                return form.reader.read(text_of(stored))
            except ValidationError:
                continue
    raise ValueError(f"{label!r} names none of the types that are possible here")
