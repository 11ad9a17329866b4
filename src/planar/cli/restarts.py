"""A process has died: is another one started, and when? At once, then after growing pauses, and in the end not any more."""

from __future__ import annotations

LIMIT = 6
"""So many processes in a row that died soon are too many: their app does not work, and another one would not either."""

SHORT_SECONDS = 60.0
"""A process that served for longer than this did work."""

FIRST_PAUSE = 1.0
LONGEST_PAUSE = 30.0


class Restarts:
    """The lives of the processes in one place of a pool."""

    def __init__(self) -> None:
        self.short_lives = 0
        """How many in a row died soon."""

    def pause_after(self, served_seconds: float) -> float | None:
        """How many seconds to wait before the next process, if the last one served for *served_seconds*; None is to give up."""
        if served_seconds >= SHORT_SECONDS:
            self.short_lives = 0
            return 0.0
        self.short_lives += 1
        if self.short_lives >= LIMIT:
            return None
        return 0.0 if self.short_lives == 1 else min(FIRST_PAUSE * 2.0 ** (self.short_lives - 2), LONGEST_PAUSE)
