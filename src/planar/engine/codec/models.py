"""How are pydantic models written and restored: plain ones, generic ones, rows of tables, and the classes themselves?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any, TypeVar, cast, get_args, get_origin

from pydantic import AfterValidator, BaseModel, PlainValidator

from planar.engine.codec.forms import NO_TYPES, Form
from planar.engine.codec.names import Names, derived, parametrized
from planar.engine.codec.nominal import FormOf, nominal_form
from planar.engine.codec.rendering import has_subclasses, written
from planar.engine.codec.survey import Survey, is_table, survey_of
from planar.engine.codec.values import plain

_OBJECT = frozenset({"dict"})
_ANY_JSON = frozenset({"null", "bool", "int", "float", "str", "list", "dict"})


def model_form(cls: type[BaseModel], names: Names, form_of: FormOf) -> Form:
    """An instance of *cls*; one of a subclass or another parametrization keeps its class."""
    if not cls.__pydantic_complete__:
        cls.model_rebuild(raise_errors=False)  # it named a class that was defined after it
    generic = cls.__pydantic_generic_metadata__
    family = generic["origin"] or cls
    hint = family if generic["parameters"] else cls
    load = _load(hint)

    def is_exact(value: Any) -> bool:
        return type(value) is hint

    kinds = _ANY_JSON if getattr(hint, "__pydantic_root_model__", False) else _OBJECT
    inner = Form(hint, load, written, is_exact, kinds)
    survey = survey_of(hint)
    exact = frozenset({hint}) if survey.harmless and not generic["parameters"] else NO_TYPES

    def concrete(value: Any) -> type[Any]:
        kind = cast("type[BaseModel]", type(value))
        if kind is not family:
            return kind
        return _parametrized(value) if hint is family else hint

    is_generic = bool(generic["origin"] or generic["parameters"])
    form = nominal_form(hint, family, inner, names, form_of, concrete if is_generic else type, exact=exact)
    if family is not hint:
        form.fits = is_exact
    if survey.light and not generic["parameters"]:
        form.light, form.may_lose = _light(hint, survey), bool(survey.watched)
    return form


def _light(hint: type[BaseModel], survey: Survey) -> Callable[[Any], bool]:
    def is_light(value: Any) -> bool:
        return type(value) is hint and not has_subclasses(survey)

    return is_light


def _parametrized(value: BaseModel) -> type[BaseModel]:
    """The parametrization that fits a generic model's value: the classes that stand where its type parameters do."""
    kind = type(value)
    parameters = cast("tuple[Any, ...]", kind.__pydantic_generic_metadata__["parameters"])
    bound: dict[Any, Any] = {}
    for name, field in kind.model_fields.items():
        part = value.__dict__.get(name)
        hint: Any = field.annotation
        if isinstance(hint, TypeVar):
            bound.setdefault(hint, type(part))
        elif get_origin(hint) is list and isinstance(part, list) and isinstance(get_args(hint)[0], TypeVar):
            classes = set(map(type, cast("list[Any]", part)))
            if len(classes) == 1:
                bound.setdefault(get_args(hint)[0], classes.pop())
    if not parameters or not all(isinstance(bound.get(parameter), type) for parameter in parameters):
        return kind
    if not any(issubclass(found, BaseModel) for found in bound.values()):
        return kind
    return parametrized(kind, tuple(bound[parameter] for parameter in parameters))


def _load(cls: type[BaseModel]) -> Any:
    if is_table(cls):
        return Annotated[Any, PlainValidator(_row_of(cls))]
    return Annotated[cls, AfterValidator(_mended)] if survey_of(cls).tables else cls


def _row_of(cls: type[BaseModel]) -> Any:
    """SQLModel checks the values of a table's class only when it is asked in this way."""

    def restore(stored: Any) -> Any:
        return cls.model_validate(stored)

    return restore


def _mended(value: Any) -> Any:
    """The same, with the rows in it checked as rows."""
    if isinstance(value, BaseModel):
        kind = type(value)
        if is_table(kind):
            return kind.model_validate({name: value.__dict__[name] for name in kind.model_fields if name in value.__dict__})
        for name in kind.model_fields:
            cast("dict[str, Any]", value.__dict__)[name] = _mended(value.__dict__.get(name))
        return value
    if isinstance(value, list):
        return [_mended(part) for part in cast("list[Any]", value)]
    if type(value) is tuple:
        return tuple(_mended(part) for part in cast("tuple[Any, ...]", value))
    if isinstance(value, dict):
        return {key: _mended(part) for key, part in cast("dict[Any, Any]", value).items()}
    return value


def model_class_form(hint: Any, base: type[BaseModel]) -> Form:
    """A class of models, stored as its JSON schema: *base* or one that derives from it."""

    def fits(value: Any) -> bool:
        return isinstance(value, type) and issubclass(value, base)

    def restore(stored: Any) -> Any:
        if fits(stored):
            return stored
        if not isinstance(stored, Mapping):
            raise ValueError(f"a class is stored as its JSON schema, where {base.__name__} is expected")
        schema = cast("Mapping[str, Any]", stored)
        candidates = [kind for kind in derived(base) if kind is not BaseModel and _title(kind) == schema.get("title")]
        alike = [kind for kind in candidates if kind.model_json_schema() == schema] or [
            kind for kind in candidates if kind.model_json_schema().get("type") == schema.get("type")
        ]
        if not alike:
            raise ValueError(f"the schema titled {schema.get('title')!r} is not that of {base.__name__} or of a class derived from it")
        if len(alike) > 1 and alike[0] is not base:
            raise ValueError(f"more than one class derived from {base.__name__} has the schema titled {schema.get('title')!r}")
        return alike[0]

    return Form(hint, Annotated[Any, PlainValidator(restore)], plain, fits, _OBJECT)


def _title(kind: type[BaseModel]) -> str:
    return kind.model_config.get("title") or kind.__name__
