"""What runs beside what? Branches of one run, each with a place of its own in the journal, ended together before the caller goes on.

The steps of branch 2 at place 3 have the paths ``3/b2.1``, ``3/b2.2`` and so on. A race records which branch was first; nothing
else needs a record of its own, because what ends is handed out in the order of recording (`planar.engine.execution.turns`).
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, NamedTuple

from planar.db.session import bind_session
from planar.engine.core.model import StepStatus
from planar.engine.core.replay import StepIdentity, decide_branches
from planar.engine.current import Frame, Strand, bind_frame
from planar.engine.errors import RunDetached
from planar.engine.execution.run import LiveRun
from planar.engine.execution.settling import settled
from planar.engine.execution.step import StepCall
from planar.engine.execution.steps import check_place, commit_point, enter, go_on, leaving_a_record, open_step, raise_again, rest


class Body(NamedTuple):
    """What a branch does: *call* answers what it awaits; *made* is the coroutine, if there is one already."""

    call: Callable[[], Awaitable[Any]]
    made: Awaitable[Any] | None = None

    def drop(self) -> None:
        """The branch never begins: a coroutine that was made for it must not be reported as forgotten."""
        if inspect.iscoroutine(self.made):
            self.made.close()


class Outcome(NamedTuple):
    """How a branch ended: with *value*, or with *error*."""

    value: Any = None
    error: BaseException | None = None

    def get(self) -> Any:
        """The value.

        Raises:
            BaseException: the branch's error.
        """
        if self.error is not None:
            raise self.error
        return self.value


class Branches:
    """Branches of the code at *frame* that run at once, *limit* at a time.

    Args:
        call: what the record calls this: its codec writes the number of a race's winner.
        is_race: whether the first branch to end decides, and the others are told to end.
        keep_going: whether the others go on when one fails.
    """

    def __init__(self, frame: Frame, call: StepCall, *, limit: int | None = None, is_race: bool = False, keep_going: bool = False) -> None:
        self._frame = frame
        self._live: LiveRun = frame.run
        self._call = call
        self._limit = limit
        self._is_race = is_race
        self._keep_going = keep_going
        self._path = frame.next_path()
        self._todo: deque[tuple[int, Body]] = deque()
        self._open: dict[int, Strand] = {}
        self._unbegun: set[int] = set()
        """Those of the open ones whose tasks have not come to their first line."""
        self._outcomes: dict[int, Outcome] = {}
        self._all_ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._first_failure: BaseException | None = None
        self._winner: int | None = None
        self._is_detached = False

    async def run(self, bodies: Iterable[Body]) -> list[Outcome]:
        """Run *bodies*, each as a branch; how each ended, in their order.

        Raises:
            BaseException: the error of the first branch that failed, unless they keep going.
            CancelledError: the caller was cancelled; by then the branches have ended.
            RunDetached: this worker lets go of the run.
            NonDeterministicStepCallError: something else was recorded at this place.
        """
        self._todo.extend(enumerate(bodies, 1))
        count = len(self._todo)
        try:
            await self._enter()
        except BaseException:
            self._drop()
            raise
        try:
            if count:
                await self._join()
            if self._first_failure is not None:
                raise self._first_failure
            return [self._outcomes.get(index, Outcome()) for index in range(1, count + 1)]
        finally:
            # An error refers to the branch that raised it, and that to this: kept here, they would keep each other alive.
            self._outcomes, self._first_failure = {}, None

    @property
    def winner(self) -> int:
        """The number of the branch that won the race, from 1."""
        if self._winner is None:
            raise self._live.diverge(0, "the branch that won a race did not end")
        return self._winner

    # -- the caller ---------------------------------------------------------------------------------------------------

    async def _enter(self) -> None:
        live, frame = self._live, self._frame
        check_place(frame, self._call)
        live.check(frame.strand)
        differs = decide_branches(live.journal, self._path, self._call.identity)
        if differs is not None:
            raise live.diverge(differs.step_id, f"its {differs.what} was {differs.previous!r} and is now {differs.current!r}")
        record = live.journal.get(self._path)
        if record is not None and record.status is StepStatus.CANCELLED:
            # The caller was told to end when it came here.
            rest(live, frame)
            try:
                await live.decide(frame, self._path, self._call.identity, None, None)
                await raise_again(live, frame, record)
            finally:
                go_on(live, frame)
        if frame.step_id is not None or (live.journal.next() is None and self._must_end()):
            await self._come_to_rest()

    async def _come_to_rest(self) -> None:
        """The caller is to end, or is in the body of a step, whose session is committed before the branches begin."""
        live, frame = self._live, self._frame
        rest(live, frame)
        try:
            if live.journal.next() is None and self._must_end():
                step = open_step(live, frame, self._call, self._path, None)
                async with leaving_a_record(step):
                    await enter(step)
            await live.durable()
            await commit_point(frame, self._call.identity.name)
        finally:
            go_on(live, frame)

    def _must_end(self) -> bool:
        ending = self._live.cancellation if self._frame.strand.task is self._live.task else self._frame.strand.loss
        return ending is not None and not ending.delivered

    async def _join(self) -> None:
        live, frame = self._live, self._frame
        turns = live.turns
        turns.open(frame.strand, in_code=frame.step_id is None)
        while self._todo and (self._limit is None or len(self._open) < self._limit):
            self._begin(*self._todo.popleft())
        if frame.step_id is None:
            turns.leave_code(frame.strand)
        turns.block()
        frame.strand.joined = self
        cancelled: asyncio.CancelledError | None = None
        while not self._all_ended.done():
            try:
                await settled(self._all_ended)
            except asyncio.CancelledError as error:
                cancelled = error
                self._hear(str(error))
        frame.strand.joined = None
        if self._is_detached:
            live.let_go_of(frame.strand)
            raise RunDetached
        if cancelled is not None:
            raise cancelled

    def _hear(self, reason: str) -> None:
        """The caller was cancelled while it waited: by a request or a decision, which has told the branches already, or by a timeout."""
        strand = self._frame.strand
        self.end_all(reason, by_decision=strand.lost_by_decision and strand.loss is not None and reason == strand.loss.reason)
        if self._live.detached:
            # The time for cleaning up is over.
            for strand in self._open.values():
                strand.task.cancel(reason)

    def end_all(self, reason: str, *, by_decision: bool) -> None:
        self._end_others(reason, by_decision=by_decision)

    def _end_others(self, reason: str, *, by_decision: bool, but: int | None = None) -> None:
        self._drop()
        for index, strand in list(self._open.items()):
            if index != but:
                # It had begun when it was told, if something of it is recorded: on replay others may be quicker than its first line.
                had_begun = index in self._unbegun and self._live.journal.inner(self._path_of(index), ".") is not None
                strand.lose(reason, by_decision=by_decision, once_begun=had_begun)
                self._live.turns.told(strand)

    def _drop(self) -> None:
        """No further branch begins."""
        while self._todo:
            self._todo.popleft()[1].drop()

    # -- one branch ---------------------------------------------------------------------------------------------------

    def _begin(self, index: int, body: Body) -> None:
        frame = self._frame
        is_code = frame.step_id is None
        context = contextvars.copy_context()
        ready: asyncio.Future[Strand] = asyncio.get_running_loop().create_future()
        task = asyncio.get_running_loop().create_task(self._branch(index, body, ready), name=f"branch {index}", context=context)
        strand = Strand(task, in_code=is_code)
        ready.set_result(strand)
        self._open[index] = strand
        self._unbegun.add(index)
        self._live.turns.begin(in_code=is_code)
        task.add_done_callback(lambda _: self._never_began(index, body))

    async def _branch(self, index: int, body: Body, ready: asyncio.Future[Strand]) -> None:
        strand, frame = ready.result(), self._frame
        self._unbegun.discard(index)
        place = Frame(run=self._live, strand=strand, path=self._path_of(index), step_id=frame.step_id, outer=frame, is_branch=True)
        try:
            with bind_frame(place), bind_session(None):
                outcome = Outcome(await body.call())
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # whatever it is, it belongs to whoever waits for the branches
            outcome = Outcome(error=error)
        try:
            await self._note(index, strand, outcome)
        except BaseException as error:  # being let go, while a race was about to be decided
            self._note_failure(index, error)
        del outcome
        self._ended(index)

    def _path_of(self, index: int) -> str:
        return f"{self._path}/b{index}"

    def _never_began(self, index: int, body: Body) -> None:
        if index in self._open:
            body.drop()
            self._outcomes[index] = Outcome(error=asyncio.CancelledError())
            self._ended(index)

    def _ended(self, index: int) -> None:
        """The last thing that a branch does: who goes on after it is counted before it is not counted any more."""
        turns, frame = self._live.turns, self._frame
        strand = self._open.pop(index)
        if self._todo:
            self._begin(*self._todo.popleft())
        if not self._open:
            turns.unblock()
            if frame.step_id is None:
                turns.enter_code(frame.strand)
            self._all_ended.set_result(None)
        turns.leave_code(strand)
        turns.block()

    async def _note(self, index: int, strand: Strand, outcome: Outcome) -> None:
        self._outcomes[index] = outcome
        error = outcome.error
        if isinstance(error, RunDetached) or strand.left:
            # Whatever its code made of being let go does not count.
            self._note_failure(index, RunDetached())
        elif self._live.diverged is not None:
            self._note_failure(index, self._live.diverged)
        elif self._is_race:
            if self._winner is None and strand.loss is None:
                await self._decide(index, strand)
        elif error is not None and strand.loss is None and not (self._keep_going and isinstance(error, Exception)):
            self._note_failure(index, error)

    def _note_failure(self, index: int, error: BaseException) -> None:
        live = self._live
        if isinstance(error, RunDetached):
            self._is_detached = True
            self._drop()
            for strand in self._open.values() if live.detached else ():
                # Where the worker only stops, a branch in a step's body may still end that.
                strand.task.cancel()
            return
        if self._first_failure is None:
            self._first_failure = error
        self._end_others("another branch failed", by_decision=True, but=index)

    async def _decide(self, index: int, strand: Strand) -> None:
        """This branch ended first. Which one did is recorded before anything stands on it."""
        live = self._live
        live.turns.leave_code(strand)
        record = live.journal.get(self._path)
        if record is not None:
            if record.result != str(index):
                # By the record another one did; this one was slower then, with something that is not a step.
                return
            await live.turns.come(strand, self._path)
            live.journal.pass_over(self._path)
        elif not await live.turns.decide(strand):
            return
        try:
            if self._winner is not None or live.detached or (record is None and strand.loss is not None):
                return
            if record is None:
                step = open_step(live, self._frame, self._call, self._path, None)
                live.save(step.record(StepStatus.SUCCEEDED, seq=live.next_seq(), result=str(index)))
            self._winner = index
            self._end_others("another branch was quicker", by_decision=True, but=index)
        finally:
            # It has not come to rest before whoever waits for the race is counted as going on.
            live.turns.handed_out(strand, to_code=self._frame.step_id is None)


GATHER = StepIdentity("planar.workflows.gather", "gather()", display_name="Gather")
RACE = StepIdentity("planar.workflows.race", "race()", display_name="Race")
TIMEOUT = StepIdentity("planar.workflows.timeout", "timeout()", display_name="Timeout")
