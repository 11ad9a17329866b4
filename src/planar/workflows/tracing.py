"""Where is the code now? Trace points as users see them: what a test stops at to force an order of events.

What tells of them, and what asks whether anybody listens, is `planar.engine.tracing`.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from planar.context import current_services
from planar.engine.tracing import TraceArg, Tracer, find_tracer, slot_of, trace
from planar.logging import get_logger

__all__ = ["LoggingTracer", "TraceArg", "Tracer", "TracerVariable", "trace", "tracer_context", "tracer_var"]

logger = get_logger(__name__)


class LoggingTracer(Tracer):
    """Writes trace points to the log, at DEBUG."""

    def is_listening(self) -> bool:
        """Whether anybody reads such records."""
        return logger.isDebugEnabled()

    async def trace(
        self, module_name: str, function_name: str, message: str, task_name: str, pid: int, kwargs: Mapping[str, TraceArg]
    ) -> None:
        """Write a record, if anybody reads such records."""
        if self.is_listening():
            place = f"{module_name}.{function_name}"
            logger.debug("trace point", place=place, point=message, task=task_name, traced_pid=pid, details=dict(kwargs))


class TracerVariable:
    """The tracer of the current app, asked and set like a context variable. It is the app's: all of its tasks share it."""

    def get(self, default: Tracer | None = None) -> Tracer | None:
        """The tracer; *default* where there is none, or no app."""
        return find_tracer() or default

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
