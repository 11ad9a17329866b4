"""Which fields does an entity have, and what may people do with each? Read once from the class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    Uuid,
    inspect,
)
from sqlalchemy import Enum as EnumType
from sqlalchemy.orm import Mapper
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import SQLModel

from planar.modeling.column_types import JSONText
from planar.modeling.field_helpers import ChosenEntity, FieldMarker
from planar.modeling.json_schema import PRESENTATION

SERVER_MADE: Final = frozenset({"created_at", "updated_at", "created_by", "updated_by", "deleted_at"})
"""Fields that are set for everybody, whatever their class says of them."""


class Kind(StrEnum):
    """What a column holds, as far as filters and forms care."""

    INTEGER = "integer"
    FLOAT = "float"
    DECIMAL = "decimal"
    BOOLEAN = "boolean"
    TEXT = "text"
    ENUM = "enum"
    DATE = "date"
    DATETIME = "datetime"
    TIME = "time"
    DURATION = "duration"
    UUID = "uuid"
    JSON = "json"
    BYTES = "bytes"
    OTHER = "other"


# A more special type comes before the general one that it derives from.
_KINDS: Final[tuple[tuple[type[TypeEngine[Any]], Kind], ...]] = (
    (EnumType, Kind.ENUM),
    (Boolean, Kind.BOOLEAN),
    (Integer, Kind.INTEGER),
    (Float, Kind.FLOAT),
    (Numeric, Kind.DECIMAL),
    (Uuid, Kind.UUID),
    (DateTime, Kind.DATETIME),
    (Date, Kind.DATE),
    (Time, Kind.TIME),
    (Interval, Kind.DURATION),
    (JSON, Kind.JSON),
    (ARRAY, Kind.JSON),
    (LargeBinary, Kind.BYTES),
    (String, Kind.TEXT),
)


@dataclass(frozen=True, eq=False)
class ServedField:
    """One field of an entity.

    Args:
        name: of the class's attribute, which is also the one that people use.
        column: where it is stored.
        info: what pydantic knows of it.
        kind: what it holds.
        read_only: set by the program or the database only.
        write_once: given when a row is made, never changed.
        hidden: for nobody outside.
    """

    name: str
    column: Column[Any]
    info: FieldInfo
    kind: Kind
    read_only: bool
    write_once: bool
    hidden: bool

    @property
    def nullable(self) -> bool:
        """Whether a row may have no value."""
        return bool(self.column.nullable)

    @property
    def hint(self) -> Any:
        """Its type without ``None``."""
        return without_none(self.info.annotation)

    @property
    def enum(self) -> type[Enum] | None:
        """The enumeration that it takes its value from, if the database knows it as one."""
        hint = self.hint
        return hint if isinstance(hint, type) and issubclass(hint, Enum) else None

    @property
    def chosen_entity(self) -> str | None:
        """The entity whose key it is said to hold, by the name of its class."""
        shown = _member(self.info.json_schema_extra, PRESENTATION)
        return str(_member(shown, "entity")) if _member(shown, "inputType") == "entity-select" else None

    @property
    def chosen_class(self) -> type[BaseModel] | None:
        """The class of that entity; None if only its name is known."""
        return next((marker.cls for marker in self.info.metadata if isinstance(marker, ChosenEntity)), None)


def _member(of: Any, name: str) -> Any:
    return of.get(name) if isinstance(of, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - JSON


def read_fields(cls: type[SQLModel], key: Column[Any]) -> dict[str, ServedField]:
    """The fields of *cls* that are stored, by name, in the order of the class.

    Args:
        cls: a table.
        key: its primary key.
    """
    mapper: Mapper[Any] = inspect(cls)
    return {
        name: _read_field(name, mapper.columns[name], info, mapper, key)  # pyright: ignore[reportArgumentType] - a table's columns are columns
        for name, info in cls.model_fields.items()
        if name in mapper.columns
    }


def _read_field(name: str, column: Column[Any], info: FieldInfo, mapper: Mapper[Any], key: Column[Any]) -> ServedField:
    markers = {marker for marker in info.metadata if isinstance(marker, FieldMarker)}
    made = column is mapper.version_id_col or name in SERVER_MADE or column.computed is not None
    is_key = column is key
    # A key that nothing makes has to come from the caller, once.
    made = made or (is_key and not info.is_required())
    return ServedField(
        name=name,
        column=column,
        info=info,
        kind=kind_of(column.type),
        read_only=made or FieldMarker.READ_ONLY in markers,
        write_once=is_key or FieldMarker.WRITE_ONCE in markers,
        hidden=FieldMarker.HIDDEN in markers and not is_key,
    )


def kind_of(column_type: TypeEngine[Any]) -> Kind:
    """What a column of that type holds."""
    if isinstance(column_type, JSONText):
        return Kind.JSON
    kind = next((kind for known, kind in _KINDS if isinstance(column_type, known)), None)
    if kind is None and isinstance(column_type, TypeDecorator):
        return kind_of(column_type.impl_instance)
    return kind or Kind.OTHER


def without_none(annotation: Any) -> Any:
    """``X`` for ``X | None`` and for ``Annotated[X, ...]``; other types as they are."""
    if get_origin(annotation) is Annotated:
        return without_none(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        members = [member for member in get_args(annotation) if member is not NoneType]
        if len(members) == 1:
            return without_none(members[0])
    return annotation
