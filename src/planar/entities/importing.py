"""How does a file become rows? Line by line, in batches of one transaction: all of it, or nothing.

The lines count one after the other: a later one for the same row changes what an earlier one made. What is wrong is collected to the
end of the file, and the good lines around it are written meanwhile, so that it is told of every line whether it fits.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Result, select
from sqlmodel import SQLModel

from planar.db.planar_session import PlanarSession
from planar.entities.cells import to_cell
from planar.entities.errors import EntityError, EntityReadOnly, InstanceNotFound
from planar.entities.filters import UNSORTED
from planar.entities.import_lines import MOST_SHOWN, FileStyle, Line, LineReader, Mode, Problem
from planar.entities.registration import RegisteredEntity
from planar.entities.validation import Entry
from planar.entities.writing import Change, create_many, key_of, update_many
from planar.errors import PlanarError
from planar.modeling.errors import Misfits

BATCH: Final = 500
"""How many lines are written together."""


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What is to become of a file.

    Args:
        mode: whether its lines are new rows, changes, or whichever it takes.
        style: how it is written.
        match: the field by which rows are found that are there already; None is the key.
        dry_run: whether everything is done and then undone.
    """

    mode: Mode
    style: FileStyle
    match: str | None = None
    dry_run: bool = False


@dataclass(slots=True)
class ImportReport:
    """What became of a file.

    Args:
        entity: the name of the entity.
        dry_run: whether it was a trial.
        committed: whether its rows are there now.
        lines: how many records it has, without its header.
        created, updated: how many rows were, or would have been, made and found.
        error_count: how many things do not fit.
        errors: the first hundred of them, in the order of the file.
        ignored: fields that it gives and that only the program sets.
    """

    entity: str
    dry_run: bool
    committed: bool = False
    lines: int = 0
    created: int = 0
    updated: int = 0
    error_count: int = 0
    errors: list[Problem] = field(default_factory=list[Problem])
    ignored: list[str] = field(default_factory=list[str])

    def tell(self, problems: Sequence[Problem]) -> None:
        """Count *problems*, and keep them while there are few."""
        self.error_count += len(problems)
        self.errors.extend(problems[: MOST_SHOWN - len(self.errors)])


OnProgress = Callable[[ImportReport], object]


async def import_file(
    session: PlanarSession, entity: RegisteredEntity, file: BinaryIO, plan: ImportPlan, on_progress: OnProgress | None = None
) -> ImportReport:
    """Read *file* to its end, and commit its rows if all of them fit and it is no trial.

    Args:
        session: one of its own. It may hold the write lock of SQLite for as long as the file takes: see ``unlimited``.
        entity: whose rows.
        file: open for reading bytes; it is read once, from where it stands.
        plan: what is to be done.
        on_progress: called after each batch with what was done so far.

    Raises:
        EntityReadOnly: nobody but the program changes rows of the entity.
        Misfits: *plan* names a field that rows cannot be found by.
    """
    if entity.options.read_only:
        raise EntityReadOnly(f"The rows of {entity.name} are changed by the program only.")
    work = _Import(session, entity, plan)
    try:
        for batch in _batches(work.reader.read(file), work):
            await work.write(batch)
            if on_progress is not None:
                on_progress(work.report)
        work.report.ignored = list(work.reader.ignored)
        if not plan.dry_run and not work.report.error_count:
            await session.commit()
            work.report.committed = True
    finally:
        await session.rollback()
    return work.report


def match_field(entity: RegisteredEntity, name: str | None) -> str:
    """The field by which rows are found.

    Raises:
        Misfits: there is none of that name.
    """
    found = entity.fields.get(name or entity.key)
    if found is None or found.hidden or found.kind in UNSORTED or (found.read_only and found.name != entity.key):
        message = f"{entity.name} has no field {name!r} that rows can be found by."
        raise Misfits([{"type": "value_error", "loc": ("query", "match"), "msg": message}])
    return found.name


class _Import:
    """A file that is being read."""

    def __init__(self, session: PlanarSession, entity: RegisteredEntity, plan: ImportPlan) -> None:
        self.match = match_field(entity, plan.match)
        self.reader = LineReader(entity, plan.mode, self.match, plan.style)
        self.report = ImportReport(entity.name, plan.dry_run)
        self._session = session
        self._entity = entity
        self._mode = plan.mode
        self._adapter = TypeAdapter[Any](entity.fields[self.match].hint)

    def place(self, line: Line) -> Any:
        """By what the row of *line* is found; None for a new one."""
        value = line.values.get(self.match)
        if value is None:
            return None
        try:
            return self._adapter.validate_python(value)
        except ValidationError:
            return None  # what is wrong with it is told when it is written

    async def write(self, lines: Sequence[Line]) -> None:
        """Write a batch, and tell what does not fit in it."""
        self.report.lines += len(lines)
        problems = [problem for line in lines for problem in line.problems]
        good = [line for line in lines if not line.problems]
        new, changed = await self._sorted(good, problems)
        problems += await self._make(new)
        problems += await self._change(changed)
        self.report.tell(sorted(problems, key=lambda problem: problem.line))
        # Nothing of it is needed any more, and a file may be long.
        self._session.expunge_all()

    async def _sorted(self, lines: Sequence[Line], problems: list[Problem]) -> tuple[list[Line], list[tuple[Line, SQLModel]]]:
        """Which lines are new rows, and which are changes of rows that are there."""
        if self._mode is Mode.CREATE:
            return list(lines), []
        places = [self.place(line) for line in lines]
        found = await self._rows({place for place in places if place is not None})
        new: list[Line] = []
        changed: list[tuple[Line, SQLModel]] = []
        for line, place in zip(lines, places, strict=True):
            rows = found.get(place, [])
            if len(rows) > 1:
                problems.append(Problem(line.number, f"{len(rows)} rows have this {self.match}.", self.match, "not_unique"))
            elif rows:
                changed.append((line, rows[0]))
            elif self._mode is Mode.UPSERT:
                new.append(line)
            else:
                problems.append(self._not_found(line))
        return new, changed

    def _not_found(self, line: Line) -> Problem:
        if line.values.get(self.match) is None:
            return Problem(line.number, f"Without {self.match} no row can be found.", self.match, "missing")
        return Problem(line.number, f"There is no {self._entity.name} with this {self.match}.", self.match, InstanceNotFound.code)

    async def _rows(self, places: set[Any]) -> dict[Any, list[SQLModel]]:
        column = getattr(self._entity.cls, self.match)
        found: dict[Any, list[SQLModel]] = {}
        if places:
            query: Any = select(self._entity.cls).where(column.in_(list(places)))
            for row in cast("Result[Any]", await self._session.exec(query)).scalars():
                found.setdefault(getattr(row, self.match), []).append(row)
        return found

    async def _make(self, lines: Sequence[Line]) -> list[Problem]:
        async def attempt(part: Sequence[Line]) -> int:
            values = [line.values for line in part]
            return len(await create_many(self._session, self._entity, values, with_key=True))

        problems, count = await _written(self._session, lines, attempt)
        self.report.created += count
        return problems

    async def _change(self, changed: Sequence[tuple[Line, SQLModel]]) -> list[Problem]:
        problems: list[Problem] = []
        changes: dict[int, Change] = {}
        for line, row in changed:
            values, refused = self._changes(line, row)
            problems += refused
            if not refused:
                changes[line.number] = Change(key_of(self._entity, row), values)

        async def attempt(part: Sequence[Line]) -> int:
            return len(await update_many(self._session, self._entity, [changes[line.number] for line in part]))

        more, count = await _written(self._session, [line for line, _ in changed if line.number in changes], attempt)
        self.report.updated += count
        return problems + more

    def _changes(self, line: Line, row: SQLModel) -> tuple[dict[str, Any], list[Problem]]:
        """What *line* changes in *row*. A field that is given once may be given again, if it is the same."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, value in line.values.items():
            fixed = self._entity.fields[name]
            if name == self.match or (fixed.write_once and _is_same(self._entity, name, value, row)):
                continue
            if fixed.write_once:
                problems.append(Problem(line.number, "This field is given once, when the row is made.", name, "extra_forbidden"))
            values[name] = value
        return values, problems


def _is_same(entity: RegisteredEntity, name: str, value: Any, row: SQLModel) -> bool:
    held = entity.fields[name]
    return value == getattr(row, name) or to_cell(held, value) == to_cell(held, getattr(row, name))


async def _written(
    session: PlanarSession, lines: Sequence[Line], attempt: Callable[[Sequence[Line]], Awaitable[int]]
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


def _problem(lines: Sequence[Line], found: Entry) -> Problem:
    index, *rest = found["loc"] or (0,)
    return Problem(lines[index].number, found["msg"], ".".join(map(str, rest)) or None, found["type"])


def _batches(lines: Iterator[Line], work: _Import) -> Iterator[list[Line]]:
    """The lines in batches in which no row occurs twice."""
    batch: list[Line] = []
    places: set[Any] = set()
    for line in lines:
        place = work.place(line)
        if len(batch) == BATCH or (place is not None and place in places):
            yield batch
            batch, places = [], set()
        batch.append(line)
        places.add(place)
    if batch:
        yield batch
