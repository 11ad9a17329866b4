"""Did two transactions get into each other's way, and when is it worth trying again?"""

from __future__ import annotations

import asyncio
import sqlite3

from sqlalchemy.exc import DBAPIError

from planar.db.errors import DatabaseBusy
from planar.utils import exponential_backoff_with_jitter

MAX_CONFLICT_RETRIES = 10
"""How often a transaction is repeated unless somebody says otherwise."""

SERIALIZATION_FAILURE = "40001"
DEADLOCK_DETECTED = "40P01"

FIRST_PAUSE_SECONDS = 0.01
LONGEST_PAUSE_SECONDS = 2.0


def is_conflict(error: BaseException) -> bool:
    """Whether *error* says that another transaction was in the way, so that the same one may succeed later."""
    if isinstance(error, DatabaseBusy):
        return True
    if not isinstance(error, DBAPIError):
        return False
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_BUSY
    return getattr(cause, "sqlstate", None) in (SERIALIZATION_FAILURE, DEADLOCK_DETECTED)


async def pause_before_retry(conflicts: int) -> None:
    """Wait a little, longer after each conflict, and not as long as the other one.

    Args:
        conflicts: how many there were before this one.
    """
    await asyncio.sleep(exponential_backoff_with_jitter(conflicts, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, jitter_factor=0.5))
