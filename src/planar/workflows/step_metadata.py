"""What more is there to say of a step, by its type? The answers of the app's describers, as typed values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, TypeAlias

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from planar.context import current_services
from planar.logging import get_logger
from planar.workflows.models import StepType, WorkflowStep
from planar.workflows.queries import Record
from planar.workflows.step_details import StepDetails

__all__ = ["AgentMetadata", "HumanTaskMetadata", "RuleMetadata", "StepMetadata", "ToolCallMetadata", "get_steps_metadata"]

logger = get_logger(__name__)


class HumanTaskMetadata(BaseModel):
    """Of a step that asks people: the task."""

    step_type: Literal[StepType.HUMAN_IN_THE_LOOP] = StepType.HUMAN_IN_THE_LOOP
    human_task: Any


class AgentMetadata(BaseModel):
    """Of a step that an agent does: the agent."""

    step_type: Literal[StepType.AGENT] = StepType.AGENT
    agent: Any


class RuleMetadata(BaseModel):
    """Of a step that a rule decides: the rule."""

    step_type: Literal[StepType.RULE] = StepType.RULE
    rule: Any


class ToolCall(BaseModel):
    """A call of a tool by an agent; ``id`` is the model's own name for the call."""

    id: str | None = None
    name: str
    arguments: dict[str, Any]


class ToolCallMetadata(BaseModel):
    """Of a step that is a tool's work: the call."""

    step_type: Literal[StepType.TOOL_CALL] = StepType.TOOL_CALL
    tool_call: ToolCall


StepMetadata: TypeAlias = Annotated[
    HumanTaskMetadata | AgentMetadata | RuleMetadata | ToolCallMetadata,
    Field(discriminator="step_type"),
]
"""What is told of a step, by its type. Compute steps have nothing."""

_ADAPTER: Final[TypeAdapter[HumanTaskMetadata | AgentMetadata | RuleMetadata | ToolCallMetadata]] = TypeAdapter(StepMetadata)


async def get_steps_metadata(
    steps: Sequence[WorkflowStep], registry: object = None
) -> dict[int, HumanTaskMetadata | AgentMetadata | RuleMetadata | ToolCallMetadata]:
    """What the app's features say of *steps*, by ``step_id``; those of which nothing is said are left out.

    Each kind of step is asked for once, however many steps there are.

    Args:
        steps: rows of one run.
        registry: not needed, as each feature knows its own objects; taken so that existing calls run.

    Raises:
        ValueError: the steps are of several runs, so that their numbers mean nothing.
        ServiceNotFound: no app is running here.
    """
    runs = {step.workflow_id for step in steps}
    if len(runs) > 1:
        raise ValueError(f"get_steps_metadata answers by step_id, which is unique in one run only; these steps are of {len(runs)} runs.")
    details = current_services().find(StepDetails)
    if details is None:
        return {}
    told = await details.describe([_record_of(step) for step in steps])
    found: dict[int, HumanTaskMetadata | AgentMetadata | RuleMetadata | ToolCallMetadata] = {}
    for step_id, detail in told.items():
        try:
            found[step_id] = _ADAPTER.validate_python(detail)
        except ValidationError as error:
            logger.warning("what a feature says of a step has not the form of its kind", step_id=step_id, errors=error.error_count())
    return found


def _record_of(step: WorkflowStep) -> Record:
    return {name: getattr(step, name) for name in WorkflowStep.model_fields}
