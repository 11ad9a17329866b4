"""What takes time in a workflow, under the names that users import."""

from __future__ import annotations

from planar.workflows.waiting import get_deadline, wait, wait_for_event

__all__ = ["get_deadline", "wait", "wait_for_event"]
