"""How is a revision applied or undone? One revision, one transaction, chosen under the lock."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from alembic.runtime.migration import MigrationContext, MigrationStep
from sqlalchemy import Connection, text

from planar.db.app_migrations.history import BASE, Revision
from planar.db.app_migrations.version_table import VERSION_TABLE
from planar.db.app_migrations.with_alembic.environment import Alembic
from planar.db.errors import RevisionFailed

Choose = Callable[[tuple[str, ...]], Sequence[Revision]]
"""Given what the database has: the revisions that are left to apply, or to undo, the next one first."""


def next_step(connection: Connection, alembic: Alembic, choose: Choose, *, up: bool) -> Revision | None:
    """Apply (or undo) the first revision that *choose* gives, and commit. Returns it, or None if nothing was left.

    Raises:
        RevisionFailed: it failed; nothing of it remains, unless it committed itself.
    """
    chosen: list[Revision] = []

    def decide(heads: tuple[str, ...], _context: MigrationContext) -> Sequence[MigrationStep]:
        chosen.extend(choose(heads)[:1])
        return [alembic.step(revision.id, up=up) for revision in chosen]

    try:
        alembic.run(connection, decide)
    except Exception as error:
        if not chosen:
            raise
        raise RevisionFailed(_failure(chosen[0], error, up=up)) from error
    return chosen[0] if chosen else None


def stamp(connection: Connection, alembic: Alembic, revision: str | None, *, forget: bool = False) -> None:
    """Note that the database has *revision*, None being before the first; nothing else is changed.

    Args:
        forget: whether what was noted is removed first, whatever it is.
    """

    def decide(_heads: tuple[str, ...], context: MigrationContext) -> Sequence[MigrationStep]:
        if forget:
            connection.execute(text(f"DELETE FROM {VERSION_TABLE}"))
        context.stamp(alembic.scripts, revision or BASE)
        return []

    alembic.run(connection, decide)


def _failure(revision: Revision, error: Exception, *, up: bool) -> str:
    cause = getattr(error, "orig", None) or error
    done, again = ("applied", "planar db upgrade") if up else ("undone", "planar db downgrade")
    return (
        f"Revision {revision.id} ({revision.message}) could not be {done}: {type(cause).__name__}: {cause}\n"
        f"Nothing of it remains, unless it used an autocommit_block; what was {done} before it stays so. "
        f"Correct {revision.path}, and run again: {again}"
    )
