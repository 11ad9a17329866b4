"""What does an entity look like, for whoever builds a form or a table of it? Its schemas, and what each field can be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from planar.entities.fields import ServedField
from planar.entities.filters import OPERATORS, UNSORTED
from planar.entities.registration import RegisteredEntity
from planar.entities.relations import Relation
from planar.modeling.json_schema import PRESENTATION, FormSchema


@dataclass(frozen=True, slots=True)
class Description:
    """An entity's schemas.

    Args:
        json_schema: of what is shown.
        create_schema, update_schema, replace_schema: of what may be sent.
    """

    json_schema: dict[str, Any]
    create_schema: dict[str, Any]
    update_schema: dict[str, Any]
    replace_schema: dict[str, Any]


def schema_of(entity: RegisteredEntity, relations: Mapping[str, Relation], form: type[BaseModel]) -> dict[str, Any]:
    """The schema of one of the entity's models, with the hints that a form needs."""
    schema = form.model_json_schema(schema_generator=FormSchema)
    chosen = {relation.local: relation.target for relation in relations.values() if relation.holds_key}
    for name, held in schema.get("properties", {}).items():
        field = entity.fields[name]
        for extra in ("index", "unique", "foreign_key"):
            held.pop(extra, None)
        if field.read_only:
            held["readOnly"] = True
        elif field.write_once:
            held["writeOnce"] = True
        if name in chosen:
            _offer(held, chosen[name])
    return schema


def _offer(held: dict[str, Any], target: RegisteredEntity) -> None:
    """A field that refers to *target* offers its rows, unless its class says otherwise; under the name that routes know."""
    shown = held.setdefault(PRESENTATION, {"inputType": "entity-select", "displayField": target.display_field})
    if shown.get("inputType") == "entity-select":
        held[PRESENTATION] = {**shown, "entity": target.name}


def describe(entity: RegisteredEntity, relations: Mapping[str, Relation]) -> Description:
    """All of the entity's schemas."""
    update = schema_of(entity, relations, entity.update_model)
    for held in update.get("properties", {}).values():
        held.pop("default", None)  # what is left out of a change stays as it is
    return Description(
        json_schema=schema_of(entity, relations, entity.read_model),
        create_schema=schema_of(entity, relations, entity.create_model),
        update_schema=update,
        replace_schema=schema_of(entity, relations, entity.replace_model),
    )


def describe_field(field: ServedField) -> dict[str, Any]:
    """What can be asked of a field, and done with it."""
    return {
        "name": field.name,
        "kind": field.kind.value,
        "required": field.info.is_required(),
        "nullable": field.nullable,
        "read_only": field.read_only,
        "write_once": field.write_once and not field.read_only,
        "sortable": field.kind not in UNSORTED,
        "operators": [operator.value for operator in OPERATORS[field.kind]],
    }
