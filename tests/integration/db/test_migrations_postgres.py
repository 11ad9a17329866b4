"""On PostgreSQL the framework's tables come from the same scripts, are those of the classes, and two processes may start at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy import Connection, DateTime, MetaData, inspect, select, text
from sqlalchemy.types import TypeDecorator, TypeEngine

from planar.db import DatabaseManager, migrations
from tests.integration.db.accounts import Accounts
from tests.integration.db.test_migrations import TABLES, VIEWS, finish, start_migration
from tests.postgres_server import database

pytestmark = [pytest.mark.anyio, pytest.mark.store("postgresql")]


@pytest.fixture
async def empty() -> AsyncIterator[DatabaseManager]:
    async with database() as url:
        manager = DatabaseManager(url)
        await manager.connect()
        yield manager
        await manager.disconnect()


def columns(connection: Connection, table: str) -> dict[str, tuple[str, bool]]:
    """Each column with its kind, and whether it may be null."""
    found = inspect(connection).get_columns(table, "planar")
    return {column["name"]: (kind(column["type"]), column["nullable"]) for column in found}


def kind(column_type: TypeEngine[Any]) -> str:
    while isinstance(column_type, TypeDecorator):
        column_type = column_type.impl_instance
    if isinstance(column_type, DateTime):
        return f"moment {column_type.timezone}"
    return str(column_type.as_generic()).split("(")[0].replace("TEXT", "VARCHAR").replace("CHAR(32)", "UUID")


async def test_the_migrated_tables_are_those_of_the_classes(empty: DatabaseManager) -> None:
    await empty.migrate(application=[])
    async with empty.get_engine().connect() as connection:
        for table in TABLES:
            found = await connection.run_sync(columns, table.name)
            assert found == {column.name: (kind(column.type), column.nullable) for column in table.columns}
            keys = await connection.run_sync(lambda sync, table=table: inspect(sync).get_pk_constraint(table.name, "planar"))
            assert keys["constrained_columns"] == [column.name for column in table.primary_key]
            indexes = await connection.run_sync(lambda sync, table=table: inspect(sync).get_indexes(table.name, "planar"))
            # What belongs to a constraint is no index of its own.
            own = [index for index in indexes if "duplicates_constraint" not in index]
            assert {(index["name"], index["unique"]) for index in own} == {(each.name, each.unique) for each in table.indexes}


async def test_every_moment_has_its_zone_and_every_payload_is_text(empty: DatabaseManager) -> None:
    await empty.migrate(application=[])
    async with empty.get_engine().connect() as connection:
        kinds = await connection.execute(text("select distinct data_type from information_schema.columns where table_schema = 'planar'"))
        found = set(kinds.scalars())
    assert found == {"uuid", "text", "character varying", "integer", "bigint", "boolean", "timestamp with time zone"}


async def test_a_view_can_be_selected_by_its_class(empty: DatabaseManager) -> None:
    await empty.migrate(application=[])
    async with empty.get_engine().connect() as connection:
        for view in VIEWS:
            assert list(await connection.execute(select(view))) == []


async def test_two_tasks_may_migrate_at_once(empty: DatabaseManager) -> None:
    await asyncio.gather(empty.migrate(application=[]), empty.migrate(application=[]))
    assert (await empty.migration_status()).is_current


async def test_two_processes_may_start_at_once_on_an_empty_database(empty: DatabaseManager) -> None:
    processes = [await asyncio.to_thread(start_migration, empty) for _ in range(2)]
    answers = sorted([await asyncio.to_thread(finish, process) for process in processes])
    assert [answer.split()[0] for answer in answers] == [migrations.HEAD] * 2
    async with empty.get_engine().connect() as connection:
        assert len((await connection.execute(text("select * from planar.alembic_version"))).all()) == 1


async def test_an_applications_tables_are_made_beside_them(empty: DatabaseManager) -> None:
    await empty.migrate(application=[Accounts.metadata])
    other: MetaData = Accounts.metadata
    async with empty.get_engine().connect() as connection:
        for table in other.sorted_tables:
            assert list(await connection.execute(select(table))) == []
    await empty.migrate(application=[Accounts.metadata])
