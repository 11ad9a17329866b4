"""`run_transaction` reads and writes as one, repeats after a conflict, and never touches what the caller had not finished."""

from __future__ import annotations

import asyncio
import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError
from sqlmodel import select

from planar.db import DatabaseManager, PlanarSession
from planar.db.errors import DatabaseBusy, UncommittedWork
from tests.integration.db.accounts import Account, balance, owners
from tests.integration.db.conftest import DiaryGate

pytestmark = pytest.mark.anyio


async def deposit(session: PlanarSession, amount: int) -> str:
    account = (await session.exec(select(Account).where(Account.owner == "ada").execution_options(populate_existing=True))).one()
    read = account.balance
    # Somebody else's chance to come between reading and writing.
    await asyncio.sleep(0)
    account.balance = read + amount
    return account.owner


async def open_account(session: PlanarSession, owner: str = "ada") -> None:
    session.add(Account(owner=owner))


async def test_it_returns_what_the_function_returned_and_commits(manager: DatabaseManager, gate: DiaryGate) -> None:
    async with manager.get_session() as session:
        await session.run_transaction(open_account, session)
        assert await session.run_transaction(deposit, session, amount=5) == "ada"
        assert not session.in_transaction()
        assert gate.held == 0
        assert await balance(session, "ada") == 5


async def test_no_update_is_lost_between_reading_and_writing(either: DatabaseManager) -> None:
    async def one() -> None:
        async with either.get_session() as session:
            await session.run_transaction(deposit, session, 1)

    async with either.get_session() as session:
        await session.run_transaction(open_account, session)
        await asyncio.gather(*(one() for _ in range(20)))
        assert await balance(session, "ada") == 20


async def test_the_lock_is_held_from_the_first_statement_also_if_it_reads(manager: DatabaseManager, gate: DiaryGate) -> None:
    async def looks(session: PlanarSession) -> int:
        await session.exec(select(Account))
        return gate.held

    async with manager.get_session() as session:
        assert await session.run_transaction(looks, session) == 1
        await session.exec(select(Account))
        assert gate.held == 0


async def test_uncommitted_work_of_the_caller_is_refused_and_kept(either: DatabaseManager) -> None:
    async with either.get_session() as session:
        session.add(Account(owner="bob"))
        with pytest.raises(UncommittedWork, match="Commit it or roll it back"):
            await session.run_transaction(open_account, session)
        await session.flush()
        with pytest.raises(UncommittedWork):
            await session.run_transaction(open_account, session)
        await session.commit()
    assert await owners(either) == {"bob"}


async def test_what_the_caller_only_read_is_no_obstacle(either: DatabaseManager) -> None:
    async with either.get_session() as session:
        await session.exec(select(Account))
        await session.run_transaction(open_account, session)
    assert await owners(either) == {"ada"}


async def test_one_transaction_does_not_run_in_another(either: DatabaseManager) -> None:
    async with either.get_session() as session:

        async def nested() -> None:
            await session.run_transaction(open_account, session)

        async def commits() -> None:
            await open_account(session)
            await session.commit()

        for fn in (nested, commits):
            with pytest.raises(UncommittedWork):
                await session.run_transaction(fn)
        await session.run_transaction(open_account, session)
    assert await owners(either) == {"ada"}


async def test_an_error_undoes_everything_and_is_not_repeated(manager: DatabaseManager, gate: DiaryGate) -> None:
    calls = 0

    async def fails(session: PlanarSession) -> None:
        nonlocal calls
        calls += 1
        session.add_all([Account(owner="ada"), Account(owner="ada")])

    async with manager.get_session() as session:
        with pytest.raises(IntegrityError):
            await session.run_transaction(fails, session)
        assert not session.in_transaction()
    assert calls == 1
    assert gate.held == 0
    assert await owners(manager) == set()


async def test_after_a_conflict_it_is_tried_again_on_a_clean_session(impatient: DatabaseManager) -> None:
    other = sqlite3.connect(str(impatient.sqlite_path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    calls = 0

    async def adds(session: PlanarSession) -> None:
        nonlocal calls
        calls += 1
        assert not session.new
        if calls == 2:
            other.execute("COMMIT")
        session.add(Account(owner="ada"))
        await session.flush()

    async with impatient.get_session() as session:
        await session.run_transaction(adds, session)
    other.close()
    assert calls == 2
    assert await owners(impatient) == {"ada"}


@pytest.mark.parametrize("retries", [0, 2])
async def test_conflicts_are_repeated_as_often_as_allowed(impatient: DatabaseManager, retries: int) -> None:
    other = sqlite3.connect(str(impatient.sqlite_path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    calls = 0

    async def reads(session: PlanarSession) -> None:
        nonlocal calls
        calls += 1
        await session.exec(select(Account))

    async with impatient.get_session() as session:
        session.max_conflict_retries = retries
        with pytest.raises(DatabaseBusy):
            await session.run_transaction(reads, session)
    other.close()
    assert calls == retries + 1


async def test_cancelled_it_undoes_what_it_did(manager: DatabaseManager, gate: DiaryGate) -> None:
    written = asyncio.Event()

    async def waits(session: PlanarSession) -> None:
        await open_account(session)
        await session.flush()
        written.set()
        await asyncio.Event().wait()

    async def work() -> None:
        async with manager.get_session() as session:
            await session.run_transaction(waits, session)

    task = asyncio.create_task(work())
    await written.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gate.held == 0
    assert await owners(manager) == set()
