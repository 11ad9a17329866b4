"""Where is the code now? Trace points, told to the app's tracer: what a test stops at to force an order of events.

There is one tracer an app, found through its services; without one a trace point costs a look-up.
"""

from __future__ import annotations

import asyncio
import inspect
import os
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeAlias
from uuid import UUID

from planar.context import Services, current_services, find_services
from planar.logging import get_logger

__all__ = ["LoggingTracer", "TraceArg", "Tracer", "TracerVariable", "trace", "tracer_context", "tracer_var"]

logger = get_logger(__name__)

TraceArg: TypeAlias = str | int | float | UUID | datetime | timedelta | None
"""What a trace point may tell of itself."""


class Tracer(ABC):
    """Hears of every trace point that is passed."""

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


class LoggingTracer(Tracer):
    """Writes trace points to the log, at DEBUG."""

    async def trace(
        self, module_name: str, function_name: str, message: str, task_name: str, pid: int, kwargs: Mapping[str, TraceArg]
    ) -> None:
        """Write a record, if anybody reads such records."""
        if logger.isDebugEnabled():
            place = f"{module_name}.{function_name}"
            logger.debug("trace point", place=place, point=message, task=task_name, traced_pid=pid, details=dict(kwargs))


class TracerSlot:
    """Where an app keeps its tracer; one of its services."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self.tracer = tracer


def slot_of(services: Services) -> TracerSlot:
    """The slot of an app, made if it has none yet."""
    return services.find(TracerSlot) or services.add(TracerSlot, TracerSlot())


class TracerVariable:
    """The tracer of the current app, asked and set like a context variable. It is the app's: all of its tasks share it."""

    def get(self, default: Tracer | None = None) -> Tracer | None:
        """The tracer; *default* where there is none, or no app."""
        services = find_services()
        slot = services.find(TracerSlot) if services is not None else None
        return default if slot is None or slot.tracer is None else slot.tracer

    def set(self, tracer: Tracer | None) -> Tracer | None:
        """Make *tracer* the one that hears of trace points. Returns what `reset` needs.

        Raises:
            ServiceNotFound: no app is running here.
        """
        slot = slot_of(current_services())
        earlier, slot.tracer = slot.tracer, tracer
        return earlier

    def reset(self, token: Tracer | None) -> None:
        """Undo the `set` that returned *token*.

        Raises:
            ServiceNotFound: no app is running here.
        """
        slot_of(current_services()).tracer = token


tracer_var = TracerVariable()


@asynccontextmanager
async def tracer_context(tracer: Tracer) -> AsyncGenerator[Tracer]:
    """Let *tracer* hear of the app's trace points in this block, in place of the one that did before.

    Raises:
        ServiceNotFound: no app is running here.
    """
    slot = slot_of(current_services())
    earlier, slot.tracer = slot.tracer, tracer
    try:
        yield tracer
    finally:
        slot.tracer = earlier


async def trace(message: str, /, **kwargs: TraceArg) -> None:
    """A trace point: the app's tracer hears *message*, *kwargs*, and which function is calling. A tracer that fails hurts nobody.

    Args:
        message: what happens here.
        kwargs: what it happens to.
    """
    tracer = tracer_var.get()
    if tracer is None:
        return
    here = inspect.currentframe()
    caller = here.f_back if here is not None else None
    module, function = (caller.f_globals.get("__name__", ""), caller.f_code.co_qualname) if caller is not None else ("", "")
    task = asyncio.current_task()
    try:
        await tracer.trace(module, function, message, task.get_name() if task is not None else "", os.getpid(), kwargs)
    except Exception:
        logger.exception("a tracer failed", point=message)
