"""A function's parameters and result become forms, whatever way its annotations are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from planar.modeling.errors import UnsupportedSignature
from planar.modeling.json_schema_generator import (
    generate_json_schema_for_input_parameters,
    generate_json_schema_for_output_parameters,
)

if TYPE_CHECKING:
    from fractions import Fraction


class Color(Enum):
    RED = "red"


class Line(BaseModel):
    text: str
    price: Decimal = Decimal("1.50")


@dataclass
class Point:
    x: int


class Handle:
    """Nothing that JSON could hold."""


async def order(customer: UUID, lines: list[Line], color: Color = Color.RED, note: str | None = None) -> Line:
    raise NotImplementedError


def test_each_parameter_is_a_property_with_its_type_and_default() -> None:
    schema = generate_json_schema_for_input_parameters(order)
    assert schema["title"] == "DynamicInputModel"
    assert schema["required"] == ["customer", "lines"]
    properties = schema["properties"]
    assert list(properties) == ["customer", "lines", "color", "note"]
    assert properties["customer"] == {"format": "uuid", "title": "Customer", "type": "string"}
    assert properties["lines"]["items"] == {"$ref": "#/$defs/Line"}
    assert properties["color"]["default"] == "red"
    assert properties["note"]["default"] is None
    assert schema["$defs"]["Color"]["enum"] == ["red"]


def test_the_result_is_the_one_property_of_the_output() -> None:
    schema = generate_json_schema_for_output_parameters(order)
    assert schema["title"] == "DynamicOutputModel"
    assert schema["properties"] == {"output_type": {"$ref": "#/$defs/Line"}}


def test_without_annotations_anything_goes() -> None:
    def loose(a, b=3):  # type: ignore[no-untyped-def]
        return a, b

    assert generate_json_schema_for_input_parameters(loose)["properties"] == {
        "a": {"title": "A"},
        "b": {"default": 3, "title": "B"},
    }
    assert generate_json_schema_for_output_parameters(loose)["properties"] == {"output_type": {"title": "Output Type"}}


def test_a_function_that_returns_nothing_has_null_as_its_output() -> None:
    def quiet() -> None: ...

    assert generate_json_schema_for_output_parameters(quiet)["properties"]["output_type"]["type"] == "null"
    assert generate_json_schema_for_input_parameters(quiet)["properties"] == {}


def test_methods_do_not_ask_for_themselves() -> None:
    class Service:
        def act(self, amount: int) -> int:
            return amount

        @classmethod
        def make(cls, name: str) -> Service:
            raise NotImplementedError

    assert list(generate_json_schema_for_input_parameters(Service.act)["properties"]) == ["amount"]
    assert list(generate_json_schema_for_input_parameters(Service.make)["properties"]) == ["name"]


def test_parameters_may_have_names_that_models_use_themselves() -> None:
    def odd(schema: int, copy: str, _id: int, model_config: bool, json: float = 1.0) -> None: ...

    found = generate_json_schema_for_input_parameters(odd)
    assert list(found["properties"]) == ["schema", "copy", "_id", "model_config", "json"]
    assert found["required"] == ["schema", "copy", "_id", "model_config"]


def test_dataclasses_and_keyword_only_parameters_are_described() -> None:
    def place(*, at: Point, factor: float = 2) -> dict[str, Point]:
        raise NotImplementedError

    schema = generate_json_schema_for_input_parameters(place)
    assert schema["$defs"]["Point"]["properties"]["x"]["type"] == "integer"
    assert schema["required"] == ["at"]


def test_a_default_that_json_cannot_show_is_left_out_quietly() -> None:
    def waits(for_what: Any = object()) -> None: ...

    assert generate_json_schema_for_input_parameters(waits)["properties"] == {"for_what": {"title": "For What"}}


def takes_args(*amounts: int) -> None: ...
def takes_kwargs(**options: int) -> None: ...
def takes_unknown(ratio: Fraction) -> None: ...
def takes_handle(amount: int, handle: Handle) -> None: ...
def takes_callback(done: Callable[[], None]) -> None: ...


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (takes_args, r"takes_args takes \*amounts"),
        (takes_kwargs, r"takes_kwargs takes \*\*options"),
        (takes_unknown, r"'Fraction' of 'ratio' in takes_unknown cannot be resolved.*top of the module"),
        (takes_handle, "The type of 'handle' in takes_handle"),
        (takes_callback, "The type of 'done' in takes_callback"),
    ],
)
def test_what_no_form_can_ask_for_is_an_error_that_names_the_parameter(function: Callable[..., None], message: str) -> None:
    with pytest.raises(UnsupportedSignature, match=message) as caught:
        generate_json_schema_for_input_parameters(function)
    assert isinstance(caught.value, TypeError)


def test_a_result_that_json_cannot_hold_is_an_error() -> None:
    def opens() -> Handle:
        raise NotImplementedError

    with pytest.raises(UnsupportedSignature, match="The type of the result"):
        generate_json_schema_for_output_parameters(opens)
