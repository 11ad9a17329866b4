"""The observer, under the name of older applications."""

from __future__ import annotations

from planar.testing.observer import WorkflowObserver

__all__ = ["WorkflowObserver"]
