"""Fields that tell a form how they want to be shown."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import BaseModel

from planar.modeling.errors import UnknownField
from planar.modeling.field_helpers import EntityField, JsonSchema


class Customer(BaseModel):
    title: str
    name: str


class Code(BaseModel):
    digits: str


def presentation(field: object) -> dict[str, object]:
    class Form(BaseModel):
        chosen: Annotated[str, field]

    return Form.model_json_schema()["properties"]["chosen"]


def test_an_entity_field_is_a_choice_shown_by_the_first_telling_name() -> None:
    assert presentation(EntityField(entity=Customer, description="Who pays")) == {
        "description": "Who pays",
        "title": "Chosen",
        "type": "string",
        "x-planar-presentation": {"inputType": "entity-select", "entity": "Customer", "displayField": "name"},
    }


def test_the_display_field_can_be_given() -> None:
    found = presentation(EntityField(entity=Customer, display_field="title"))["x-planar-presentation"]
    assert found == {"inputType": "entity-select", "entity": "Customer", "displayField": "title"}


def test_without_a_telling_name_there_is_none() -> None:
    found = presentation(EntityField(entity=Code))["x-planar-presentation"]
    assert found == {"inputType": "entity-select", "entity": "Code", "displayField": None}


def test_a_display_field_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(UnknownField, match="Customer has no field 'nome'"):
        EntityField(entity=Customer, display_field="nome")


def test_a_json_schema_is_described_by_the_meta_schema() -> None:
    class Form(BaseModel):
        model: JsonSchema

    assert Form.model_json_schema()["properties"]["model"]["$ref"] == "https://json-schema.org/draft/2020-12/schema"
    assert Form(model={"type": "object"}).model == {"type": "object"}
