"""A pause that is made first and awaited later is as durable as any other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from planar.workflows import emit_event, workflow
from planar.workflows.step_core import Suspend, suspend_workflow
from tests.integration.engine.conftest import Opener, steps_of, until_status

pytestmark = [pytest.mark.anyio, pytest.mark.store_independent]

NO_TIME = timedelta(milliseconds=10)


@workflow()
async def pausing(wakeup_at: datetime | None = None, interval: timedelta | None = None, event_key: str | None = None) -> str:
    await suspend_workflow(wakeup_at=wakeup_at, interval=interval, event_key=event_key)
    return "awake"


@workflow()
async def pausing_with_an_error() -> str:
    try:
        await suspend_workflow(interval=NO_TIME, exception=LookupError("after the pause"))
    except LookupError as error:
        return str(error)
    return "?"


@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}])
@pytest.mark.parametrize("with_event", [False, True])
@pytest.mark.parametrize("how", ["wakeup_at", "interval"])
async def test_a_pause_ends_when_its_time_has_come(open_app: Opener, how: str, with_event: bool, limits: dict[str, Any]) -> None:
    async with open_app(pausing, **limits):
        time = {"interval": NO_TIME} if how == "interval" else {"wakeup_at": datetime.now(UTC) + timedelta(seconds=0.2)}
        run = await pausing.start(**time, event_key="never" if with_event else None)
        assert await pausing.wait_for_completion(run.id) == "awake"
        assert (await until_status(run.id, "succeeded")).error is None


@pytest.mark.parametrize("limits", [{}, {"max_parked_runs": 0}])
async def test_a_pause_ends_when_its_event_comes_before_its_time(open_app: Opener, limits: dict[str, Any]) -> None:
    async with open_app(pausing, **limits):
        run = await pausing.start(datetime.now(UTC) + timedelta(hours=1), event_key="go")
        assert (await until_status(run.id, "suspended")).waiting_for_event == "go"
        await emit_event("go")
        assert await pausing.wait_for_completion(run.id) == "awake"
        assert [record.display_name for record in await steps_of(run.id)][:2] == ["Get time to wait", "Wait for event"]


async def test_a_pause_may_end_with_an_error(open_app: Opener) -> None:
    async with open_app(pausing_with_an_error):
        assert await pausing_with_an_error() == "after the pause"


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({}, "something to wait for"),
        ({"interval": NO_TIME, "wakeup_at": datetime.now(UTC)}, "not both"),
        ({"wakeup_at": datetime(2026, 1, 1)}, "time zone"),  # noqa: DTZ001 - the point of this case
    ],
)
async def test_a_pause_for_nothing_or_for_two_times_is_refused(given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        suspend_workflow(**given)


async def test_a_pause_says_what_it_waits_for() -> None:
    assert suspend_workflow(interval=NO_TIME, event_key="go") == Suspend(interval=NO_TIME, event_key="go")
