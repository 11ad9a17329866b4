"""The writer's thread: groups, order, turns, and that nothing that happens to one entry ends it."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from planar.engine.errors import StaleEpoch
from planar.engine.store import writer as writer_module
from planar.engine.store.port import Entry, News, RegisterWorker, RetireWorker
from planar.engine.store.writer import Execute, Turn, Writer
from planar.errors import InternalError
from tests.contract.store_world import until

pytestmark = pytest.mark.anyio

POISON = UUID(int=1)
STALE = UUID(int=2)
KILLS_THE_TRANSACTION = UUID(int=3)


class Notebook:
    """Where the entries of these tests are written: one row each, in the order in which they were applied."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.commits: list[int] = []
        """How many entries each committed group had."""
        self._group = 0
        self.trace: Callable[[str], None] = lambda statement: None
        """Who else is told of each statement, in the writer's thread, before it is executed."""
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("pragma journal_mode = wal")
            connection.execute("create table note (id text not null)")

    def connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=0.05, isolation_level=None, check_same_thread=False)
        connection.set_trace_callback(self._trace)
        return connection

    def apply(self, execute: Execute, entry: Entry, news: News) -> Any:
        assert isinstance(entry, RegisterWorker | RetireWorker)
        if entry.worker_id == STALE:
            raise StaleEpoch("not yours")
        execute("insert into note values (?)", (entry.worker_id.hex,))
        news.due = True
        if entry.worker_id == POISON:
            raise ValueError("cannot be stored")
        if entry.worker_id == KILLS_THE_TRANSACTION:
            execute("rollback", ())
            raise sqlite3.OperationalError("disk I/O error")
        self._group += 1
        return entry.worker_id

    def _trace(self, statement: str) -> None:
        if statement.startswith("begin"):
            self._group = 0
        elif statement == "commit":
            self.commits.append(self._group)
        self.trace(statement)

    @property
    def notes(self) -> list[UUID]:
        connection = sqlite3.connect(self.path)
        try:
            return [UUID(text) for (text,) in connection.execute("select id from note order by rowid")]
        finally:
            connection.close()


@pytest.fixture
def notebook(tmp_path: Path) -> Notebook:
    return Notebook(tmp_path / "notes.db")


@pytest.fixture
def told() -> list[News]:
    return []


@pytest.fixture
async def writer(notebook: Notebook, told: list[News]) -> AsyncIterator[Writer]:
    writer = Writer(notebook.connect, notebook.apply, told.append)
    await writer.open()
    yield writer
    await writer.close()


def note(worker_id: UUID | None = None) -> RetireWorker:
    return RetireWorker(worker_id or uuid4())


async def outcomes(writer: Writer, entries: list[RetireWorker]) -> list[Any]:
    """What becomes of *entries* if they wait together: a session holds the turn while they are submitted."""
    turn = await writer.enter("test")
    futures = [writer.submit(entry) for entry in entries]
    turn.release()
    return await asyncio.gather(*futures, return_exceptions=True)


# -- groups ---------------------------------------------------------------------------------------------------------------


async def test_what_waits_together_is_committed_together_in_order(writer: Writer, notebook: Notebook, told: list[News]) -> None:
    entries = [note() for _ in range(50)]
    assert await outcomes(writer, entries) == [entry.worker_id for entry in entries]
    assert notebook.notes == [entry.worker_id for entry in entries]
    assert notebook.commits == [50]
    assert told == [News(due=True)]


async def test_what_is_submitted_in_one_turn_of_the_event_loop_is_one_commit(writer: Writer, notebook: Notebook) -> None:
    for _ in range(3):
        await asyncio.gather(*(writer.submit(note()) for _ in range(200)))
    assert notebook.commits == [200, 200, 200]


async def test_what_was_submitted_just_before_the_close_is_written(notebook: Notebook) -> None:
    writer = Writer(notebook.connect, notebook.apply, lambda news: None)
    await writer.open()
    entry = note()
    written = writer.submit(entry)
    await writer.close()
    assert await asyncio.wait_for(written, 5) == entry.worker_id
    assert notebook.notes == [entry.worker_id]


async def test_an_entry_alone_waits_for_nothing(writer: Writer, notebook: Notebook) -> None:
    for _ in range(3):
        await writer.submit(note())
    assert notebook.commits == [1, 1, 1]


# -- meanwhile ------------------------------------------------------------------------------------------------------------


async def test_what_can_wait_is_done_while_an_entry_that_is_alone_is_committed(
    writer: Writer, notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_done = threading.Event()
    seen: list[bool] = []

    def trace(statement: str) -> None:
        if statement == "commit":
            seen.append(is_done.wait(5))

    monkeypatch.setattr(notebook, "trace", trace)
    written = writer.submit(note())
    writer.meanwhile(is_done.set)
    assert not is_done.is_set()
    await written
    assert seen == [True]


async def test_the_thread_gets_the_processor_before_what_waited_for_its_commit_is_done(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(writer._for_commit, "_give", lambda: done.append("yield"))
    written = writer.submit(note())
    writer.meanwhile(lambda: done.append("work"))
    await written
    assert done == ["yield", "work"]


async def test_what_can_wait_is_done_at_once_beside_an_entry_that_is_not_alone(writer: Writer) -> None:
    done: list[int] = []
    first = writer.submit(note())
    writer.meanwhile(lambda: done.append(1))
    second = writer.submit(note())
    writer.meanwhile(lambda: done.append(2))
    assert done == [2]
    await asyncio.gather(first, second)
    assert done == [2, 1]


async def test_what_can_wait_does_not_wait_for_a_session(writer: Writer) -> None:
    done: list[int] = []
    turn = await writer.enter("test")
    written = writer.submit(note())
    writer.meanwhile(lambda: done.append(1))
    assert done == [1]
    turn.release()
    await written
    later = writer.submit(note())
    writer.meanwhile(lambda: done.append(2))
    assert done == [1]
    await later
    assert done == [1, 2]


async def test_what_can_wait_waits_for_no_session_though_a_later_one_has_given_up(writer: Writer) -> None:
    done: list[int] = []
    turn = await writer.enter("first")
    given_up = asyncio.create_task(writer.enter("second"))
    await asyncio.sleep(0)
    given_up.cancel()
    await asyncio.wait([given_up])
    written = writer.submit(note())
    writer.meanwhile(lambda: done.append(1))
    assert done == [1]
    turn.release()
    await written


async def test_work_that_fails_keeps_nobody_from_an_outcome(writer: Writer, caplog: pytest.LogCaptureFixture) -> None:
    for entry in (note(), note(POISON), note(STALE)):
        written = writer.submit(entry)
        writer.meanwhile(lambda: 1 / 0)
        await asyncio.wait([written], timeout=5)
        assert written.done()
    assert caplog.text.count("what was to be done during a commit failed") == 3


@pytest.mark.parametrize("bad", [POISON, STALE, KILLS_THE_TRANSACTION])
async def test_what_can_wait_is_done_before_an_entry_is_refused(writer: Writer, bad: UUID) -> None:
    done: list[bool] = []
    written = writer.submit(note(bad))
    writer.meanwhile(lambda: done.append(written.done()))
    await asyncio.wait([written])
    assert written.exception() is not None
    assert done == [False]


async def test_a_group_has_a_limit(writer: Writer, notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "LARGEST_BATCH", 20)
    await outcomes(writer, [note() for _ in range(50)])
    assert notebook.commits == [20, 20, 10]


async def test_a_group_ends_where_a_session_waits(writer: Writer, notebook: Notebook) -> None:
    first = await writer.enter("first")
    before = [writer.submit(note()) for _ in range(3)]
    second = asyncio.ensure_future(writer.enter("second"))
    await asyncio.sleep(0)
    after = [writer.submit(note()) for _ in range(2)]
    first.release()
    turn = await second
    assert all(future.done() for future in before)
    assert not any(future.done() for future in after)
    turn.release()
    await asyncio.gather(*after)
    assert notebook.commits == [3, 2]


async def test_a_refusal_costs_its_group_nothing(writer: Writer, notebook: Notebook) -> None:
    good = [note() for _ in range(4)]
    found = await outcomes(writer, [good[0], note(STALE), *good[1:], note(STALE)])
    assert [type(outcome) for outcome in found] == [UUID, StaleEpoch, UUID, UUID, UUID, StaleEpoch]
    assert notebook.commits == [4]


@pytest.mark.parametrize(("bad", "error"), [(POISON, ValueError), (KILLS_THE_TRANSACTION, sqlite3.OperationalError)])
async def test_a_bad_entry_fails_alone_and_what_it_wrote_is_undone(
    writer: Writer, notebook: Notebook, told: list[News], bad: UUID, error: type[Exception]
) -> None:
    good = [note() for _ in range(4)]
    found = await outcomes(writer, [*good[:2], note(bad), *good[2:]])
    assert [type(outcome) for outcome in found] == [UUID, UUID, error, UUID, UUID]
    assert notebook.notes == [entry.worker_id for entry in good]
    # A lone bad entry leaves no news either.
    told.clear()
    assert isinstance((await outcomes(writer, [note(bad)]))[0], error)
    assert told == []
    await writer.submit(note())


async def test_a_transaction_that_was_left_open_does_not_stand_in_the_way(notebook: Notebook) -> None:
    connections: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        connections.append(notebook.connect())
        return connections[0]

    writer = Writer(connect, notebook.apply, lambda news: None)
    await writer.open()
    connections[0].execute("begin")
    await asyncio.wait_for(writer.submit(note()), 5)
    assert len(notebook.notes) == 1
    await writer.close()


# -- outcomes -------------------------------------------------------------------------------------------------------------


async def test_a_refusal_that_nobody_looks_at_is_no_warning(writer: Writer, recwarn: pytest.WarningsRecorder) -> None:
    writer.submit(note(STALE))
    await writer.submit(note())
    assert not list(recwarn)


async def test_an_outcome_that_nobody_waits_for_any_more_is_dropped(writer: Writer, notebook: Notebook) -> None:
    turn = await writer.enter("test")
    dropped, kept = writer.submit(note()), writer.submit(note())
    dropped.cancel()
    turn.release()
    await kept
    assert len(notebook.notes) == 2


async def test_listeners_and_waiting_tasks_run_on_the_event_loop(notebook: Notebook) -> None:
    where: list[asyncio.AbstractEventLoop] = []
    writer = Writer(notebook.connect, notebook.apply, lambda news: where.append(asyncio.get_running_loop()))
    await writer.open()
    future = writer.submit(note())
    future.add_done_callback(lambda _: where.append(asyncio.get_running_loop()))
    await future
    await writer.close()
    assert where == [asyncio.get_running_loop()] * 2


# -- turns ----------------------------------------------------------------------------------------------------------------


async def test_the_writer_rests_while_a_session_has_its_turn(writer: Writer, notebook: Notebook) -> None:
    turn = await writer.enter("step")
    waiting = writer.submit(note())
    connection = sqlite3.connect(notebook.path, timeout=0)
    with connection:
        connection.execute("insert into note values ('00000000000000000000000000000009')")
    connection.close()
    assert not waiting.done()
    turn.release()
    await waiting
    assert notebook.notes[0] == UUID(int=9)


async def test_turns_come_in_order(writer: Writer) -> None:
    order: list[int] = []

    async def session(number: int) -> None:
        turn = await writer.enter(f"session {number}")
        order.append(number)
        await asyncio.sleep(0)
        turn.release()

    await asyncio.gather(*(session(number) for number in range(10)))
    assert order == list(range(10))


async def test_who_gives_up_while_waiting_gives_the_turn_back(writer: Writer) -> None:
    first = await writer.enter("first")
    waiting = asyncio.ensure_future(writer.enter("second"))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    first.release()
    await asyncio.wait_for(writer.submit(note()), 5)


async def test_who_is_cancelled_at_the_moment_of_the_grant_gives_the_turn_back(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    granted = writer._call

    def grant_and_cancel(function: Callable[[], Any]) -> None:
        granted(lambda: (function(), waiting.cancel()))

    waiting = asyncio.ensure_future(writer.enter("session"))
    monkeypatch.setattr(writer, "_call", grant_and_cancel)
    with pytest.raises(asyncio.CancelledError):
        await waiting
    monkeypatch.undo()
    await asyncio.wait_for(writer.submit(note()), 5)


async def test_a_turn_may_be_released_twice(writer: Writer) -> None:
    first = await writer.enter("first")
    first.release()
    first.release()
    second = await writer.enter("second")
    waiting = writer.submit(note())
    first.release()
    await asyncio.sleep(0)
    assert not waiting.done()
    second.release()
    await waiting


# -- other processes ------------------------------------------------------------------------------------------------------


def write_elsewhere(notebook: Notebook) -> None:
    connection = sqlite3.connect(notebook.path)
    with connection:
        connection.execute("insert into note values ('00000000000000000000000000000009')")
    connection.close()


async def test_an_idle_writer_hears_of_others(writer: Writer, notebook: Notebook, told: list[News]) -> None:
    write_elsewhere(notebook)
    await until(lambda: told == [News(foreign=True)], "the other write was heard")


async def test_a_writer_does_not_take_its_own_commits_for_anothers(writer: Writer, notebook: Notebook, told: list[News]) -> None:
    for _ in range(5):
        await writer.submit(note())
    write_elsewhere(notebook)
    await until(lambda: any(news.foreign for news in told), "the other write was heard")
    assert [news.foreign for news in told] == [False] * 5 + [True]


async def test_a_writer_waits_as_long_as_another_process_holds_the_lock(
    writer: Writer, notebook: Notebook, caplog: pytest.LogCaptureFixture
) -> None:
    other = sqlite3.connect(notebook.path, isolation_level=None)
    other.execute("begin immediate")
    waiting = [writer.submit(note()) for _ in range(3)]
    # More than one attempt has failed by now, and none of them failed an entry.
    await until(lambda: caplog.text.count("another process holds the write lock") >= 3, "the writer says who is in the way")
    assert not any(future.done() for future in waiting)
    other.execute("commit")
    await asyncio.wait_for(asyncio.gather(*waiting), 5)
    other.close()


async def test_a_look_that_fails_does_not_end_the_writer(
    writer: Writer, notebook: Notebook, told: list[News], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(connection: sqlite3.Connection) -> int:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(writer_module, "_data_version", fail)
    await until(lambda: "could not look" in caplog.text, "the look failed")
    monkeypatch.undo()
    await asyncio.wait_for(writer.submit(note()), 5)
    write_elsewhere(notebook)
    await until(lambda: any(news.foreign for news in told), "the other write was heard")


# -- opening and closing --------------------------------------------------------------------------------------------------


async def test_a_file_that_cannot_be_opened_is_an_error_of_open() -> None:
    def connect() -> sqlite3.Connection:
        raise sqlite3.OperationalError("unable to open database file")

    writer = Writer(connect, lambda *_: None, lambda news: None)
    with pytest.raises(sqlite3.OperationalError, match="unable to open"):
        await asyncio.wait_for(writer.open(), 5)
    await asyncio.wait_for(writer.close(), 5)


async def test_closing_writes_what_waits_and_gives_the_turns_that_were_asked_for(writer: Writer, notebook: Notebook) -> None:
    first = await writer.enter("first")
    entry = writer.submit(note())
    asked = asyncio.ensure_future(writer.enter("asked before the close"))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(writer.close())
    await asyncio.sleep(0)
    first.release()
    turn: Turn = await asyncio.wait_for(asked, 5)
    assert entry.done()
    assert not closing.done()
    turn.release()
    await asyncio.wait_for(closing, 5)
    assert len(notebook.notes) == 1


async def test_a_closed_writer_refuses_entries_and_lets_sessions_pass(writer: Writer) -> None:
    await writer.close()
    await writer.close()
    with pytest.raises(InternalError, match="closed"):
        writer.submit(note())
    turn = await asyncio.wait_for(writer.enter("late"), 5)
    turn.release()
