"""What features say of steps, as typed values, asked for once a kind."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import TypeAdapter

from planar.context import ServiceNotFound, Services, bind_services
from planar.workflows.models import StepStatus, StepType, WorkflowStep
from planar.workflows.queries import Record
from planar.workflows.step_details import StepDetails
from planar.workflows.step_metadata import (
    AgentMetadata,
    HumanTaskMetadata,
    RuleMetadata,
    StepMetadata,
    ToolCallMetadata,
    get_steps_metadata,
)

pytestmark = pytest.mark.anyio

RUN = uuid4()
ANSWERS: dict[StepType, dict[str, Any]] = {
    StepType.HUMAN_IN_THE_LOOP: {"human_task": {"title": "Approve"}},
    StepType.AGENT: {"agent": {"name": "clerk"}},
    StepType.RULE: {"rule": {"name": "limits"}},
    StepType.TOOL_CALL: {"tool_call": {"id": "call_1", "name": "look_up", "arguments": {"key": 1}}},
}


def step_row(number: int, kind: StepType, run: UUID = RUN) -> WorkflowStep:
    now = datetime.now(UTC)
    return WorkflowStep(
        workflow_id=run,
        path=str(number),
        step_id=number,
        function_name="app.work",
        qualname="work",
        status=StepStatus.SUCCEEDED,
        step_type=kind,
        created_at=now,
        updated_at=now,
    )


class Feature:
    """Describes steps of one kind, and remembers how often it was asked."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked: list[list[int]] = []

    async def __call__(self, steps: Sequence[Record]) -> Mapping[int, dict[str, Any]]:
        self.asked.append([step["step_id"] for step in steps])
        return {step["step_id"]: self.answer for step in steps}


def services_with(features: Mapping[StepType, Feature]) -> Services:
    services = Services()
    details = services.add(StepDetails, StepDetails())
    for kind, feature in features.items():
        details.add(kind, feature)
    return services


async def test_each_kind_has_a_form_of_its_own_and_compute_has_none() -> None:
    features = {kind: Feature(answer) for kind, answer in ANSWERS.items()}
    rows = [step_row(number, kind) for number, kind in enumerate(StepType)]
    with bind_services(services_with(features)):
        found = await get_steps_metadata(rows)
    by_kind = {row.step_type: found.get(row.step_id) for row in rows}
    assert by_kind.pop(StepType.COMPUTE) is None
    assert {kind: type(told) for kind, told in by_kind.items()} == {
        StepType.HUMAN_IN_THE_LOOP: HumanTaskMetadata,
        StepType.AGENT: AgentMetadata,
        StepType.RULE: RuleMetadata,
        StepType.TOOL_CALL: ToolCallMetadata,
    }
    call = by_kind[StepType.TOOL_CALL]
    assert isinstance(call, ToolCallMetadata)
    assert (call.tool_call.id, call.tool_call.arguments) == ("call_1", {"key": 1})


async def test_many_steps_of_a_kind_are_asked_for_at_once() -> None:
    feature = Feature(ANSWERS[StepType.AGENT])
    with bind_services(services_with({StepType.AGENT: feature})):
        assert len(await get_steps_metadata([step_row(number, StepType.AGENT) for number in range(1, 50)], registry=object())) == 49
    assert feature.asked == [list(range(1, 50))]


async def test_an_answer_of_another_form_leaves_its_step_without(caplog: pytest.LogCaptureFixture) -> None:
    features = {StepType.AGENT: Feature({"robot": 1}), StepType.RULE: Feature(ANSWERS[StepType.RULE])}
    with bind_services(services_with(features)), caplog.at_level(logging.WARNING, "planar"):
        found = await get_steps_metadata([step_row(1, StepType.AGENT), step_row(2, StepType.RULE)])
    assert list(found) == [2]
    assert "has not the form of its kind" in caplog.text


async def test_steps_of_two_runs_are_refused_because_their_numbers_meet() -> None:
    with bind_services(services_with({})), pytest.raises(ValueError, match="2 runs"):
        await get_steps_metadata([step_row(1, StepType.AGENT), step_row(1, StepType.AGENT, uuid4())])


async def test_without_features_nothing_is_said_and_without_an_app_nobody_can_be_asked() -> None:
    with bind_services(Services()):
        assert await get_steps_metadata([step_row(1, StepType.AGENT)]) == {}
    with pytest.raises(ServiceNotFound):
        await get_steps_metadata([])


def test_the_union_is_told_apart_by_the_kind_of_step() -> None:
    schema = TypeAdapter(StepMetadata).json_schema()
    assert set(schema["discriminator"]["mapping"]) == {kind.value for kind in StepType} - {"compute"}
