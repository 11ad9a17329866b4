"""What can be declared as a task for people, and what is refused at once, with a reason."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, Field, RootModel, field_validator

from planar.human import Escalation, Human, Quorum, Timeout
from planar.human.errors import HumanTaskFormUnknown
from planar.human.forms import FORMS, checked, lasting
from planar.human.models import HumanTask
from planar.human.webhook import signature
from planar.modeling.errors import Misfits

PLACE: dict[str, Any] = {"id": uuid4(), "title": "", "workflow_id": uuid4(), "workflow_name": "", "step_id": 1, "step_path": "1"}


class Said(BaseModel):
    approved: bool
    text: str = ""


class Filled(BaseModel):
    number: int
    id: UUID = Field(default_factory=uuid4)


class Cents(BaseModel):
    amount: int

    @field_validator("amount")
    @classmethod
    def in_cents(cls, amount: int) -> int:
        return amount * 100


class Once(BaseModel):
    id: UUID = Field(default_factory=uuid4, exclude=True)
    text: str = Field(default_factory=lambda: uuid4().hex, validation_alias="in", serialization_alias="out")


to_boss = Escalation(timedelta(1), to_role="boss")


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"output_type": dict}, ValueError, "output_type is a pydantic model"),
        ({"output_type": Said(approved=True)}, ValueError, "output_type is a pydantic model"),
        ({"input_type": str}, ValueError, "input_type is a pydantic model"),
        ({"name": ""}, ValueError, "has a name"),
        ({"timeout": 60}, TypeError, "timeout is a Timeout"),
        ({"due": 3600}, TypeError, "due is a timedelta"),
        ({"due": timedelta(0)}, ValueError, "above zero"),
        ({"reminders": [timedelta(-1)]}, ValueError, "above zero"),
        ({"reminders": [timedelta(1)] * 1001}, ValueError, "at most 1000"),
        ({"quorum": Quorum(2, field="text")}, ValueError, "of type bool"),
        ({"output_type": RootModel[list[int]]}, ValueError, "is a JSON object"),
        ({"output_type": RootModel[Said | int]}, ValueError, "is a JSON object"),
        ({"quorum": Quorum(2), "assign_to": "ann"}, ValueError, "never met by a task for ann:"),
        ({"quorum": Quorum(1, rejections=2), "assign_to": "ann"}, ValueError, "never met"),
        ({"quorum": Quorum(3), "assign_to": "ann", "escalate": Escalation(timedelta(1), to="bob")}, ValueError, "ann and bob"),
        ({"quorum": Quorum(2, field="missing")}, ValueError, "of type bool"),
    ],
)
def test_what_makes_no_sense_is_refused_when_it_is_declared(options: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        Human(**{"name": "declared", "title": "Declared", "output_type": Said, **options})


def test_what_people_can_answer_may_be_declared() -> None:
    Human("root", "Root", RootModel[dict[str, int] | Said])
    for options in ({"assign_to": "ann", "assign_role": "boss"}, {"assign_role": "boss"}, {"assign_to": "ann", "escalate": to_boss}):
        Human("reached", "Reached", Said, quorum=Quorum(2), **options)
    Human("alone", "Alone", Said, quorum=Quorum(1), assign_to="ann")


def test_options_check_themselves() -> None:
    assert Timeout(timedelta(minutes=2)).get_seconds() == 120
    assert Timeout(timedelta(minutes=2)).get_timedelta() == timedelta(minutes=2)
    for make in (lambda: Timeout(timedelta(0)), lambda: Escalation(timedelta(1)), lambda: Quorum(0), lambda: Quorum(1, 0)):
        with pytest.raises(ValueError, match=r"above zero|changes something|at least one"):
            make()
    with pytest.raises(TypeError, match="timedelta"):
        Timeout(3)  # type: ignore[arg-type]


@pytest.mark.anyio
async def test_a_task_needs_something_to_ask_and_a_run_that_asks() -> None:
    human = Human("asked", "Asked", Said, input_type=Said)
    with pytest.raises(ValueError, match="give it input_data, a message, or both"):
        await human()
    with pytest.raises(ValueError, match="of type Said, not dict"):
        await human({"approved": True})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="suggested_data is of type Said"):
        await human(message="Well?", suggested_data={})  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="called outside a run"):
        await human(message="Well?")


def test_an_answer_to_a_form_that_has_changed_fits_both() -> None:
    human = Human("changed later", "Changed", Said)
    asked = {"type": "object", "required": ["approved"], "properties": {"approved": {"type": "boolean"}, "text": {"const": "x"}}}
    task = HumanTask(**PLACE, name="changed later", output_schema=asked)
    assert checked(task, {"approved": True}) == (Said(approved=True), False)
    with pytest.raises(Misfits, match=r"output_data\.approved"):
        checked(task, {})
    for only_the_code in ({"approved": "yes"}, {"approved": True, "text": "y"}):
        with pytest.raises(HumanTaskFormUnknown, match="both"):
            checked(task, only_the_code)
    task.output_schema = {"title": "of last year"}
    with pytest.raises(HumanTaskFormUnknown, match="both"):
        checked(task, {"text": "for the old form only"})
    assert FORMS.find(task) == (human.output_type, False)


def test_what_is_kept_of_an_answer_reads_the_same_again() -> None:
    FORMS.add("kept", Filled, {})
    answer, is_same = checked(HumanTask(**PLACE, name="kept", output_schema={}), {"number": "7", "more": 1})
    assert is_same
    kept = lasting(answer, {"number": "7", "more": 1})
    assert kept == {"number": 7, "id": str(answer.id)}  # type: ignore[attr-defined]
    assert Filled.model_validate(kept) == answer
    assert lasting(Cents(amount=1), {"amount": 1}) == {"amount": 1}
    with pytest.raises(Misfits, match="not mean the same"):
        lasting(Once(), {})


def test_what_is_kept_of_an_answer_fits_the_form_that_was_asked_for() -> None:
    closed = {"properties": {"approved": {}}, "additionalProperties": False}
    assert lasting(Said(approved=True), {"approved": True}) == {"approved": True, "text": ""}
    assert lasting(Said(approved=True), {"approved": True}, closed) == {"approved": True}


def test_a_signature_is_over_the_time_and_the_body() -> None:
    expected = hmac.new(b"a secret of enough length", b"1700000000.{}", hashlib.sha256).hexdigest()
    assert signature("a secret of enough length", 1700000000, b"{}") == f"t=1700000000,v1={expected}"
