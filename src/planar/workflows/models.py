"""The engine's rows and their states, under the names that users import. Select from them; only the engine writes."""

from __future__ import annotations

from planar.engine.core.model import RunStatus as WorkflowStatus
from planar.engine.core.model import StepKind as StepType
from planar.engine.core.model import StepStatus
from planar.engine.store.tables import LockedResource, Workflow, WorkflowEvent, WorkflowStep

__all__ = ["LockedResource", "StepStatus", "StepType", "Workflow", "WorkflowEvent", "WorkflowStatus", "WorkflowStep"]
