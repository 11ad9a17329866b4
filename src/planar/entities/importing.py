"""How does a file become rows? Read and validated first, and then written in one transaction: all of it, or nothing.

The lines count one after the other: a later one for the same row changes what an earlier one made. What is wrong is collected to the
end of the file, and the good lines around it are written meanwhile, so that it is told of every line whether it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import BinaryIO, cast

from planar.db.planar_session import PlanarSession
from planar.entities.errors import EntityError, EntityReadOnly
from planar.entities.import_checking import Checker, Prepared, problem_of
from planar.entities.import_lines import Problem
from planar.entities.import_matching import Matcher, Step
from planar.entities.import_report import ImportPlan, ImportReport, OnProgress
from planar.entities.import_spool import Spool
from planar.entities.registration import RegisteredEntity
from planar.entities.row_states import row_of
from planar.entities.stored_rows import Change
from planar.entities.validation import Entry
from planar.entities.writing import change_rows, insert_rows
from planar.errors import PlanarError
from planar.modeling.errors import Misfits


async def import_file(
    session: PlanarSession, entity: RegisteredEntity, file: BinaryIO, plan: ImportPlan, on_progress: OnProgress | None = None
) -> ImportReport:
    """Read *file* to its end, and commit its rows if all of them fit and it is no trial.

    Args:
        session: one of its own. It may hold the write lock of SQLite for as long as the rows take to be written: see ``unlimited``.
        entity: whose rows.
        file: open for reading bytes; it is read once, from where it stands.
        plan: what is to be done.
        on_progress: called after each batch with what was done so far: all lines are read before the first is written.

    Raises:
        EntityReadOnly: nobody but the program changes rows of the entity.
        Misfits: *plan* names a field that rows cannot be found by.
    """
    if entity.options.read_only:
        raise EntityReadOnly(f"The rows of {entity.name} are changed by the program only.")
    checker, report = Checker(entity, plan), ImportReport(entity.name, plan.dry_run)
    writer = _Writer(session, entity, Matcher(session, entity, plan.mode, checker.match), report)
    try:
        with Spool[Prepared]() as spool:
            async for batch in checker.batches(file):
                report.lines += batch.count
                report.tell(batch.problems)
                spool.add(batch.lines)
                _tell(report, on_progress)
            report.ignored = checker.ignored
            for lines in spool.take():
                await writer.write(lines)
                _tell(report, on_progress)
        if not plan.dry_run and not report.error_count:
            await session.commit()
            report.committed = True
    finally:
        await session.rollback()
    return report


def _tell(report: ImportReport, on_progress: OnProgress | None) -> None:
    if on_progress is not None:
        on_progress(report)


class _Writer:
    """Writes lines that were validated, and tells of what the database, or the rows that are there, have against them."""

    def __init__(self, session: PlanarSession, entity: RegisteredEntity, matcher: Matcher, report: ImportReport) -> None:
        self._session = session
        self._entity = entity
        self._matcher = matcher
        self._report = report

    async def write(self, lines: Sequence[Prepared]) -> None:
        """Write a batch."""
        steps, problems = await self._matcher.steps(lines)
        stretches = [list(stretch) for _, stretch in groupby(steps, lambda step: step.is_new)]
        if len(stretches) < 2 or not await self._write_together(steps):
            for stretch in stretches:
                problems += await self._write_stretch(stretch)
        self._report.tell(problems)
        # Nothing of it is needed any more, and a file may be long.
        self._session.expunge_all()

    async def _write_together(self, steps: Sequence[Step]) -> bool:
        """Write all new rows and then all changes, which takes much less time than one after the other; False if they do not fit so."""
        new, changed = [step for step in steps if step.is_new], [step for step in steps if not step.is_new]
        try:
            async with self._session.begin_nested():
                await self._write(new)
                await self._write(changed)
        except (Misfits, EntityError):
            return False
        self._report.created += len(new)
        self._report.updated += len(changed)
        return True

    async def _write_stretch(self, steps: Sequence[Step]) -> list[Problem]:
        """Write lines of one kind; those that do not fit are told of, and the others are written without them."""
        problems: list[Problem] = []
        while steps:
            try:
                # Whoever looks for the rows that a database refuses leaves those that it accepts.
                async with self._session.begin_nested():
                    await self._write(steps)
            except (Misfits, EntityError) as error:
                # It is told of the first hundred; the others get their turn without them.
                found = [_problem(steps, each) for each in _entries(error) if each["type"] != "too_many_errors"]
                if not found:
                    raise
                refused = {problem.line for problem in found}
                problems += found
                steps = [step for step in steps if step.line.number not in refused]
                continue
            if steps[0].is_new:
                self._report.created += len(steps)
            else:
                self._report.updated += len(steps)
            break
        return problems

    async def _write(self, steps: Sequence[Step]) -> None:
        if steps and steps[0].is_new:
            rows = [row_of(self._entity, step.line.new.value) for step in steps if step.line.new.value is not None]
            await insert_rows(self._session, self._entity, rows)
        elif steps:
            await change_rows(self._session, self._entity, [(Change(step.key), step.line.change.value or {}) for step in steps])


def _entries(error: PlanarError) -> Sequence[Entry]:
    return cast("Sequence[Entry]", error.entries if isinstance(error, Misfits) else error.details.get("errors", ()))


def _problem(steps: Sequence[Step], found: Entry) -> Problem:
    """What *found* tells of one of *steps*: of the first, if it does not say of which."""
    loc: tuple[str | int, ...] = found["loc"]
    if loc and isinstance(loc[0], int):
        return problem_of(steps[loc[0]].line.number, {**found, "loc": loc[1:]})
    return problem_of(steps[0].line.number, found)
