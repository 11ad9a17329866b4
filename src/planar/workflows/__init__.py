"""Durable functions, as users see them."""

from __future__ import annotations

from planar.engine.core.retry import RetryPolicy
from planar.workflows.contrib import wait, wait_for_event
from planar.workflows.decorators import as_step, step, workflow
from planar.workflows.events import emit_event
from planar.workflows.execution import execute
from planar.workflows.gathering import gather, map, race, timeout
from planar.workflows.lock import lock_resource, lock_workflow
from planar.workflows.models import LockedResource, StepStatus, StepType, Workflow, WorkflowEvent, WorkflowStatus, WorkflowStep
from planar.workflows.notifications import (
    Notification,
    WorkflowNotification,
    WorkflowNotificationCallback,
    workflow_notification_context,
)
from planar.workflows.orchestrator import WorkflowOrchestrator, orchestrator_context
from planar.workflows.waiting import cancel, suspend
from planar.workflows.wrappers import StepWrapper, WorkflowWrapper

__all__ = [
    "LockedResource",
    "Notification",
    "RetryPolicy",
    "StepStatus",
    "StepType",
    "StepWrapper",
    "Workflow",
    "WorkflowEvent",
    "WorkflowNotification",
    "WorkflowNotificationCallback",
    "WorkflowOrchestrator",
    "WorkflowStatus",
    "WorkflowStep",
    "WorkflowWrapper",
    "as_step",
    "cancel",
    "emit_event",
    "execute",
    "gather",
    "lock_resource",
    "lock_workflow",
    "map",
    "orchestrator_context",
    "race",
    "step",
    "suspend",
    "timeout",
    "wait",
    "wait_for_event",
    "workflow",
    "workflow_notification_context",
]
