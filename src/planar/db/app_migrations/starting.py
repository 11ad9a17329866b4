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
from planar.db.app_migrations.history import History, is_used, read_history
from planar.db.app_migrations.judgement import Facts, Finding, judge
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


async def prepare_application(engine: AsyncEngine, metadata: Sequence[MetaData], policy: StartPolicy) -> None:
    """See that the application's tables are as its classes say.

    Without revisions, missing tables are made and different ones refused. With revisions nothing is altered: an empty database gets
    its tables by the revisions in ``dev``, and anything else that does not fit is told there, and refused in ``prod``.

    Raises:
        MigrationError: one of its kinds; the message names the command that mends it.
    """
    history = _history_of(policy)
    if history is None or not history.revisions:
        for each in metadata:
            await create_application_tables(engine, each)
        if policy.is_strict and any(each.tables for each in metadata):
            command = "planar db init" if history is None else 'planar db revision -m "first"'
            logger.warning("the application's tables have no migrations: a changed class cannot be deployed", remedy=command)
        return
    facts = await _facts_of(engine, metadata, history, policy)
    if not policy.is_strict and not facts.stored and not facts.present and len(history.heads) == 1:
        await _make_tables(engine, history)
        return
    _act_on(judge(history, facts, allow_newer=policy.allow_newer, where=policy.where), history, facts, policy)


async def examine_application(engine: AsyncEngine, metadata: Sequence[MetaData], policy: StartPolicy) -> list[Finding] | None:
    """What a start would find, without doing anything about it; None if there are no revisions.

    Raises:
        HistoryBroken: the revisions do not fit together.
    """
    history = _history_of(policy)
    if history is None or not history.revisions:
        return None
    return judge(history, await _facts_of(engine, metadata, history, policy), allow_newer=policy.allow_newer, where=policy.where)


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
