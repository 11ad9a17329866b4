"""How does a database get from one revision to another? Step by step, each alone and committed, so that a crash leaves a revision whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncEngine

from planar import lazy
from planar.db.app_migrations.connecting import alone
from planar.db.app_migrations.history import History, Revision
from planar.db.errors import DatabaseAhead, NoSuchRevision

if TYPE_CHECKING:
    from planar.db.app_migrations.with_alembic import environment, steps
else:
    environment = lazy.at_first_use("planar.db.app_migrations.with_alembic.environment")
    steps = lazy.at_first_use("planar.db.app_migrations.with_alembic.steps")

Told = Callable[[Revision], object]
"""Called with each revision once it is committed."""


async def apply(engine: AsyncEngine, history: History, target: str | None, told: Told) -> None:
    """Apply what is missing up to the revision *target*. Several processes may do so at once.

    Raises:
        DatabaseAhead: the database has a revision that *history* does not know.
        RevisionFailed: one failed; those before it stay.
    """

    def missing(stored: tuple[str, ...]) -> list[Revision]:
        refuse_unknown(history, stored)
        return history.to_apply(stored, target)

    await _step_by_step(engine, history, missing, told, up=True)


async def undo(engine: AsyncEngine, history: History, target: str | None, told: Told) -> None:
    """Undo what was applied after the revision *target*, None being before the first; raises as `apply`."""

    def above(stored: tuple[str, ...]) -> list[Revision]:
        refuse_unknown(history, stored)
        if target is not None and target not in history.applied(stored):
            raise NoSuchRevision(f"Revision {target} is not applied, so there is no way down to it. Look at: planar db history")
        return history.to_undo(stored, target)

    await _step_by_step(engine, history, above, told, up=False)


async def note(engine: AsyncEngine, history: History, revision: str | None, *, forget: bool = False) -> None:
    """Write down that the database has *revision*, and change nothing else; with *forget* whatever was written there before."""
    alembic = environment.Alembic(history.folder)
    async with alone(engine) as connection:
        await connection.run_sync(steps.stamp, alembic, revision, forget=forget)


def refuse_unknown(history: History, stored: tuple[str, ...]) -> None:
    """See that *history* knows the revisions *stored*.

    Raises:
        DatabaseAhead: it does not know one.
    """
    unknown = history.unknown(stored)
    if unknown:
        raise DatabaseAhead(
            f"The database has revision {', '.join(unknown)}, which is not in {history.folder}: newer code made it, or its file was "
            "removed. Use the code that has it. If it never existed: planar db stamp --force <revision>"
        )


async def _step_by_step(
    engine: AsyncEngine, history: History, choose: Callable[[tuple[str, ...]], list[Revision]], told: Told, *, up: bool
) -> None:
    alembic = environment.Alembic(history.folder)
    async with alone(engine) as connection:
        while (done := await connection.run_sync(steps.next_step, alembic, choose, up=up)) is not None:
            told(done)
