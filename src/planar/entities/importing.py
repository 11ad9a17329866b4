"""How does a file become rows? Read and validated first, and then written in one transaction: all of it, or nothing.

The lines count one after the other: a later one for the same row changes what an earlier one made. What is wrong is collected to the
end of the file, and the good lines around it are written meanwhile, so that it is told of every line whether it fits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, BinaryIO, cast

from sqlalchemy import Result, select
from sqlmodel import SQLModel

from planar.db.planar_session import PlanarSession
from planar.entities.cells import to_cell
from planar.entities.errors import EntityError, EntityReadOnly, InstanceNotFound
from planar.entities.import_checking import Checker, Prepared, problem_of
from planar.entities.import_lines import Mode, Problem
from planar.entities.import_report import ImportPlan, ImportReport, OnProgress
from planar.entities.import_spool import Spool
from planar.entities.registration import RegisteredEntity
from planar.entities.row_states import row_of
from planar.entities.stored_rows import Change, key_of
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
    writer = _Writer(session, entity, plan.mode, checker.match, report)
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

    def __init__(self, session: PlanarSession, entity: RegisteredEntity, mode: Mode, match: str, report: ImportReport) -> None:
        self._session = session
        self._entity = entity
        self._mode = mode
        self._match = match
        self._report = report

    async def write(self, lines: Sequence[Prepared]) -> None:
        """Write a batch."""
        problems: list[Problem] = []
        new, changed = await self._sorted(lines, problems)
        problems += await self._make(new)
        problems += await self._change(changed)
        self._report.tell(problems)
        # Nothing of it is needed any more, and a file may be long.
        self._session.expunge_all()

    async def _sorted(self, lines: Sequence[Prepared], problems: list[Problem]) -> tuple[list[Prepared], list[tuple[Prepared, SQLModel]]]:
        """Which lines are new rows, and which are changes of rows that are there."""
        if self._mode is Mode.CREATE:
            return list(lines), []
        found = await self._rows({line.place for line in lines if line.place is not None})
        new: list[Prepared] = []
        changed: list[tuple[Prepared, SQLModel]] = []
        for line in lines:
            rows = found.get(line.place, [])
            if len(rows) > 1:
                problems.append(Problem(line.number, f"{len(rows)} rows have this {self._match}.", self._match, "not_unique"))
            elif rows:
                changed.append((line, rows[0]))
            elif self._mode is Mode.UPSERT:
                new.append(line)
            else:
                problems.append(self._not_found(line))
        return new, changed

    def _not_found(self, line: Prepared) -> Problem:
        if not line.is_placed:
            return Problem(line.number, f"Without {self._match} no row can be found.", self._match, "missing")
        return Problem(line.number, f"There is no {self._entity.name} with this {self._match}.", self._match, InstanceNotFound.code)

    async def _rows(self, places: set[Any]) -> dict[Any, list[SQLModel]]:
        column = getattr(self._entity.cls, self._match)
        found: dict[Any, list[SQLModel]] = {}
        if places:
            query: Any = select(self._entity.cls).where(column.in_(list(places)))
            for row in cast("Result[Any]", await self._session.exec(query)).scalars():
                found.setdefault(getattr(row, self._match), []).append(row)
        return found

    async def _make(self, lines: Sequence[Prepared]) -> list[Problem]:
        async def attempt(part: Sequence[Prepared]) -> int:
            rows = [row_of(self._entity, line.new.value) for line in part if line.new.value is not None]
            await insert_rows(self._session, self._entity, rows)
            return len(rows)

        problems = [problem for line in lines for problem in line.new.problems]
        more, count = await _written(self._session, [line for line in lines if not line.new.problems], attempt)
        self._report.created += count
        return problems + more

    async def _change(self, changed: Sequence[tuple[Prepared, SQLModel]]) -> list[Problem]:
        problems: list[Problem] = []
        keys: dict[int, Any] = {}
        for line, row in changed:
            refused = [*line.change.problems, *self._fixed(line, row)]
            problems += refused
            if not refused:
                keys[line.number] = key_of(self._entity, row)

        async def attempt(part: Sequence[Prepared]) -> int:
            changes = [(Change(keys[line.number]), line.change.value or {}) for line in part]
            return len(await change_rows(self._session, self._entity, changes))

        more, count = await _written(self._session, [line for line, _ in changed if line.number in keys], attempt)
        self._report.updated += count
        return problems + more

    def _fixed(self, line: Prepared, row: SQLModel) -> list[Problem]:
        """What *line* would change that is given once. It may be given again, if it is the same."""
        return [
            Problem(line.number, "This field is given once, when the row is made.", name, "extra_forbidden")
            for name, value in line.fixed.items()
            if not _is_same(self._entity, name, value, row)
        ]


def _is_same(entity: RegisteredEntity, name: str, value: Any, row: SQLModel) -> bool:
    held = entity.fields[name]
    return value == getattr(row, name) or to_cell(held, value) == to_cell(held, getattr(row, name))


async def _written(
    session: PlanarSession, lines: Sequence[Prepared], attempt: Callable[[Sequence[Prepared]], Awaitable[int]]
) -> tuple[list[Problem], int]:
    """Write *lines*; those that do not fit are told of, and the others are written without them."""
    problems: list[Problem] = []
    waiting = list(lines)
    while waiting:
        try:
            # Whoever looks for the rows that a database refuses leaves those that it accepts.
            async with session.begin_nested():
                return problems, await attempt(waiting)
        except (Misfits, EntityError) as error:
            # It is told of the first hundred; the others get their turn without them.
            found = [_problem(waiting, each) for each in _entries(error) if each["type"] != "too_many_errors"]
            if not found:
                raise
        refused = {problem.line for problem in found}
        problems += found
        rest = [line for line in waiting if line.number not in refused]
        if len(rest) == len(waiting):
            break
        waiting = rest
    return problems, 0


def _entries(error: PlanarError) -> Sequence[Entry]:
    return cast("Sequence[Entry]", error.entries if isinstance(error, Misfits) else error.details.get("errors", ()))


def _problem(lines: Sequence[Prepared], found: Entry) -> Problem:
    index, *rest = found["loc"] or (0,)
    return problem_of(lines[index].number, {**found, "loc": rest})
