"""Whose turn is it? In a run with several branches, what ends reaches the workflow's code one at a time, in the order of recording.

A record is handed out when the code that got the one before has come to rest: it called a step, waits, or ended. So the order in
which branches touch what they share is the order of the records, at first run and at replay alike. A run without branches needs
none of this, and pays nothing for it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from planar.engine.core.replay import Journal, enclosing
from planar.engine.current import Strand
from planar.engine.execution.settling import outlast

PATIENCE_IN_TURNS = 10
"""Code that waits for something of its own (a lock shared by branches) never rests. After so many turns of the event loop the next
record is handed out all the same: it may be what that code waits for."""

_NOBODY: deque[asyncio.Future[None]] = deque()
"""What a run has in place of an empty deque of its own, which takes 600 bytes: it is never added to."""


class Turns:
    """The order in which the strands of one run go on. *idle* is called when none of them can by itself."""

    def __init__(self, journal: Journal, idle: Callable[[], None]) -> None:
        self.several = False
        """Whether the run has, or had, more than one strand."""
        self._journal = journal
        self._idle = idle
        self._active = 1
        """Strands that go on by themselves: in code, in a step's body, or about to record."""
        self._in_code = 0
        self._handing = False
        """A record is on its way to a strand."""
        self._ticking = False
        self._patience = 0
        """For how many more turns of the event loop code that does not rest is waited for."""
        self._ended: deque[asyncio.Future[None]] = _NOBODY
        """Strands whose step has ended, in that order, before it is recorded."""
        self._deciding: dict[Strand, asyncio.Future[None]] = {}
        """Those of the ended ones that are first in a race, unless they are told meanwhile that another was."""
        self._called: dict[str, tuple[Strand, asyncio.Future[bool]]] = {}
        """Strands that called a step while others are to be handed out first, by the step's path."""

    def close(self) -> None:
        """The run is not executed here any more: nobody is to be called."""
        self._idle = _do_nothing

    # -- where the strands are ----------------------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether every strand waits for something outside of the run."""
        return self._active == 0

    @property
    def is_stuck(self) -> bool:
        """Whether a strand waits until others call what is recorded before."""
        return self._active == 0 and bool(self._called)

    def open(self, parent: Strand, *, in_code: bool) -> None:
        """*parent*, the only strand until now, gets company; *in_code* unless it does so in a step's body."""
        if not self.several:
            self.several = True
            parent.in_code = in_code
            self._in_code = int(in_code)

    def enter_code(self, strand: Strand) -> None:
        """*strand* executes workflow code."""
        if not strand.in_code:
            strand.in_code = True
            self._begin_code()

    def leave_code(self, strand: Strand) -> None:
        """The code of *strand* came to rest."""
        if strand.in_code:
            strand.in_code = False
            self._in_code -= 1
            self.go_on()

    def begin(self, *, in_code: bool) -> None:
        """A new strand begins, in code unless in the body of a step."""
        self._active += 1
        if in_code:
            self._begin_code()

    def _begin_code(self) -> None:
        """Each strand has all the patience: with what another left of it, the order would hang on how long that one took."""
        self._in_code += 1
        self._patience = PATIENCE_IN_TURNS

    def block(self) -> None:
        """A strand that does not execute code can only be woken from outside, or has ended."""
        self._active -= 1
        self.go_on()
        if self._active == 0:
            self._idle()

    def unblock(self, strands: int = 1) -> None:
        """Whoever wakes strands counts them, not they themselves: in between nobody may believe that all wait."""
        self._active += strands

    # -- replay -------------------------------------------------------------------------------------------------------

    async def come(self, strand: Strand, path: str) -> asyncio.CancelledError | None:
        """Wait until the step that *strand* calls at *path* may go on: it is its turn, or the recorded history is used up.

        A cancellation that comes meanwhile is answered, for the caller to deliver in its turn.

        Raises:
            CancelledError: the branch was to end before it came here; nothing of that is recorded.
        """
        if self._journal.next() is None:
            return None
        waiting: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._called[path] = (strand, waiting)
        self.block()
        cancelled = await outlast(waiting)
        if not waiting.result():
            raise cancelled or asyncio.CancelledError
        return cancelled

    def look_again(self) -> None:
        """Something was done about strands that are stuck."""
        if self._active == 0:
            self._idle()

    def drop_lost(self) -> bool:
        """End the calls of branches that are to end and have no record here: they were told before they came so far.

        Returns whether there were any.
        """
        lost = [path for path, (strand, _) in self._called.items() if strand.loss is not None and self._journal.get(path) is None]
        for path in lost:
            strand, waiting = self._called.pop(path)
            if strand.loss is not None:
                strand.loss.delivered = True
            self.unblock()
            waiting.set_result(False)
        return bool(lost)

    # -- first run ----------------------------------------------------------------------------------------------------

    async def end(self) -> asyncio.CancelledError | None:
        """Wait until the step of this strand may be recorded as ended; `handed_out` must follow. Cancellations as for `come`."""
        if not self._handing and not self._in_code and not self._ended and self._journal.next() is None:
            self._handing = True
            return None
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._note_ended(waiting)
        self.go_on()
        cancelled = await outlast(waiting)
        waiting.result()
        return cancelled

    async def decide(self, strand: Strand) -> bool:
        """Like `end`, for a branch that was first in a race; False if it was told meanwhile that this decides nothing any more."""
        if not self._handing and not self._in_code and not self._ended and self._journal.next() is None:
            self._handing = True
            return True
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._note_ended(waiting)
        self._deciding[strand] = waiting
        self.go_on()
        try:
            await waiting
        except asyncio.CancelledError:
            if waiting in self._ended:
                self._ended.remove(waiting)
                return False
            if waiting.cancelled():
                return False
        finally:
            del self._deciding[strand]
        return True

    def _note_ended(self, waiting: asyncio.Future[None]) -> None:
        if self._ended is _NOBODY:
            self._ended = deque()
        self._ended.append(waiting)

    def told(self, strand: Strand) -> None:
        """*strand* is to end. One that was about to decide a race leaves no record, so whoever goes on after it is waited for."""
        if strand in self._deciding:
            self.enter_code(strand)

    def handed_out(self, strand: Strand, *, to_code: bool) -> None:
        """The record reached its strand: its code, or the body of a step around it."""
        self._handing = False
        if to_code:
            self.enter_code(strand)
        # Also then: code that waits for something of its own may need the next record to go on.
        self.go_on()

    # -- the next -----------------------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Let the next strand go on, if the last has come to rest."""
        if self._handing or not (self._called or self._ended):
            return
        if self._in_code <= 0:
            self._next()
        elif not self._ticking:
            self._ticking, self._patience = True, PATIENCE_IN_TURNS
            asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        if self._patience > 0:
            self._patience -= 1
            asyncio.get_running_loop().call_soon(self._tick)
            return
        self._ticking = False
        if not self._handing:
            self._next()

    def _next(self) -> None:
        record = self._journal.next()
        if record is None:
            self._use_up()
            return
        # A step around it, whose body will call it; a race around it waits for its own record.
        around = (outer for outer in enclosing(record.path) if record.path[len(outer)] == ".")
        for path in (record.path, *around):
            called = self._called.pop(path, None)
            if called is not None:
                # A step whose nested ones are recorded begins again, and hands nothing out by that.
                self._handing = path == record.path
                self.unblock()
                called[1].set_result(True)
                return

    def _use_up(self) -> None:
        """The history is used up: what was called happens, and what has ended is recorded."""
        called, self._called = self._called, {}
        self.unblock(len(called))
        for _, waiting in called.values():
            waiting.set_result(True)
        while self._ended and not self._handing:
            waiting = self._ended.popleft()
            if not waiting.done():
                self._handing = True
                waiting.set_result(None)

    def abort_calls(self, error: BaseException) -> list[Strand]:
        """No call goes on any more: whoever waits with one gets *error*. The strands that did."""
        called, self._called = self._called, {}
        self.unblock(len(called))
        for _, waiting in called.values():
            _fail(waiting, error)
        return [strand for strand, _ in called.values()]

    def abort(self, error: BaseException) -> None:
        """Nobody's turn comes any more: whoever waits for it gets *error*."""
        self.abort_calls(error)
        ended, self._ended = self._ended, _NOBODY
        for waiting in ended:
            _fail(waiting, error)


def _do_nothing() -> None:
    pass


def _fail(waiting: asyncio.Future[Any], error: BaseException) -> None:
    if not waiting.done():
        waiting.set_exception(error)
        # Its strand may have been cancelled at this moment, and never ask.
        waiting.exception()
