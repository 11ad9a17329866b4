"""Whether a failed step is tried again, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from planar.engine.core.retry import LONGEST_DELAY, NO_RETRY, RetryPolicy, fixed_retries, next_attempt, survives, time_left

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FAILURE = ConnectionError("gone")


def again(policy: RetryPolicy, retries: int = 0, error: Exception = FAILURE, *, after: float = 0, chance: float = 0.5) -> datetime | None:
    return next_attempt(policy, retries, error, began=NOW - timedelta(seconds=after), now=NOW, chance=chance)


def attempts(policy: RetryPolicy, most: int = 100) -> int:
    """How often the body runs if it always fails."""
    retries = 0
    while retries < most and again(policy, retries) is not None:
        retries += 1
    return retries + 1


def test_a_step_is_not_tried_again_unless_it_says_so() -> None:
    assert again(NO_RETRY) is None
    assert fixed_retries(0) == RetryPolicy(0, timedelta(seconds=5), factor=1, jitter=0)


@pytest.mark.parametrize("retries", [1, 2, 7])
def test_a_step_is_tried_so_many_more_times(retries: int) -> None:
    assert attempts(RetryPolicy(retries)) == attempts(fixed_retries(retries)) == retries + 1


def test_a_negative_number_of_retries_never_gives_up() -> None:
    assert attempts(RetryPolicy(-1), most=10_000) == 10_001


def test_the_short_form_waits_five_seconds_each_time() -> None:
    assert [again(fixed_retries(3), retries) for retries in range(3)] == [NOW + timedelta(seconds=5)] * 3


def test_more_retries_than_allowed_give_up_as_well() -> None:
    """The policy may have been lowered while the run slept."""
    assert again(RetryPolicy(2), 9) is None


def test_the_delay_grows_up_to_its_limit() -> None:
    policy = RetryPolicy(-1, timedelta(seconds=1), factor=3, max_delay=timedelta(seconds=20), jitter=0)
    assert [again(policy, retries) for retries in range(5)] == [NOW + timedelta(seconds=seconds) for seconds in (1, 3, 9, 20, 20)]


def test_no_factor_makes_a_delay_that_no_date_can_hold() -> None:
    policy = RetryPolicy(-1, timedelta(seconds=1), factor=10, max_delay=timedelta(days=999_999), jitter=0)
    assert again(policy, 100_000) == NOW + LONGEST_DELAY


@pytest.mark.parametrize("factor", [2.0, 1e308, float("inf")])
def test_what_grows_from_nothing_stays_nothing(factor: float) -> None:
    policy = RetryPolicy(-1, timedelta(), factor=factor)
    assert [again(policy, retries) for retries in (0, 1, 5000)] == [NOW] * 3


def test_chance_takes_away_or_adds_its_share() -> None:
    policy = RetryPolicy(1, timedelta(seconds=10), jitter=0.2)
    assert [again(policy, chance=chance) for chance in (0, 0.5, 1)] == [NOW + timedelta(seconds=seconds) for seconds in (8, 10, 12)]


def test_only_errors_of_the_named_classes_are_tried_again() -> None:
    policy = RetryPolicy(retry_on=(OSError,), never_retry=(FileNotFoundError,))
    assert again(policy, error=ConnectionError()) is not None
    assert again(policy, error=FileNotFoundError()) is None
    assert again(policy, error=ValueError()) is None


def test_no_attempt_begins_after_all_the_time_is_used() -> None:
    policy = RetryPolicy(-1, timedelta(seconds=5), jitter=0, total_timeout=timedelta(seconds=12))
    assert again(policy, after=6) == NOW + timedelta(seconds=5)
    assert again(policy, after=7) is None


@pytest.mark.parametrize(
    ("attempt", "total", "left"), [(None, None, None), (5, None, 5), (None, 12, 2), (5, 12, 2), (1, 12, 1), (None, 3, 0)]
)
def test_an_attempt_takes_no_longer_than_its_own_limit_and_what_is_left_of_all(
    attempt: float | None, total: float | None, left: float | None
) -> None:
    limits: dict[str, Any] = {
        name: timedelta(seconds=seconds)
        for name, seconds in (("attempt_timeout", attempt), ("total_timeout", total))
        if seconds is not None
    }
    expected = None if left is None else timedelta(seconds=left)
    assert time_left(RetryPolicy(**limits), began=NOW - timedelta(seconds=10), now=NOW) == expected


def test_an_attempt_that_a_crash_interrupted_counts_where_attempts_are_counted() -> None:
    assert survives(RetryPolicy(2), 2)
    assert not survives(RetryPolicy(2), 3)
    assert survives(NO_RETRY, 9)
    assert survives(RetryPolicy(-1), 9)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_retries": 1.5}, TypeError),
        ({"max_retries": True}, TypeError),
        ({"initial_delay": 5}, TypeError),
        ({"initial_delay": timedelta(seconds=-1)}, ValueError),
        ({"factor": 0.5}, ValueError),
        ({"factor": float("nan")}, ValueError),
        ({"jitter": 1.5}, ValueError),
        ({"jitter": "much"}, TypeError),
        ({"attempt_timeout": timedelta()}, ValueError),
        ({"total_timeout": 3}, TypeError),
        ({"total_timeout": timedelta.max}, ValueError),
        ({"attempt_timeout": timedelta.max}, ValueError),
        ({"retry_on": [OSError]}, TypeError),
        ({"never_retry": (int,)}, TypeError),
    ],
)
def test_a_policy_that_cannot_be_is_refused_where_it_is_made(options: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=next(iter(options))):
        RetryPolicy(**options)
