"""Whose callback runs next, and what time is it? Both follow from the seed alone.

What may be permuted, and what may not:

- Each simulated process has a queue of its own. Which process runs its next callback is a free choice: real processes run side
  by side.
- Within a process the order is asyncio's, first come first served, with one exception, in those seeds that are `shuffled`: of the
  steps of different tasks that stand at the head of the queue, any may run first. A step that a future woke does not overtake
  another that the same future woke; a plain callback neither overtakes nor is overtaken. A task has one step in the queue at
  most, so its own order cannot change.
- Time stands still while anything is ready in a process that is not stopped, and then jumps to the next timer.

A process that was killed keeps its queue, for ever: nothing of it runs, and nothing of it is collected, because unwinding a
coroutine runs its ``finally``, which ``kill -9`` does not.
"""

from __future__ import annotations

import asyncio
import contextvars
import gc
import heapq
from asyncio.base_events import BaseEventLoop
from collections import deque
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any, Protocol


class Owner(Protocol):
    """A simulated process, as the loop sees it."""

    ready: deque[asyncio.Handle]
    paused: bool
    dead: bool


OWNER: contextvars.ContextVar[Owner] = contextvars.ContextVar("simulated_process")
"""To which process a callback belongs: inherited by all that it schedules."""


class Stuck(Exception):
    """Nothing is ready, and no timer will make it so."""


class _Handle(asyncio.TimerHandle):
    """A callback in the queue, or a timer; made of what is needed, because hundreds of thousands are made."""

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...], context: contextvars.Context | None, when: float = 0.0) -> None:
        self._context = context if context is not None else contextvars.copy_context()
        self._callback = callback
        self._args = args
        self._when = when
        self._cancelled = False

    def cancel(self) -> None:
        """It stays where it is, and is passed over when its turn comes."""
        self._cancelled = True


class SimulatedLoop(BaseEventLoop):
    """An event loop without sockets, threads or waiting. *outside* owns what belongs to no process."""

    def __init__(self, random: Random, outside: Owner, *, shuffled: bool) -> None:
        super().__init__()
        self.events = 0
        """How many callbacks have run."""
        self._random = random
        self._shuffled = shuffled
        self._outside = outside
        self._owners: list[Owner] = [outside]
        self._now = 0.0
        self._timers: list[tuple[float, int, _Handle]] = []
        self._count = 0
        self._tasks: list[tuple[asyncio.Task[Any], contextvars.Context]] = []
        self.before_jump: Callable[[], None] = lambda: None
        """Called before time moves: all that could happen now has happened."""

    def add(self, owner: Owner) -> None:
        """*owner* takes part from now on."""
        self._owners.append(owner)

    def remove(self, owner: Owner) -> None:
        """Nothing of *owner* runs any more."""
        self._owners.remove(owner)

    # -- what asyncio asks of a loop --------------------------------------------------------------------------------------

    def time(self) -> float:
        return self._now

    def call_soon(self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None) -> asyncio.Handle:
        handle = _Handle(callback, args, context)
        handle._context.get(OWNER, self._outside).ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        timer = _Handle(callback, args, context, when)
        self._count += 1
        heapq.heappush(self._timers, (when, self._count, timer))
        return timer

    def create_task(
        self, coro: Coroutine[Any, Any, Any], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[Any]:
        context = context if context is not None else contextvars.copy_context()
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        self._tasks.append((task, context))
        return task

    def _run_once(self) -> None:
        random, shuffled = self._random.random, self._shuffled
        while not self._stopping:
            runnable = [owner.ready for owner in self._owners if owner.ready and not owner.paused]
            if not runnable:
                self._jump()
                continue
            ready = runnable[int(random() * len(runnable))] if len(runnable) > 1 else runnable[0]
            handle = self._any_step(ready) if shuffled and len(ready) > 1 else ready.popleft()
            if handle._cancelled:
                continue
            self.events += 1
            try:
                handle._context.run(handle._callback, *handle._args)
            except Exception as error:
                self.call_exception_handler({"message": "a callback failed", "exception": error, "handle": handle._callback})

    # -- the choice -------------------------------------------------------------------------------------------------------

    def _any_step(self, ready: deque[asyncio.Handle]) -> asyncio.Handle:
        """One of the steps of tasks at the head of the queue; what stands there, if it is none."""
        if not _is_task_step(ready[0]):
            return ready.popleft()
        candidates, woken_by = [0], {id(ready[0]._args[0])} if ready[0]._args else set[int]()
        for place in range(1, len(ready)):
            handle = ready[place]
            if not _is_task_step(handle):
                break
            if not handle._args:
                candidates.append(place)
            elif id(handle._args[0]) not in woken_by:
                woken_by.add(id(handle._args[0]))
                candidates.append(place)
        place = candidates[int(self._random.random() * len(candidates))]
        handle = ready[place]
        del ready[place]
        return handle

    def _jump(self) -> None:
        self.before_jump()
        while self._timers:
            when, _, timer = heapq.heappop(self._timers)
            if timer._cancelled:
                continue
            owner = timer._context.get(OWNER, self._outside)
            if owner.dead:
                continue
            self._now = max(self._now, when)
            owner.ready.append(timer)
            if not owner.paused:
                return
        raise Stuck

    # -- the end ----------------------------------------------------------------------------------------------------------

    def unwind(self) -> None:
        """The simulation is over: close what never ended, so that nothing of it is closed by the collector at some later time."""
        for task, context in self._tasks:
            if not task.done():
                task._log_destroy_pending = False  # pyright: ignore[reportAttributeAccessIssue]
                _close(task.get_coro(), context)
        self._tasks.clear()
        self._timers.clear()


def _is_task_step(handle: asyncio.Handle) -> bool:
    return isinstance(getattr(handle._callback, "__self__", None), asyncio.Task)


def _close(coroutine: Any, context: contextvars.Context) -> None:
    for _ in range(20):
        try:
            context.run(coroutine.close)
        except RuntimeError:
            continue  # it awaited something in a finally: closed again, from there
        except BaseException:
            return  # whatever the code of a dead process makes of its end means nothing
        return


def without_collector(play: Callable[[], Any]) -> Any:
    """The outcome of *play*, during which the cyclic collector rests: it would cost a third of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        return play()
    finally:
        if enabled:
            gc.enable()
