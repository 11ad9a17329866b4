"""Start, cancel, announce, wait for: what can be done to runs from outside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from planar.db.session import SessionScope, current_scope
from planar.engine.catalog import Definition, Registry
from planar.engine.codec import load_failure, restore_failure
from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import ENDED, Claim, Event, Run, RunStatus
from planar.engine.endings import Endings
from planar.engine.errors import ArgumentNotStorable, PayloadTooLarge, RunAlreadyEnded, RunCancelled, RunNotFound, WorkflowError
from planar.engine.events import NoticeKind, Notices
from planar.engine.execution.recording import cancelled_error
from planar.engine.store.port import Cancel, Cancelled, Emit, Emitted, Entry, News, Started, StartRun, Store
from planar.engine.tracing import is_traced, trace
from planar.engine.worker import Worker
from planar.logging import get_logger

logger = get_logger(__name__)

MOST_BYTES = 4
"""So many bytes a character takes at most in UTF-8."""

LOOK_AGAIN_SECONDS = 1.0
LOOK_ANYWAY_SECONDS = 60.0
"""The net: news of an end may be lost, as when its process was killed between the commit and the telling."""


class Client:
    """One app's way to its runs."""

    def __init__(
        self,
        store: Store,
        registry: Registry,
        notices: Notices,
        *,
        worker: Worker | None = None,
        dump_actor: Callable[[], str | None] = lambda: None,
        max_argument_bytes: int = 1024 * 1024,
    ) -> None:
        self.store = store
        self.registry = registry
        self.notices = notices
        self._worker = worker
        self._dump_actor = dump_actor
        self._max_argument_bytes = max_argument_bytes
        self._waiting: dict[UUID, set[asyncio.Future[Ending]]] = {}
        self._starting: set[UUID] = set()
        """The runs that are waited for and are not in the database yet."""
        self._unlooked: set[UUID] = set()
        """Those of them that were left out of a look: news came before the word that they are in the database."""
        self._stale = False
        """Another process wrote since the runs that are waited for were looked at."""
        self._doubts = False
        """Whether also those are looked at that are executed here."""
        self._looking: asyncio.Task[None] | None = None
        self._looks_anyway: asyncio.TimerHandle | None = None
        self.endings = Endings(store, notices)
        """Tells listeners how runs ended."""
        if worker is not None:
            self.endings.ask(worker.find_run)
            worker.tell_of_losses(self._look_soon)
        self._unsubscribe = store.subscribe(self._hear)

    def close(self) -> None:
        """Hear no more news."""
        self._unsubscribe()
        self.endings.close()
        if self._looking is not None:
            self._looking.cancel()
        if self._looks_anyway is not None:
            self._looks_anyway.cancel()

    # -- start --------------------------------------------------------------------------------------------------------

    def new_run(
        self,
        definition: Definition,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        *,
        parent_id: UUID | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """The value of a run that is to be started.

        Raises:
            ArgumentNotStorable: an argument cannot be written down; the message names it.
            PayloadTooLarge: the arguments are larger than the app allows.
            WorkflowNameTaken: the workflow's name means another function in this app.
        """
        self.registry.check(definition)
        args_text, kwargs_text = definition.codec.dump_call(args, kwargs)
        size = len(args_text) + len(kwargs_text)
        if size * MOST_BYTES > self._max_argument_bytes:
            size = len(args_text.encode()) + len(kwargs_text.encode())
        if size > self._max_argument_bytes:
            raise PayloadTooLarge(
                f"The arguments of '{definition.name}' take {size} bytes, more than the {self._max_argument_bytes} that are allowed"
                " (workflows.max_argument_bytes). Pass a reference, to a file or a row, instead."
            )
        return Run(
            id=uuid7(),
            workflow=definition.name,
            args=args_text,
            kwargs=kwargs_text,
            created_at=self.store.now(),
            parent_id=parent_id,
            principal=self._dump_actor(),
            idempotency_key=idempotency_key,
        )

    async def start(self, run: Run) -> Started:
        """Insert *run*; durable on return. In a session that has written, it becomes part of that transaction instead."""
        scope = await _written_scope()
        if scope is not None:
            outcomes = await self.store.submit_in(scope.get(), [StartRun(run)])
            return outcomes[0]
        return await asyncio.shield(self._insert(run))

    def _insert(self, run: Run) -> asyncio.Future[Started]:
        """Put the start of *run* in the lane; a worker of this process begins the run meanwhile."""
        mine = self._worker.reserve(run.workflow) if self._worker is not None and run.idempotency_key is None else None
        inserting = self.store.submit(StartRun(run, mine))
        if self.notices.listeners:
            inserting.add_done_callback(partial(self._tell_started, run))
        if mine is not None and self._worker is not None:
            self._worker.adopt(Claim(run, epoch=1), inserting)
        return inserting

    def _tell_started(self, run: Run, inserting: asyncio.Future[Started]) -> None:
        if not inserting.cancelled() and inserting.exception() is None and inserting.result().created:
            self.notices.publish(NoticeKind.WORKFLOW_STARTED, run)

    # -- wait ---------------------------------------------------------------------------------------------------------

    async def ended(self, run_id: UUID, timeout: float | None = None) -> Run:
        """The run once it has ended.

        Raises:
            RunNotFound: there is no such run.
            TimeoutError: it did not end within *timeout* seconds.
        """
        await self.commit_first("a run was waited for")
        with self._hearing(run_id) as end:
            async with asyncio.timeout(timeout):
                run = await self.load(run_id)
                return run if run.status in ENDED else _with_ending(run, await end)

    async def run_to_end(self, run: Run) -> Run:
        """Start *run* and wait for its end; nothing is read for it if the run is executed in this process."""
        await self.commit_first("a workflow was called")
        if run.idempotency_key is not None:
            return await self.ended((await self.start(run)).run_id)
        # Listening before the start: the end may become durable together with it.
        with self._hearing(run.id) as end:
            self._starting.add(run.id)
            self._insert(run).add_done_callback(partial(self._started, run.id, end))
            return _with_ending(run, await end)

    def _started(self, run_id: UUID, end: asyncio.Future[Ending], inserting: asyncio.Future[Started]) -> None:
        self._starting.discard(run_id)
        if self._unlooked and run_id in self._unlooked:
            self._unlooked.discard(run_id)
            self._look_soon()
        error = asyncio.CancelledError() if inserting.cancelled() else inserting.exception()
        if error is not None and not end.done():
            end.set_exception(error)

    def _hearing(self, run_id: UUID) -> _Hearing:
        """A future for the end of a run, fulfilled by news until the block ends."""
        if self._looks_anyway is None:
            self._looks_anyway = asyncio.get_running_loop().call_later(LOOK_ANYWAY_SECONDS, self._look_anyway)
        return _Hearing(self._waiting, run_id)

    async def must_exist(self, run_id: UUID) -> None:
        """Whether there is a run to wait for.

        Raises:
            RunNotFound: there is not.
        """
        await self.load(run_id)

    async def load(self, run_id: UUID) -> Run:
        """The run as it was committed last.

        Raises:
            RunNotFound: there is none.
        """
        run = await self.store.load_run(run_id)
        if run is None:
            raise _not_found(run_id)
        return run

    def _hear(self, news: News) -> None:
        for run_id, ending in news.endings.items():
            for waiting in self._waiting.get(run_id, ()):
                if not waiting.done():
                    waiting.set_result(ending)
        if news.foreign:
            self._look_soon()

    def _look_anyway(self) -> None:
        self._looks_anyway = None
        if self._waiting:
            self._looks_anyway = asyncio.get_running_loop().call_later(LOOK_ANYWAY_SECONDS, self._look_anyway)
            self._doubts = True
            self._look_soon()

    def _look_soon(self) -> None:
        self._stale = True
        if self._waiting and (self._looking is None or self._looking.done()):
            self._looking = asyncio.create_task(self._look())

    async def _look(self) -> None:
        """Another process wrote: perhaps it ended runs that somebody waits for here."""
        while self._stale and self._waiting:
            self._stale = False
            try:
                self._unlooked.update(self._starting)
                awaited = self._awaited()
                self._doubts = False
                found = await self.store.load_runs(awaited) if awaited else {}
                for run_id in awaited:
                    self._tell_waiting(run_id, found.get(run_id))
            except Exception:
                # No more news may come, and somebody waits.
                logger.exception("could not look whether runs have ended; that is tried again")
                self._stale = self._doubts = True
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    def _awaited(self) -> list[UUID]:
        """The runs that somebody else may have ended."""
        held: Callable[[UUID], bool] = self._worker.holds if self._worker is not None and not self._doubts else lambda _: False
        return [run_id for run_id in self._waiting if run_id not in self._starting and not held(run_id)]

    def _tell_waiting(self, run_id: UUID, run: Run | None) -> None:
        for waiting in self._waiting.get(run_id, ()):
            if waiting.done():
                continue
            if run is None:
                waiting.set_exception(_not_found(run_id))
            elif run.status in ENDED:
                waiting.set_result(Ending(run.status, run.result, run.error))

    async def commit_first(self, what: str) -> None:
        """Commit what this task's session has written, because *what* could not go on otherwise."""
        scope = await _written_scope()
        if scope is not None:
            logger.warning("the session had written: it was committed, because the run could not go on otherwise", cause=what)
            await scope.commit()

    # -- cancel and announce ------------------------------------------------------------------------------------------

    async def cancel(self, run_id: UUID, reason: str) -> RunStatus:
        """Ask for the end of a run and of its children; the status that this leaves it in.

        Raises:
            RunNotFound: there is no such run.
            RunAlreadyEnded: it has ended; the message says how.
        """
        asking = Cancel(run_id, reason, cancelled_error(reason))
        scope = await _written_scope()
        if scope is None:
            asked = self.store.submit(asking)
            if self._worker is not None:
                # After the entry is in the lane, so that it comes before whatever the run writes when it hears of it.
                self._worker.cancel(run_id, reason)
            outcome: Cancelled | None = await asyncio.shield(asked)
        else:
            outcome = (await self.store.submit_in(scope.get(), [asking]))[0]
        if outcome is None:
            raise _not_found(run_id)
        if outcome.already_ended:
            raise RunAlreadyEnded(f"Run {run_id} has ended already: it is {outcome.status.value}.", run_status=outcome.status.value)
        return outcome.status

    async def emit(self, event: Event) -> Emitted:
        """Announce *event*: it is kept, and who waits for it is woken."""
        emitted: Emitted = await self._write(Emit(event))
        if is_traced():
            await trace("event emitted", key=event.key, woken=emitted.woken)
        return emitted

    def new_event(self, key: str, payload: str, run_id: UUID | None = None, idempotency_key: str | None = None) -> Event:
        """The value of an event that is to be emitted; *payload* is JSON text."""
        if not key:
            raise ArgumentNotStorable("An event needs a key that is not empty.")
        return Event(uuid7(), key, payload, run_id, self.store.now(), idempotency_key=idempotency_key)

    def now(self) -> datetime:
        """The time that decides."""
        return self.store.now()

    async def _write(self, entry: Entry) -> Any:
        scope = await _written_scope()
        if scope is not None:
            return (await self.store.submit_in(scope.get(), [entry]))[0]
        return await asyncio.shield(self.store.submit(entry))


class _Hearing:
    """A future among *waiting* as long as its block lasts. A class, and not a generator, because each call of a workflow enters one."""

    __slots__ = ("_end", "_run_id", "_waiting")

    def __init__(self, waiting: dict[UUID, set[asyncio.Future[Ending]]], run_id: UUID) -> None:
        self._waiting = waiting
        self._run_id = run_id

    def __enter__(self) -> asyncio.Future[Ending]:
        self._end: asyncio.Future[Ending] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(self._run_id, set()).add(self._end)
        return self._end

    def __exit__(self, *_: object) -> None:
        waiting = self._waiting[self._run_id]
        waiting.discard(self._end)
        if not waiting:
            del self._waiting[self._run_id]


async def _written_scope() -> SessionScope | None:
    """The session of this task if its open transaction has written: the writer rests meanwhile, so what we write goes with it."""
    scope = current_scope()
    return scope if scope is not None and scope.session is not None and await scope.flush() else None


def _with_ending(run: Run, ending: Ending) -> Run:
    return run._replace(status=ending.status, result=ending.result, error=ending.error)


def _not_found(run_id: UUID) -> RunNotFound:
    return RunNotFound(f"There is no run {run_id}.")


def outcome_of(run: Run, load_result: Callable[[str | None], Any]) -> Any:
    """What an ended run returned.

    Raises:
        RunCancelled: it was cancelled.
        Exception: what it raised, as the class that it was, or `WorkflowError`.
    """
    if run.status is RunStatus.SUCCEEDED:
        return load_result(run.result)
    failure = load_failure(run.error or "")
    if run.status is RunStatus.CANCELLED:
        raise RunCancelled(f"Run {run.id} was cancelled: {failure.message}")
    raise restore_failure(failure, fallback=WorkflowError)
