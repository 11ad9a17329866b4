"""A clock that stands still until it is moved, forward only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from planar.clock import SYSTEM_CLOCK, when_moved
from planar.testing import ManualClock, NothingDue

pytestmark = pytest.mark.anyio


class Timer:
    """An engine with things to do at given times; each may give it more."""

    def __init__(self, clock: ManualClock, *dues: datetime) -> None:
        self.clock = clock
        self.dues = list(dues)
        self.done: list[datetime] = []
        self.repeat: timedelta | None = None

    async def settled(self, patience: float) -> datetime | None:
        for due in [due for due in self.dues if due <= self.clock.now()]:
            self.dues.remove(due)
            self.done.append(self.clock.now())
            if self.repeat is not None:
                self.dues.append(self.clock.now() + self.repeat)
        return min(self.dues, default=None)

    async def unfinished(self) -> list[str]:
        return ["a run that sleeps"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_it_stands_still_and_begins_at_the_same_moment_each_time(clock: ManualClock) -> None:
    assert clock.now() == clock.now() == ManualClock().now() == datetime(2026, 1, 1, tzinfo=UTC)
    assert clock.monotonic() == 0


def test_another_start_may_be_given_and_is_shown_in_utc() -> None:
    clock = ManualClock(datetime(2030, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == datetime(2030, 5, 1, 10, tzinfo=UTC)
    assert clock.now().tzinfo is UTC


async def test_both_its_answers_move_together(clock: ManualClock) -> None:
    await clock.advance(1.5)
    await clock.advance(timedelta(minutes=1), hours=1, days=1, weeks=1, seconds=2, minutes=3)
    passed = timedelta(weeks=1, days=1, hours=1, minutes=4, seconds=3.5)
    assert clock.now() == datetime(2026, 1, 1, tzinfo=UTC) + passed
    assert clock.monotonic() == passed.total_seconds()


async def test_it_does_not_go_back(clock: ManualClock) -> None:
    before = clock.now()
    with pytest.raises(ValueError, match="Time does not go back: it is 2026-01-01"):
        clock.move_to(before - timedelta(microseconds=1))
    with pytest.raises(ValueError, match="does not go back"):
        await clock.advance(-1)
    assert clock.now() == before


@pytest.mark.parametrize("make", [ManualClock, lambda moment: ManualClock().move_to(moment)])
def test_a_time_without_a_zone_is_refused(make: type[ManualClock]) -> None:
    with pytest.raises(ValueError, match="needs a time zone"):
        make(datetime(2027, 1, 1))  # noqa: DTZ001 - that is what is refused


def test_whoever_subscribed_is_told_after_each_move_until_they_leave(clock: ManualClock) -> None:
    told: list[datetime] = []
    leave, leave_other = (clock.subscribe(lambda: told.append(clock.now())) for _ in range(2))
    clock.move_to(clock.now() + timedelta(days=1))
    assert told == [datetime(2026, 1, 2, tzinfo=UTC)] * 2
    leave()
    leave()
    clock.move_to(clock.now())
    assert len(told) == 3
    leave_other()
    clock.move_to(clock.now())
    assert len(told) == 3


def test_only_a_clock_that_is_moved_by_hand_is_listened_to(clock: ManualClock) -> None:
    told: list[None] = []
    when_moved(SYSTEM_CLOCK, lambda: told.append(None))()
    leave = when_moved(clock, lambda: told.append(None))
    clock.move_to(clock.now())
    leave()
    clock.move_to(clock.now())
    assert told == [None]


async def test_it_stops_at_each_due_moment_on_its_way(clock: ManualClock) -> None:
    start = clock.now()
    timer = Timer(clock, start + timedelta(hours=3), start + timedelta(hours=1), start + timedelta(days=9))
    other = Timer(clock, start + timedelta(hours=2))
    other.repeat = timedelta(hours=2)
    clock.attach(timer)
    leave = clock.attach(other)
    await clock.advance(hours=5)
    assert timer.done == [start + timedelta(hours=1), start + timedelta(hours=3)]
    assert other.done == [start + timedelta(hours=2), start + timedelta(hours=4)]
    assert clock.now() == start + timedelta(hours=5)
    leave()
    await clock.advance(hours=5)
    assert len(other.done) == 2


async def test_it_goes_from_due_to_due_until_a_condition_holds(clock: ManualClock) -> None:
    start = clock.now()
    timer = Timer(clock, start + timedelta(hours=1))
    timer.repeat = timedelta(hours=1)
    clock.attach(timer)
    await clock.advance_until(lambda: True)
    assert clock.now() == start
    await clock.advance_until(lambda: len(timer.done) == 7)
    assert clock.now() == start + timedelta(hours=7)

    async def nine() -> bool:
        return len(timer.done) == 9

    await clock.advance_until(nine)
    assert clock.now() == start + timedelta(hours=9)
    with pytest.raises(NothingDue, match=r"the next at 2026-01-01T12:00:00.*a run that sleeps"):
        await clock.advance_until(lambda: False, within=timedelta(hours=2))
    assert clock.now() == start + timedelta(hours=11)
