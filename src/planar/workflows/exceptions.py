"""What can go wrong in a run, under the names that users import."""

from __future__ import annotations

from planar.engine.errors import (
    EventTimeout,
    ForeignTaskError,
    NonDeterministicStepCallError,
    RunAlreadyEnded,
    RunCancelled,
    RunNotFound,
    StepError,
    WorkflowError,
    WorkflowNameTaken,
    WorkflowNotRegistered,
)
from planar.workflows.lock_errors import LockError, LockLost, LockMisplaced, LockResourceFailed

__all__ = [
    "EventTimeout",
    "ForeignTaskError",
    "LockError",
    "LockLost",
    "LockMisplaced",
    "LockResourceFailed",
    "NonDeterministicStepCallError",
    "RunAlreadyEnded",
    "RunCancelled",
    "RunNotFound",
    "StepError",
    "WorkflowError",
    "WorkflowNameTaken",
    "WorkflowNotRegistered",
]
