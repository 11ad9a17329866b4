"""Durable functions, as users see them."""

from __future__ import annotations

from planar.workflows.contrib import wait, wait_for_event
from planar.workflows.decorators import as_step, step, workflow
from planar.workflows.events import emit_event
from planar.workflows.models import LockedResource, StepStatus, StepType, Workflow, WorkflowEvent, WorkflowStatus, WorkflowStep
from planar.workflows.waiting import cancel, suspend
from planar.workflows.wrappers import StepWrapper, WorkflowWrapper

__all__ = [
    "LockedResource",
    "StepStatus",
    "StepType",
    "StepWrapper",
    "Workflow",
    "WorkflowEvent",
    "WorkflowStatus",
    "WorkflowStep",
    "WorkflowWrapper",
    "as_step",
    "cancel",
    "emit_event",
    "step",
    "suspend",
    "wait",
    "wait_for_event",
    "workflow",
]
