"""What can go wrong with a lock.

::

    PlanarError
    └── LockError
        ├── LockResourceFailed   409  somebody else held the lock for longer than the caller would wait
        ├── LockLost             409  the lease ended while the block was running
        └── LockMisplaced        500  the lock cannot be taken at this place (also RuntimeError)
"""

from __future__ import annotations

from planar.errors import PlanarError


class LockError(PlanarError):
    """A lock could not be taken or kept."""

    code = "lock_error"


class LockResourceFailed(LockError):
    """Somebody else holds the lock."""

    code = "lock_not_acquired"
    status = 409


class LockLost(LockError):
    """The lock was lost while the block that it protects was running."""

    code = "lock_lost"
    status = 409


class LockMisplaced(LockError, RuntimeError):
    """The lock cannot be taken at this place."""

    code = "lock_misplaced"
