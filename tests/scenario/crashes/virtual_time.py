"""Time that passes only while nobody does anything, and threads that are heard only then: a story goes the same way every time."""

from __future__ import annotations

import asyncio
import queue
import re
import selectors
import threading
from collections.abc import Callable
from contextvars import Context
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from aiosqlite import core as aiosqlite_core

from planar.engine.store import writer

PATIENCE = 10.0
"""How many real seconds to wait for threads that are at work before time goes on without them."""

WRITER = "planar-writer"


class VirtualTime:
    """The seconds since the beginning, for every process of a world."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, 12, tzinfo=UTC) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds


class _Answer:
    """What a thread wants to have called on the event loop."""

    def __init__(self, callback: Callable[..., Any], args: tuple[Any, ...], context: Context | None) -> None:
        self.thread = threading.current_thread().name
        self.callback = callback
        self.args = args
        self.context = context

    @property
    def ends_a_call(self) -> bool:
        """Whether it is the result of a call that a loop counted."""
        from_driver = self.callback in (aiosqlite_core.set_result, aiosqlite_core.set_exception)
        return from_driver or getattr(self.callback, "__name__", "") == "_set_state"

    @property
    def rank(self) -> tuple[str, int]:
        """Threads in the order in which they were made, not in that in which they were ready."""
        name, number = re.fullmatch(r"(\D*)(\d*).*", self.thread).groups()
        return name, int(number or 0)


class JumpingLoop(asyncio.SelectorEventLoop):
    """An event loop that jumps to its next timer instead of sleeping.

    What threads answer is taken up when nothing else is left to do and none of them is at work any more, in an order that does not
    depend on which of them was faster. It knows no sockets.
    """

    def __init__(self, time: VirtualTime) -> None:
        self.virtual = time
        self.busy: Callable[[], bool] = lambda: False
        """Whether the store's writer is at work."""
        self.patience = PATIENCE
        """How many seconds a thread may be silent. Less for a dead process, whose drivers have hung up and never answer."""
        self.calls = 0
        """How many calls are in the threads of executors and database drivers."""
        self._answers: queue.SimpleQueue[_Answer] = queue.SimpleQueue()
        super().__init__(_IdleSelector(self))

    def time(self) -> float:
        return self.virtual.seconds

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> Any:
        self.calls += 1
        return super().run_in_executor(executor, func, *args)

    def call_soon_threadsafe(self, callback: Callable[..., Any], *args: Any, context: Context | None = None) -> Any:
        self._check_closed()
        self._answers.put(_Answer(callback, args, context))

    def idle(self, timeout: float | None) -> None:
        """Nothing is ready: hear the threads, or else let time pass."""
        answers = self._heard()
        for answer in sorted(answers, key=lambda answer: answer.rank):
            self.call_soon(answer.callback, *answer.args, context=answer.context)
        self.calls = max(0, self.calls - _calls_in(answers))
        if not answers:
            assert timeout is not None, "the event loop waits for nothing"
            self.virtual.seconds += timeout

    def _heard(self) -> list[_Answer]:
        answers: list[_Answer] = []
        while True:
            while not self._answers.empty():
                answers.append(self._answers.get())
            if not self._is_awaited(answers):
                return answers
            try:
                answers.append(self._answers.get(timeout=self.patience))
            except queue.Empty:
                return answers

    def _is_awaited(self, answers: list[_Answer]) -> bool:
        """Whether a thread is at work, of which *answers* have not come yet."""
        if not answers and not self._scheduled:
            return True
        return self.calls > _calls_in(answers) or (self.busy() and not any(answer.thread == WRITER for answer in answers))


def _calls_in(answers: list[_Answer]) -> int:
    return sum(answer.ends_a_call for answer in answers)


class _IdleSelector(selectors.DefaultSelector):
    """Asked with a timeout above zero, or none, the loop is idle."""

    def __init__(self, loop: JumpingLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is None or timeout > 0:
            self._loop.idle(timeout)
        return []


class _Questions(queue.SimpleQueue[Any]):
    """What a database driver asks of its thread: each question with a future has one answer."""

    def put_nowait(self, item: tuple[asyncio.Future[Any] | None, Callable[[], Any]]) -> None:
        future, _ = item
        if future is not None:
            loop = future.get_loop()
            if isinstance(loop, JumpingLoop):
                loop.calls += 1
        super().put_nowait(item)


def make_time_exact(patch: pytest.MonkeyPatch) -> None:
    """Let a `JumpingLoop` know when database drivers are at work, and nobody look around now and then by a real clock."""
    patch.setattr(aiosqlite_core, "SimpleQueue", _Questions)
    patch.setattr(writer, "LOOK_SECONDS", 1e6)
