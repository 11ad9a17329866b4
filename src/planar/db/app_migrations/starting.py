"""May an app start on this database? Asked at every start, so without Alembic unless there is something for it to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import MetaData
from sqlalchemy.ext.asyncio import AsyncEngine

from planar.db.app_migrations.applying import apply
from planar.db.app_migrations.connecting import migration_engine
from planar.db.app_migrations.facts import read_facts
from planar.db.app_migrations.history import History, is_foreign, is_used, read_history
from planar.db.app_migrations.judgement import Facts, Finding, first_revision, judge
from planar.db.errors import NoMigrations
from planar.db.tables import create_application_tables
from planar.logging import get_logger

logger = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class StartPolicy:
    """What a start does about the application's tables."""

    folder: Path | None = None
    """Where its revisions are, if anywhere."""
    is_strict: bool = False
    """Whether it refuses to start on what does not fit (``prod``), or tells (``dev``)."""
    allow_newer: bool = False
    """Whether it starts on a database with a revision that the code does not know, if the tables fit."""
    where: str = ""
    """The options by which a command finds this database."""
    entry: str = ""
    """The option by which any command finds the app's file."""


async def prepare_application(engine: AsyncEngine, metadata: Sequence[MetaData], policy: StartPolicy) -> None:
    """See that the application's tables are as its classes say.

    Without revisions, missing tables are made in ``dev``, and refused in ``prod``, as different ones are in both. With revisions nothing
    is altered: an empty database gets its tables by the revisions in ``dev``, and anything else that does not fit is told there, and
    refused in ``prod``.

    Raises:
        MigrationError: one of its kinds; the message names the command that mends it.
    """
    history = _history_of(policy)
    if history is None or not history.revisions:
        await _go_without_revisions(engine, metadata, policy)
        return
    facts = await _facts_of(engine, metadata, history, policy)
    if not policy.is_strict and not facts.stored and not facts.present and len(history.heads) == 1:
        await _make_tables(engine, history)
        return
    _act_on(judge(history, facts, allow_newer=policy.allow_newer, where=policy.where, entry=policy.entry), history, facts, policy)


async def examine_application(engine: AsyncEngine, metadata: Sequence[MetaData], policy: StartPolicy) -> list[Finding] | None:
    """What a start would find, without doing anything about it; None if there are no revisions.

    Raises:
        HistoryBroken: the revisions do not fit together.
    """
    history = _history_of(policy)
    if history is None or not history.revisions:
        return None
    facts = await _facts_of(engine, metadata, history, policy)
    return judge(history, facts, allow_newer=policy.allow_newer, where=policy.where, entry=policy.entry)


def how_missing_tables_come(policy: StartPolicy, present: Sequence[str], missing: Sequence[str]) -> str | None:
    """What makes the tables that an application without revisions lacks: a sentence, or None if its start does.

    Args:
        policy: of its start.
        present: its tables that exist.
        missing: its tables that do not.
    """
    if not policy.is_strict:
        return None
    if policy.folder is not None and is_foreign(policy.folder):
        return f"{policy.folder} is Alembic's own. Run: alembic upgrade head"
    return f"The application has no revision that makes them. Run: {_first_revision(policy, present, missing)}"


async def _go_without_revisions(engine: AsyncEngine, metadata: Sequence[MetaData], policy: StartPolicy) -> None:
    if policy.is_strict:
        async with engine.connect() as connection:
            facts = await connection.run_sync(read_facts, metadata)
        if facts.missing:
            remedy = how_missing_tables_come(policy, facts.present, facts.missing)
            raise NoMigrations(f"The database lacks the tables {', '.join(facts.missing)}. {remedy}")
        if facts.present and (policy.folder is None or not is_foreign(policy.folder)):
            remedy = _first_revision(policy, facts.present, ())
            logger.warning("the application's tables have no migrations: a changed class cannot be deployed", remedy=remedy)
    for each in metadata:
        await create_application_tables(engine, each)


def _first_revision(policy: StartPolicy, present: Sequence[str], missing: Sequence[str]) -> str:
    return first_revision(begun=is_used(policy.folder), present=present, missing=missing, where=policy.where, entry=policy.entry)


def _history_of(policy: StartPolicy) -> History | None:
    return read_history(policy.folder) if policy.folder is not None and is_used(policy.folder) else None


async def _facts_of(engine: AsyncEngine, metadata: Sequence[MetaData], history: History, policy: StartPolicy) -> Facts:
    async with engine.connect() as connection:
        return await connection.run_sync(read_facts, metadata, history if policy.allow_newer else None)


def _act_on(findings: Sequence[Finding], history: History, facts: Facts, policy: StartPolicy) -> None:
    if findings and policy.is_strict:
        raise findings[0].error(" ".join(finding.sentence() for finding in findings))
    for finding in findings:
        logger.warning("the database does not fit the application", code=finding.code, summary=finding.summary, remedy=finding.command)
    unknown = history.unknown(facts.stored)
    if unknown and not findings:
        logger.warning("the database is newer than the application", revisions=list(unknown))


async def _make_tables(engine: AsyncEngine, history: History) -> None:
    logger.info("making the application's tables", revisions=len(history.revisions))
    async with migration_engine(engine.url) as own:
        await apply(own, history, history.head(), lambda revision: logger.info("revision applied", revision=revision.id))
