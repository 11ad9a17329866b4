"""Tables of the application are made when they are missing and never altered."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, inspect

from planar.db import DatabaseManager
from planar.db.errors import TableDiffers
from planar.modeling.column_types import ExactDecimal
from tests.integration.db.accounts import Accounts

pytestmark = pytest.mark.anyio


def invoices(*columns: Column[object]) -> MetaData:
    metadata = MetaData()
    Table("invoice", metadata, Column("id", Integer, primary_key=True), *columns)
    return metadata


async def table_names(manager: DatabaseManager) -> set[str]:
    async with manager.get_engine().connect() as connection:
        return set(await connection.run_sync(lambda sync: inspect(sync).get_table_names()))


async def test_missing_tables_are_made_and_existing_ones_kept(manager: DatabaseManager) -> None:
    assert {"account", "booking"} <= await table_names(manager)
    await manager.migrate(application=[Accounts.metadata, invoices()])
    await manager.migrate(application=[Accounts.metadata, invoices()])
    assert {"account", "booking", "invoice"} <= await table_names(manager)


@pytest.mark.parametrize(
    ("now", "sentence"),
    [
        ([Column("amount", ExactDecimal()), Column("due", Text)], "Table invoice has no column due"),
        ([], "Table invoice has a column amount that its class does not have"),
        ([Column("amount", Integer)], "Column amount of table invoice is TEXT, its class says INTEGER"),
    ],
)
async def test_a_different_table_is_an_error_that_names_the_column_and_the_remedy(
    manager: DatabaseManager, now: list[Column[object]], sentence: str
) -> None:
    await manager.migrate(application=[invoices(Column("amount", ExactDecimal()))])
    changed = invoices(*now)
    Table("customer", changed, Column("id", Integer, primary_key=True))
    with pytest.raises(TableDiffers, match=sentence) as caught:
        await manager.migrate(application=[changed])
    assert "change the table to fit the class" in str(caught.value)
    assert "customer" not in await table_names(manager)


async def test_a_decimal_that_was_stored_as_a_float_is_noticed(manager: DatabaseManager) -> None:
    async with manager.get_engine().begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE invoice (id INTEGER PRIMARY KEY, amount NUMERIC(12, 2))")
    with pytest.raises(TableDiffers, match=r"Column amount of table invoice is NUMERIC\(12, 2\), its class says TEXT"):
        await manager.migrate(application=[invoices(Column("amount", ExactDecimal(12, 2)))])


async def test_two_managers_may_make_the_tables_at_once(tmp_path: Path) -> None:
    managers = [DatabaseManager(f"sqlite:///{tmp_path}/app.db") for _ in range(3)]
    for manager in managers:
        await manager.connect()
    await asyncio.gather(*(manager.migrate(application=[Accounts.metadata]) for manager in managers))
    assert {"account", "booking"} <= await table_names(managers[0])
    for manager in managers:
        await manager.disconnect()
