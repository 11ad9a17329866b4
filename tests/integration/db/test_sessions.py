"""Readers never wait for a writer, a writer holds the lock from its first write to its end, and nothing keeps its turn."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from sqlalchemy import bindparam, func, text, update
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlmodel import select

from planar.db import DatabaseManager
from planar.db.errors import DatabaseBusy, DatabaseError, SessionEnded, SessionNotBound, TransactionControl, UncommittedWork
from planar.db.session import SessionScope, bind_session, current_scope, get_session
from tests.integration.db.accounts import Account, Booking, balance, owners
from tests.integration.db.conftest import DiaryGate

pytestmark = pytest.mark.anyio


async def test_a_reader_does_not_wait_for_an_open_write_and_does_not_see_it(either: DatabaseManager) -> None:
    async with either.get_session() as writer, either.get_session() as reader:
        writer.add(Account(owner="ada"))
        await writer.flush()
        async with asyncio.timeout(2):
            assert (await reader.exec(select(func.count()).select_from(Account))).one() == 0
        await writer.commit()
        assert (await reader.exec(select(func.count()).select_from(Account))).one() == 1


async def test_a_session_that_read_may_write_after_somebody_else_wrote(either: DatabaseManager) -> None:
    async with either.get_session() as first, either.get_session() as second:
        await first.exec(select(Account))
        second.add(Account(owner="ada"))
        await second.commit()
        first.add(Account(owner="bob"))
        await first.commit()
    assert await owners(either) == {"ada", "bob"}


async def test_wrote_is_true_from_the_first_write_to_the_end_of_the_transaction(either: DatabaseManager) -> None:
    async with either.get_session() as session:
        await session.exec(select(Account))
        session.add(Account(owner="ada"))
        assert not session.wrote
        await session.flush()
        assert session.wrote
        await session.commit()
        assert not session.wrote
        await session.exec(update(Account).values(balance=1))
        assert session.wrote
        await session.rollback()
        assert not session.wrote


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE other (a)",
        "WITH new AS (SELECT 'x' AS owner) UPDATE account SET balance = '1' WHERE owner IN (SELECT owner FROM new)",
        "DELETE FROM account",
        "REPLACE INTO account (id, owner, balance) VALUES ('a', 'b', '1')",
    ],
)
async def test_every_kind_of_write_takes_the_turn(manager: DatabaseManager, gate: DiaryGate, statement: str) -> None:
    async with manager.get_session(label="script") as session:
        await (await session.connection()).execute(text(statement))
        assert session.wrote
        assert gate.held == 1
    assert gate.diary == ["script asks", "script enters", "script leaves"]


async def test_reading_never_asks_at_the_gate(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        await session.exec(select(Account))
        async with session.begin_read():
            await session.exec(select(Account))
        await session.commit()
    assert gate.diary == []


async def test_writers_take_turns_and_nobody_waits_in_the_driver(manager: DatabaseManager, gate: DiaryGate) -> None:
    async def add(name: str) -> None:
        async with manager.get_session(label=name) as session:
            session.add(Account(owner=name))
            await session.commit()

    names = [f"w{number}" for number in range(20)]
    await asyncio.gather(*(add(name) for name in names))
    assert await owners(manager) == set(names)
    turns = [line for line in gate.diary if not line.endswith("asks")]
    assert all(turns[i].split()[0] == turns[i + 1].split()[0] for i in range(0, 40, 2))
    assert gate.held == 0


async def test_the_turn_ends_with_the_commit_not_with_the_session(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        session.add(Account(owner="ada"))
        await session.commit()
        assert gate.held == 0
        session.add(Account(owner="bob"))
        await session.flush()
        assert gate.held == 1
        await session.rollback()
        assert gate.held == 0
    assert await owners(manager) == {"ada"}


async def test_a_connection_without_a_session_takes_its_turn_too(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_engine().connect() as connection:
        await connection.execute(text("DELETE FROM account"))
        assert gate.held == 1
        await connection.commit()
        assert gate.held == 0
    assert gate.diary[0] == "a connection asks"


async def test_an_error_in_a_statement_gives_the_turn_back_with_the_rollback(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        session.add(Account(owner="ada"))
        await session.commit()
        session.add(Account(owner="ada"))
        with pytest.raises(IntegrityError):
            await session.commit()
        await session.rollback()
        assert gate.held == 0
        session.add(Account(owner="bob"))
        await session.commit()
    assert await owners(manager) == {"ada", "bob"}
    assert gate.held == 0


async def test_an_error_of_the_callers_gives_the_turn_back(manager: DatabaseManager, gate: DiaryGate) -> None:
    async def fails() -> None:
        async with manager.get_session() as session:
            session.add(Account(owner="ada"))
            await session.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails()
    assert gate.held == 0
    assert await owners(manager) == set()


async def test_cancelled_at_the_gate_a_session_leaves_the_queue(manager: DatabaseManager, gate: DiaryGate) -> None:
    turn = await gate.enter("the engine")

    async def add(name: str) -> None:
        async with manager.get_session(label=name) as session:
            session.add(Account(owner=name))
            await session.commit()

    waiting = asyncio.create_task(add("first"))
    await gate.somebody_waits.wait()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    turn.release()
    await add("second")
    assert "first enters" not in gate.diary
    assert gate.held == 0
    assert await owners(manager) == {"second"}


async def test_a_turn_that_comes_in_the_moment_of_the_cancellation_is_given_back(manager: DatabaseManager, gate: DiaryGate) -> None:
    turn = await gate.enter("the engine")

    async def add() -> None:
        async with manager.get_session(label="late") as session:
            session.add(Account(owner="ada"))
            await session.commit()

    waiting = asyncio.create_task(add())
    await gate.somebody_waits.wait()
    turn.release()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(5):
        (await gate.enter("next")).release()
    assert gate.held == 0
    assert await owners(manager) == set()


@pytest.mark.parametrize("hops", range(0, 40, 3))
async def test_cancelled_at_any_moment_of_a_write_nothing_keeps_the_turn(manager: DatabaseManager, gate: DiaryGate, hops: int) -> None:
    async def add() -> None:
        async with manager.get_session() as session:
            session.add(Account(owner="ada"))
            await session.commit()

    task = asyncio.create_task(add())
    for _ in range(hops):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})
    async with manager.get_session(label="next") as session, asyncio.timeout(5):
        session.add(Account(owner="bob"))
        await session.commit()
    assert gate.held == 0
    assert {"bob"} <= await owners(manager) <= {"ada", "bob"}


async def test_an_invalidated_connection_gives_the_turn_back(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        session.add(Account(owner="ada"))
        await session.flush()
        await session.invalidate()
        async with asyncio.timeout(5):
            (await gate.enter("next")).release()
    assert await owners(manager) == set()


async def test_a_gate_that_does_not_open_in_time_is_an_error_and_takes_no_turn(impatient: DatabaseManager) -> None:
    impatient.write_gate = gate = DiaryGate()
    turn = await gate.enter("the engine")
    async with impatient.get_session(label="request") as session:
        session.add(Account(owner="ada"))
        with pytest.raises(DatabaseBusy, match="was not free for"):
            await session.commit()
    turn.release()
    assert gate.held == 0
    assert "request enters" not in gate.diary


async def test_another_process_that_keeps_the_lock_is_waited_for_and_then_named(impatient: DatabaseManager) -> None:
    other = sqlite3.connect(str(impatient.sqlite_path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with impatient.get_session() as session:
        session.add(Account(owner="ada"))
        with pytest.raises(DatabaseBusy, match="another process or connection"):
            await session.commit()
        await session.rollback()
        asyncio.get_running_loop().call_later(0.05, other.execute, "ROLLBACK")
        session.add(Account(owner="ada"))
        await session.commit()
    other.close()
    assert await owners(impatient) == {"ada"}


async def test_a_savepoint_belongs_to_a_transaction_that_can_write(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        session.add(Account(owner="ada"))
        try:
            async with session.begin_nested():
                session.add(Account(owner="bob"))
                await session.flush()
                raise ZeroDivisionError
        except ZeroDivisionError:
            pass
        async with session.begin_nested():
            session.add(Account(owner="cleo"))
        await session.commit()
    assert await owners(manager) == {"ada", "cleo"}
    assert gate.held == 0


async def test_a_savepoint_first_holds_the_lock(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        async with session.begin_nested():
            await session.exec(select(Account))
            assert gate.held == 1
        session.add(Account(owner="ada"))
        await session.commit()
    assert await owners(manager) == {"ada"}


async def test_select_for_update_takes_the_lock_so_that_no_update_is_lost(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        session.add(Account(owner="ada"))
        await session.commit()

    async def deposit() -> None:
        async with manager.get_session() as session:
            account = (await session.exec(select(Account).where(Account.owner == "ada").with_for_update())).one()
            account.balance += 1
            await session.commit()

    await asyncio.gather(*(deposit() for _ in range(10)))
    async with manager.get_session() as session:
        assert await balance(session, "ada") == 10
    assert gate.held == 0


@pytest.mark.parametrize("statement", ["BEGIN", "COMMIT", "ROLLBACK"])
async def test_a_transaction_cannot_be_moved_behind_the_sessions_back(manager: DatabaseManager, statement: str) -> None:
    async with manager.get_session() as session:
        with pytest.raises(TransactionControl, match=statement):
            await (await session.connection()).execute(text(statement))


async def test_when_sqlite_undoes_the_transaction_itself_nothing_is_written_beside_it(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        session.add(Account(owner="ada"))
        await session.commit()
        connection = await session.connection()
        await connection.execute(text("INSERT INTO account (id, owner, balance) VALUES ('1', 'bob', '0')"))
        with pytest.raises(IntegrityError):
            await connection.execute(text("INSERT OR ROLLBACK INTO account (id, owner, balance) VALUES ('2', 'ada', '0')"))
        with pytest.raises(DatabaseError, match="Call rollback"):
            await connection.execute(text("INSERT INTO account (id, owner, balance) VALUES ('3', 'cleo', '0')"))
        with pytest.raises(DatabaseError, match="Call rollback"):
            await session.commit()
        await session.rollback()
        assert gate.held == 0
    assert await owners(manager) == {"ada"}


async def test_foreign_keys_are_enforced(either: DatabaseManager) -> None:
    async with either.get_session() as session:
        session.add(Booking(text="gift", account_id="nobody"))
        with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
            await session.commit()


async def test_many_rows_are_written_in_one_transaction(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        session.add_all([Account(owner=f"a{number}") for number in range(50)])
        await session.flush()
        await (await session.connection()).execute(
            update(Account).where(Account.owner == bindparam("name")).values(balance=bindparam("worth")),  # type: ignore[arg-type]
            [{"name": f"a{number}", "worth": number} for number in range(50)],
        )
        await session.commit()
        assert (await session.exec(select(func.sum(Account.balance)))).one() == sum(range(50))
    assert len(gate.diary) == 3


async def test_objects_can_be_read_after_a_commit(either: DatabaseManager) -> None:
    async with either.get_session() as session:
        account = Account(owner="ada")
        session.add(account)
        await session.commit()
        assert account.owner == "ada"


async def test_begin_read_leaves_an_outer_transaction_alone(either: DatabaseManager) -> None:
    async with either.get_session() as session:
        async with session.begin_read() as same:
            assert same is session
            await session.exec(select(Account))
            assert session.in_transaction()
        assert not session.in_transaction()
        session.add(Account(owner="ada"))
        await session.flush()
        async with session.begin_read():
            await session.exec(select(Account))
        assert session.wrote
        await session.rollback()
    assert await owners(either) == set()


async def test_begin_read_undoes_after_an_error(either: DatabaseManager) -> None:
    async with either.get_session() as session:
        with pytest.raises(ZeroDivisionError):
            async with session.begin_read():
                session.add(Account(owner="ada"))
                await session.flush()
                raise ZeroDivisionError
        assert not session.in_transaction()
    assert await owners(either) == set()


async def test_explain_says_nothing_on_sqlite(manager: DatabaseManager) -> None:
    async with manager.get_session() as session:
        assert await session.explain(select(Account), "accounts") == ""


async def test_the_session_of_a_scope_opens_at_its_first_use(manager: DatabaseManager, gate: DiaryGate) -> None:
    scope = SessionScope(manager, label="pay")
    assert scope.session is None
    assert not await scope.flush()
    await scope.commit()
    await scope.rollback()
    assert scope.session is None
    with bind_session(scope):
        assert current_scope() is scope
        session = get_session()
        assert get_session() is session
        session.add(Account(owner="ada"))
        assert await scope.flush()
        await scope.commit()
        assert not await scope.flush()
    assert gate.diary == ["pay asks", "pay enters", "pay leaves"]
    await scope.close()


async def test_without_a_scope_the_error_says_where_a_session_is(either: DatabaseManager) -> None:
    with pytest.raises(SessionNotBound, match="in a step"):
        get_session()
    with bind_session(SessionScope(either, label="outer")), bind_session(None):
        assert current_scope() is None
        with pytest.raises(LookupError):
            get_session()


async def test_a_closed_scope_undoes_what_was_not_committed_and_opens_no_other_session(
    manager: DatabaseManager, gate: DiaryGate, caplog: pytest.LogCaptureFixture
) -> None:
    scope = SessionScope(manager, label="pay")
    scope.get().add(Account(owner="ada"))
    await scope.flush()
    await scope.close()
    assert "ended without a commit" in caplog.text
    assert gate.held == 0
    with pytest.raises(SessionEnded, match="pay"):
        scope.get()
    assert await owners(manager) == set()


async def test_a_database_error_is_not_taken_for_a_lost_connection(manager: DatabaseManager) -> None:
    async with manager.get_session() as session:
        with pytest.raises(OperationalError, match="no such table"):
            await (await session.connection()).execute(text("SELECT * FROM missing"))
        assert (await session.exec(select(Account))).all() == []


async def test_set_serializable_isolation_takes_the_lock_before_reading(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        await session.set_serializable_isolation()
        assert gate.held == 1
        session.add(Account(owner="ada"))
        await session.flush()
        with pytest.raises(UncommittedWork):
            await session.set_serializable_isolation()
        await session.commit()
        await session.exec(select(Account))
        assert gate.held == 0
