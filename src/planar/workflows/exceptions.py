"""What can go wrong in a run, under the names that users import."""

from __future__ import annotations

from planar.engine.errors import (
    BranchTimeout,
    EventTimeout,
    ForeignTaskError,
    NestedCallRefused,
    NonDeterministicStepCallError,
    RunAlreadyEnded,
    RunCancelled,
    RunNotFound,
    StepError,
    StepInterrupted,
    StepTimeout,
    WorkflowError,
    WorkflowNameTaken,
    WorkflowNotRegistered,
)
from planar.workflows.lock_errors import LockError, LockLost, LockMisplaced, LockResourceFailed

__all__ = [
    "BranchTimeout",
    "EventTimeout",
    "ForeignTaskError",
    "LockError",
    "LockLost",
    "LockMisplaced",
    "LockResourceFailed",
    "NestedCallRefused",
    "NonDeterministicStepCallError",
    "RunAlreadyEnded",
    "RunCancelled",
    "RunNotFound",
    "StepError",
    "StepInterrupted",
    "StepTimeout",
    "WorkflowError",
    "WorkflowNameTaken",
    "WorkflowNotRegistered",
]
