"""What do the entries of one transaction share? One way to ask, one time, and the news that the commit will make true."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from planar.engine.store.port import News

Fetch = Callable[..., Awaitable[Sequence[Any]]]
"""Execute a statement with its parameters; the answer is its rows."""


class Transaction(NamedTuple):
    """What the entries of one transaction share."""

    fetch: Fetch
    now: datetime
    news: News
    in_session: bool
    """Whether it is a user's, which may stay open for long."""
