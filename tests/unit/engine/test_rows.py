"""How times stand in the tables: text order is time order, and a time without a zone is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest

from planar.engine.store.rows import moment, stamp

EAST = timezone(timedelta(hours=5, minutes=30))


def test_a_time_is_stored_in_utc_to_the_microsecond() -> None:
    assert stamp(datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)) == "2026-01-02 03:04:05.000006"
    assert stamp(datetime(2026, 1, 1, 0, 0, tzinfo=EAST)) == "2025-12-31 18:30:00.000000"
    assert stamp(None) is None


def test_a_stored_time_comes_back_aware() -> None:
    now = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert moment(stamp(now)) == now
    assert moment(stamp(now.astimezone(EAST))) == now
    assert moment(None) is None


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        stamp(datetime(2026, 1, 1))  # noqa: DTZ001 - that it is naive is the point


def test_text_order_is_time_order() -> None:
    times = [datetime(999, 12, 31, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)]
    times += [times[-1] + timedelta(microseconds=1), times[-1] + timedelta(seconds=1), datetime(9999, 1, 1, tzinfo=UTC)]
    texts = [stamp(time) or "" for time in times]
    assert all(earlier < later for earlier, later in pairwise(texts))
