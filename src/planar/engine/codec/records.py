"""How are dataclasses, typed dictionaries and named tuples written and restored?

Field by field, each by its own annotation. A dataclass is made by its constructor and then given every stored field, so that
it is what it was even where the constructor changes what it is given.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NotRequired, Optional, Required, cast, get_origin

from pydantic import AfterValidator, GetCoreSchemaHandler
from pydantic_core import core_schema
from typing_extensions import TypedDict

from planar.engine.codec.forms import Form
from planar.engine.codec.hints import class_hints, stripped, substituted
from planar.engine.codec.names import Names
from planar.engine.codec.nominal import FormOf, nominal_form
from planar.engine.codec.stored import NotStorable
from planar.engine.codec.values import plain

Fields = dict[str, Form]
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def dataclass_form(hint: Any, cls: type[Any], bound: Mapping[Any, Any], scope: Mapping[str, Any], names: Names, form_of: FormOf) -> Form:
    """An instance of the dataclass *cls*; *bound* gives the types of its type parameters."""
    hints = class_hints(cls, scope)
    fields = dataclasses.fields(cls)
    forms: Fields = {}
    for field in fields:
        found = substituted(hints[field.name], bound)
        forms[field.name] = form_of(Optional[found] if field.default is None else found)  # noqa: UP045 (`|` is not defined for every hint)
    optional = {field.name for field in fields if _has_default(field)}
    build = _builder(cls, {field.name for field in fields if field.init})

    def fits(value: Any) -> bool:
        if type(value) is not cls:
            return isinstance(value, cls)
        return all(form.fits(getattr(value, name, None)) for name, form in forms.items())

    def is_exact(value: Any) -> bool:
        return type(value) is cls

    def dump(value: Any) -> dict[str, Any]:
        return _written({name: _attribute(value, name) for name in forms}, forms, NotStorable.inside_field)

    loads = [Annotated[_typed_dict(cls.__name__, forms, optional, tagged=tagged), AfterValidator(build)] for tagged in (False, True)]
    inner = Form(hint, loads[0], dump, is_exact, frozenset({"dict"}), loads[1])
    form = nominal_form(hint, cls, inner, names, form_of)
    form.fits = fits
    return form


def typed_dict_form(hint: Any, cls: Any, bound: Mapping[Any, Any], scope: Mapping[str, Any], form_of: FormOf) -> Form:
    """A typed dictionary; keys that it does not declare are kept as they are stored."""
    hints = class_hints(cls, scope)
    forms: Fields = {name: form_of(stripped(substituted(found, bound))) for name, found in hints.items()}
    required = frozenset(name for name, found in hints.items() if _is_required(found, name in cls.__required_keys__))

    def dump(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return plain(value)
        return _written(cast("Mapping[str, Any]", value), forms, NotStorable.inside)

    def fits(value: Any) -> bool:
        if type(value) is not dict:
            return False
        entries = cast("dict[str, Any]", value)
        return required <= entries.keys() and all(name in forms and forms[name].fits(part) for name, part in entries.items())

    optional = forms.keys() - required
    load, tagged = (_typed_dict(cls.__name__, forms, optional, tagged=tagged, extra="allow") for tagged in (False, True))
    names_classes = any(form.names_classes for form in forms.values())
    return Form(hint, load, dump, fits, frozenset({"dict"}), tagged if names_classes else None)


def named_tuple_form(hint: Any, cls: type[Any], bound: Mapping[Any, Any], scope: Mapping[str, Any], names: Names, form_of: FormOf) -> Form:
    """A named tuple, stored as a list; fields with a default may be missing at its end."""
    hints = class_hints(cls, scope)
    labels, defaults = cast("tuple[str, ...]", getattr(cls, "_fields")), cast("dict[str, Any]", getattr(cls, "_field_defaults"))  # noqa: B009 (private by name, public by the standard library's word)
    forms: Fields = {name: form_of(substituted(hints.get(name, Any), bound)) for name in labels}

    def is_exact(value: Any) -> bool:
        return type(value) is cls

    def dump(value: Any) -> list[Any]:
        parts = dict(zip(labels, cast("Sequence[Any]", value), strict=True))
        return list(_written(parts, forms, NotStorable.inside_field).values())

    def build(parts: tuple[Any, ...]) -> Any:
        return cls(*parts)

    def items(*, tagged: bool) -> Any:
        loads = [(name, form.tagged if tagged else form.load) for name, form in forms.items()]
        found = tuple(Annotated[load, _Default(defaults[name])] if name in defaults else load for name, load in loads)
        return Annotated[tuple[found] if found else tuple[()], AfterValidator(build)]

    inner = Form(hint, items(tagged=False), dump, is_exact, frozenset({"list"}), items(tagged=True))
    return nominal_form(hint, cls, inner, names, form_of)


def _is_required(hint: Any, otherwise: bool) -> bool:
    """Whether a key must be there. Python itself does not see it in a postponed annotation, so it is asked of its meaning."""
    origin = get_origin(hint)
    return origin is not NotRequired and (origin is Required or otherwise)


@dataclass(frozen=True, slots=True)
class _Default:
    """Says to pydantic which value stands for a missing element of a tuple."""

    value: Any

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_default_schema(handler(source), default=self.value)


def _written(parts: Mapping[str, Any], forms: Fields, at: Callable[[NotStorable, str], NotStorable]) -> dict[str, Any]:
    """The stored form of each part by its annotation; what has none, by its own type."""
    found: dict[str, Any] = {}
    for name, part in parts.items():
        form = forms.get(name)
        try:
            if type(name) is not str:
                raise NotStorable(f"the key {name!r} is not a text")
            found[name] = plain(part) if form is None else part if type(part) in form.exact else form.dump(part)
        except NotStorable as error:
            raise at(error, name) from None
    return found


def _attribute(value: Any, name: str) -> Any:
    try:
        return getattr(value, name)
    except AttributeError:
        raise NotStorable(f"its field {name} was never set") from None


def _typed_dict(name: str, forms: Fields, optional: Iterable[str], *, tagged: bool, extra: str = "ignore") -> Any:
    """A type expression for the fields, read by pydantic in one go."""
    types: dict[str, Any] = {}
    for field, form in forms.items():
        load = form.tagged if tagged else form.load
        types[field] = NotRequired[load] if field in optional else Required[load]
    made = cast("Any", TypedDict)(name, types)
    made.__pydantic_config__ = {"extra": extra}
    return made


def _has_default(field: dataclasses.Field[Any]) -> bool:
    return field.default is not dataclasses.MISSING or field.default_factory is not dataclasses.MISSING or not field.init


def _builder(cls: type[Any], arguments: set[str]) -> Callable[[dict[str, Any]], Any]:
    """Makes an instance from its restored fields."""
    needs_more = any(
        parameter.name not in arguments and parameter.default is parameter.empty and parameter.kind not in _VARIADIC
        for parameter in inspect.signature(cls).parameters.values()
    )

    def build(parts: dict[str, Any]) -> Any:
        made = object.__new__(cls) if needs_more else cls(**{name: part for name, part in parts.items() if name in arguments})
        for name, part in parts.items():
            object.__setattr__(made, name, part)
        return made

    return build
