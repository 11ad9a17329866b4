"""The step failed: should it be tried again? And when?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failed step is tried again: ``max_retries`` more times (negative: for ever), ``delay`` apart."""

    max_retries: int = 0
    delay: timedelta = timedelta(seconds=5)


NO_RETRY = RetryPolicy()


def next_attempt(policy: RetryPolicy, retries: int, now: datetime) -> datetime | None:
    """When to try again after *retries* retries have failed as well; None to give up."""
    if 0 <= policy.max_retries <= retries:
        return None
    return now + policy.delay
