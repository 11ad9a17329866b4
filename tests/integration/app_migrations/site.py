"""An application's database and its revisions, as somebody would keep them; without the application."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import MetaData, make_url

from planar.db.app_migrations import service
from planar.db.app_migrations.history import History, Revision
from planar.db.app_migrations.judgement import Finding
from planar.db.app_migrations.service import Project
from planar.db.app_migrations.starting import StartPolicy
from planar.db.manager import DatabaseManager
from tests.postgres_server import connect


class Site:
    """One database, and one folder of revisions.

    Args:
        url: where the database is.
        folder: where the revisions are going to be.
    """

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.folder = folder
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        service.begin(folder)

    @property
    def is_sqlite(self) -> bool:
        return self.url.startswith("sqlite")

    @property
    def file(self) -> Path:
        return Path(str(make_url(self.url).database))

    def project(self, *metadata: MetaData) -> Project:
        return Project(self.folder, make_url(self.url), metadata)

    def history(self) -> History:
        return self.project().history()

    async def revise(self, metadata: MetaData, message: str, **options: Any) -> Path | None:
        self.now += timedelta(minutes=1)
        return await service.revise(self.project(metadata), message, self.now, **options)

    async def written(self, metadata: MetaData, message: str) -> str:
        """The text of the revision that was written."""
        path = await self.revise(metadata, message)
        assert path is not None
        return path.read_text()

    def add(self, message: str, *, up: str = "pass", down: str = "pass", parents: Sequence[str] | None = None) -> str:
        """A revision written by hand; its id."""
        self.now += timedelta(minutes=1)
        history = self.history()
        body = service.Body("\n    ".join(up.strip().splitlines()), "\n    ".join(down.strip().splitlines()))
        path = service.write(history, message, self.now, history.heads if parents is None else parents, body)
        return path.name[:14]

    async def upgrade(self, *metadata: MetaData, to: str = "head", adopt: bool = False) -> list[str]:
        done: list[Revision] = []
        await service.upgrade(self.project(*metadata), to, done.append, adopt=adopt)
        return [each.message for each in done]

    async def downgrade(self, to: str) -> list[str]:
        done: list[Revision] = []
        await service.downgrade(self.project(), to, done.append)
        return [each.message for each in done]

    async def check(self, metadata: MetaData) -> list[Finding]:
        return await service.check(self.project(metadata))

    async def start(self, metadata: MetaData, *, strict: bool = True, allow_newer: bool = False) -> None:
        """What the start of the app does with the database."""
        manager = DatabaseManager(self.url)
        await manager.connect()
        try:
            await manager.migrate(application=[metadata], policy=StartPolicy(self.folder, strict, allow_newer))
        finally:
            await manager.disconnect()

    async def ask(self, statement: str) -> list[tuple[Any, ...]]:
        """Execute statements from outside, and commit; the rows of the last."""
        if self.is_sqlite:
            with closing(sqlite3.connect(self.file, timeout=10)) as file, file:
                file.create_collation("decimal", lambda a, b: (float(a) > float(b)) - (float(a) < float(b)))
                return file.execute(statement).fetchall()
        connection = await connect(self.url)
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    async def execute_script(self, script: str) -> None:
        """Execute a whole script, as somebody would by hand."""
        if self.is_sqlite:
            with closing(sqlite3.connect(self.file, isolation_level=None)) as file:
                file.create_collation("decimal", lambda a, b: (float(a) > float(b)) - (float(a) < float(b)))
                file.executescript(script)
            return
        connection = await connect(self.url)
        try:
            await connection.execute(script)
        finally:
            await connection.close()

    async def schema(self) -> list[tuple[Any, ...]]:
        """Everything that the database says of its tables, for comparison."""
        if self.is_sqlite:
            return await self.ask("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY type, name")
        return await self.ask(
            "SELECT 'column', table_schema, table_name, column_name, data_type, udt_name, is_nullable, column_default, '' "
            "FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema') "
            "UNION ALL SELECT 'index', schemaname, tablename, indexname, indexdef, '', '', '', '' FROM pg_indexes "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema') "
            "UNION ALL SELECT 'constraint', n.nspname, c.conname, pg_get_constraintdef(c.oid), '', '', '', '', '' "
            "FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace WHERE n.nspname = 'public' "
            "UNION ALL SELECT 'enum', t.typname, e.enumlabel, e.enumsortorder::text, '', '', '', '', '' "
            "FROM pg_enum e JOIN pg_type t ON t.oid = e.enumtypid ORDER BY 1, 2, 3, 4, 5"
        )
