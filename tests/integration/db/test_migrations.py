"""The framework's tables come from scripts, are exactly those of the classes, and two processes may start at once."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, create_engine, inspect, select, text

from planar import lazy
from planar.db import PLANAR_FRAMEWORK_METADATA, DatabaseManager, migrations
from planar.db.errors import UnknownRevision
from planar.db.migrate import MigrationStatus
from planar.engine.store.tables import AUTOINCREMENT, NOT_ON_SQLITE, PARTIAL, WITHOUT_ROWID
from planar.files import models as _file_tables  # noqa: F401 - its tables are the framework's too
from planar.human import models as _human_tables  # noqa: F401 - and its
from planar.object_config import models as _config_tables  # noqa: F401
from planar.rules import cases as _rule_tables  # noqa: F401

pytestmark = pytest.mark.anyio

TABLES = [table for table in PLANAR_FRAMEWORK_METADATA.sorted_tables if not table.info.get("is_view")]
VIEWS = [table for table in PLANAR_FRAMEWORK_METADATA.sorted_tables if table.info.get("is_view")]

STATEMENTS = text("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' AND sql IS NOT NULL ORDER BY type, name")

MIGRATE = """
import asyncio, sys
from planar.db import DatabaseManager

async def main():
    manager = DatabaseManager(sys.argv[1])
    await manager.connect()
    print("ready", flush=True)
    sys.stdin.readline()
    await manager.migrate()
    print((await manager.migration_status()).current, "alembic" in sys.modules, flush=True)
    await manager.disconnect()

asyncio.run(main())
"""


@pytest.fixture
async def empty(tmp_path: Path) -> AsyncIterator[DatabaseManager]:
    manager = DatabaseManager(f"sqlite:///{tmp_path}/app.db")
    await manager.connect()
    yield manager
    await manager.disconnect()


async def ask(manager: DatabaseManager, statement: Any) -> list[Any]:
    async with manager.get_engine().connect() as connection:
        return list(await connection.execute(statement))


def without_spaces(rows: list[Any]) -> dict[tuple[str, str], str]:
    return {(kind, name): " ".join(sql.split()) for kind, name, sql in rows}


def in_words_of_sqlite() -> MetaData:
    """The framework's tables, with what their `info` says as SQLAlchemy's own options for SQLite."""
    copy = MetaData(schema=PLANAR_FRAMEWORK_METADATA.schema)
    for table in TABLES:
        copied = table.to_metadata(copy)
        options = {f"sqlite_{info}": True for info in (AUTOINCREMENT,) if table.info.get(info)}
        options |= {"sqlite_with_rowid": False} if table.info.get(WITHOUT_ROWID) else {}
        copied.dialect_kwargs.update(options)
        for index in list(copied.indexes):
            original = next(each for each in table.indexes if each.name == index.name)
            if NOT_ON_SQLITE in original.info:
                copied.indexes.discard(index)
            if PARTIAL in original.info:
                index.dialect_kwargs.update({"sqlite_where": text(original.info[PARTIAL])})
    return copy


async def test_the_migrated_tables_are_exactly_those_of_the_classes(empty: DatabaseManager, tmp_path: Path) -> None:
    """Compared as SQLite keeps them: each column, type, default, key, option and index, in their order."""
    await empty.migrate(application=[])
    migrated = without_spaces(await ask(empty, STATEMENTS))
    from_classes = create_engine(f"sqlite:///{tmp_path}/classes.db", execution_options={"schema_translate_map": {"planar": None}})
    with from_classes.begin() as connection:
        in_words_of_sqlite().create_all(connection)
        expected = without_spaces(list(connection.execute(STATEMENTS)))
    from_classes.dispose()
    for key in [key for key in migrated if key[0] in ("view", "trigger") or key[1] == migrations.SQLITE_VERSION_TABLE]:
        del migrated[key]
    assert migrated == expected


async def test_a_start_without_alembic_in_the_settings_makes_the_same_tables(empty: DatabaseManager, tmp_path: Path) -> None:
    other = DatabaseManager(f"sqlite:///{tmp_path}/other.db")
    await other.connect()
    await other.migrate(False, application=[])
    await empty.migrate(True, application=[])
    assert await ask(other, STATEMENTS) == await ask(empty, STATEMENTS)
    await other.disconnect()


async def test_a_view_has_the_columns_of_its_class(empty: DatabaseManager) -> None:
    await empty.migrate(application=[])
    assert VIEWS
    async with empty.get_engine().connect() as connection:
        for view in VIEWS:
            assert list(await connection.execute(select(view))) == []
            found = await connection.run_sync(lambda sync, view=view: [column["name"] for column in inspect(sync).get_columns(view.name)])
            assert found == [column.name for column in view.columns]


def test_the_known_head_is_that_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == migrations.HEAD


def test_a_migration_can_be_taken_back(tmp_path: Path) -> None:
    engine = create_engine(f"sqlite:///{tmp_path}/app.db")
    attributes = {"version_table": migrations.SQLITE_VERSION_TABLE, "version_table_schema": None}
    location = str(Path(migrations.__file__).parent)

    def left(connection: Connection) -> set[str]:
        return set(inspect(connection).get_table_names()) | set(inspect(connection).get_view_names())

    with engine.begin() as connection:
        lazy.upgrade_with_alembic(location, {**attributes, "connection": connection})
        assert "workflow_run" in left(connection)
        config = Config()
        config.set_main_option("script_location", location)
        config.set_main_option("path_separator", "os")
        config.attributes.update({**attributes, "connection": connection})
        command.downgrade(config, "base")
        assert left(connection) == {migrations.SQLITE_VERSION_TABLE}
    engine.dispose()


async def test_migrating_again_does_nothing_and_loads_no_alembic(empty: DatabaseManager) -> None:
    assert await empty.migration_status() == MigrationStatus(None, migrations.HEAD)
    await empty.migrate(application=[])
    assert (await empty.migration_status()).is_current
    process = start_migration(empty)
    assert finish(process) == f"{migrations.HEAD} False"


async def test_nobody_is_kept_from_writing_while_the_library_of_migrations_loads(
    empty: DatabaseManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    others_could_write: list[bool] = []

    def load() -> None:
        with closing(sqlite3.connect(str(empty.get_engine().url.database), timeout=0)) as other:
            other.execute("BEGIN IMMEDIATE")
            others_could_write.append(True)

    monkeypatch.setattr(lazy, "load_alembic", load)
    await empty.migrate(application=[])
    assert others_could_write == [True]


async def test_a_database_of_a_newer_version_is_left_alone(empty: DatabaseManager) -> None:
    await empty.migrate(application=[])
    async with empty.get_engine().begin() as connection:
        await connection.execute(text(f"UPDATE {migrations.SQLITE_VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(UnknownRevision, match="9999"):
        await empty.migrate(application=[])
    assert not (await empty.migration_status()).is_current


async def test_a_migration_that_fails_leaves_nothing(empty: DatabaseManager, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = lazy.upgrade_with_alembic

    def half(*args: Any) -> None:
        upgrade(*args)
        raise ZeroDivisionError

    monkeypatch.setattr(lazy, "upgrade_with_alembic", half)
    with pytest.raises(ZeroDivisionError):
        await empty.migrate(application=[])
    assert await ask(empty, STATEMENTS) == []
    monkeypatch.undo()
    await empty.migrate(application=[])
    assert (await empty.migration_status()).is_current


async def test_two_tasks_may_migrate_at_once(empty: DatabaseManager) -> None:
    await asyncio.gather(empty.migrate(application=[]), empty.migrate(application=[]))
    assert (await empty.migration_status()).is_current


async def test_two_processes_may_start_at_once_on_an_empty_database(tmp_path: Path) -> None:
    manager = DatabaseManager(f"sqlite:///{tmp_path}/app.db")
    processes = [start_migration(manager) for _ in range(2)]
    answers = sorted(finish(process) for process in processes)
    # Both are done; whoever came second may or may not have had to look at the scripts.
    assert [answer.split()[0] for answer in answers] == [migrations.HEAD] * 2
    assert "True" in answers[-1]
    await manager.connect()
    assert len(await ask(manager, text(f"SELECT * FROM {migrations.SQLITE_VERSION_TABLE}"))) == 1
    await manager.disconnect()


def start_migration(manager: DatabaseManager) -> subprocess.Popen[str]:
    """A process that is connected and waits for a line before it migrates."""
    url = manager.url.render_as_string(hide_password=False)
    process = subprocess.Popen([sys.executable, "-c", MIGRATE, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def finish(process: subprocess.Popen[str]) -> str:
    out, _ = process.communicate("go\n", timeout=60)
    assert process.returncode == 0
    return out.strip()
