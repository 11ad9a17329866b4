"""How are values written that are one of a few: members of an enum, literals?

By their value where JSON can tell all of them apart, an enum's member else by its name, so that each comes back as itself.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, Flag
from typing import Annotated, Any, cast, get_args

from pydantic import PlainValidator

from planar.engine.codec.forms import Form, kind_of
from planar.engine.codec.stored import NotStorable, text_of
from planar.engine.codec.values import plain


def enum_form(kind: type[Enum]) -> Form:
    """A member of *kind*, restored as the member."""

    def fits(value: Any) -> bool:
        return isinstance(value, kind)

    members = list(kind)
    if issubclass(kind, Flag):
        return Form(kind, _restoring(_flag(kind)), plain, fits, frozenset({"int"}))
    if all(type(member.value) is str for member in members):
        return Form(kind, kind, plain, fits, frozenset({"str"}), exact=frozenset({kind}))
    if all(type(member.value) is int for member in members):
        return Form(kind, kind, plain, fits, frozenset({"int"}), exact=frozenset({kind}), reads=frozenset({"float"}))
    stored = _by_value(members) or {member: member.name for member in members}
    return _table_form(kind, [(member, stored[member]) for member in members], fits)


def literal_form(hint: Any) -> Form:
    """One of the values of a ``Literal``, restored as that very value."""
    values = list(_flat(hint))

    def fits(value: Any) -> bool:
        return any(value == choice and type(value) is type(choice) for choice in values)

    if all(type(value) is str for value in values):
        return Form(hint, hint, plain, fits, frozenset({"str"}), exact=frozenset({str}))
    if all(type(value) is int for value in values):
        return Form(hint, hint, plain, fits, frozenset({"int"}), exact=frozenset({int}))
    return _table_form(hint, [(value, plain(value)) for value in values], fits)


def _flat(hint: Any) -> list[Any]:
    return [value for arg in get_args(hint) for value in (_flat(arg) if get_args(arg) else [arg])]


def _by_value(members: list[Enum]) -> dict[Enum, Any] | None:
    """The stored form of each member's value; None if two look alike, or one has none."""
    try:
        stored = {member: plain(member.value) for member in members}
    except NotStorable:
        return None
    texts = {text_of(form) for form in stored.values()} - {"null"}  # which is what None is stored as, member or not
    return stored if len(texts) == len(members) else None


def _table_form(hint: Any, choices: list[tuple[Any, Any]], fits: Callable[[Any], bool]) -> Form:
    by_text = {text_of(stored): value for value, stored in choices}

    def dump(value: Any) -> Any:
        for choice, stored in choices:
            if choice is value or (choice == value and type(choice) is type(value)):
                return stored
        return plain(value)

    def restore(stored: Any) -> Any:
        if fits(stored):
            return stored
        try:
            return by_text[text_of(stored)]
        except KeyError:
            raise ValueError(f"it is none of {', '.join(by_text)}") from None

    return Form(hint, _restoring(restore), dump, fits, frozenset(kind_of(stored) for _, stored in choices))


def _flag(kind: type[Flag]) -> Callable[[Any], Any]:
    def restore(stored: Any) -> Any:
        if not isinstance(stored, int | kind) or isinstance(stored, bool):
            raise ValueError(f"{kind.__name__} is stored as a number")
        return kind(cast("Any", stored))

    return restore


def _restoring(restore: Callable[[Any], Any]) -> Any:
    return Annotated[Any, PlainValidator(restore)]
