"""Which form belongs to an annotation?"""

from __future__ import annotations

import collections
import dataclasses
import types
from collections import abc
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Annotated, Any, ForwardRef, Literal, NewType, ParamSpec, TypeVar, Union, cast, get_args, get_origin

import typing_extensions
from pydantic import AfterValidator, BaseModel, BeforeValidator, PlainValidator, SerializeAsAny, TypeAdapter, WrapValidator
from pydantic.dataclasses import is_pydantic_dataclass
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from planar.engine.codec.choices import enum_form, literal_form
from planar.engine.codec.containers import dict_form, list_form, set_form, tuple_form, tuple_of_any_length
from planar.engine.codec.forms import ALL_KINDS, Form, raw_form, unresolved_form
from planar.engine.codec.hints import Unresolved, bound_parameters, meaning, stripped
from planar.engine.codec.models import model_class_form, model_form
from planar.engine.codec.names import Names
from planar.engine.codec.nominal import nominal_form
from planar.engine.codec.open_values import OpenValues
from planar.engine.codec.records import dataclass_form, named_tuple_form, typed_dict_form
from planar.engine.codec.rendering import written
from planar.engine.codec.scalars import none_form, scalar_forms
from planar.engine.codec.stored import text_of
from planar.engine.codec.unions import optional_form, union_form
from planar.engine.codec.values import plain

_SCALARS = scalar_forms()
_RAW = raw_form()
_NONE = none_form()
_ANYTHING = (Any, object)
_LISTS: frozenset[Any] = frozenset({list, abc.Sequence, abc.MutableSequence, abc.Collection, abc.Iterable, abc.Reversible, abc.Container})
_SETS: dict[Any, type[Any]] = {set: set, abc.Set: set, abc.MutableSet: set, frozenset: frozenset}
_DICTS: dict[Any, type[Any]] = {
    dict: dict,
    abc.Mapping: abc.Mapping,
    abc.MutableMapping: abc.Mapping,
    collections.OrderedDict: collections.OrderedDict,
    collections.defaultdict: collections.defaultdict,
    collections.Counter: collections.Counter,
}
_WRITES_ANY = cast("type[Any]", SerializeAsAny)
_VALIDATORS: tuple[type[Any], ...] = (AfterValidator, BeforeValidator, PlainValidator, WrapValidator, _WRITES_ANY)
"""What may stand beside an annotation without changing how its values are written."""


class Compiler:
    """Makes the forms of one function's annotations, each once."""

    def __init__(self, module: str, names: Mapping[str, Any], scope: Mapping[str, Any]) -> None:
        self._globals = names
        self._scope = scope
        self._forms: dict[Any, Form] = {}
        self._pending: set[Any] = set()
        self._names = Names(module, scope)
        self.open = OpenValues(self._names, self.form, frozenset(kind for kind in _SCALARS if isinstance(kind, type)))

    def form(self, hint: Any) -> Form:
        """The form of *hint*. An annotation that contains itself refers to its form by name."""
        try:
            found = self._forms.get(hint)
        except TypeError:  # metadata that cannot be hashed
            return self._made(hint)
        if found is not None:
            return found
        if hint in self._pending:
            return self._deferred(hint)
        self._pending.add(hint)
        try:
            made = self._forms[hint] = self._made(hint)
        finally:
            self._pending.discard(hint)
        return made

    def _deferred(self, hint: Any) -> Form:
        def dump(value: Any) -> Any:
            return self.form(hint).dump(value)

        def fits(value: Any) -> bool:
            return self.form(hint).fits(value)

        def restore(stored: Any) -> Any:
            return self.form(hint).reader.read(text_of(stored))

        load, tagged = Annotated[Any, PlainValidator(restore)], Annotated[Any, PlainValidator(lambda stored: restore(stored))]
        return Form(hint, load, dump, fits, ALL_KINDS, tagged)

    def _made(self, hint: Any) -> Form:
        if isinstance(hint, Unresolved):
            return unresolved_form(str(hint))
        if isinstance(hint, str | ForwardRef):
            text = hint.__forward_arg__ if isinstance(hint, ForwardRef) else hint
            return self.form(meaning(text, self._globals, self._scope))
        if hint in _ANYTHING:
            return _RAW
        if hint is None or hint is type(None):
            return _NONE
        scalar = _SCALARS.get(hint) if isinstance(hint, type) else None
        if scalar is not None:
            return scalar
        origin = get_origin(hint)
        if origin is None:
            return self._of_name(hint)
        return self._of_generic(hint, origin, get_args(hint))

    def _of_name(self, hint: Any) -> Form:
        """The form of a class, or of a name that stands for another annotation."""
        if isinstance(hint, typing_extensions.TypeAliasType):
            return self.form(hint.__value__)
        if isinstance(hint, NewType):
            return self.form(cast("Any", hint).__supertype__)
        if isinstance(hint, TypeVar):
            return self._of_type_parameter(hint)
        if isinstance(hint, ParamSpec):
            return _RAW
        if not isinstance(hint, type):
            return self._foreign(hint)
        if hint is tuple or hint in _LISTS or hint in _SETS or hint in _DICTS or hint is collections.deque:
            return self._of_generic(hint, hint, ())
        return self._of_class(hint, {})

    def _of_type_parameter(self, hint: TypeVar) -> Form:
        if hint.__constraints__:
            return self.form(Union[hint.__constraints__])  # noqa: UP007 (made at run time)
        return self.open.form(hint) if hint.__bound__ is None else self.form(hint.__bound__)

    def _of_class(self, cls: type[Any], bound: Mapping[Any, Any]) -> Form:
        if issubclass(cls, Enum):
            return enum_form(cls)
        if issubclass(cls, BaseModel):
            return self.open.form(cls) if cls is BaseModel else model_form(cls, self._names, self.form)
        if typing_extensions.is_typeddict(cls):
            return typed_dict_form(cls, cls, bound, self._scope, self.form)
        if _is_named_tuple(cls):
            return named_tuple_form(cls, cls, bound, self._scope, self._names, self.form)
        if is_pydantic_dataclass(cls):
            inner = Form(cls, cls, written, lambda value: type(value) is cls, frozenset({"dict"}))
            return nominal_form(cls, cls, inner, self._names, self.form)
        if dataclasses.is_dataclass(cls):
            return dataclass_form(cls, cls, bound, self._scope, self._names, self.form)
        return self._foreign(cls)

    def _of_generic(self, hint: Any, origin: Any, args: tuple[Any, ...]) -> Form:
        if origin is Annotated:
            return self._annotated(hint, args[0], hint.__metadata__)
        if origin is Union or origin is types.UnionType:
            return self._union(hint, args)
        if origin is Literal or origin is typing_extensions.Literal:
            return literal_form(hint)
        inner = stripped(hint)
        if inner is not hint:
            return self.form(inner)
        if origin is type:
            (base,) = args or (object,)
            return model_class_form(hint, base) if isinstance(base, type) and issubclass(base, BaseModel) else self.open.form(hint)
        container = self._container(hint, origin, args)
        if container is not None:
            return container
        if isinstance(origin, typing_extensions.TypeAliasType):
            return self.form(origin.__value__[args])
        if dataclasses.is_dataclass(origin) or typing_extensions.is_typeddict(origin) or _is_named_tuple(origin):
            return dataclasses.replace(self._of_class(cast("Any", origin), bound_parameters(origin, args)), hint=hint)
        return self._foreign(hint)

    def _container(self, hint: Any, origin: Any, args: tuple[Any, ...]) -> Form | None:
        if origin in _LISTS:
            family = list if origin in (list, abc.MutableSequence) else cast("type[Any]", origin)
            return list_form(hint, self._inner(args, 0), family=family)
        if origin is collections.deque:
            return list_form(hint, self._inner(args, 0), family=collections.deque, convert=collections.deque)
        if origin in _SETS:
            return set_form(hint, self._inner(args, 0), _SETS[origin])
        if origin in _DICTS:
            value = self.form(int) if origin is collections.Counter else self._inner(args, 1)
            return dict_form(hint, self._inner(args, 0), value, kind=_DICTS[origin])
        if origin is tuple:
            if hint is tuple:
                return tuple_of_any_length(hint, _RAW)
            if len(args) == 2 and args[1] is Ellipsis:
                return tuple_of_any_length(hint, self.form(args[0]))
            return tuple_form(hint, tuple(self.form(arg) for arg in args))
        return None

    def _inner(self, args: tuple[Any, ...], index: int) -> Form:
        return self.form(args[index]) if index < len(args) else _RAW

    def _union(self, hint: Any, args: tuple[Any, ...]) -> Form:
        members = [self.form(arg) for arg in args if arg is not type(None)]
        form = members[0] if len(members) == 1 else union_form(hint, members, self._names)
        return optional_form(form) if type(None) in args else form

    def _annotated(self, hint: Any, inner: Any, metadata: tuple[Any, ...]) -> Form:
        if any(hasattr(found, "__get_pydantic_core_schema__") and not isinstance(found, _VALIDATORS) for found in metadata):
            return self._foreign(hint)
        form = self.form(inner)
        kept = tuple(found for found in metadata if getattr(found, "discriminator", None) is None and not isinstance(found, _WRITES_ANY))
        if not kept:
            return form
        tagged = Annotated[form.tagged, *kept] if form.names_classes else None
        return dataclasses.replace(form, load=Annotated[form.load, *kept], tagged=tagged, same=frozenset[type[Any]]())

    def _foreign(self, hint: Any) -> Form:
        """What pydantic alone knows, else a place in which any class may stand."""
        try:
            adapter = TypeAdapter[Any](hint)
        except (PydanticSchemaGenerationError, PydanticUserError, NameError, TypeError):
            return self.open.form(hint)
        return Form(hint, hint, _dumper(adapter), _fitter(adapter), ALL_KINDS)


def _is_named_tuple(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, tuple) and hasattr(cast("Any", kind), "_fields")


def _dumper(adapter: TypeAdapter[Any]) -> Callable[[Any], Any]:
    def dump(value: Any) -> Any:
        if hasattr(value, "get_secret_value"):
            return plain(value)
        return adapter.dump_python(value, mode="json", by_alias=False, round_trip=True, warnings="error")

    return dump


def _fitter(adapter: TypeAdapter[Any]) -> Callable[[Any], bool]:
    def fits(value: Any) -> bool:
        try:
            adapter.validate_python(value, strict=True)
        except Exception:  # a validator can fail in any way
            return False
        return True

    return fits
