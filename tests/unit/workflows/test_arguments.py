"""What cannot be decorated, slept or waited for is told at once, by what would do instead."""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import uuid4

import pytest

from planar.engine.errors import ArgumentNotStorable
from planar.workflows import emit_event, step, wait, workflow
from planar.workflows.arguments import check_event_key, check_interval, check_run_id, check_seconds, moment_in_utc
from planar.workflows.models import StepType

pytestmark = pytest.mark.anyio


async def doubled(number: int) -> int:
    return 2 * number


class Till:
    async def charge(self, amount: int) -> int:
        return amount


@pytest.mark.parametrize(("decorator", "kind"), [(workflow(), "Workflow"), (step(), "Step"), (wait(), "Wait")])
def test_a_function_that_no_record_could_find_again_is_refused(decorator: Callable[[Any], Any], kind: str) -> None:
    with pytest.raises(TypeError, match=rf"{kind} functions cannot be methods: .*`self` of Till.charge.*@staticmethod"):
        decorator(Till.charge)
    with pytest.raises(TypeError, match=f"{kind} functions need a name of their own"):
        decorator(functools.partial(doubled, 1))
    with pytest.raises(TypeError, match=f"{kind} functions (must be coroutines|need a name)"):
        decorator(lambda: 1)


@pytest.mark.parametrize("options", [{"max_retries": "3"}, {"max_retries": 1.5}, {"max_retries": True}, {"max_retries": None}])
def test_retries_are_counted_in_whole_numbers(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="max_retries is a whole number"):
        step(**options)


def test_the_other_options_of_a_step_are_checked_when_it_is_declared() -> None:
    with pytest.raises(TypeError, match=r"step_type is a StepType, like StepType.COMPUTE, not 'compute'"):
        step(step_type="compute")  # type: ignore[arg-type]  (the mistake)
    with pytest.raises(TypeError, match="display_name is a text"):
        step(display_name=5)  # type: ignore[arg-type]  (the mistake)
    step(max_retries=-1, step_type=StepType.AGENT, display_name="Ask")


@pytest.mark.parametrize("name", ["a\0b", "two\nlines", "half \ud800"])
def test_a_workflow_has_a_name_that_can_be_shown(name: str) -> None:
    with pytest.raises(ValueError, match="control characters"):
        workflow(name=name)
    with pytest.raises(TypeError, match="is a text"):
        workflow(name=5)  # type: ignore[arg-type]  (the mistake)
    workflow(name="Größe ✓")


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), 1e300])
def test_a_time_that_no_clock_reaches_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match=r"max_wait_time cannot be .* seconds. A negative one waits for ever."):
        check_seconds(seconds, "max_wait_time", negative="waits for ever")


def test_a_negative_time_is_refused_where_it_means_nothing() -> None:
    check_seconds(-1, "max_wait_time", negative="waits for ever")
    with pytest.raises(ValueError, match="poll_interval cannot be negative"):
        wait(poll_interval=-1)
    with pytest.raises(TypeError, match="max_wait_time is a number of seconds, not '5'"):
        wait(max_wait_time="5")  # type: ignore[arg-type]  (the mistake)


def test_a_sleep_is_a_timedelta_of_less_than_a_thousand_years() -> None:
    check_interval(timedelta(days=-1))
    with pytest.raises(TypeError, match=r"interval is a timedelta, not 5: timedelta\(seconds=...\)"):
        check_interval(5)
    with pytest.raises(ValueError, match="more than a thousand years"):
        check_interval(timedelta.max)


def test_a_moment_has_a_time_zone_and_a_place_in_utc() -> None:
    assert moment_in_utc(datetime(2030, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))), "wakeup_at") == datetime(2030, 1, 1, tzinfo=UTC)
    with pytest.raises(TypeError, match="wakeup_at is a datetime, not '2030-01-01'"):
        moment_in_utc("2030-01-01", "wakeup_at")
    with pytest.raises(ValueError, match="wakeup_at needs a time zone"):
        moment_in_utc(datetime(2030, 1, 1, tzinfo=UTC).replace(tzinfo=None), "wakeup_at")
    with pytest.raises(ValueError, match="outside of the years 1 to 9999"):
        moment_in_utc(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))), "wakeup_at")


@pytest.mark.parametrize("key", ["", 5, None, "a\0b"])
async def test_a_key_that_no_event_can_have_is_refused_by_who_waits_and_by_who_emits(key: Any) -> None:
    with pytest.raises(ArgumentNotStorable, match="An event needs a key that is not empty"):
        check_event_key(key)
    with pytest.raises(ArgumentNotStorable, match="An event needs a key that is not empty"):
        await emit_event(key)


def test_the_id_of_a_run_is_a_uuid_and_the_message_makes_one() -> None:
    check_run_id(uuid4(), "run_id")
    with pytest.raises(TypeError, match=r"run_id is a UUID, not 'x'. Of a text: UUID\('x'\)"):
        check_run_id("x", "run_id")
