"""Who waits in this run, and does the run sleep? It sleeps when every strand waits for something outside: then it is nobody's.

Each waiting strand has a seat. While another strand goes on, what waits is woken in memory by news of this worker; when none goes
on, one entry stores what all of them wait for, and whoever is woken looks for itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from planar.engine.core.model import Claim, Reason, StepRecord
from planar.engine.current import Strand
from planar.engine.errors import RunDetached
from planar.engine.events import NoticeKind
from planar.engine.execution.settling import outlast
from planar.engine.store.port import EventWait, Found, News, Reclaim, Sleep, Slept, Store, Wait
from planar.engine.tracing import is_traced, trace
from planar.logging import get_logger

if TYPE_CHECKING:
    from planar.engine.execution.run import LiveRun

logger = get_logger(__name__)

LOOK_AGAIN_SECONDS = 1.0
SOON_SECONDS = 0.01


class Waiting(Protocol):
    """A step that waits, as a sleep sees it."""

    def marks(self) -> tuple[StepRecord, ...]:
        """The marks by which people, and a later pass, know it."""
        ...


@dataclass(slots=True, eq=False)
class Seat:
    """One strand that waits: until *due*, for *wait*, or for whichever is first."""

    step: Waiting
    strand: Strand
    reason: Reason
    due: datetime | None
    wait: Wait | None
    woken: asyncio.Future[Found]
    is_marked: bool = False
    """Whether its marks are on disk."""


class _State(Enum):
    AWAKE = "awake"
    GOING = "going to sleep"
    ASLEEP = "asleep"
    TAKING = "being taken back"
    OVER = "not executed here any more"


class Parking:
    """The waiting strands of one run, and its sleep."""

    def __init__(self, live: LiveRun) -> None:
        self._live = live
        self._seats: dict[Seat, None] = {}
        self._state = _State.AWAKE
        self._moving: asyncio.Future[Any] | None = None
        """The entry that changes the state, while it is on its way."""
        self._looking: asyncio.Task[None] | None = None
        self._look_again = False

    @property
    def is_awake(self) -> bool:
        """Whether the run is executed, and is not on its way to sleep or back."""
        return self._state is _State.AWAKE

    @property
    def is_asleep(self) -> bool:
        """Whether the run sleeps: it is nobody's, and needs no slot."""
        return self._state is _State.ASLEEP

    @property
    def is_parking(self) -> bool:
        """Whether the run sleeps, or is on its way to sleep."""
        return self._state in (_State.ASLEEP, _State.GOING)

    @property
    def next_due(self) -> datetime | None:
        """The earliest time for which a strand waits while the run is awake."""
        return _earliest(self._seats) if self._state is _State.AWAKE else None

    def sleeps_for(self) -> tuple[datetime | None, str | None]:
        """Until when it sleeps, and the event that it waits for, as far as it waits for such."""
        waits = (seat.wait for seat in self._seats)
        return _earliest(self._seats), next((wait.key for wait in waits if isinstance(wait, EventWait)), None)

    def close(self) -> None:
        """The run is not executed here any more; news that comes late finds nobody."""
        self._state, self._moving, self._looking = _State.OVER, None, None
        self._seats.clear()
        del self._live

    # -- sitting down -------------------------------------------------------------------------------------------------

    async def sit(self, step: Waiting, strand: Strand, reason: Reason, due: datetime | None, wait: Wait | None) -> Found:
        """Wait; what *wait* found, or None when *due* has come, or when it is worth looking again.

        Raises:
            RunDetached: the run is evicted and will be replayed.
            CancelledError: something in the user's code gave up waiting; the run is this worker's again.
        """
        live = self._live
        seat = Seat(step, strand, reason, due, wait, asyncio.get_running_loop().create_future())
        self._seats[seat] = None
        live.turns.block()
        if self._state is _State.AWAKE and not live.turns.is_idle:
            self._wait_in_memory(seat)
        try:
            return await seat.woken
        except asyncio.CancelledError:
            if seat.woken.cancelled():
                del self._seats[seat]
                live.turns.unblock()
            await self._be_awake()
            raise
        finally:
            # An error that it was given refers to this frame: with the seat that holds the error the two would keep each other alive.
            del seat

    def _wait_in_memory(self, seat: Seat) -> None:
        """Other strands go on. What must outlive a crash (since when, until when, how often) is on disk all the same."""
        if not seat.is_marked:
            seat.is_marked = True
            for mark in seat.step.marks():
                self._live.mark(mark)
        self._live.parts.host.watch(self._live)
        self._look_soon()

    def _wake(self, seat: Seat, found: Found = None) -> None:
        if seat.woken.done():
            # Cancelled at this moment: its strand counts itself.
            return
        del self._seats[seat]
        self._live.turns.unblock()
        seat.woken.set_result(found)

    def reject(self, error: BaseException) -> list[Strand]:
        """Nobody is woken any more: whoever waits gets *error*. The strands that did."""
        waiting = [seat for seat in self._seats if not seat.woken.done()]
        for seat in waiting:
            del self._seats[seat]
            self._live.turns.unblock()
            seat.woken.set_exception(error)
            seat.woken.exception()
        return [seat.strand for seat in waiting]

    # -- going to sleep -----------------------------------------------------------------------------------------------

    def fall_asleep(self) -> None:
        """Every strand waits: store what for, unless something of it has come."""
        if self._state is not _State.AWAKE or not self._seats:
            return
        live = self._live
        if not live.turns.is_idle or live.detached:
            return
        if any(seat.woken.done() for seat in self._seats):
            return  # its strand was cancelled at this moment, and goes on
        before = live.before()
        unfinished = live.unfinished()
        if before is None and unfinished is not None:
            unfinished.add_done_callback(lambda _: self.fall_asleep())
            return
        if not live.is_sound():
            return
        seats = list(self._seats)
        self._state = _State.GOING
        # A run must not sleep on a record that may be refused, or history would have a hole: the entry names what it rests on.
        going = self._moving = live.parts.store.submit(self._entry(seats)._replace(after=before or ()))
        going.add_done_callback(lambda done: self._went(done, seats))

    def _entry(self, seats: list[Seat]) -> Sleep:
        marks = {mark.path: mark for seat in seats if not seat.is_marked for mark in seat.step.marks()}
        waits = tuple(seat.wait for seat in seats if seat.wait is not None)
        return Sleep(self._live.holder, _shown_reason(seats), _earliest(seats), waits, tuple(marks.values()))

    def _went(self, done: asyncio.Future[Any], seats: list[Seat]) -> None:
        if done is not self._moving:
            return  # it was claimed before this news came
        self._moving = None
        error = done.exception()
        if error is not None:
            self._state = _State.AWAKE
            if self._live.is_sound():
                self._live.stop(error)
            return
        slept: Slept = done.result()
        if slept.asleep:
            self._asleep(seats)
        else:
            self._state = _State.AWAKE
            self._stay_awake(slept, seats)

    def _asleep(self, seats: list[Seat]) -> None:
        live = self._live
        self._state = _State.ASLEEP
        if live.leaving:
            # The worker was asked to stop while the run was going to sleep: nobody will wake it here.
            live.detach()
            return
        for seat in seats:
            if not seat.is_marked and live.parts.notices.listeners:
                for mark in seat.step.marks():
                    live.tell(mark)
            seat.is_marked = True
        if is_traced():
            live.spawn(trace("run suspended", run_id=live.id))
        live.parts.host.slept(live)
        live.parts.notices.publish(NoticeKind.WORKFLOW_SUSPENDED, live.run)

    def _stay_awake(self, slept: Slept, seats: list[Seat]) -> None:
        """Something that was waited for has come, or a time; or somebody wants the end of the run, perhaps in another process."""
        self._hand_out([seat for seat in seats if seat.wait is not None], slept.found)
        self.wake_due()
        if self._live.turns.is_idle and not self._live.detached:
            self._live.spawn(self._hear_request(self._live))

    async def _hear_request(self, live: LiveRun) -> None:
        if not await live.look_for_request() and live.turns.is_idle:
            await asyncio.sleep(SOON_SECONDS)
            self.fall_asleep()

    def _hand_out(self, seats: list[Seat], found: tuple[Found, ...]) -> None:
        for seat, each in zip(seats, found, strict=False):
            if each is not None and seat in self._seats:
                self._wake(seat, each)

    def wake_due(self) -> None:
        """Wake who waits for a time that has come. Only while the run is awake."""
        if self._state is _State.AWAKE:
            now = self._live.now()
            for seat in [seat for seat in self._seats if seat.due is not None and seat.due <= now]:
                self._wake(seat)

    # -- waking up ----------------------------------------------------------------------------------------------------

    def resume(self, claim: Claim) -> bool:
        """This worker claimed the run again. False if this copy is not what was claimed: it is stale, or does not sleep."""
        live = self._live
        if not self.is_parking or live.detached or claim.epoch != live.epoch + 1:
            return False
        slept = self.is_asleep
        self._state, self._moving = _State.AWAKE, None
        live.epoch = claim.epoch
        if slept:
            self._woke()
        self.wake_due()
        if live.turns.is_idle:
            # Nobody's time has come: whoever waits for something else looks, all at once.
            self.fall_asleep()
        elif self._seats:
            live.parts.host.watch(live)
            self._look_soon()
        return True

    def _woke(self) -> None:
        if is_traced():
            self._live.spawn(trace("run resumed", run_id=self._live.id))
        self._live.parts.host.woke(self._live)
        self._live.parts.notices.publish(NoticeKind.WORKFLOW_RESUMED, self._live.run)

    async def _be_awake(self) -> None:
        """A strand was woken by something in the user's code (a timeout around a wait): the run must be this worker's for it to go on."""
        if self._state is _State.GOING and self._moving is not None:
            await outlast(self._moving)
        if self._live.let_go():
            raise RunDetached
        if self._state is _State.ASLEEP:
            self._state = _State.TAKING
            # It may be this worker's from now on: a request for its end has to be looked for.
            self._live.parts.host.woke(self._live)
            taking = self._moving = self._live.parts.store.submit(Reclaim(self._live.holder))
            taking.add_done_callback(self._took)
        if self._state is _State.TAKING and self._moving is not None:
            # Whatever comes meanwhile: a claim whose epoch is not known here would be held by nobody who can write.
            await outlast(self._moving)
        if self._live.let_go():
            raise RunDetached

    def _took(self, done: asyncio.Future[Any]) -> None:
        self._state, self._moving = _State.AWAKE, None
        error = done.exception()
        if error is not None:
            self._live.stop(error)
            return
        self._live.epoch = done.result()
        if is_traced():
            self._live.spawn(trace("run resumed", run_id=self._live.id))
        self._live.parts.notices.publish(NoticeKind.WORKFLOW_RESUMED, self._live.run)
        if self._seats:
            self._live.parts.host.watch(self._live)
            self._look_soon()

    # -- news while other strands go on -------------------------------------------------------------------------------

    def hear(self, news: News) -> None:
        """Something happened: look, if it may be what a strand waits for."""
        if self._state is _State.AWAKE and (news.foreign or any(_concerns(news, seat.wait) for seat in self._seats)):
            self._look_soon()

    def _look_soon(self) -> None:
        self.wake_due()
        if not any(seat.wait is not None for seat in self._seats):
            return
        if self._looking is not None and not self._looking.done():
            self._look_again = True
        else:
            self._looking = self._live.spawn(self._look(self._live.parts.store))

    async def _look(self, store: Store) -> None:
        while self._state is _State.AWAKE:
            self._look_again = False
            seats = [seat for seat in self._seats if seat.wait is not None]
            try:
                found = await store.look([seat.wait for seat in seats if seat.wait is not None])
            except Exception:
                # No more news may come, and somebody waits.
                logger.exception("could not look for what a branch waits for; that is tried again")
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
                continue
            if self._state is _State.AWAKE:
                self._hand_out(seats, found)
            if not self._look_again:
                return


def _earliest(seats: Iterable[Seat]) -> datetime | None:
    return min((seat.due for seat in seats if seat.due is not None), default=None)


def _shown_reason(seats: list[Seat]) -> Reason:
    """What people see the run waiting for: what only somebody else can bring comes before what time brings."""
    reasons = {seat.reason for seat in seats}
    return next(reason for reason in (Reason.EVENT, Reason.CHILD, Reason.RETRY, Reason.TIMER) if reason in reasons)


def _concerns(news: News, wait: Wait | None) -> bool:
    if wait is None:
        return False
    return wait.key in news.emitted if isinstance(wait, EventWait) else wait.run_id in news.ended
