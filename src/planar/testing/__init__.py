"""The tools for testing an application: the same ones that Planar's own tests use.

Names are resolved on first access, so that the pytest plugin costs next to nothing where no test uses it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planar.testing.client import PlanarTestClient, planar_test_client
    from planar.testing.clock import ManualClock
    from planar.testing.crashes import Played, at_every_write
    from planar.testing.errors import NothingDue, WaitFailed, WaitTimeout
    from planar.testing.faults import Crash, Faults, FaultyStore, ProcessDied
    from planar.testing.memory_storage import MemoryStorage
    from planar.testing.observer import WorkflowObserver
    from planar.testing.synchronizable_tracer import SynchronizableTracer, TraceController, TraceSpec

__all__ = [
    "Crash",
    "Faults",
    "FaultyStore",
    "ManualClock",
    "MemoryStorage",
    "NothingDue",
    "PlanarTestClient",
    "Played",
    "ProcessDied",
    "SynchronizableTracer",
    "TraceController",
    "TraceSpec",
    "WaitFailed",
    "WaitTimeout",
    "WorkflowObserver",
    "at_every_write",
    "planar_test_client",
]

_HOMES = {
    "Crash": "faults",
    "Faults": "faults",
    "FaultyStore": "faults",
    "ManualClock": "clock",
    "MemoryStorage": "memory_storage",
    "NothingDue": "errors",
    "PlanarTestClient": "client",
    "Played": "crashes",
    "ProcessDied": "faults",
    "SynchronizableTracer": "synchronizable_tracer",
    "TraceController": "synchronizable_tracer",
    "TraceSpec": "synchronizable_tracer",
    "WaitFailed": "errors",
    "WaitTimeout": "errors",
    "WorkflowObserver": "observer",
    "at_every_write": "crashes",
    "planar_test_client": "client",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'planar.testing' has no attribute {name!r}")
    value = getattr(import_module(f"planar.testing.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
