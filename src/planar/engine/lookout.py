"""When does a worker look, and for what? When it hears of something, when a time comes, and now and then all the same."""

from __future__ import annotations

import asyncio
from datetime import datetime
from uuid import UUID

from planar.clock import Clock
from planar.engine.store.port import News, Store

LIVENESS_SECONDS = 0.5
"""How often to look at the other workers, while there are any."""


class Lookout:
    """What a worker has heard of and not looked at yet, and when it looks in any case. Decides nothing about runs.

    Args:
        store: whose clock the times of runs are of.
        clock: how long the worker waits.
        poll_seconds: how often to look if nothing is heard: a net under everything else.
    """

    def __init__(self, store: Store, clock: Clock, poll_seconds: float) -> None:
        self.foreign = True
        """Another process may have written."""
        self.due = True
        """A run may be due."""
        self.doubtful = True
        """Whether nothing said so of what is being looked for."""
        self.full = False
        """Runs may be due for which there was no room."""
        self.others: list[UUID] = []
        """The workers of other processes, as far as is known."""
        self.next_due: datetime | None = None
        """When the next run is due that nobody holds, by the store's clock."""
        self.next_watched: datetime | None = None
        """When the next branch is due of a run that is executed here."""
        self._store = store
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._sure = False
        """Whether something says that a run is due."""
        self._polled = 0.0
        """When it was last asked what is due, by the local clock."""
        self.looked_around = 0.0
        """When it was asked who died, by the local clock: news of other things must not put that off."""
        self._news = asyncio.Event()

    # -- what is heard ------------------------------------------------------------------------------------------------

    def hear(self, news: News) -> None:
        """Something was committed, here or elsewhere."""
        foreign = news.foreign and not news.ends_alone
        self.foreign = self.foreign or foreign
        self.due = self.due or news.due or foreign
        self._sure = self._sure or news.due
        self.note_due(news.next_due)
        if self.due or news.next_due is not None:
            self._news.set()

    def note_due(self, due: datetime | None) -> None:
        """A run that nobody holds is due at *due*."""
        if due is not None and (self.next_due is None or due < self.next_due):
            self.next_due = due

    def note_watched(self, due: datetime | None) -> None:
        """A branch of a run that is executed here is due at *due*."""
        if due is not None and (self.next_watched is None or due < self.next_watched):
            self.next_watched = due
            self._news.set()

    def note_room(self) -> None:
        """There is room again: if there was none before, more may be due."""
        if self.full:
            self.full = False
            self.look_again()

    def look_again(self, *, foreign: bool = False) -> None:
        """A run is due as far as is known, or with *foreign* anything may have happened."""
        self.due = self._sure = True
        self.foreign = self.foreign or foreign
        self._news.set()

    # -- looking ------------------------------------------------------------------------------------------------------

    def polls(self) -> None:
        """It is asked now what is due."""
        self.doubtful = not self._sure
        self.due = self._sure = False
        self._polled = self._clock.monotonic()

    def looks_around(self) -> None:
        """It is asked now who died."""
        self.looked_around = self._clock.monotonic()

    def seconds_to_look_around(self) -> float:
        """How long until the other workers must be looked at again; for ever while there are none."""
        return max(0.0, self.looked_around + LIVENESS_SECONDS - self._clock.monotonic()) if self.others else float("inf")

    async def wait(self) -> bool:
        """Until there is news, something is due, or the others must be looked at. True if nothing of that came before the poll."""
        if self.due or self.foreign:
            return False
        poll = max(0.0, self._polled + self._poll_seconds - self._clock.monotonic())
        seconds = poll
        for due in (self.next_due if not self.full else None, self.next_watched):
            if due is not None:
                seconds = min(seconds, max(0.0, (due - self._store.now()).total_seconds()))
        look_around = self.seconds_to_look_around()
        self._news.clear()
        if await self._hear_within(min(seconds, look_around)) or look_around < seconds:
            return False
        self.due = True
        self._sure = self._sure or seconds < poll
        return seconds == poll

    async def _hear_within(self, seconds: float) -> bool:
        """Wait for news; whether there was any before the time was over.

        Without a timeout, which cancels this task for a moment: a run that looked just then would take the event loop for torn down.
        """
        is_over = False

        def end() -> None:
            nonlocal is_over
            is_over = True
            self._news.set()

        timer = asyncio.get_running_loop().call_later(seconds, end)
        try:
            await self._news.wait()
        finally:
            timer.cancel()
        return not is_over
