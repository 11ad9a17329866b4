"""Which other workers are dead? Asked of the database when one may have died since, not before.

A worker is dead if it holds runs and its lease is over; one without runs that has not been heard of for long, too. A worker that is roused
from its rest announces that, so what was found holds until the first lease that was good then is over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from planar.clock import SYSTEM_CLOCK
from planar.engine.store.lease import FORGOTTEN_IN_LEASES
from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.rows import uuid
from planar.engine.store.postgres.takeover import end_transactions
from planar.engine.store.postgres.transaction import Fetch

LONGEST_TRUST = 60.0
"""How many seconds an answer is relied on: an announcement may have been lost."""


class Life(NamedTuple):
    """What is known of another worker."""

    worker_id: UUID
    left: float
    """The seconds until its lease is over; negative since it is."""
    alive: bool
    """Not yet taken for dead."""
    holds: bool
    """Whether it holds runs."""

    @property
    def is_there(self) -> bool:
        """Whether it is registered, or left runs."""
        return self.alive or self.holds

    def is_dead(self, lease_seconds: float) -> bool:
        """Whether it is to be taken for dead."""
        if self.holds:
            return self.left < 0
        return self.alive and self.left < (1 - FORGOTTEN_IN_LEASES) * lease_seconds


class Others:
    """The workers of other processes.

    Args:
        fetch: how to ask.
        lease_seconds: how long a worker is believed to live after a beat.
    """

    def __init__(self, fetch: Fetch, lease_seconds: float) -> None:
        self._fetch = fetch
        self._lease_seconds = lease_seconds
        self._trusted_until = float("-inf")
        self._changes = 0

    def changed(self) -> None:
        """Somebody announced something. An answer that is on its way may be older than that."""
        self._trusted_until = float("-inf")
        self._changes += 1

    async def dead(self, worker_id: UUID, among: Sequence[UUID] | None) -> list[UUID]:
        """Those that are dead; of *among* also those that are not there any more."""
        if among is not None and SYSTEM_CLOCK.monotonic() < self._trusted_until:
            return []
        lives = await self._lives(worker_id)
        dead = [life.worker_id for life in lives if life.is_dead(self._lease_seconds)]
        if dead:
            await end_transactions(self._fetch, dead, self._lease_seconds)
        if among is None:
            return dead
        there = {life.worker_id for life in lives if life.is_there}
        return [other for other in among if other in dead or other not in there]

    async def there(self, worker_id: UUID) -> list[UUID]:
        """Those that are there, or hold runs. If none of them is dead, `dead` need not ask so soon."""
        return [life.worker_id for life in await self._lives(worker_id) if life.is_there]

    async def _lives(self, worker_id: UUID) -> list[Life]:
        asked, changes = SYSTEM_CLOCK.monotonic(), self._changes
        lives = [Life(uuid(row[0]), *row[1:]) for row in await self._fetch(sql.OTHERS_LIVES, worker_id, self._lease_seconds)]
        if self._changes != changes or any(life.is_dead(self._lease_seconds) for life in lives):
            self._trusted_until = float("-inf")
        else:
            self._trusted_until = asked + min((life.left for life in lives if life.left >= 0), default=LONGEST_TRUST)
        return lives
