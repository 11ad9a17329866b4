"""Where is the code now? Trace points, told to the app's tracer: what a test stops at to force an order of events.

There is one tracer an app, found through its services. Code that is executed often asks `is_traced` first: without a tracer that
listens a trace point then costs a look-up, and no coroutine.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from planar.context import Services, find_services
from planar.logging import get_logger

logger = get_logger(__name__)

TraceArg: TypeAlias = str | int | float | UUID | datetime | timedelta | None
"""What a trace point may tell of itself."""


class Tracer(ABC):
    """Hears of every trace point that is passed."""

    def is_listening(self) -> bool:
        """Whether it wants to hear of them now; by default always."""
        return True

    @abstractmethod
    async def trace(
        self, module_name: str, function_name: str, message: str, task_name: str, pid: int, kwargs: Mapping[str, TraceArg]
    ) -> None:
        """A trace point is passed; the code there goes on when this returns.

        Args:
            module_name: the module of the trace point.
            function_name: the qualified name of its function.
            message: what happens there.
            task_name: the asyncio task that is there.
            pid: its process.
            kwargs: what the trace point tells of itself.
        """


class TracerSlot:
    """Where an app keeps its tracer; one of its services."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self.tracer = tracer


def slot_of(services: Services) -> TracerSlot:
    """The slot of an app, made if it has none yet."""
    return services.find(TracerSlot) or services.add(TracerSlot, TracerSlot())


def find_tracer() -> Tracer | None:
    """The tracer of the current app; None where there is none, or no app."""
    services = find_services()
    slot = services.find(TracerSlot) if services is not None else None
    return slot.tracer if slot is not None else None


def is_traced() -> bool:
    """Whether somebody wants to hear of a trace point that is passed now."""
    tracer = find_tracer()
    return tracer is not None and tracer.is_listening()


async def trace(message: str, /, **kwargs: TraceArg) -> None:
    """A trace point: the app's tracer hears *message*, *kwargs*, and which function is calling. A tracer that fails hurts nobody.

    Args:
        message: what happens here.
        kwargs: what it happens to.
    """
    tracer = find_tracer()
    if tracer is None or not tracer.is_listening():
        return
    here = inspect.currentframe()
    caller = here.f_back if here is not None else None
    module, function = (caller.f_globals.get("__name__", ""), caller.f_code.co_qualname) if caller is not None else ("", "")
    task = asyncio.current_task()
    try:
        await tracer.trace(module, function, message, task.get_name() if task is not None else "", os.getpid(), kwargs)
    except Exception:
        logger.exception("a tracer failed", point=message)
