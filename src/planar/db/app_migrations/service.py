"""What can be done with an application's migrations? One function a command; what is printed is the commands' own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import URL, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from planar import lazy
from planar.db.app_migrations.applying import Told, apply, note, refuse_unknown, undo
from planar.db.app_migrations.connecting import LOCK_SECONDS, migration_engine, sqlite_migration_engine
from planar.db.app_migrations.facts import read_facts
from planar.db.app_migrations.history import BASE, FOREIGN_MARK, HEAD, History, is_used, read_history
from planar.db.app_migrations.history_tables import tables_of_history
from planar.db.app_migrations.judgement import ADOPT, INIT, REVISE, UPGRADE, Facts, Finding, judge
from planar.db.app_migrations.labels import labels_of_history
from planar.db.app_migrations.naming import file_name, revision_id
from planar.db.app_migrations.revision_file import Body, revision_text
from planar.db.app_migrations.scripting import upgrade_sql
from planar.db.app_migrations.version_table import stored_revisions
from planar.db.errors import DatabaseBehind, HistoryBroken, NoApplicationTables, NoMigrations, TableDiffers, TablesNotAdopted

if TYPE_CHECKING:
    from planar.db.app_migrations.with_alembic import comparing, environment, writing
else:
    comparing = lazy.at_first_use("planar.db.app_migrations.with_alembic.comparing")
    environment = lazy.at_first_use("planar.db.app_migrations.with_alembic.environment")
    writing = lazy.at_first_use("planar.db.app_migrations.with_alembic.writing")

README = """# Migrations

The revisions of this application's tables, in the order of their names. Made with `planar db revision -m "what changed"`, read and
corrected by you, applied with `planar db upgrade`. A revision that was applied anywhere is neither changed, renamed nor removed.
"""


@dataclass(frozen=True, slots=True)
class Project:
    """An application, as far as its migrations go."""

    folder: Path
    """Where its revisions are."""
    url: URL
    """Its database."""
    metadata: Sequence[MetaData]
    """Its tables."""
    lock_seconds: float = LOCK_SECONDS
    """How long a statement may wait for a lock on PostgreSQL."""
    where: str = ""
    """The options by which a command finds this database."""
    entry: str = ""
    """The option by which any command finds the app's file."""

    def history(self) -> History:
        """Its revisions.

        Raises:
            NoMigrations: there is no folder for them.
            HistoryBroken: they do not fit together.
        """
        if not is_used(self.folder):
            raise NoMigrations(f"There are no migrations in {self.folder}. Begin with: {INIT}{self.entry}")
        return read_history(self.folder)


def begin(folder: Path, entry: str = "") -> None:
    """Make the folder for revisions.

    Args:
        folder: which.
        entry: the option by which any command finds the app's file.

    Raises:
        HistoryBroken: something else is there.
    """
    if (folder / FOREIGN_MARK).exists():
        raise HistoryBroken(
            f"{folder} is Alembic's own ({FOREIGN_MARK} is there). Give another folder as app.migrations in the settings; "
            "to go on from those revisions, see docs/how-to/change-a-table.md."
        )
    if folder.is_dir() and any(folder.iterdir()):
        raise HistoryBroken(f"{folder} exists and is not empty. It is ready for: {REVISE}{entry}")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "README.md").write_text(README, encoding="utf-8")


async def revise(project: Project, message: str, now: datetime, *, empty: bool = False, merge: bool = False) -> Path | None:
    """Write a revision, and return its file; None if the classes and the database do not differ.

    Args:
        message: what changed, in a few words.
        now: when it is made.
        empty: whether it is to do nothing yet, for somebody to fill in.
        merge: whether it joins the newest revisions, where there are several.

    Raises:
        NoApplicationTables: there are neither classes nor revisions.
        DatabaseBehind, TablesNotAdopted, DatabaseAhead, SeveralHeads: the database is not at the newest revision.
    """
    history = project.history()
    if merge:
        if len(history.heads) < 2:
            raise HistoryBroken(f"There is nothing to join: the one newest revision is {history.head()}.")
        return write(history, message, now, history.heads, Body())
    head = history.head()
    if empty:
        body = Body()
    else:
        body = await _difference(project, history)
        if body is None:
            return None
    return write(history, message, now, [head] if head else [], body)


async def _difference(project: Project, history: History) -> Body | None:
    if not history.revisions and not any(each.tables for each in project.metadata):
        raise NoApplicationTables("The application declares no tables: a subclass of PlanarBaseEntity with table=True is one.")
    alembic = environment.Alembic(history.folder)
    engine = _engine_of_first(project) if not history.revisions else None
    if engine is not None:
        try:
            async with engine.connect() as connection:
                return await connection.run_sync(writing.difference, alembic, _known(project, history))
        finally:
            await engine.dispose()
    async with migration_engine(project.url, lock_seconds=project.lock_seconds) as engine, engine.connect() as connection:
        if history.revisions:
            _refuse_unless_at_head(history, await connection.run_sync(read_facts, project.metadata), project)
            await connection.rollback()
        return await connection.run_sync(writing.difference, alembic, _known(project, history))


def _engine_of_first(project: Project) -> AsyncEngine | None:
    """The first revision makes everything, so on SQLite it needs no file yet."""
    return sqlite_migration_engine(":memory:") if project.url.get_backend_name() == "sqlite" else None


def _refuse_unless_at_head(history: History, facts: Facts, project: Project) -> None:
    refuse_unknown(history, facts.stored)
    for finding in judge(history, facts, where=project.where, entry=project.entry):
        if finding.error in (DatabaseBehind, TablesNotAdopted):
            raise finding.error(
                f"{finding.summary} A revision is written by comparing a database that has all others. Run: {finding.command}"
            )


def _known(project: Project, history: History) -> comparing.Known:
    sources = history.sources
    return comparing.Known(project.metadata, tables_of_history(sources), labels_of_history(sources), is_first=not history.revisions)


def write(history: History, message: str, now: datetime, parents: Sequence[str], body: Body) -> Path:
    """Write a revision, and return its file."""
    identity = revision_id(now, history.revisions)
    path = history.folder / file_name(identity, message)
    path.write_text(revision_text(identity, message, parents, body), encoding="utf-8")
    return path


async def upgrade(project: Project, target: str, told: Told, *, adopt: bool = False) -> None:
    """Apply what is missing up to *target*.

    Args:
        target: as `History.find`.
        told: called with each revision once it is committed.
        adopt: whether the tables of a database without a revision are taken as they are, if they are as the classes say.

    Raises:
        TablesNotAdopted: tables exist that no revision made, and *adopt* was not given.
        TableDiffers: they cannot be adopted, since they are not as the classes say.
        RevisionFailed: a revision failed.
    """
    history = project.history()
    revision = history.find(target)
    async with migration_engine(project.url, lock_seconds=project.lock_seconds, may_create=True) as engine:
        async with engine.connect() as connection:
            facts = await connection.run_sync(read_facts, project.metadata)
        if history.revisions and not facts.stored and facts.present:
            await _adopt(engine, history, facts, adopt, project.entry + project.where)
        await apply(engine, history, revision, told)


async def _adopt(engine: AsyncEngine, history: History, facts: Facts, adopt: bool, where: str) -> None:
    if not adopt:
        raise TablesNotAdopted(
            f"The tables {', '.join(facts.present)} exist, but the database has no revision: they were made without one. "
            f"If they are as the newest revision says, run: {ADOPT}{where}. If an older one made them: planar db stamp <revision>{where}"
        )
    problems = [f"Table {table} is missing." for table in facts.missing] + list(facts.differences)
    if problems:
        raise TableDiffers(
            f"These tables cannot be adopted: {' '.join(problems)} If an older revision says what they are: "
            f"planar db stamp <revision>{where}, then {UPGRADE}{where}"
        )
    await note(engine, history, history.head())


async def downgrade(project: Project, target: str, told: Told) -> None:
    """Undo what was applied after *target*.

    Raises:
        NoSuchRevision: there is no such revision, or it is not applied.
        RevisionFailed: a revision failed.
    """
    history = project.history()
    revision = history.find(target)
    async with migration_engine(project.url, lock_seconds=project.lock_seconds) as engine:
        await undo(engine, history, revision, told)


async def stamp(project: Project, target: str, *, forget: bool = False) -> str | None:
    """Note that the database has *target*, and change nothing else; with *forget* also where it has one that is unknown.

    Raises:
        NoSuchRevision: there is no such revision.
        DatabaseAhead: it has one that is unknown.
    """
    history = project.history()
    revision = history.find(target)
    async with migration_engine(project.url, lock_seconds=project.lock_seconds) as engine:
        if not forget:
            refuse_unknown(history, await _stored(engine))
        await note(engine, history, revision, forget=forget)
    return revision


async def sql(project: Project, dialect: str, span: str) -> str:
    """The statements of an upgrade.

    Args:
        dialect: ``sqlite`` or ``postgresql``.
        span: ``to`` or ``from:to``, each as `History.find`; without *from* an empty database is meant, without *to* the newest.
    """
    history = project.history()
    starting, _, target = span.rpartition(":")
    return await upgrade_sql(history, dialect, history.find(starting or BASE), history.find(target or HEAD))


async def current(project: Project) -> tuple[str, ...]:
    """The revisions that the database has: none, one, or two while branches are not joined."""
    project.history()
    async with migration_engine(project.url) as engine:
        return await _stored(engine)


async def check(project: Project) -> list[Finding]:
    """Everything that does not fit between revisions, database and classes: also indexes, constraints and what may be null.

    Raises:
        NoMigrations, HistoryBroken: there is nothing to compare with.
    """
    history = project.history()
    async with migration_engine(project.url) as engine, engine.connect() as connection:
        facts = await connection.run_sync(read_facts, project.metadata)
        await connection.rollback()
        found = [each for each in judge(history, facts, where=project.where, entry=project.entry) if each.error is not TableDiffers]
        if found:
            return found
        alembic = environment.Alembic(history.folder)
        told = await connection.run_sync(comparing.differences, alembic, _known(project, history))
    return [Finding(TableDiffers, sentence, f"{REVISE}{project.entry}, then {UPGRADE}{project.entry}{project.where}") for sentence in told]


async def _stored(engine: AsyncEngine) -> tuple[str, ...]:
    async with engine.connect() as connection:
        return await connection.run_sync(stored_revisions)
