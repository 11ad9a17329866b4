"""What may be sent of a row, and what is shown? Models made from the class: of creation, change, replacement and reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Final, cast

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WrapValidator, create_model
from pydantic.fields import FieldInfo
from sqlmodel import SQLModel

from planar.entities.fields import ServedField
from planar.modeling.field_helpers import FieldMarker

_VALIDATORS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "before": BeforeValidator,
    "after": AfterValidator,
    "wrap": WrapValidator,
    "plain": PlainValidator,
}

# What a class may say about the reading of its values, which its forms say too.
_KEPT_SETTINGS: Final = (
    "allow_inf_nan",
    "coerce_numbers_to_str",
    "str_max_length",
    "str_min_length",
    "str_strip_whitespace",
    "str_to_lower",
    "str_to_upper",
    "strict",
    "use_enum_values",
    "val_temporal_unit",
)


def create_form(cls: type[SQLModel], fields: Iterable[ServedField], *, with_key: str | None = None) -> type[BaseModel]:
    """The model of a new row: what is required of it is what the class requires.

    Args:
        cls: the entity.
        fields: all of its fields.
        with_key: the field of the key, if one may be given though the program would make one: for imports.
    """
    taken = [field for field in fields if not field.hidden and (not field.read_only or field.name == with_key)]
    return _form(cls, f"{cls.__name__}Create", {field.name: _declared(cls, field, _default(field)) for field in taken})


def replace_form(cls: type[SQLModel], fields: Iterable[ServedField]) -> type[BaseModel]:
    """The model of a row's whole new content."""
    taken = [field for field in fields if _is_changeable(field)]
    return _form(cls, f"{cls.__name__}Replace", {field.name: _declared(cls, field, _default(field)) for field in taken})


def update_form(cls: type[SQLModel], fields: Iterable[ServedField]) -> type[BaseModel]:
    """The model of a change: every field may be left out. One that is given as null is not left out (``model_fields_set``)."""
    taken = [field for field in fields if _is_changeable(field)]
    return _form(cls, f"{cls.__name__}Update", {field.name: _declared(cls, field, {"default": None}) for field in taken})


def read_form(cls: type[SQLModel], fields: Iterable[ServedField]) -> type[BaseModel]:
    """The model of what is shown of a row; for its schema."""
    return _form(cls, cls.__name__, {field.name: _declared(cls, field, _default(field)) for field in fields if not field.hidden})


def _is_changeable(field: ServedField) -> bool:
    return not (field.hidden or field.read_only or field.write_once)


def _form(cls: type[SQLModel], name: str, declared: Mapping[str, Any]) -> type[BaseModel]:
    settings: dict[str, Any] = {key: value for key, value in cls.model_config.items() if key in _KEPT_SETTINGS}
    config = ConfigDict(extra="forbid", title=name, arbitrary_types_allowed=True, protected_namespaces=(), defer_build=True, **settings)
    return create_model(name, __config__=config, __doc__=cls.__doc__, __module__=cls.__module__, **cast("dict[str, Any]", declared))


def _declared(cls: type[SQLModel], field: ServedField, default: Mapping[str, Any]) -> tuple[Any, FieldInfo]:
    info = field.info
    metadata = [item for item in info.metadata if not isinstance(item, FieldMarker)]
    hint = info.annotation
    for item in [*metadata, *_validators(cls, field.name)]:
        hint = Annotated[hint, item]
    kept = Field(
        title=info.title,
        description=info.description,
        examples=info.examples,
        json_schema_extra=info.json_schema_extra,
        discriminator=info.discriminator,
        **default,
    )
    return hint, kept


def _default(field: ServedField) -> dict[str, Any]:
    info = field.info
    if info.is_required():
        return {}
    if info.default_factory is not None:
        return {"default_factory": info.default_factory}
    return {"default": info.default}


def _validators(cls: type[SQLModel], name: str) -> list[Any]:
    """The class's own validators of the field, bound to the class; they come in the order of their declaration."""
    found = cls.__pydantic_decorators__.field_validators.values()
    return [_VALIDATORS[item.info.mode](item.func) for item in found if name in item.info.fields or "*" in item.info.fields]
