"""What do the entries of one transaction share? One way to ask, one time, and the news that the commit will make true."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from planar.engine.store.port import News

Fetch = Callable[..., Awaitable[Sequence[Any]]]
"""Execute a statement with its parameters; the answer is its rows."""


EVER = datetime(1, 1, 1, tzinfo=UTC)
COMPLETE = timedelta(seconds=1)
"""How long after a complete look the next one comes, as long as there is any."""
SLACK = timedelta(seconds=2)
"""How much earlier than the last claimed run another may be that was written at the same time."""


class Looks:
    """Since when a store looks for what is due.

    Args:
        always_complete: for a clock that is moved by hand, which says nothing of what was written at the same time.
    """

    def __init__(self, *, always_complete: bool = False) -> None:
        self._always_complete = always_complete
        self._complete_at = float("-inf")
        self._upto = EVER

    def since(self, moment: float) -> datetime:
        """From when on to look now, at *moment* of the monotonic clock: `EVER` in a complete look."""
        is_partial = self._upto is not EVER and moment < self._complete_at + COMPLETE.total_seconds()
        return self._upto - SLACK if is_partial else EVER

    def note(self, moment: float, since: datetime, upto: datetime) -> None:
        """In the look at *moment* from *since* on, what was due until *upto* was claimed."""
        if since is EVER:
            self._complete_at = moment
        self._upto = EVER if self._always_complete else upto

    def forget(self) -> None:
        """The next look is complete."""
        self._upto = EVER


class Transaction(NamedTuple):
    """What the entries of one transaction share."""

    fetch: Fetch
    now: datetime
    news: News
    looks: Looks
    in_session: bool
    """Whether it is a user's, which may stay open for long."""
