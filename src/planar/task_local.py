"""What belongs to this asyncio task, and to no task that it starts?"""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from planar.errors import PlanarError

T = TypeVar("T")


class NoTaskValue(PlanarError, RuntimeError):
    """No execution context"""

    code = "no_task_value"


class TaskLocal(Generic[T]):
    """A value for each task, gone with the task. Unlike a context variable, it is not inherited."""

    def __init__(self) -> None:
        self._values: WeakKeyDictionary[asyncio.Task[Any], T] = WeakKeyDictionary()

    def set(self, value: T) -> None:
        """Give the current task *value*.

        Raises:
            NoTaskValue: no task is running.
        """
        self._values[_task()] = value

    def get(self) -> T:
        """The current task's value.

        Raises:
            NoTaskValue: it has none, or no task is running.
        """
        task = _task()
        if task not in self._values:
            raise NoTaskValue
        return self._values[task]

    def clear(self) -> None:
        """Take the current task's value away, if it has one."""
        self._values.pop(_task(), None)

    def is_set(self) -> bool:
        """Whether the current task has a value."""
        return _task() in self._values


def _task() -> asyncio.Task[Any]:
    try:
        task = asyncio.current_task()
    except RuntimeError:
        task = None
    if task is None:
        raise NoTaskValue("No execution context: this code runs in no asyncio task")
    return task
