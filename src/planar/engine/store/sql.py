"""How does an entry become rows? The statements of the store, applied one entry at a time on whatever can execute SQL.

The same code serves the writer's own connection and, for what must be part of a user's transaction, the connection of a session.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from planar.engine.core.lifecycle import Ending
from planar.engine.core.model import ENDED, Claim, Event, Run, RunStatus, StepRecord
from planar.engine.errors import StaleEpoch
from planar.engine.store.port import (
    Cancel,
    Cancelled,
    ClaimDue,
    ClaimRun,
    Claims,
    Emit,
    Emitted,
    EndRun,
    Entry,
    EventWait,
    Found,
    Holder,
    News,
    Reclaim,
    RegisterWorker,
    Release,
    RetireWorker,
    RunWait,
    SaveStep,
    Sleep,
    Slept,
    Standing,
    Started,
    StartRun,
    Wait,
    shown_event,
    wait_keys,
)
from planar.engine.store.rows import EVENT_COLUMNS, RUN_COLUMNS, event_from_row, is_plain_run, moment, run_from_row, stamp
from planar.engine.store.statements import (
    ANY_RUN_AWAITED,
    CLAIM_OF_RUN,
    CLOSE_RUN,
    CLOSE_SUCCEEDED,
    GLOBAL_EVENTS,
    INSERT_CLAIM,
    INSERT_EVENT,
    INSERT_PLAIN_RUN,
    INSERT_RUN,
    OWN_EVENTS,
    RECLAIM,
    REGISTER_WORKER,
    RELEASE,
    SLEEPERS,
    fence,
    fence_after,
    save_step,
)
from planar.errors import InternalError


class Cursor(Protocol):
    """What an executed statement answers."""

    @property
    def rowcount(self) -> int: ...
    def fetchone(self) -> Any: ...
    def fetchall(self) -> Sequence[Any]: ...


Execute = Callable[[str, tuple[Any, ...]], Cursor]
"""Its answer is good until the next statement: all may share one cursor."""


class SqlEntries:
    """Applies entries. *now* is the store's clock; all that is written in one transaction has one time.

    What a transaction shares is kept here, so one object serves one thread.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._clock = now
        self._news: News | None = None
        """Those of the transaction that is being written."""
        self._now = now()
        self._stamp = ""
        self._any_run_awaited: bool | None = None
        """Whether any run sleeps until another ends; None while nobody looked. Usually none does, and no end needs a look of its own."""
        self._apply: dict[type, Callable[[Execute, Any, News], Any]] = {
            StartRun: self._start_run,
            SaveStep: self._save_step,
            Sleep: self._sleep,
            EndRun: self._end_run,
            Release: self._release,
            Reclaim: self._reclaim,
            Emit: self._emit,
            Cancel: self._cancel,
            ClaimDue: self._claim_due,
            ClaimRun: self._claim_run,
            RegisterWorker: self._register_worker,
            RetireWorker: self._retire_worker,
        }

    def apply(self, execute: Execute, entry: Entry, news: News) -> Any:
        """Apply *entry* within the open transaction; what it changes for others is added to *news*.

        Raises:
            StaleEpoch: the run is not its writer's any more; nothing was written.
        """
        if news is not self._news:
            self._news = news
            self._now = self._clock()
            self._stamp = stamp(self._now)
            self._any_run_awaited = None
        return self._apply[type(entry)](execute, entry, news)

    def _start_run(self, execute: Execute, entry: StartRun, news: News) -> Started:
        run = entry.run
        run_id, created = run.id.hex, stamp(run.created_at)
        if is_plain_run(run):
            inserted = execute(INSERT_PLAIN_RUN, (run_id, run.workflow, run.args, run.kwargs, created, created))
        else:
            row = (run_id, run.workflow, _hex(run.parent_id), str(run.status), run.args, run.kwargs, run.principal, run.idempotency_key)
            inserted = execute(INSERT_RUN, (*row, created, created))
        if inserted.rowcount == 0:
            return self._existing(execute, run)
        worker = _hex(entry.worker_id)
        epoch = 1 if worker else 0
        execute(INSERT_CLAIM, (run_id, run.workflow, max(created, self._stamp), worker, epoch))
        if not worker:
            news.due = True
        return Started(run.id, created=True, epoch=epoch)

    def _existing(self, execute: Execute, run: Run) -> Started:
        found = execute("select id from workflow_run where function_name = ? and idempotency_key = ?", (run.workflow, run.idempotency_key))
        row = found.fetchone()
        return Started(UUID(row[0]) if row else run.id, created=False)

    def _save_step(self, execute: Execute, entry: SaveStep, news: News) -> Any:
        self._write_step(execute, entry.holder, entry.record)
        if entry.start is not None:
            return self._start_run(execute, entry.start, news)
        if entry.emit is not None:
            return self._emit(execute, entry.emit, news)
        return self._cancel(execute, entry.cancel, news) if entry.cancel is not None else None

    def _write_step(self, execute: Execute, holder: Holder, record: StepRecord) -> None:
        if execute(*save_step(holder, record, self._stamp)).rowcount == 0:
            raise StaleEpoch(f"Step {record.step_id} of run {holder.run_id} was refused: it has ended, or another worker holds the run.")

    def _sleep(self, execute: Execute, entry: Sleep, news: News) -> Slept:
        holder = entry.holder
        condition, parameters = fence_after(holder, entry.after)
        row = execute(f"select cancel_reason from workflow_claim {condition}", parameters).fetchone()
        if row is None:
            raise StaleEpoch(f"Run {holder.run_id} was not put to sleep: another worker holds it, or a step before it was refused.")
        if row[0] is not None:
            return Slept(asleep=False)
        found = self.look(execute, entry.waits)
        if any(found):
            return Slept(asleep=False, found=found)
        if entry.due_at is not None and entry.due_at <= self._now:
            return Slept(asleep=False)
        for mark in entry.marks:
            execute(*save_step(holder, mark, self._stamp))
        for key in wait_keys(entry):
            self._any_run_awaited = None
            execute("insert or ignore into workflow_wait (key, run_id) values (?, ?)", (key, holder.run_id.hex))
        execute(
            "update workflow_claim set worker_id = null, due_at = ?, reason = ?, waiting_for_event = ? where run_id = ?",
            (stamp(entry.due_at), entry.reason.value, shown_event(entry), holder.run_id.hex),
        )
        news.note_due(entry.due_at)
        return Slept(asleep=True)

    def _end_run(self, execute: Execute, entry: EndRun, news: News) -> None:
        holder = entry.holder
        condition, parameters = fence_after(holder, entry.after)
        if execute(f"delete from workflow_claim {condition}", parameters).rowcount == 0:
            raise StaleEpoch(f"The end of run {holder.run_id} was refused: another worker holds the run, or a step before it was refused.")
        self._close_run(execute, holder.run_id, Ending(entry.status, entry.result, entry.error), news)

    def _close_run(self, execute: Execute, run_id: UUID, ending: Ending, news: News) -> None:
        run = run_id.hex
        if ending.status is RunStatus.SUCCEEDED and ending.result is not None and ending.error is None:
            execute(CLOSE_SUCCEEDED, (ending.result, self._stamp, run))
        else:
            execute(CLOSE_RUN, (str(ending.status), ending.result, ending.error, self._stamp, run))
        news.note_end(run_id, ending)
        if self._any_run_awaited is None:
            self._any_run_awaited = execute(ANY_RUN_AWAITED, ()).fetchone() is not None
        if self._any_run_awaited:
            self._wake(execute, f"run:{run}", None, news)

    def _release(self, execute: Execute, entry: Release, news: News) -> None:
        released = execute(
            RELEASE,
            (self._stamp, *fence(entry.holder)),
        )
        if released.rowcount == 0:
            raise StaleEpoch(f"Run {entry.holder.run_id} was not released: it sleeps, or another worker holds it.")
        news.due = True

    def _reclaim(self, execute: Execute, entry: Reclaim, news: News) -> int:
        holder = entry.holder
        claimed = execute(
            RECLAIM,
            (holder.worker_id.hex, holder.run_id.hex, holder.epoch),
        )
        if claimed.rowcount == 0:
            raise StaleEpoch(f"Run {holder.run_id} was claimed, or ended, while it slept.")
        execute("delete from workflow_wait where run_id = ?", (holder.run_id.hex,))
        return holder.epoch + 1

    def _emit(self, execute: Execute, entry: Emit, news: News) -> Emitted:
        event = entry.event
        row = (event.id.hex, event.key, _hex(event.run_id), event.payload, stamp(event.timestamp), event.idempotency_key)
        is_new = execute(INSERT_EVENT, row).rowcount > 0
        stored = self._stored_event(execute, event)
        if not is_new:
            return Emitted(stored, woken=0, created=False)
        news.emitted.add(event.key)
        return Emitted(stored, woken=self._wake(execute, f"event:{event.key}", event.run_id, news))

    def _stored_event(self, execute: Execute, event: Event) -> Event:
        """*event*, or the earlier one of its id or its idempotency key."""
        row = execute(f"select {EVENT_COLUMNS} from workflow_event where id = ?", (event.id.hex,)).fetchone()
        if row is None:
            by_key = f"select {EVENT_COLUMNS} from workflow_event where event_key = ? and idempotency_key = ?"
            row = execute(by_key, (event.key, event.idempotency_key)).fetchone()
        return event_from_row(row)

    def _wake(self, execute: Execute, key: str, only: UUID | None, news: News) -> int:
        """The runs that wait for *key* are due now, without having taken anything: they look for themselves."""
        sleepers = [row[0] for row in execute(SLEEPERS, (key,)).fetchall()]
        if only is not None:
            sleepers = [run for run in sleepers if run == only.hex]
        for run in sleepers:
            execute("delete from workflow_wait where run_id = ?", (run,))
            execute(
                "update workflow_claim set due_at = ?, reason = 'ready', waiting_for_event = null where run_id = ? and worker_id is null",
                (self._stamp, run),
            )
            news.due = True
        return len(sleepers)

    def _cancel(self, execute: Execute, entry: Cancel, news: News) -> Cancelled | None:
        run = entry.run_id.hex
        row = execute("select status from workflow_run where id = ?", (run,)).fetchone()
        if row is None:
            return None
        if RunStatus(row[0]) in ENDED:
            return Cancelled(RunStatus(row[0]), already_ended=True)
        asked = [run]
        for parent in asked:
            # The list grows while it is read: children of children are asked as well.
            children = execute("select id from workflow_run where parent_id = ? and status = 'pending'", (parent,)).fetchall()
            asked += [child for (child,) in children]
        held = [self._ask_for_end(execute, each, entry, news) for each in asked]
        return Cancelled(RunStatus.RUNNING if held[0] else RunStatus.CANCELLED, already_ended=False)

    def _ask_for_end(self, execute: Execute, run: str, entry: Cancel, news: News) -> bool:
        """A run that is being executed hears of it and cleans up: True; any other ends at once."""
        held = execute(
            "update workflow_claim set cancel_reason = coalesce(cancel_reason, ?) where run_id = ? and worker_id is not null"
            " returning cancel_reason",
            (entry.reason, run),
        ).fetchall()
        if held:
            news.cancel[UUID(run)] = held[0][0]
            return True
        execute("delete from workflow_wait where run_id = ?", (run,))
        execute("delete from workflow_claim where run_id = ?", (run,))
        self._close_run(execute, UUID(run), Ending(RunStatus.CANCELLED, None, entry.error), news)
        return False

    def _claim_due(self, execute: Execute, entry: ClaimDue, news: News) -> Claims:
        now = self._stamp
        names = tuple(sorted(entry.names))
        known = f"function_name in ({', '.join('?' * len(names))})"
        due = "from workflow_claim where worker_id is null and due_at <= ?"
        rows = execute(
            f"select run_id, epoch, recoveries, cancel_reason, crashed {due} and {known} order by due_at, run_id limit ?",
            (now, *names, entry.limit),
        ).fetchall()
        claims = tuple(self._claim(execute, row, entry.worker_id) for row in rows)
        # With room to spare every known run is taken: what is still due belongs to workflows that nobody here knows.
        left = execute(f"select distinct function_name {due}", (now,)).fetchall() if len(rows) < entry.limit else ()
        upcoming = execute(
            f"select due_at from workflow_claim where worker_id is null and due_at > ? and {known} order by due_at limit 1", (now, *names)
        ).fetchone()
        return Claims(claims, moment(upcoming[0]) if upcoming else None, frozenset(name for (name,) in left))

    def _claim_run(self, execute: Execute, entry: ClaimRun, news: News) -> Claim | Standing:
        row = execute(CLAIM_OF_RUN, (entry.run_id.hex,)).fetchone()
        if row is None:
            return Standing()
        *claimable, worker, due, event_key = row
        if worker is not None:
            return Standing(is_held=True)
        if due is None or due > self._stamp:
            return Standing(is_asleep=True, due_at=moment(due), event_key=event_key)
        return self._claim(execute, claimable, entry.worker_id)

    def _claim(self, execute: Execute, row: Any, worker_id: UUID) -> Claim:
        run, epoch, recoveries, cancel_reason, crashed = row
        execute("delete from workflow_wait where run_id = ?", (run,))
        execute(
            "update workflow_claim set worker_id = ?, epoch = ?, due_at = null, reason = 'ready', waiting_for_event = null, crashed = 0"
            " where run_id = ?",
            (worker_id.hex, epoch + 1, run),
        )
        claimed = self.load_run(execute, UUID(run))
        if claimed is None:
            raise InternalError(f"There is a claim on run {run}, but no such run.")
        return Claim(claimed, epoch + 1, recoveries, cancel_reason, bool(crashed))

    def _register_worker(self, execute: Execute, entry: RegisterWorker, news: News) -> None:
        now = self._stamp
        execute(REGISTER_WORKER, (entry.worker_id.hex, entry.host, entry.boot_id, entry.pid, now, now))

    def _retire_worker(self, execute: Execute, entry: RetireWorker, news: News) -> int:
        execute("delete from workflow_worker where id = ?", (entry.worker_id.hex,))
        freed = execute(
            "update workflow_claim set worker_id = null, due_at = ?, reason = 'ready', recoveries = recoveries + ?, crashed = ?"
            " where worker_id = ?",
            (self._stamp, int(entry.died), int(entry.died), entry.worker_id.hex),
        ).rowcount
        news.due = news.due or freed > 0
        return freed

    def load_run(self, execute: Execute, run_id: UUID) -> Run | None:
        """The run as it is stored."""
        row = execute(f"select {RUN_COLUMNS} from workflow_run where id = ?", (run_id.hex,)).fetchone()
        return run_from_row(row) if row else None

    def load_runs(self, execute: Execute, run_ids: Iterable[UUID]) -> dict[UUID, Run]:
        """Those of *run_ids* that are stored."""
        # As one parameter, of which there may be few: any number of callers may wait for runs.
        wanted = json.dumps([run_id.hex for run_id in run_ids])
        rows = execute(f"select {RUN_COLUMNS} from workflow_run where id in (select value from json_each(?))", (wanted,)).fetchall()
        return {run.id: run for run in map(run_from_row, rows)}

    def look(self, execute: Execute, waits: Sequence[Wait]) -> tuple[Found, ...]:
        """What each of *waits* finds: nothing is taken."""
        return tuple(self._find_event(execute, wait) if isinstance(wait, EventWait) else self._find_ended(execute, wait) for wait in waits)

    def _find_ended(self, execute: Execute, wait: RunWait) -> Run | None:
        run = self.load_run(execute, wait.run_id)
        return run if run is not None and run.status in ENDED else None

    def _find_event(self, execute: Execute, wait: EventWait) -> Event | None:
        # Asked apart, so that an index answers both: a key may have any number of events that are meant for other runs.
        limit = len(wait.taken) + 1
        own = execute(OWN_EVENTS, (wait.key, wait.run_id.hex, wait.after, limit)).fetchall()
        everybodys = execute(GLOBAL_EVENTS, (wait.key, wait.after, stamp(wait.since), limit)).fetchall()
        left = [row for row in (*own, *everybodys) if row[0] not in wait.taken]
        return event_from_row(min(left, key=lambda row: row[0])) if left else None


def _hex(value: UUID | None) -> str | None:
    return value.hex if value is not None else None
