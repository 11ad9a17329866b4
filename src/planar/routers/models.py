"""The shapes of the API's bodies, under the names that users import."""

from __future__ import annotations

from planar.entities.schemas import EntityInstance, EntityInstanceList, EntityMetadata
from planar.modeling.orm.query_filter_builder import SortDirection
from planar.workflows.schemas import (
    DurationStats,
    WorkflowDefinition,
    WorkflowList,
    WorkflowRun,
    WorkflowRunList,
    WorkflowRunStatusCounts,
    WorkflowStartResponse,
    WorkflowStatusResponse,
    WorkflowStepInfo,
    WorkflowStepList,
)

__all__ = [
    "DurationStats",
    "EntityInstance",
    "EntityInstanceList",
    "EntityMetadata",
    "SortDirection",
    "WorkflowDefinition",
    "WorkflowList",
    "WorkflowRun",
    "WorkflowRunList",
    "WorkflowRunStatusCounts",
    "WorkflowStartResponse",
    "WorkflowStatusResponse",
    "WorkflowStepInfo",
    "WorkflowStepList",
]
