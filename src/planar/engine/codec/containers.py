"""How are lists, tuples, sets and dictionaries written and restored?

A container whose elements are their own stored form is its own stored form. A dictionary is an object where every key is one
value (`{"1": …}` for an int), else a list of pairs.
"""

from __future__ import annotations

import json
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from functools import partial
from typing import Annotated, Any, cast

from pydantic import AfterValidator, PlainValidator

from planar.engine.codec.forms import Form
from planar.engine.codec.stored import NotStorable, ordered
from planar.engine.codec.values import key_text, plain

_TEXT = frozenset({str})
_LIST = frozenset({"list"})
_READ_IN_ORDER: tuple[type[Any], ...] = (list, tuple, Sequence, Set, deque)
_TEXTS: tuple[type[Any], ...] = (str, bytes, bytearray, memoryview)
_FACTORIES = frozenset({list, dict, set, int, float, str, bool, tuple})


def each(values: Iterable[Any], item: Form) -> list[Any]:
    """The stored forms of *values*, all of one annotation."""
    found: list[Any] = []
    exact, dump = item.exact, item.dump
    for index, value in enumerate(values):
        try:
            found.append(value if type(value) in exact else dump(value))
        except NotStorable as error:
            raise error.inside(index) from None
    return found


def list_form(hint: Any, item: Form, *, family: type[Any] = list, convert: Callable[[Any], Any] | None = None) -> Form:
    """A list, or what else is read in order (*family*); *convert* makes it from a list."""

    def dump(value: Any) -> Any:
        if isinstance(value, _TEXTS) or not isinstance(value, _READ_IN_ORDER):
            return plain(value)
        values = cast("Sequence[Any]", value)
        if value.__class__ is list and item.exact.issuperset(map(type, values)):
            return values
        return each(values, item)

    def fits(value: Any) -> bool:
        return isinstance(value, family) and not isinstance(value, str | bytes) and all(map(item.fits, value))

    def is_light(value: Any) -> bool:
        if type(value) is not list:
            return False
        values = cast("list[Any]", value)
        kinds = set(map(type, values))
        # Of models of one class one is like the other.
        return all(map(item.light, values[:1] if len(kinds) == 1 and list not in kinds else values))

    load, tagged = list[item.load], list[item.tagged] if item.names_classes else None
    if family is Sequence and item.hint in (str, Any):
        load = load | str  # a text is a sequence of texts
    form = _converted(Form(hint, load, dump, fits, _LIST, tagged), convert)
    form.light, form.may_lose = is_light, item.may_lose
    return form


def _converted(form: Form, convert: Callable[[Any], Any] | None) -> Form:
    if convert is None:
        return form
    tagged = Annotated[form.tagged, AfterValidator(convert)] if form.names_classes else None
    return Form(form.hint, Annotated[form.load, AfterValidator(convert)], form.dump, form.fits, form.kinds, tagged)


def set_form(hint: Any, item: Form, kind: Any) -> Form:
    """A set or a frozenset; written in order, so that equal sets are written alike."""

    def dump(value: Any) -> Any:
        if not isinstance(value, Set | list | tuple):
            return plain(value)
        return ordered(each(cast("Iterable[Any]", value), item))

    def fits(value: Any) -> bool:
        return isinstance(value, kind) and all(map(item.fits, value))

    return Form(hint, kind[item.load], dump, fits, _LIST, kind[item.tagged] if item.names_classes else None)


def tuple_form(hint: Any, items: tuple[Form, ...]) -> Form:
    """A tuple of as many values as there are *items*, each with an annotation of its own."""

    def dump(value: Any) -> Any:
        if not isinstance(value, tuple | list) or len(cast("Sequence[Any]", value)) != len(items):
            return plain(value)
        found: list[Any] = []
        for index, (item, part) in enumerate(zip(items, cast("Sequence[Any]", value), strict=True)):
            try:
                found.append(part if type(part) in item.exact else item.dump(part))
            except NotStorable as error:
                raise error.inside(index) from None
        return found

    def fits(value: Any) -> bool:
        return (
            type(value) is tuple
            and len(cast("tuple[Any, ...]", value)) == len(items)
            and all(item.fits(part) for item, part in zip(items, cast("tuple[Any, ...]", value), strict=True))
        )

    loads, tags = tuple(item.load for item in items), tuple(item.tagged for item in items)
    return Form(hint, tuple[loads] if loads else tuple[()], dump, fits, _LIST, tuple[tags] if tags != loads else None)


def tuple_of_any_length(hint: Any, item: Form) -> Form:
    """``tuple[T, ...]``."""
    form = list_form(hint, item, family=tuple)
    return Form(hint, tuple[item.load, ...], form.dump, form.fits, _LIST, tuple[item.tagged, ...] if item.names_classes else None)


def dict_form(hint: Any, key: Form, value: Form, *, kind: type[Any] = dict) -> Form:
    """A dictionary; *kind* may be a class derived from dict, or Mapping."""
    is_one_value = len(key.kinds) == 1 and not key.kinds & {"list", "dict", "null"}
    is_object = is_one_value or key.hint in (Any, float)
    form = _object_form(hint, key, value) if is_object else _pairs_form(hint, key, value)

    def fits(candidate: Any) -> bool:
        if not isinstance(candidate, kind):
            return False
        entries = cast("Mapping[Any, Any]", candidate)
        return all(map(key.fits, entries)) and all(map(value.fits, entries.values()))

    form.fits = fits
    return _converted(form, _maker(kind, value))


def _maker(kind: type[Any], value: Form) -> Callable[[Any], Any] | None:
    if kind is defaultdict:
        origin: Any = getattr(value.hint, "__origin__", value.hint)
        factory = origin if origin in _FACTORIES else None
        # A function, since pydantic asks for a signature, and a partial of a builtin class has none on Python 3.13.
        return lambda entries: defaultdict[Any, Any](factory, entries)
    return kind if kind in (OrderedDict, Counter) else None


def _object_form(hint: Any, key: Form, value: Form) -> Form:
    """Stored as an object."""
    texts = key.kinds <= {"str"} or key.hint is Any

    def name_of(candidate: Any) -> str:
        stored = candidate if type(candidate) in key.exact else key.dump(candidate)
        return stored if type(stored) is str else key_text(stored)

    def dump(entries: Any) -> Any:
        if type(entries) is dict:
            plain_dict = cast("dict[Any, Any]", entries)
            if _TEXT.issuperset(map(type, plain_dict)) and str in key.exact and value.exact.issuperset(map(type, plain_dict.values())):
                return plain_dict
        if not isinstance(entries, Mapping):
            return plain(entries)
        return _named(cast("Mapping[Any, Any]", entries), name_of, value)

    key_load = key.load if texts or key.hint is int else Annotated[Any, PlainValidator(partial(_read_key, key))]
    if key.hint is int:
        key_load = int
    tagged = dict[key_load, value.tagged] if value.names_classes else None
    return Form(hint, dict[key_load, value.load], dump, lambda _: False, frozenset({"dict"}), tagged)


def _read_key(key: Form, text: str) -> Any:
    return key.reader.read(text if text not in ("NaN", "Infinity", "-Infinity") else json.dumps(text))


def _named(entries: Mapping[Any, Any], name_of: Callable[[Any], str], value: Form) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exact, dump = value.exact, value.dump
    for key, part in entries.items():
        try:
            name = name_of(key)
            if name in found:
                raise NotStorable(f"two keys are both written as {name!r}: annotate the types of the keys")
            found[name] = part if type(part) in exact else dump(part)
        except NotStorable as error:
            raise error.inside(key) from None
    return found


def _pairs_form(hint: Any, key: Form, value: Form) -> Form:
    """Stored as a list of pairs, because a key is more than one value or could be of several types."""

    def dump(entries: Any) -> Any:
        if not isinstance(entries, Mapping):
            return plain(entries)
        pairs: list[Any] = []
        for name, part in cast("Mapping[Any, Any]", entries).items():
            try:
                pairs.append([name if type(name) in key.exact else key.dump(name), part if type(part) in value.exact else value.dump(part)])
            except NotStorable as error:
                raise error.inside(name) from None
        return pairs

    load = Annotated[list[tuple[key.load, value.load]], AfterValidator(dict)]
    names_classes = key.names_classes or value.names_classes
    tagged = Annotated[list[tuple[key.tagged, value.tagged]], AfterValidator(dict)] if names_classes else None
    return Form(hint, load, dump, lambda _: False, frozenset({"list"}), tagged)
