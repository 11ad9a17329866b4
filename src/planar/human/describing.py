"""Which task is it that a step asks? Shown beside the step to those who may see the task, for all steps of a page in one query."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from planar.db.session import get_session
from planar.human.people import resource_of
from planar.human.queries import tasks_of_run
from planar.human.schemas import HumanTaskInfo
from planar.security.actions import HumanTaskAction
from planar.security.authorization import filter_allowed
from planar.workflows.queries import Record


async def describe_steps(steps: Sequence[Record]) -> Mapping[int, dict[str, Any]]:
    """The task of each of *steps*, all of one run: of the step that asks, and of its parts."""
    asking = {step["step_id"]: {step["step_id"], step["parent_step_id"]} for step in steps}
    wanted = sorted({number for numbers in asking.values() for number in numbers if number is not None})
    run_id: UUID = steps[0]["workflow_id"]
    visible = filter_allowed(await tasks_of_run(get_session(), run_id, wanted), HumanTaskAction.VIEW_DETAILS, resource_of)
    tasks = {task.step_id: HumanTaskInfo.of(task, payload=False) for task in visible}
    found: dict[int, dict[str, Any]] = {}
    for step_id, numbers in asking.items():
        task = next((tasks[number] for number in numbers if number in tasks), None)
        if task is not None:
            found[step_id] = {"human_task": task.model_dump(mode="json", exclude_unset=True)}
    return found
