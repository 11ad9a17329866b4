"""The same field looks the same to whoever builds forms: in an entity, in what a workflow takes, and in what a task asks for."""

from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field
from sqlalchemy import MetaData
from sqlalchemy.orm import registry

from planar.entities import EntityRegistry
from planar.entities.describing import describe
from planar.human import Human
from planar.modeling.field_helpers import EntityField, LongText
from planar.modeling.orm import PlanarBaseEntity
from planar.workflows import workflow
from planar.workflows.registration import RegisteredWorkflow


class Stage(Enum):
    """Where something stands."""

    IN_REVIEW = "r"
    DONE = "d"


class Base(PlanarBaseEntity, registry=registry(metadata=MetaData())):
    """A base whose tables are nobody else's."""


class Buyer(Base, table=True):
    """Who is chosen."""

    name: str = ""


Price = Annotated[Decimal, Field(max_digits=10, decimal_places=2)]
Count = Annotated[int, Field(ge=1)]
Text = Annotated[str, LongText]
Who = Annotated[str, EntityField(entity=Buyer, description="Who pays.")]


class Row(Base, table=True):
    """An entity with a field of each kind."""

    price: Price
    reduced: Price | None = None
    day: date
    moment: datetime
    stage: Stage
    later: Stage | None = None
    text: Text = ""
    who: Who
    count: Count


class Asked(BaseModel):
    """A task's answer with the same fields."""

    price: Price
    reduced: Price | None = None
    day: date
    moment: datetime
    stage: Stage
    later: Stage | None = None
    text: Text = ""
    who: Who
    count: Count


@workflow()
async def taking(
    price: Price,
    day: date,
    moment: datetime,
    stage: Stage,
    who: Who,
    count: Count,
    reduced: Price | None = None,
    later: Stage | None = None,
    text: Text = "",
) -> None:
    """Takes the same fields."""


def in_full(schema: dict[str, Any], name: str) -> Any:
    """The schema of a property, with what it refers to in its place."""

    def resolved(part: Any) -> Any:
        if isinstance(part, list):
            return [resolved(each) for each in part]
        if not isinstance(part, dict):
            return part
        found = {key: resolved(each) for key, each in part.items() if key != "$ref"}
        return {**resolved(schema["$defs"][part["$ref"].rpartition("/")[2]]), **found} if "$ref" in part else found

    return resolved(schema["properties"][name])


@pytest.fixture(scope="module")
def forms() -> dict[str, dict[str, Any]]:
    """The three forms."""
    entities = EntityRegistry()
    human = Human(name="ask", title="Ask", output_type=Asked)
    return {
        "entity": describe(entities.register(Row), {}).create_schema,
        "workflow": RegisteredWorkflow.of(taking).input_schema,
        "task": human.output_schema,
    }


@pytest.mark.parametrize("name", list(Asked.model_fields))
def test_a_field_has_one_schema_wherever_it_stands(forms: dict[str, dict[str, Any]], name: str) -> None:
    entity, taken, asked = (in_full(forms[place], name) for place in ("entity", "workflow", "task"))
    assert entity == taken == asked


def hint_of(schema: dict[str, Any]) -> str | None:
    """How a form shows a property; what may be left empty may say it of the part that is not null."""
    places = [schema, *schema.get("anyOf", ())]
    return next((place["x-planar-presentation"]["inputType"] for place in places if "x-planar-presentation" in place), None)


def test_the_forms_carry_the_hints_that_are_compared(forms: dict[str, dict[str, Any]]) -> None:
    assert {name: hint_of(in_full(forms["task"], name)) for name in Asked.model_fields} == {
        "price": "money",
        "reduced": "money",
        "day": "date",
        "moment": "datetime",
        "stage": "enum",
        "later": "enum",
        "text": "long-text",
        "who": "entity-select",
        "count": None,
    }
