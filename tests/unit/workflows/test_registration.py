"""What a workflow takes and gives, as its function says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from planar.workflows import workflow
from planar.workflows.errors import UnusableSignature
from planar.workflows.registration import NO_DESCRIPTION, RegisteredWorkflow, create_pydantic_model_for_workflow, signature_of

if TYPE_CHECKING:
    from decimal import Context


class Item(BaseModel):
    name: str
    price: Decimal


@dataclass
class Address:
    street: str
    since: date | None = None


@workflow()
async def order_goods(items: list[Item], to: Address, note: str = "none", count: Annotated[int, Field(gt=0)] = 1) -> dict[str, Decimal]:
    """Order what is needed.

    From whoever has it.
    """
    return {}


@workflow()
async def bare(first, second=3):  # type: ignore[no-untyped-def] - the point of the test
    return first


@workflow()
async def with_awkward_names(_private: int, model_config: str, json: bool = True, parameter_private: int = 0) -> None: ...


@workflow()
async def variadic(first: int, /, second: int, *rest: int, third: int = 3, **more: int) -> None: ...


@workflow()
async def takes_what_json_has_not(sorter: Item, opaque: object, callback: type[Item] = Item, *, weird: memoryview) -> None: ...


@workflow()
async def unresolvable(what: Context) -> None: ...


@workflow(name="shop.process_the-order")
async def named_by_hand() -> None: ...


def test_a_workflow_says_what_it_is() -> None:
    found = RegisteredWorkflow.of(order_goods)
    assert found.obj is order_goods
    assert found.name == "order_goods"
    assert found.description == "Order what is needed.\n\nFrom whoever has it."
    assert found.pydantic_model.__name__ == "OrderGoodsStartRequest"
    assert found.input_schema["required"] == ["items", "to"]
    assert found.input_schema["properties"]["count"] == {"default": 1, "exclusiveMinimum": 0, "title": "Count", "type": "integer"}
    assert found.input_schema["additionalProperties"] is False
    assert found.output_schema["properties"]["output_type"]["type"] == "object"
    assert RegisteredWorkflow.of(bare).description == NO_DESCRIPTION


def test_the_model_has_one_field_for_each_parameter() -> None:
    model = create_pydantic_model_for_workflow(order_goods)
    assert list(model.model_fields) == ["items", "to", "note", "count"]
    assert create_pydantic_model_for_workflow(named_by_hand).__name__ == "ProcessTheOrderStartRequest"


def test_postponed_annotations_become_python_values() -> None:
    text = b'{"items": [{"name": "tea", "price": "1.50"}], "to": {"street": "Main", "since": "2026-01-02"}}'
    args, kwargs = signature_of(order_goods.definition).read(text)
    assert args == ()
    assert kwargs == {
        "items": [Item(name="tea", price=Decimal("1.50"))],
        "to": Address("Main", date(2026, 1, 2)),
        "note": "none",
        "count": 1,
    }


@pytest.mark.parametrize(
    "text", [b"{}", b'{"items": [], "to": {"street": "Main"}, "count": 0}', b'{"items": [], "to": {"street": "M"}, "more": 1}']
)
def test_what_does_not_fit_is_refused(text: bytes) -> None:
    with pytest.raises(ValidationError):
        signature_of(order_goods.definition).read(text)


def test_a_parameter_without_annotation_takes_anything() -> None:
    assert signature_of(bare.definition).read(b'{"first": [1]}') == ((), {"first": [1], "second": 3})


def test_names_that_pydantic_has_no_room_for_are_sent_as_they_are() -> None:
    text = b'{"_private": 1, "model_config": "x", "json": false}'
    expected: dict[str, Any] = {"_private": 1, "model_config": "x", "json": False, "parameter_private": 0}
    found = signature_of(with_awkward_names.definition)
    assert found.read(text) == ((), expected)
    assert found.input_schema["properties"].keys() == expected.keys()
    with pytest.raises(ValidationError) as refused:
        found.read(b'{"_private": "one", "model_config": "x"}')
    assert refused.value.errors()[0]["loc"] == ("_private",)


def test_what_python_takes_by_position_only_is_passed_by_position() -> None:
    found = signature_of(variadic.definition)
    assert found.read(b'{"first": 1, "second": 2}') == ((1,), {"second": 2, "third": 3})
    with pytest.raises(ValidationError):
        found.read(b'{"first": 1, "second": 2, "fourth": 4}')


def test_a_type_that_json_has_no_form_for_is_named_at_registration() -> None:
    with pytest.raises(UnusableSignature, match=r"'weird' of workflow 'takes_what_json_has_not'.*memoryview"):
        RegisteredWorkflow.of(takes_what_json_has_not)


def test_an_annotation_that_means_nothing_is_named_at_registration() -> None:
    with pytest.raises(UnusableSignature, match=r"'what' of workflow 'unresolvable'.*'Context'"):
        RegisteredWorkflow.of(unresolvable)
    assert issubclass(UnusableSignature, TypeError)


def test_a_signature_is_read_once() -> None:
    assert signature_of(order_goods.definition) is signature_of(order_goods.definition)
