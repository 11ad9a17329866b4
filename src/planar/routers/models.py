"""The shapes of the API's bodies, under the names that users import."""

from __future__ import annotations

from enum import StrEnum

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


class SortDirection(StrEnum):
    """Which way a list is sorted."""

    ASC = "asc"
    DESC = "desc"
