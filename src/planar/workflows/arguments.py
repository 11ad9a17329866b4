"""Is that something which can be decorated, slept or waited for? What cannot is told where it is given, not when a run meets it."""

from __future__ import annotations

import inspect
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from planar.engine.core.model import StepKind
from planar.engine.core.retry import RetryPolicy, fixed_retries
from planar.engine.errors import ArgumentNotStorable

LONGEST: Final = timedelta(days=365_250)
"""A thousand years: what is longer is a mistake, and soon lies beyond what a date can say."""


def check_function(function: Any, what: str) -> None:
    """Whether *function* can be a *what* ("Workflow", "Step", "Wait").

    Raises:
        TypeError: it is not a coroutine function, has no name, or is a method.
    """
    if not inspect.iscoroutinefunction(function):
        raise TypeError(f"{what} functions must be coroutines: `async def`, not {function!r}")
    _check_named(function, what)


def check_step_function(function: Any) -> None:
    """Whether *function* can be a step: a coroutine function, or a plain one that can run in a thread.

    Raises:
        TypeError: it is neither, has no name, or is a method.
    """
    if (
        not callable(function)
        or isinstance(function, type)
        or inspect.isasyncgenfunction(function)
        or inspect.isgeneratorfunction(function)
    ):
        raise TypeError(f"Step functions must be coroutines (`async def`) or plain functions (`def`), not {function!r}")
    _check_named(function, "Step")


def _check_named(function: Any, what: str) -> None:
    if not hasattr(function, "__qualname__") or function.__name__ == "<lambda>":
        raise TypeError(f"{what} functions need a name of their own, by which a record finds them: write a function for {function!r}")
    first = next(iter(inspect.signature(function).parameters), None)
    if first in ("self", "cls"):
        raise TypeError(
            f"{what} functions cannot be methods: no record could bring back the `{first}` of {function.__qualname__}."
            " Make it a function of the module, or a @staticmethod."
        )


def check_workflow_name(name: Any) -> None:
    """Whether *name* can be a segment of a route.

    Raises:
        TypeError, ValueError: it cannot.
    """
    if not isinstance(name, str):
        raise TypeError(f"A workflow's name is a text, not {name!r}.")
    if not name or "/" in name or name != name.strip() or name in (".", "..") or not name.isprintable():
        raise ValueError(
            f"A workflow cannot be named {name!r}: the name is a segment of its routes, so no '/', '.', '..', blanks around it"
            " or control characters."
        )


def check_step_options(max_retries: Any, step_type: Any, display_name: Any) -> None:
    """Whether a step can be declared so.

    Raises:
        TypeError: it cannot; the message names the option.
    """
    if not isinstance(max_retries, int) or isinstance(max_retries, bool):
        raise TypeError(f"max_retries is a whole number (negative: for ever), not {max_retries!r}.")
    if not isinstance(step_type, StepKind):
        raise TypeError(f"step_type is a StepType, like StepType.COMPUTE, not {step_type!r}.")
    if display_name is not None and not isinstance(display_name, str):
        raise TypeError(f"display_name is a text, not {display_name!r}.")


def retry_policy(max_retries: int, retry: Any, timeout: Any, *, at_most_once: Any) -> RetryPolicy:
    """What the options of a step say of its attempts.

    Raises:
        TypeError: an option is not of its type.
        ValueError: two say the same, or contradict each other.
    """
    if retry is not None and not isinstance(retry, RetryPolicy):
        raise TypeError(f"retry is a RetryPolicy, not {retry!r}.")
    if not isinstance(at_most_once, bool):
        raise TypeError(f"at_most_once is True or False, not {at_most_once!r}.")
    if retry is not None and max_retries:
        raise ValueError("Give a step either max_retries= or retry=, which has a max_retries of its own.")
    policy = retry if retry is not None else fixed_retries(max_retries)
    if at_most_once and policy.max_retries != 0:
        raise ValueError("A step that happens at most once is never tried again: leave max_retries= and retry= out.")
    if timeout is None:
        return policy
    if policy.attempt_timeout is not None:
        raise ValueError("Give a step either timeout= or a retry= with an attempt_timeout.")
    return replace(policy, attempt_timeout=_time_limit(timeout))


def _time_limit(timeout: Any) -> timedelta:
    limit = timeout
    if not isinstance(timeout, timedelta):
        check_seconds(timeout, "timeout")
        limit = timedelta(seconds=timeout)
    if limit <= timedelta():
        raise ValueError(f"timeout is a time above zero, not {timeout!r}.")
    return limit


def check_seconds(seconds: Any, name: str, *, negative: str | None = None) -> None:
    """Whether *seconds* is a time to wait.

    Args:
        name: the argument's name.
        negative: what a negative one means; None if it means nothing.

    Raises:
        TypeError, ValueError: it is not.
    """
    if not isinstance(seconds, int | float) or isinstance(seconds, bool):
        raise TypeError(f"{name} is a number of seconds, not {seconds!r}.")
    hint = f" A negative one {negative}." if negative else ""
    if math.isnan(seconds) or seconds > LONGEST.total_seconds():
        raise ValueError(f"{name} cannot be {seconds!r} seconds.{hint}")
    if seconds < 0 and negative is None:
        raise ValueError(f"{name} cannot be negative: {seconds!r}.")


def check_interval(interval: Any) -> None:
    """Whether *interval* is a time to sleep.

    Raises:
        TypeError, ValueError: it is not.
    """
    if not isinstance(interval, timedelta):
        raise TypeError(f"interval is a timedelta, not {interval!r}: timedelta(seconds=...).")
    if interval > LONGEST:
        raise ValueError(f"interval cannot be {interval}: that is more than a thousand years.")


def moment_in_utc(moment: Any, name: str) -> datetime:
    """*moment* in UTC.

    Raises:
        TypeError, ValueError: it is no time, or has no time zone.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} is a datetime, not {moment!r}.")
    if moment.tzinfo is None:
        raise ValueError(f"{name} needs a time zone: which clock does it mean? For UTC, datetime(..., tzinfo=UTC).")
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{name} lies outside of the years 1 to 9999 in UTC: {moment}.") from None


def check_event_key(event_key: Any) -> None:
    """Whether an event can have that key.

    Raises:
        ArgumentNotStorable: it cannot.
    """
    if not isinstance(event_key, str) or not event_key or "\0" in event_key:
        raise ArgumentNotStorable(f"An event needs a key that is not empty: a text without NUL characters, not {event_key!r}.")


def check_run_id(run_id: Any, name: str) -> None:
    """Whether *run_id* is the id of a run.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(run_id, UUID):
        raise TypeError(f"{name} is a UUID, not {run_id!r}. Of a text: UUID({str(run_id)!r}).")
