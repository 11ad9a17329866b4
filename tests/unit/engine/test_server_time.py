"""The server's time, as a process reads it that asks now and then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from planar.clock import SYSTEM_CLOCK
from planar.engine.store.postgres.heart import ServerTime

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@pytest.fixture
def moments(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The last one is the moment of the monotonic clock."""
    moments = [0.0]
    monkeypatch.setattr(type(SYSTEM_CLOCK), "monotonic", lambda clock: moments[-1])
    return moments


def test_the_first_answer_is_taken_for_the_middle_of_its_way(moments: list[float]) -> None:
    time = ServerTime()
    time.learn(10.0, NOON, 11.0)
    moments.append(20.5)
    assert time.now() == at(10)


@pytest.mark.parametrize(("asked", "answered"), [(20.0, 20.6), (19.5, 20.5), (19.0, 22.0)])
def test_an_answer_that_what_is_believed_agrees_with_changes_nothing(moments: list[float], asked: float, answered: float) -> None:
    time = ServerTime()
    time.learn(10.0, NOON, 11.0)
    time.learn(asked, at(10), answered)
    moments.append(30.5)
    assert time.now() == at(20)


@pytest.mark.parametrize(("told", "error"), [(10.4, 0.3), (9.7, -0.2), (3600.0, 3589.9)])
def test_an_answer_that_proves_it_wrong_moves_it_no_further_than_it_must(moments: list[float], told: float, error: float) -> None:
    time = ServerTime()
    time.learn(10.0, NOON, 11.0)
    time.learn(20.4, at(told), 20.6)
    moments.append(30.5)
    assert (time.now() - at(20)).total_seconds() == pytest.approx(error, abs=1e-5)
