"""Which entities does an app serve? One registry an app; a class is read when it is registered, so that a mistake is told at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeGuard, cast, get_args

from pydantic import BaseModel, TypeAdapter
from sqlalchemy import ARRAY, JSON, Table, inspect
from sqlalchemy.orm import Mapper
from sqlmodel import SQLModel

from planar.entities.errors import EntityNameTaken, EntityNotFound, NotAnEntity, UnusableOptions
from planar.entities.fields import Kind, ServedField, read_fields
from planar.entities.forms import create_form, read_form, replace_form, update_form
from planar.files.models import PlanarFile
from planar.modeling.column_types import JSONText
from planar.modeling.entity_options import EntityOptions
from planar.modeling.field_helpers import DISPLAY_NAMES
from planar.modeling.mixins.soft_delete import DELETED_AT


@dataclass(frozen=True, eq=False)
class RegisteredEntity:
    """An entity as an app serves it.

    Args:
        name: by which people and routes know it.
        cls: its class.
        table: its table.
        key: the field of its primary key.
        fields: all fields that are stored, by name, hidden ones included.
        options: what the class says of itself.
        display_field: which field people recognise a row by, if any.
        searchable: the text fields in which a search looks.
    """

    name: str
    cls: type[SQLModel]
    table: Table
    key: str
    fields: dict[str, ServedField]
    options: EntityOptions
    display_field: str | None
    searchable: tuple[str, ...]

    @cached_property
    def create_model(self) -> type[BaseModel]:
        """What a new row may be sent as."""
        return create_form(self.cls, self.fields.values())

    @cached_property
    def import_model(self) -> type[BaseModel]:
        """The same, with the key, which may be given."""
        return create_form(self.cls, self.fields.values(), with_key=self.key)

    @cached_property
    def update_model(self) -> type[BaseModel]:
        """What a change may be sent as: every field may be left out."""
        return update_form(self.cls, self.fields.values())

    @cached_property
    def replace_model(self) -> type[BaseModel]:
        """What a row's whole new content may be sent as."""
        return replace_form(self.cls, self.fields.values())

    @cached_property
    def read_model(self) -> type[BaseModel]:
        """What is shown of a row."""
        return read_form(self.cls, self.fields.values())

    @cached_property
    def key_adapter(self) -> TypeAdapter[Any]:
        """Reads a key from text."""
        return TypeAdapter(self.fields[self.key].hint)

    @property
    def visible(self) -> tuple[str, ...]:
        """The fields that are shown."""
        return tuple(name for name, field in self.fields.items() if not field.hidden)

    @property
    def description(self) -> str | None:
        """The class's docstring; pydantic's own counts as none."""
        return self.cls.__doc__.strip() if self.cls.__doc__ else None

    @cached_property
    def mapper(self) -> Mapper[Any]:
        """What SQLAlchemy knows of the class."""
        return inspect(self.cls)


class EntityRegistry:
    """The entities of one app, by name, in the order of registration."""

    def __init__(self) -> None:
        self._by_name: dict[str, RegisteredEntity] = {}

    def register(self, cls: type[Any], name: str | None = None) -> RegisteredEntity:
        """Serve *cls*. The same class again (a reloaded module) replaces itself.

        Args:
            cls: a table: ``class Invoice(PlanarBaseEntity, table=True)``.
            name: how it is called, if not like its class.

        Raises:
            NotAnEntity: (a TypeError) it is not a table, or its primary key is not one column.
            UnusableOptions: (a ValueError) its options do not fit its fields, or no address can hold its name.
            EntityNameTaken: (a ValueError) another class has the name.
        """
        entity = read_entity(cls, name)
        if not entity.name.strip(".") or "/" in entity.name:
            raise UnusableOptions(f"The name {entity.name!r} of {_place(cls)} cannot be a part of an address: leave out slashes.")
        earlier = self._by_name.get(entity.name)
        if earlier is not None and _place(earlier.cls) != _place(cls):
            raise EntityNameTaken(
                f"{_place(cls)} cannot be served as {entity.name!r}: {_place(earlier.cls)} has that name. Give one of them another:"
                f" register_entity({cls.__name__}, name=...)."
            )
        if earlier is None or earlier.cls is not cls:
            self._by_name[entity.name] = entity
        return self._by_name[entity.name]

    def get(self, name: str) -> RegisteredEntity:
        """The entity of that name.

        Raises:
            EntityNotFound: there is none.
        """
        found = self._by_name.get(name)
        if found is None:
            raise EntityNotFound(f"Entity {name!r} not found")
        return found

    def find_class(self, cls: type[Any]) -> RegisteredEntity | None:
        """The entity of that class, or None."""
        return next((entity for entity in self if entity.cls is cls), None)

    def find_table(self, table: Table) -> RegisteredEntity | None:
        """The entity whose rows are in that table, or None."""
        return next((entity for entity in self if entity.table is table), None)

    def reset(self) -> None:
        """Forget everything."""
        self._by_name.clear()

    def __iter__(self) -> Iterator[RegisteredEntity]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)


def read_entity(cls: type[Any], name: str | None = None) -> RegisteredEntity:
    """What *cls* says about itself.

    Raises:
        NotAnEntity: (a TypeError) it is not a table, or its primary key is not one column.
        UnusableOptions: (a ValueError) its options do not fit its fields.
    """
    if not _is_table(cls):
        raise NotAnEntity(f"{_place(cls)} is not a table: an entity is written `class Invoice(PlanarBaseEntity, table=True)`.")
    mapper: Mapper[Any] = inspect(cls)
    if len(mapper.primary_key) != 1:
        columns = ", ".join(column.name for column in mapper.primary_key)
        raise NotAnEntity(
            f"{_place(cls)} has a primary key of {len(mapper.primary_key)} columns ({columns}), and an entity has one: give it an id, and"
            " make the columns unique together."
        )
    (column,) = mapper.primary_key
    key = mapper.get_property_by_column(column).key
    if key not in cls.model_fields:
        raise NotAnEntity(f"The primary key of {_place(cls)} is no field of the class: declare it with Field(primary_key=True).")
    fields, options = read_fields(cls, column), _options(cls)  # pyright: ignore[reportArgumentType] - a table's key is a column of it
    table: Any = mapper.local_table
    if not isinstance(table, Table):
        raise NotAnEntity(f"{_place(cls)} is not mapped to a table of its own.")
    _check_fields(cls, fields, options)
    return RegisteredEntity(
        name=cls.__name__ if name is None else name,
        cls=cls,
        table=cast("Table", table),
        key=key,
        fields=fields,
        options=options,
        display_field=_display_field(cls, fields, options),
        searchable=_searchable(cls, fields, options),
    )


def _is_table(cls: object) -> TypeGuard[type[SQLModel]]:
    return isinstance(cls, type) and issubclass(cls, SQLModel) and hasattr(cls, "__table__")


def _place(cls: object) -> str:
    return f"{cls.__module__}.{cls.__qualname__}" if isinstance(cls, type) else repr(cls)


def _options(cls: type[SQLModel]) -> EntityOptions:
    options = getattr(cls, "entity_options", None) or EntityOptions()
    if not isinstance(options, EntityOptions):
        raise UnusableOptions(f"entity_options of {_place(cls)} is an EntityOptions, not {options!r}.")
    return options


def _check_fields(cls: type[SQLModel], fields: dict[str, ServedField], options: EntityOptions) -> None:
    if options.soft_delete and (
        DELETED_AT not in fields or fields[DELETED_AT].kind is not Kind.DATETIME or not fields[DELETED_AT].nullable
    ):
        raise UnusableOptions(f"{_place(cls)} has soft_delete and no field {DELETED_AT} for it: derive it from SoftDeleteMixin as well.")
    for field in fields.values():
        if isinstance(field.column.type, JSON | JSONText | ARRAY) and _holds_file(field.info.annotation):
            raise UnusableOptions(
                f"{_place(cls)}.{field.name} cannot hold a PlanarFile in a JSON column. For one file declare it as `UUID | None ="
                " file_field()`; for several make an entity with a file_field() and a foreign key to this one. Or hold their ids as"
                " `list[str]`: then nobody knows that they are in use."
            )
        if not options.read_only and field.info.is_required() and (field.hidden or field.read_only):
            raise UnusableOptions(
                f"{_place(cls)}.{field.name} must be given, and nobody may give it: give it a default, or another marker than"
                f" {'Hidden' if field.hidden else 'ReadOnly'}."
            )


def _holds_file(annotation: Any) -> bool:
    return annotation is PlanarFile or any(_holds_file(part) for part in get_args(annotation))


def _display_field(cls: type[SQLModel], fields: dict[str, ServedField], options: EntityOptions) -> str | None:
    if options.display_field is None:
        return next((name for name in DISPLAY_NAMES if name in fields and not fields[name].hidden), None)
    _must_show(cls, fields, "display_field", options.display_field)
    return options.display_field


def _searchable(cls: type[SQLModel], fields: dict[str, ServedField], options: EntityOptions) -> tuple[str, ...]:
    if options.search_fields is None:
        return tuple(name for name, field in fields.items() if field.kind is Kind.TEXT and not field.hidden)
    for name in options.search_fields:
        if _must_show(cls, fields, "search_fields", name).kind is not Kind.TEXT:
            raise UnusableOptions(f"search_fields of {_place(cls)} names {name!r}, which is not a text.")
    return options.search_fields


def _must_show(cls: type[SQLModel], fields: dict[str, ServedField], option: str, name: str) -> ServedField:
    field = fields.get(name)
    if field is None or field.hidden:
        shown = ", ".join(other for other, found in fields.items() if not found.hidden)
        raise UnusableOptions(f"{option} of {_place(cls)} names {name!r}, which is not a field that it shows. It shows: {shown}.")
    return field
