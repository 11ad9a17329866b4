"""What does a form look like? One generator of JSON schemas for all forms; a function's parameters, and its result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, Final, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue, JsonSchemaWarningKind
from pydantic_core import core_schema

from planar.modeling.errors import UnsupportedSignature

_UNFIT = (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError, PydanticUndefinedAnnotation)

Fields = dict[str, tuple[Any, Any]]
"""The type and the default of each parameter; ``...`` where it must be given."""


PRESENTATION: Final = "x-planar-presentation"
"""The key of a property under which a form finds how to show it."""


class FormSchema(GenerateJsonSchema):
    """Pydantic's schema, with the hints that forms need. The one generator of every form: of workflows, of entities, of tasks.

    A decimal is shown as money, a date and a moment as such, and each member of an enumeration has a label for people: its attribute
    ``label`` if it has one, else its name in words. A default that JSON cannot show is left out, without a warning.
    """

    def emit_warning(self, kind: JsonSchemaWarningKind, detail: str) -> None:
        """Nobody can do anything about it when the form is made."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """A decimal, with its number of places if there is one."""
        hint: dict[str, Any] = {"inputType": "money"}
        places = schema.get("decimal_places")
        if places is not None:
            hint["decimalPlaces"] = places
        return {**super().decimal_schema(schema), PRESENTATION: hint}

    def date_schema(self, schema: core_schema.DateSchema) -> JsonSchemaValue:
        """A date."""
        return {**super().date_schema(schema), PRESENTATION: {"inputType": "date"}}

    def datetime_schema(self, schema: core_schema.DatetimeSchema) -> JsonSchemaValue:
        """A moment."""
        return {**super().datetime_schema(schema), PRESENTATION: {"inputType": "datetime"}}

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        """An enumeration, with a label for each value."""
        labels = {str(member.value): label_of(member) for member in schema["members"]}
        return {**super().enum_schema(schema), PRESENTATION: {"inputType": "enum", "labels": labels}}

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """What may be left empty is shown as what it is otherwise."""
        shown = self.generate_inner(schema["schema"]).get(PRESENTATION)
        found = super().nullable_schema(schema)
        for member in found.get("anyOf", ()):
            member.pop(PRESENTATION, None)
        return found if shown is None else {**found, PRESENTATION: shown}


def label_of(member: Any) -> str:
    """What people read for a member of an enumeration."""
    label = getattr(member, "label", None)
    return label if isinstance(label, str) else member.name.replace("_", " ").strip().capitalize()


def generate_json_schema_for_input_parameters(fn: Callable[..., Any]) -> dict[str, Any]:
    """The schema of *fn*'s parameters: an object named ``DynamicInputModel`` with a property for each.

    ``self`` and ``cls`` are left out. Annotations may be postponed; a parameter without one takes anything.

    Raises:
        UnsupportedSignature: *fn* takes ``*args`` or ``**kwargs``, or an annotation cannot be found or described. The message names
            the function and the parameter.
    """
    return _described(fn, "DynamicInputModel", _parameters(fn))


def generate_json_schema_for_output_parameters(fn: Callable[..., Any]) -> dict[str, Any]:
    """The schema of *fn*'s result: an object named ``DynamicOutputModel`` whose property ``output_type`` is the result.

    Raises:
        UnsupportedSignature: the return annotation cannot be found or described.
    """
    annotation = inspect.signature(fn).return_annotation
    hint = Any if annotation is inspect.Signature.empty else _resolved(fn, "return", annotation)
    return _described(fn, "DynamicOutputModel", {"output_type": (hint, ...)}, what="the result")


def _parameters(fn: Callable[..., Any]) -> Fields:
    fields: Fields = {}
    for position, parameter in enumerate(inspect.signature(fn).parameters.values()):
        if position == 0 and parameter.name in ("self", "cls"):
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            raise UnsupportedSignature(
                f"{_name(fn)} takes {stars}{parameter.name}, for which there is no form. Give every parameter a name of its own."
            )
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[parameter.name] = (_resolved(fn, parameter.name, parameter.annotation), default)
    return fields


def _resolved(fn: Callable[..., Any], name: str, annotation: Any) -> Any:
    """The type that *annotation* means; text is looked up where *fn* was written."""
    if annotation is inspect.Parameter.empty:
        return Any
    holder = type("_Annotated", (), {"__annotations__": {name: annotation}})
    try:
        return get_type_hints(holder, globalns=getattr(inspect.unwrap(fn), "__globals__", {}), include_extras=True)[name]
    except Exception as error:
        raise UnsupportedSignature(
            f"The annotation {annotation!r} of {name!r} in {_name(fn)} cannot be resolved: {error}. "
            "Import the type at the top of the module in which the function is defined."
        ) from error


def _described(fn: Callable[..., Any], title: str, fields: Fields, what: str | None = None) -> dict[str, Any]:
    try:
        return _model(title, fields).model_json_schema(schema_generator=FormSchema)
    except _UNFIT as error:
        name = what or next((repr(name) for name, (hint, _) in fields.items() if not _is_describable(hint)), "a parameter")
        raise UnsupportedSignature(f"The type of {name} in {_name(fn)} cannot be described as JSON schema: {error}") from error


def _model(title: str, fields: Fields) -> type[BaseModel]:
    # Fields have neutral names and the parameters' as aliases: a parameter may be called `schema`, `copy` or `_id`.
    definitions: dict[str, Any] = {
        f"parameter_{number}": (hint, Field(default=default, alias=name)) for number, (name, (hint, default)) in enumerate(fields.items())
    }
    return create_model(title, __config__=ConfigDict(title=title), **definitions)


def _is_describable(hint: Any) -> bool:
    try:
        TypeAdapter(hint).json_schema(schema_generator=FormSchema)
    except _UNFIT:
        return False
    return True


def _name(fn: Callable[..., Any]) -> str:
    return getattr(fn, "__qualname__", repr(fn))
