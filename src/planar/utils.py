"""Small helpers that applications use: names, threads, and how long to wait before trying again."""

from __future__ import annotations

import asyncio
import inspect
import random
import re
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from planar.clock import utc_now

__all__ = ["asyncify", "create_path_prefix", "exponential_backoff_with_jitter", "snake_case_to_camel_case", "utc_now"]

P = ParamSpec("P")
R = TypeVar("R")

_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake_case_to_camel_case(name: str) -> str:
    """``process_invoice`` becomes ``ProcessInvoice``."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def camel_case_to_snake_case(name: str) -> str:
    """``ProcessInvoice`` becomes ``process_invoice``, and ``HTTPCall`` becomes ``http_call``."""
    return _WORD_START.sub("_", name).lower()


def create_path_prefix(model: type) -> str:
    """The plural name of a class in a path: ``InvoiceLine`` becomes ``invoice_lines``."""
    name = camel_case_to_snake_case(model.__name__)
    if re.search(r"[^aeiou]y$", name):
        return name[:-1] + "ies"
    return name + ("es" if re.search(r"(s|x|z|ch|sh)$", name) else "s")


def asyncify(fn: Callable[P, R]) -> Callable[P, Awaitable[R]]:
    """*fn* as a coroutine function that runs it in a thread, so that the event loop goes on.

    Raises:
        ValueError: *fn* is a coroutine function already.
    """
    if inspect.iscoroutinefunction(fn):
        raise ValueError(f"{fn.__qualname__} is asynchronous already. Call it directly.")

    @wraps(fn)
    async def in_thread(*args: P.args, **kwargs: P.kwargs) -> R:
        return await asyncio.to_thread(fn, *args, **kwargs)

    return in_thread


def exponential_backoff_with_jitter(attempt: int, base_delay: float = 1.0, max_delay: float = 60.0, jitter_factor: float = 0.1) -> float:
    """How many seconds to wait before trying again: doubled each time, up to a limit, and different for everybody.

    Args:
        attempt: how many attempts failed before the last one, from 0.
        base_delay: seconds after the first failure; the answer is never less.
        max_delay: seconds that are never exceeded, jitter included.
        jitter_factor: how much of the delay chance may add or take away, from 0 to 1.
    """
    delay = min(base_delay * 2 ** min(attempt, 64), max_delay)
    jitter = delay * jitter_factor * random.uniform(-1, 1)
    return min(max(delay + jitter, base_delay), max_delay)
