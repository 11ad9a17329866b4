"""What do the entries of one transaction share? One way to ask, one time, and the news that the commit will make true."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from planar.engine.store.port import News

Fetch = Callable[..., Awaitable[Sequence[Any]]]
"""Execute a statement with its parameters; the answer is its rows."""


EVER = datetime(1, 1, 1, tzinfo=UTC)
NEVER = datetime(9999, 1, 1, tzinfo=UTC)
COMPLETE = timedelta(seconds=1)
"""How long after a complete look the next one is complete, too; and how long after any look the next one comes, unless it was complete."""
SLACK = timedelta(seconds=0.5)
"""How much earlier than the last look ended something may be due that it did not see: it was written then, and committed afterwards.

While an old snapshot is open, each look reads what was claimed in this time. What took more than half of it is said to be late, with
the time since when it is due; so a version that shortens it misses what an older one takes for in time.
"""


class Looks:
    """Since when a store looks for what is due.

    Args:
        always_complete: for a clock that is moved by hand, which says nothing of what was written at the same time.
    """

    def __init__(self, *, always_complete: bool = False) -> None:
        self._always_complete = always_complete
        self._complete_at = float("-inf")
        self._upto = EVER
        self._late = NEVER
        """Since when something may be due that was committed late."""
        self._finding = NEVER
        """The same, of what the look finds that goes on."""

    def since(self, moment: float) -> datetime:
        """From when on to look now, at *moment* of the monotonic clock: `EVER` in a complete look."""
        self._finding, self._late = min(self._finding, self._late), NEVER
        is_partial = self._upto is not EVER and moment < self._complete_at + COMPLETE.total_seconds()
        since = min(self._upto - SLACK, self._finding) if is_partial else EVER
        return since if since > EVER else EVER

    def note(self, moment: float, since: datetime, upto: datetime) -> None:
        """In the look at *moment* from *since* on, what was due until *upto* was claimed."""
        if since is EVER:
            self._complete_at = moment
        self._upto = EVER if self._always_complete else upto
        self._finding = NEVER

    def go_back(self, since: datetime) -> None:
        """What was due at *since* was committed just now: the next look finds it, and not one that has begun."""
        self._late = min(self._late, since)


def is_late(since: datetime, now: datetime) -> bool:
    """Whether looks may miss what is due at *since* and committed *now*."""
    return now - since > SLACK / 2


class Transaction(NamedTuple):
    """What the entries of one transaction share."""

    fetch: Fetch
    now: datetime
    moment: float
    """Of the monotonic clock, at *now*."""
    news: News
    looks: Looks
    in_session: bool
    """Whether it is a user's, which may stay open for long."""
