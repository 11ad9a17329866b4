"""May this worker begin something now? What it knows of its lease without asking anybody: when the last beat was acknowledged.

A process that was stopped for a while does not know it when it goes on. Its writes are refused by their epochs; that it does not
begin the bodies of steps before the first of these writes is what this is for.
"""

from __future__ import annotations

import asyncio

from planar.clock import SYSTEM_CLOCK

REST_IN_LEASES = 6
"""How often a worker beats that holds no run: others could take nothing over from it."""
FORGOTTEN_IN_LEASES = 3 * REST_IN_LEASES
"""A worker without runs that has not beaten for so long is dead."""


class WorkerLease:
    """The lease of one worker, by this process's monotonic clock. Until it is told otherwise it never runs out."""

    __slots__ = ("_renewed", "ends", "term")

    def __init__(self) -> None:
        self.ends = float("inf")
        """When it runs out: a lease after the moment at which the last beat that was acknowledged had been sent."""
        self.term = 0
        """How often this worker was taken for dead. What it held in an earlier term was taken over."""
        self._renewed = asyncio.Event()

    def renew(self, ends: float) -> None:
        """A beat was acknowledged."""
        self.ends = ends
        self._renewed.set()

    def lose(self) -> None:
        """The worker was taken for dead, and its runs were taken over."""
        self.term += 1
        self._renewed.set()

    def has_run_out(self) -> bool:
        """Whether others may have taken this worker for dead."""
        return self.ends != float("inf") and self.ends < SYSTEM_CLOCK.monotonic()

    async def holds(self, term: int) -> bool:
        """Wait until the lease is good again; whether what was claimed in *term* may still be this worker's."""
        while self.term == term and self.has_run_out():
            self._renewed.clear()
            await self._renewed.wait()
        return self.term == term
