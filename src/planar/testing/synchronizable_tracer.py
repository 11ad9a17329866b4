"""Which of two things happens first? A test says it: code stops at a trace point, and goes on when the test lets it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from planar.testing.errors import WaitTimeout
from planar.workflows.tracing import LoggingTracer, TraceArg, Tracer

__all__ = ["Meeting", "SynchronizableTracer", "TraceController", "TracePoint", "TraceSpec"]

DEFAULT_SECONDS = 10.0
MEETING_SECONDS = 1.0
REMEMBERED = 100


@dataclass(frozen=True, slots=True)
class TraceSpec:
    """Which trace points are meant: those that agree with everything that is given.

    Args:
        module_name: the module of the point, ``orders.payment``.
        function_name: the qualified name of its function, ``Till.charge``.
        message: what ``trace`` is called with.
        kwargs: what the point must tell of itself; it may tell more.
    """

    module_name: str | None = None
    function_name: str | None = None
    message: str | None = None
    kwargs: Mapping[str, TraceArg] | None = None

    def matches(self, point: TracePoint) -> bool:
        """Whether *point* is meant."""
        pairs = (
            (self.module_name, point.module_name),
            (self.function_name, point.function_name),
            (self.message, point.message),
        )
        told = all(name in point.kwargs and point.kwargs[name] == value for name, value in (self.kwargs or {}).items())
        return told and all(wanted in (None, there) for wanted, there in pairs)


@dataclass(eq=False, slots=True)
class TracePoint:
    """Code that has reached a trace point; stopped there if somebody stops it."""

    module_name: str
    function_name: str
    message: str
    task_name: str
    pid: int
    kwargs: Mapping[str, TraceArg]
    _go_on: asyncio.Event = field(default_factory=asyncio.Event, repr=False)

    def resume(self) -> None:
        """Let this code go on. A second call does nothing."""
        self._go_on.set()

    @property
    def is_stopped(self) -> bool:
        """Whether it waits for `resume`."""
        return not self._go_on.is_set()

    def __str__(self) -> str:
        told = ", ".join(f"{name}={value!r}" for name, value in self.kwargs.items())
        return f"{self.message!r} in {self.module_name}.{self.function_name} ({told})"


class TraceController:
    """Stops all code that reaches the points of one `TraceSpec`, until it is let go. In a ``with`` block: until the block ends."""

    def __init__(self, tracer: SynchronizableTracer, spec: TraceSpec) -> None:
        self.spec = spec
        self._tracer = tracer
        self._arrived: deque[TracePoint] = deque()
        """Not yet given to a wait."""
        self._stopped: list[TracePoint] = []
        """Given to a wait, and not yet resumed."""
        self._news = asyncio.Condition()

    async def wait(self, auto_resume: bool = True, timeout: float = DEFAULT_SECONDS, raise_timeout: bool = True) -> TracePoint | None:
        """Wait until code stands at the point; the oldest that no earlier wait was given.

        Args:
            auto_resume: whether it goes on at once; else when it, or this controller, is told to `resume`.
            timeout: seconds of real time.
            raise_timeout: whether it is an error if no code comes in time.

        Returns:
            Where it stands; None if none came in time and that is no error.

        Raises:
            WaitTimeout: no code came in time; the message names the points that were passed.
        """
        try:
            async with asyncio.timeout(timeout), self._news:
                await self._news.wait_for(lambda: bool(self._arrived))
                point = self._arrived.popleft()
        except TimeoutError:
            if not raise_timeout:
                return None
            passed = "; ".join(map(str, self._tracer.passed)) or "none"
            raise WaitTimeout(f"No code came to {self.spec} within {timeout:g} seconds. Points that were passed: {passed}") from None
        if auto_resume:
            point.resume()
        else:
            self._stopped.append(point)
        return point

    def resume(self) -> None:
        """Let the code go on that was waited for first and still stands here.

        Raises:
            RuntimeError: none does.
        """
        self._stopped = [point for point in self._stopped if point.is_stopped]
        if not self._stopped:
            raise RuntimeError(f"No code stands at {self.spec}: wait for it with auto_resume=False before.")
        self._stopped.pop(0).resume()

    def release(self) -> None:
        """Let everything go on that stands here, and stop nothing any more."""
        self._tracer.forget(self)
        for point in (*self._arrived, *self._stopped):
            point.resume()
        self._arrived.clear()
        self._stopped.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.release()

    async def stop(self, point: TracePoint) -> None:
        """Keep the code at *point* until it is let go. The tracer calls this."""
        self._arrived.append(point)
        async with self._news:
            self._news.notify_all()
        try:
            await point._go_on.wait()  # pyright: ignore[reportPrivateUsage] - of this module
        finally:
            point.resume()
            if point in self._arrived:
                self._arrived.remove(point)


class Meeting:
    """Makes code at several trace points wait for each other. ``races_detected`` counts how often all were there at once.

    Code that finds not all of the others waits for *timeout* seconds, and goes on then: what a lock keeps apart never meets.
    """

    def __init__(self, tracer: SynchronizableTracer, specs: tuple[TraceSpec, ...], timeout: float) -> None:
        self.races_detected = 0
        self._tracer = tracer
        self._specs = specs
        self._timeout = timeout
        self._there: dict[int, TracePoint] = {}

    def place_of(self, point: TracePoint) -> int | None:
        """Which of the specs *point* stands for: the first that matches and is free."""
        return next((place for place, spec in enumerate(self._specs) if place not in self._there and spec.matches(point)), None)

    async def meet(self, place: int, point: TracePoint) -> None:
        """Keep the code at *point* until all are there, or the time is up. The tracer calls this."""
        self._there[place] = point
        if len(self._there) == len(self._specs):
            self.races_detected += 1
            for other in self._there.values():
                other.resume()
            self._there.clear()
            return
        try:
            async with asyncio.timeout(self._timeout):
                await point._go_on.wait()  # pyright: ignore[reportPrivateUsage] - of this module
        except TimeoutError:
            return
        finally:
            point.resume()
            if self._there.get(place) is point:
                del self._there[place]

    def release(self) -> None:
        """Let everything go on that stands here, and make nothing wait any more."""
        self._tracer.forget(self)
        for point in self._there.values():
            point.resume()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.release()


class SynchronizableTracer(Tracer):
    """A tracer with which a test forces an order of events. Give it to `planar_test_client`, or to ``app.tracer``."""

    def __init__(self) -> None:
        self.passed: deque[TracePoint] = deque(maxlen=REMEMBERED)
        """The latest points that code came to, the oldest first."""
        self._log = LoggingTracer()
        self._controllers: list[TraceController] = []
        self._meetings: list[Meeting] = []

    @property
    def races_detected(self) -> int:
        """How often all points of a `join` were reached at once."""
        return sum(meeting.races_detected for meeting in self._meetings)

    def instrument(self, trace_spec: TraceSpec) -> TraceController:
        """From now on stop all code that comes to a point of *trace_spec*. Usable in a ``with`` block."""
        controller = TraceController(self, trace_spec)
        self._controllers.append(controller)
        return controller

    def join(self, *specs: TraceSpec, timeout: float = MEETING_SECONDS) -> Meeting:
        """From now on let code at the points of *specs* wait until each of them is reached, and then all go on together.

        Args:
            specs: at least two; the same one twice means two tasks at one point.
            timeout: how many seconds of real time one waits for the others.

        Raises:
            ValueError: there are fewer than two.
        """
        if len(specs) < 2:
            raise ValueError("join needs at least two points: one cannot meet anybody.")
        meeting = Meeting(self, specs, timeout)
        self._meetings.append(meeting)
        return meeting

    def forget(self, what: TraceController | Meeting) -> None:
        """Code does not stop for *what* any more."""
        if isinstance(what, TraceController):
            self._controllers = [controller for controller in self._controllers if controller is not what]
        else:
            self._meetings = [meeting for meeting in self._meetings if meeting is not what]

    def release_all(self) -> None:
        """Let everything go on, and stop nothing any more."""
        for held in (*self._controllers, *self._meetings):
            held.release()

    async def trace(
        self, module_name: str, function_name: str, message: str, task_name: str, pid: int, kwargs: Mapping[str, TraceArg]
    ) -> None:
        """A trace point is reached: stop where the test said so."""
        await self._log.trace(module_name, function_name, message, task_name, pid, kwargs)
        here = TracePoint(module_name, function_name, message, task_name, pid, dict(kwargs))
        self.passed.append(here)
        for controller in [each for each in self._controllers if each.spec.matches(here)]:
            await controller.stop(TracePoint(module_name, function_name, message, task_name, pid, here.kwargs))
        for meeting in list(self._meetings):
            place = meeting.place_of(here)
            if place is not None:
                await meeting.meet(place, TracePoint(module_name, function_name, message, task_name, pid, here.kwargs))
