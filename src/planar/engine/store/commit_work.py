"""What is done on the event loop while the writer's thread commits, when the thread does not need the interpreter's lock?

The thread wakes the loop just before its commit. Linux likes to put both on one processor, where who is woken goes before who woke
it: the loop would do its work first, and only then would the commit begin. So the loop yields once, and the thread comes to the disk
before it goes on. Where every processor is busy with something else, that gets a slice of several milliseconds instead: who has seen
this does not yield again for a while.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from planar.clock import SYSTEM_CLOCK
from planar.logging import get_logger

logger = get_logger(__name__)

YIELD_SECONDS = 0.001
"""A yield that takes longer went to somebody else."""

PAUSE_SECONDS = 1.0
"""For so long nothing is yielded then."""

yield_processor: Callable[[], None] = getattr(os, "sched_yield", lambda: None)
"""It lets go of the interpreter's lock as well, which the thread may need once more before its commit."""


class CommitWork:
    """The work that waits for the next commit."""

    def __init__(self, give: Callable[[], None] = yield_processor, monotonic: Callable[[], float] = SYSTEM_CLOCK.monotonic) -> None:
        self._give = give
        self._monotonic = monotonic
        self._waiting: list[Callable[[], None]] = []
        self._again = 0.0
        """When a yield is worth trying, by the monotonic clock."""

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def add(self, work: Callable[[], None]) -> None:
        """Keep *work* for the next commit."""
        self._waiting.append(work)

    def commit_begins(self) -> None:
        """The thread is about to commit: let it, and do what waits."""
        if not self._waiting:
            # Parts of a batch that was split call this each, and the first did it all.
            return
        began = self._monotonic()
        if began >= self._again:
            self._give()
            if self._monotonic() - began > YIELD_SECONDS:
                self._again = began + PAUSE_SECONDS
        self.do()

    def do(self) -> None:
        """Do what waits, now."""
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            try:
                work()
            except Exception:
                # Others wait for the outcomes that come after it.
                logger.exception("what was to be done during a commit failed")
