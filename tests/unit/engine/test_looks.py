"""Since when a store on PostgreSQL looks for what is due."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from planar.engine.store.postgres.telling import Audience, Said
from planar.engine.store.postgres.transaction import COMPLETE, EVER, SLACK, Looks, is_late

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LONG = COMPLETE.total_seconds()


def looked(upto: datetime = NOON) -> Looks:
    """At the moment 0, completely."""
    looks = Looks()
    looks.note(0, looks.since(0), upto)
    return looks


def test_the_first_look_is_complete_and_then_one_in_a_second() -> None:
    looks = Looks()
    assert looks.since(0) is EVER
    looks.note(0, EVER, NOON)
    assert looks.since(LONG / 2) == NOON - SLACK
    looks.note(LONG / 2, NOON - SLACK, NOON)
    assert looks.since(LONG) is EVER


def test_a_look_goes_back_once_to_what_was_committed_late() -> None:
    looks = looked()
    looks.go_back(NOON - 9 * SECOND)
    looks.go_back(NOON - 3 * SECOND)
    assert looks.since(0) == NOON - 9 * SECOND
    looks.note(0, NOON - 9 * SECOND, NOON)
    assert looks.since(0) == NOON - SLACK


def test_a_look_that_had_begun_is_not_the_one_that_goes_back() -> None:
    looks = looked()
    since = looks.since(0)
    looks.go_back(NOON - 9 * SECOND)
    looks.note(0, since, NOON)
    assert looks.since(0) == NOON - 9 * SECOND


def test_a_look_that_failed_is_repeated_from_where_it_began() -> None:
    looks = looked()
    looks.go_back(NOON - 9 * SECOND)
    assert looks.since(0) == NOON - 9 * SECOND
    looks.go_back(NOON - 3 * SECOND)
    assert looks.since(0) == NOON - 9 * SECOND


def test_going_back_to_the_beginning_is_a_complete_look() -> None:
    looks = looked()
    looks.go_back(datetime.fromisoformat(EVER.isoformat()))
    assert looks.since(0) is EVER


def test_with_a_clock_that_is_moved_by_hand_each_look_is_complete() -> None:
    looks = Looks(always_complete=True)
    for _ in range(2):
        assert looks.since(0) is EVER
        looks.note(0, EVER, NOON)


def test_what_is_said_is_read_as_it_was_meant() -> None:
    late = Said(Audience.EVERYBODY, NOON)
    for said in (Said(Audience.WAITING), Said(Audience.EVERYBODY), late):
        assert Said.read(said.write()) == said
    assert Said.read("a word of a newer version") == Said(Audience.EVERYBODY)
    assert Said.read(f"{late.write()} and more of a newer version") == late


@pytest.mark.parametrize("text", ["since", "since ", "since when", "since 2026-01-01T12:00:00", "since  2026-01-01T12:00:00+00:00"])
def test_a_time_that_cannot_be_read_is_the_beginning(text: str) -> None:
    assert Said.read(text) == Said(Audience.EVERYBODY, EVER)


def test_what_took_more_than_half_of_the_slack_is_late() -> None:
    assert not is_late(NOON, NOON + SLACK / 2)
    assert is_late(NOON, NOON + SLACK / 2 + timedelta(milliseconds=1))


def test_what_is_said_together_is_for_all_and_since_the_earliest() -> None:
    late, later = Said(Audience.EVERYBODY, NOON), Said(Audience.EVERYBODY, NOON + SECOND)
    assert Said(Audience.WAITING).merge(None) == Said(Audience.WAITING)
    assert Said(Audience.WAITING).merge(later) == later.merge(Said(Audience.WAITING)) == later
    assert late.merge(later) == later.merge(late) == late
