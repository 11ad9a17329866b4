"""Ready-made fields: a JSON schema as a value, the choice of an entity in a form, and who may see and set a field."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias

from pydantic import BaseModel, Field, JsonValue, WithJsonSchema

from planar.modeling.errors import UnknownField
from planar.modeling.json_schema import PRESENTATION

META_SCHEMA = "https://json-schema.org/draft/2020-12/schema"

JsonSchema: TypeAlias = Annotated[dict[str, Any], WithJsonSchema({"$ref": META_SCHEMA})]
"""A JSON schema as a value; in a form's schema it refers to the meta-schema of 2020-12."""


class FieldMarker(StrEnum):
    """Who may see and set a field over HTTP, and whether its changes are kept."""

    READ_ONLY = "readOnly"
    WRITE_ONCE = "writeOnce"
    HIDDEN = "hidden"
    NO_HISTORY = "noHistory"


@dataclass(frozen=True, slots=True)
class Presentation:
    """How a form shows a field: the ``inputType`` of its ``x-planar-presentation``. It changes nothing else."""

    input_type: str

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {**handler(schema), PRESENTATION: {"inputType": self.input_type}}


@dataclass(frozen=True, slots=True)
class ChosenEntity:
    """Whose key a field holds: two classes may have one name, so the schema does not tell."""

    cls: type[BaseModel]


ReadOnly: Final = FieldMarker.READ_ONLY
"""Shown, and set by the program only: ``number: Annotated[str, ReadOnly] = ""``."""

WriteOnce: Final = FieldMarker.WRITE_ONCE
"""Given when a row is made, and never changed: ``currency: Annotated[str, WriteOnce]``."""

Hidden: Final = FieldMarker.HIDDEN
"""Neither shown nor set, and no filter, order, search or group sees it: ``password_hash: Annotated[str, Hidden] = ""``."""

NoHistory: Final = FieldMarker.NO_HISTORY
"""No history is kept of it; a change of such fields alone leaves no trace: ``last_seen: Annotated[datetime, NoHistory]``."""

LongText: Final = Presentation("long-text")
"""A text of several lines in a form: ``notes: Annotated[str, LongText] = ""``."""

DISPLAY_NAMES: Final = ("name", "title", "username", "label", "display_name")
"""Which field shows an entity to people, if nothing else is said: the first of these that it has."""


def EntityField(entity: type[BaseModel], description: str | None = None, display_field: str | None = None) -> Any:  # noqa: N802 - used like pydantic's Field
    """A field that holds the key of an entity and is shown as a choice: ``Annotated[str, EntityField(entity=Customer)]``.

    Args:
        entity: the class whose rows are offered.
        description: what the field means.
        display_field: which field of the entity people see; None takes the first of ``name, title, username, label, display_name``.

    Raises:
        UnknownField: the entity has no such field.
    """
    if display_field is None:
        display_field = next((name for name in DISPLAY_NAMES if _has(entity, name)), None)
    elif not _has(entity, display_field):
        raise UnknownField(f"{entity.__name__} has no field {display_field!r} to display. It has: {', '.join(entity.model_fields)}.")
    presentation: dict[str, JsonValue] = {"inputType": "entity-select", "entity": entity.__name__, "displayField": display_field}
    field: Any = Field(description=description, json_schema_extra={PRESENTATION: presentation})
    field.metadata.append(ChosenEntity(entity))
    return field


def _has(entity: type[BaseModel], name: str) -> bool:
    return name in entity.model_fields or hasattr(entity, name)
