"""What time is it in a simulation? The database's clock follows the loop; each host's own clock is off by its skew."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

_START = datetime(2026, 1, 1, tzinfo=UTC)


class VirtualClock:
    """The time of *loop*, *skew* seconds ahead."""

    def __init__(self, loop: asyncio.AbstractEventLoop, skew: float = 0.0) -> None:
        self._loop = loop
        self._start = _START + timedelta(seconds=skew)
        # Monotonic clocks begin anywhere: nobody may compare two of them.
        self._offset = 1000.0 + 10 * skew

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._loop.time())

    def monotonic(self) -> float:
        return self._loop.time() + self._offset


def seconds_of(moment: datetime) -> float:
    """*moment* as a time of the loop, by a clock that is not skewed."""
    return (moment - _START).total_seconds()
