"""Whether a failed step is tried again, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from planar.engine.core.retry import NO_RETRY, RetryPolicy, next_attempt

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def attempts(policy: RetryPolicy, most: int = 100) -> int:
    """How often the body runs if it always fails."""
    retries = 0
    while retries < most and next_attempt(policy, retries, NOW) is not None:
        retries += 1
    return retries + 1


def test_a_step_is_not_tried_again_unless_it_says_so() -> None:
    assert next_attempt(NO_RETRY, 0, NOW) is None
    assert RetryPolicy() == NO_RETRY


@pytest.mark.parametrize("retries", [1, 2, 7])
def test_a_step_is_tried_so_many_more_times(retries: int) -> None:
    assert attempts(RetryPolicy(retries)) == retries + 1


def test_a_negative_number_of_retries_never_gives_up() -> None:
    assert attempts(RetryPolicy(-1), most=10_000) == 10_001


def test_the_next_attempt_is_a_delay_away() -> None:
    assert next_attempt(RetryPolicy(3, timedelta(seconds=5)), 1, NOW) == NOW + timedelta(seconds=5)
    assert next_attempt(RetryPolicy(-1, timedelta()), 1, NOW) == NOW


def test_more_retries_than_allowed_give_up_as_well() -> None:
    """The policy may have been lowered while the run slept."""
    assert next_attempt(RetryPolicy(2), 9, NOW) is None
