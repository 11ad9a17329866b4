"""Whoever keeps the write lock for too long loses the transaction, hears why, and nothing of it is written."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlmodel import select

from planar.db import DatabaseManager, PlanarSession
from planar.db.errors import WriteHeldTooLong
from planar.db.session import SessionScope
from tests.integration.db.accounts import Account, Accounts, owners
from tests.integration.db.conftest import DiaryGate

pytestmark = [pytest.mark.anyio, pytest.mark.store("sqlite")]


@pytest.fixture
def gate(impatient: DatabaseManager) -> DiaryGate:
    impatient.write_gate = gate = DiaryGate()
    return gate


@pytest.fixture
def overdue() -> asyncio.Event:
    return asyncio.Event()


@pytest.fixture
def scope(impatient: DatabaseManager, overdue: asyncio.Event) -> SessionScope:
    return SessionScope(impatient, label="pay_invoice", on_overdue=overdue.set)


async def hold_too_long(scope: SessionScope, overdue: asyncio.Event) -> PlanarSession:
    session = scope.get()
    session.add(Account(owner="ada"))
    await session.flush()
    async with asyncio.timeout(5):
        await overdue.wait()
    return session


async def test_the_holder_is_told_and_the_lock_is_free_at_once(
    impatient: DatabaseManager, gate: DiaryGate, scope: SessionScope, overdue: asyncio.Event
) -> None:
    await hold_too_long(scope, overdue)
    assert gate.held == 0
    async with impatient.get_session() as other:
        other.add(Account(owner="bob"))
        await other.commit()
    await scope.close()
    assert await owners(impatient) == {"bob"}


async def test_the_next_commit_says_to_write_last_and_writes_nothing(
    impatient: DatabaseManager, gate: DiaryGate, scope: SessionScope, overdue: asyncio.Event
) -> None:
    session = await hold_too_long(scope, overdue)
    assert session.wrote
    with pytest.raises(WriteHeldTooLong, match=r"'pay_invoice'.* Write last"):
        await session.commit()
    await scope.close()
    assert await owners(impatient) == set()


async def test_the_next_statement_fails_in_the_same_way_whether_it_reads_or_writes(
    impatient: DatabaseManager, scope: SessionScope, overdue: asyncio.Event
) -> None:
    session = await hold_too_long(scope, overdue)
    with pytest.raises(WriteHeldTooLong):
        await session.exec(select(Account))
    session.add(Account(owner="bob"))
    with pytest.raises(WriteHeldTooLong):
        await session.flush()
    await scope.close()
    assert await owners(impatient) == set()


async def test_the_error_of_the_scope_outlives_the_rollback_and_the_session_can_be_used_again(
    impatient: DatabaseManager, gate: DiaryGate, scope: SessionScope, overdue: asyncio.Event
) -> None:
    assert scope.overdue_error() is None
    session = await hold_too_long(scope, overdue)
    await scope.rollback()
    assert isinstance(scope.overdue_error(), WriteHeldTooLong)
    assert not session.wrote
    session.add(Account(owner="bob"))
    await session.commit()
    await scope.close()
    assert await owners(impatient) == {"bob"}
    assert gate.held == 0


async def test_a_statement_that_was_on_its_way_is_not_written_outside_the_transaction(
    impatient: DatabaseManager, scope: SessionScope, overdue: asyncio.Event
) -> None:
    """The check before a statement may pass just before the transaction is undone; the connection refuses it then."""
    session = scope.get()
    connection = await session.connection()
    await connection.execute(text("INSERT INTO account (id, owner, balance) VALUES ('1', 'ada', '0')"))
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert driver is not None
    cursor = await driver.cursor()
    async with asyncio.timeout(5):
        await overdue.wait()
    with pytest.raises(Exception, match="not authorized"):
        await cursor.execute("INSERT INTO account (id, owner, balance) VALUES ('2', 'bob', '0')")
    await cursor.close()
    await scope.close()
    assert await owners(impatient) == set()


async def test_the_connection_of_an_undone_transaction_serves_the_next_session(
    impatient: DatabaseManager, scope: SessionScope, overdue: asyncio.Event
) -> None:
    await hold_too_long(scope, overdue)
    await scope.close()
    for name in ("bob", "cleo"):
        async with impatient.get_session() as session:
            session.add(Account(owner=name))
            await session.commit()
    assert await owners(impatient) == {"bob", "cleo"}


async def test_a_holder_that_ignores_the_news_still_writes_nothing(impatient: DatabaseManager, gate: DiaryGate) -> None:
    """Without anybody to tell, the lock is taken away all the same."""
    async with impatient.get_session(label="request") as session:
        session.add(Account(owner="ada"))
        await session.flush()
        async with asyncio.timeout(5):
            (await gate.enter("next")).release()
        with pytest.raises(WriteHeldTooLong):
            await session.commit()
    assert await owners(impatient) == set()


async def test_a_holder_that_cannot_be_told_does_not_keep_the_lock(
    impatient: DatabaseManager, gate: DiaryGate, caplog: pytest.LogCaptureFixture
) -> None:
    def deaf() -> None:
        raise ZeroDivisionError

    async with impatient.get_session(label="deaf", on_overdue=deaf) as session:
        session.add(Account(owner="ada"))
        await session.flush()
        async with asyncio.timeout(5):
            (await gate.enter("next")).release()
    assert "could not be told" in caplog.text


async def test_waiters_get_the_lock_of_a_holder_that_was_undone(impatient: DatabaseManager, scope: SessionScope) -> None:
    scope.get().add(Account(owner="ada"))
    await scope.flush()
    async with impatient.get_session() as waiter:
        waiter.add(Account(owner="bob"))
        async with asyncio.timeout(5):
            await waiter.commit()
    await scope.close()
    assert await owners(impatient) == {"bob"}


async def test_a_lock_held_for_more_than_a_second_is_logged_with_its_holder(
    tmp_path: Path, gate: DiaryGate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    overdue = asyncio.Event()
    manager = DatabaseManager(f"sqlite:///{tmp_path}/slow.db?timeout=1.01")
    await manager.connect()
    await manager.migrate(application=[Accounts.metadata])
    scope = SessionScope(manager, label="import_catalogue", on_overdue=overdue.set)
    await hold_too_long(scope, overdue)
    await scope.close()
    await manager.disconnect()
    warning = next(record for record in caplog.records if "held for long" in record.getMessage())
    assert "import_catalogue" in str(vars(warning))


async def test_a_commit_in_time_stops_the_clock(impatient: DatabaseManager, scope: SessionScope, overdue: asyncio.Event) -> None:
    session = scope.get()
    for number in range(8):
        session.add(Account(owner=f"a{number}"))
        await session.commit()
        # A twentieth of a second for each: together twice what one transaction may take.
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await overdue.wait()
    await scope.close()
    assert scope.overdue_error() is None
    assert len(await owners(impatient)) == 8
