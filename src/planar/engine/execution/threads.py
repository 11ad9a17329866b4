"""Where does a synchronous step run? In a thread of its own kind, so that the event loop goes on; with the context of its step.

The threads are daemons: a process that is told to stop does not wait for a step that cannot be interrupted.
"""

from __future__ import annotations

import asyncio
import contextvars
import queue
import threading
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

MAX_THREADS: Final = 64
"""How many synchronous steps run at once in a process; further ones wait for a thread."""

IDLE_SECONDS: Final = 30.0

Job = Callable[[], None]


class Threads:
    """Threads that are begun when they are needed and end when they are not."""

    def __init__(self, largest: int = MAX_THREADS) -> None:
        self._largest = largest
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._count = 0
        self._waiting = 0
        """Threads without a job, less jobs that wait for one."""

    def submit(self, job: Job) -> None:
        """Run *job* in the next free thread."""
        with self._lock:
            self._waiting -= 1
            begin = self._waiting < 0 and self._count < self._largest
            if begin:
                self._count += 1
                self._waiting += 1
        self._jobs.put(job)
        if begin:
            threading.Thread(target=self._work, name="planar-step", daemon=True).start()

    def _work(self) -> None:
        while True:
            try:
                job = self._jobs.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                with self._lock:
                    if self._waiting <= 0:
                        continue
                    self._waiting -= 1
                    self._count -= 1
                return
            job()
            with self._lock:
                self._waiting += 1


THREADS = Threads()


def in_thread(function: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """*function* as a coroutine function that runs it in a thread, with the caller's context variables.

    A cancellation ends the waiting, not the thread: what *function* returns then is dropped.
    """

    @wraps(function)
    async def threaded(*args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[R] = loop.create_future()
        context = contextvars.copy_context()

        def job() -> None:
            try:
                value = context.run(function, *args, **kwargs)
            except BaseException as error:  # whatever it is, it belongs to whoever waits
                _tell(loop, _set_error, done, error)
            else:
                _tell(loop, _set_value, done, value)

        THREADS.submit(job)
        return await done

    return threaded


def _tell(loop: asyncio.AbstractEventLoop, tell: Callable[..., None], *args: Any) -> None:
    try:
        loop.call_soon_threadsafe(tell, *args)
    except RuntimeError:
        return  # the loop has ended, and nobody waits any more


def _set_value(done: asyncio.Future[Any], value: Any) -> None:
    if not done.done():
        done.set_result(value)


def _set_error(done: asyncio.Future[Any], error: BaseException) -> None:
    if done.done():
        return
    if isinstance(error, StopIteration):
        # No future can carry it, and a coroutine that raises it raises this (PEP 479).
        changed = RuntimeError("a step raised StopIteration")
        changed.__cause__ = error
        error = changed
    done.set_exception(error)
