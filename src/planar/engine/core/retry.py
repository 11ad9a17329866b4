"""The step failed: should it be tried again? And when?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

LONGEST_DELAY: Final = timedelta(days=365)
"""No delay grows beyond this, whatever the factor."""

LONGEST_LIMIT: Final = timedelta(days=365_250)
"""A thousand years: a time limit beyond it is a mistake, and its end soon lies beyond what a date can say."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How a failed step is tried again.

    Args:
        max_retries: how many more times, after the first attempt; negative: for ever. An attempt that a crash interrupted counts.
        initial_delay: how long after the first failure.
        factor: by how much the delay grows with each further failure.
        max_delay: how long it may grow.
        jitter: the share of the delay, from 0 to 1, that chance may add or take away, so that what failed together is not tried
            again together.
        retry_on: the classes of error after which it is tried again; of others the step fails at once.
        never_retry: the classes, out of those, of which it fails at once all the same.
        attempt_timeout: how long one attempt may take.
        total_timeout: how long all attempts and the delays between them may take, from the first call on.

    Raises:
        TypeError: an argument is not of its type.
        ValueError: a time, factor or jitter is out of its range.
    """

    max_retries: int = 3
    initial_delay: timedelta = timedelta(seconds=1)
    factor: float = 2.0
    max_delay: timedelta = timedelta(minutes=5)
    jitter: float = 0.1
    retry_on: tuple[type[Exception], ...] = (Exception,)
    never_retry: tuple[type[Exception], ...] = ()
    attempt_timeout: timedelta | None = None
    total_timeout: timedelta | None = None

    def __post_init__(self) -> None:
        _check_number("max_retries", self.max_retries, int)
        _check_number("factor", self.factor, int | float)
        _check_number("jitter", self.jitter, int | float)
        for name in ("initial_delay", "max_delay"):
            _check_time(name, getattr(self, name), at_least=timedelta())
        for name in ("attempt_timeout", "total_timeout"):
            limit = getattr(self, name)
            if limit is not None:
                _check_time(name, limit, at_least=timedelta(microseconds=1))
                if limit > LONGEST_LIMIT:
                    raise ValueError(f"{name} cannot be {limit}: that is more than a thousand years. Leave it out for no limit.")
        for name in ("retry_on", "never_retry"):
            _check_classes(name, getattr(self, name))
        if not self.factor >= 1:
            raise ValueError(f"factor is at least 1, not {self.factor!r}.")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter is a share from 0 to 1, not {self.jitter!r}.")

    def covers(self, error: BaseException) -> bool:
        """Whether a step that failed with *error* may be tried again."""
        return isinstance(error, self.retry_on) and not isinstance(error, self.never_retry)


def fixed_retries(max_retries: int, *, attempt_timeout: timedelta | None = None) -> RetryPolicy:
    """The short form ``max_retries=``: five seconds apart, after any error."""
    return RetryPolicy(max_retries, timedelta(seconds=5), factor=1, jitter=0, attempt_timeout=attempt_timeout)


def next_attempt(
    policy: RetryPolicy, retries: int, error: BaseException, *, began: datetime, now: datetime, chance: float = 0.5
) -> datetime | None:
    """When to try again after *error*, the failure of retry number *retries* (0: of the first attempt); None to give up.

    Args:
        began: when the step was called first.
        chance: a number from 0 to 1; 0.5 leaves the delay as it is.
    """
    if 0 <= policy.max_retries <= retries or not policy.covers(error):
        return None
    again = now + _delay(policy, retries, chance)
    if policy.total_timeout is not None and again >= began + policy.total_timeout:
        return None
    return again


def is_timed(policy: RetryPolicy) -> bool:
    """Whether attempts have a time limit."""
    return policy.attempt_timeout is not None or policy.total_timeout is not None


def time_left(policy: RetryPolicy, *, began: datetime, now: datetime) -> timedelta | None:
    """How long the attempt that begins *now* may take; None for as long as it likes."""
    total = None if policy.total_timeout is None else max(timedelta(), began + policy.total_timeout - now)
    limits = [limit for limit in (policy.attempt_timeout, total) if limit is not None]
    return min(limits, default=None)


def survives(policy: RetryPolicy, interruptions: int) -> bool:
    """Whether a step is executed again when *interruptions* of its attempts failed or ended with their process.

    A step without retries is: that its process died says nothing about the step. How often is the worker's limit on recoveries.
    """
    return policy.max_retries <= 0 or interruptions <= policy.max_retries


def _delay(policy: RetryPolicy, retries: int, chance: float) -> timedelta:
    if not policy.initial_delay:
        return timedelta()  # what grows from nothing stays nothing, also where the growth alone is beyond all numbers
    longest = min(policy.max_delay, LONGEST_DELAY).total_seconds()
    try:
        seconds = min(policy.initial_delay.total_seconds() * policy.factor**retries, longest)
    except OverflowError:
        seconds = longest
    return timedelta(seconds=seconds * (1 + policy.jitter * (2 * chance - 1)))


def _check_number(name: str, value: Any, kind: Any) -> None:
    if not isinstance(value, kind) or isinstance(value, bool):
        raise TypeError(f"{name} is a number, not {value!r}.")


def _check_time(name: str, value: Any, *, at_least: timedelta) -> None:
    if not isinstance(value, timedelta):
        raise TypeError(f"{name} is a timedelta, not {value!r}: timedelta(seconds=...).")
    if value < at_least:
        raise ValueError(f"{name} cannot be {value}.")


def _check_classes(name: str, value: Any) -> None:
    if not isinstance(value, tuple) or not all(isinstance(each, type) and issubclass(each, Exception) for each in value):  # pyright: ignore[reportUnknownVariableType]
        raise TypeError(f"{name} is a tuple of classes of errors, like (ConnectionError, TimeoutError), not {value!r}.")


NO_RETRY: Final = RetryPolicy(max_retries=0)
