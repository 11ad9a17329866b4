"""Does each line of a file make a row, or a change of one? Everything that can be said without the database is said here.

So nothing is locked while a long file is read. Whether a row is there already is only known when it is written: a line that may be
either is read as both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Final, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from planar.entities.filters import UNSORTED
from planar.entities.import_lines import Line, LineReader, Mode, Problem
from planar.entities.import_report import ImportPlan
from planar.entities.registration import RegisteredEntity
from planar.entities.row_states import RowState, state_of
from planar.entities.validation import Entry, changes_of, new_row
from planar.entities.values import misfit_of
from planar.modeling.errors import Misfits

BATCH: Final = 500
"""How many lines are written together, at most."""
BATCH_SIZE: Final = 4 * 1024 * 1024
"""After how many characters a batch ends: a few long lines take the memory of many."""
PORTION: Final = 50
"""After how many lines others have their turn: reading them takes time, and waits for nothing."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a line was read as, or why it cannot be that."""

    value: T | None = None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A line that is ready to be written.

    Args:
        number: of its line.
        place: by what its row is found; None for a new one.
        is_placed: whether it says by what, though it may be no such value.
        fixed: the fields among its values that are given once, when a row is made.
        new: the row that it makes, where it may make one.
        change: what it sets in a row that is there, where it may change one.
    """

    number: int
    place: Any
    is_placed: bool
    fixed: dict[str, Any]
    new: Outcome[RowState]
    change: Outcome[dict[str, Any]]


@dataclass(slots=True)
class Batch:
    """Lines that are written together, in which no row occurs twice; and what is wrong with others among them."""

    count: int = 0
    size: int = 0
    lines: list[Prepared] = field(default_factory=list[Prepared])
    problems: list[Problem] = field(default_factory=list[Problem])


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


def problem_of(number: int, found: Entry) -> Problem:
    """An entry of line *number*; its place is below the line."""
    return Problem(number, found["msg"], ".".join(map(str, found["loc"])) or None, found["type"])


class Checker:
    """Reads and validates a file.

    Args:
        entity: whose rows.
        plan: what is to be done.

    Raises:
        Misfits: *plan* names a field that rows cannot be found by.
    """

    def __init__(self, entity: RegisteredEntity, plan: ImportPlan) -> None:
        self.match = match_field(entity, plan.match)
        self._entity = entity
        self._mode = plan.mode
        self._reader = LineReader(entity, plan.mode, self.match, plan.style)
        self._adapter = TypeAdapter[Any](entity.fields[self.match].hint)

    @property
    def ignored(self) -> list[str]:
        """Fields that were given and that only the program sets."""
        return list(self._reader.ignored)

    async def batches(self, file: BinaryIO) -> AsyncIterator[Batch]:
        """The lines of *file*, which is read once."""
        batch, places = Batch(), set[Any]()
        for line in self._reader.read(file):
            place, line = self._placed(line)
            if place is not None and place in places:
                yield batch
                batch, places = Batch(), set[Any]()
            places.add(place)
            self._check(line, place, batch)
            if batch.count % PORTION == 0:
                await asyncio.sleep(0)
            if batch.count == BATCH or batch.size >= BATCH_SIZE:
                yield batch
                batch, places = Batch(), set[Any]()
        if batch.count:
            yield batch

    def _check(self, line: Line, place: Any, batch: Batch) -> None:
        batch.count += 1
        batch.size += line.size
        prepared = self._prepared(line, place) if not line.problems else None
        problems = [*line.problems, *(self._refused(prepared) if prepared is not None else ())]
        batch.problems += problems
        if prepared is not None and not problems:
            batch.lines.append(prepared)

    def _refused(self, line: Prepared) -> tuple[Problem, ...]:
        """What is wrong with a line whatever is there."""
        match self._mode:
            case Mode.CREATE:
                return line.new.problems
            case Mode.UPDATE:
                return line.change.problems
            case Mode.UPSERT:
                return ()

    def _prepared(self, line: Line, place: Any) -> Prepared:
        fixed = {name: value for name, value in line.values.items() if name != self.match and self._entity.fields[name].write_once}
        news = {name: value for name, value in line.values.items() if name != self.match and name not in fixed}
        may_make, may_change = self._mode is not Mode.UPDATE, self._mode is not Mode.CREATE
        return Prepared(
            line.number,
            place,
            line.values.get(self.match) is not None,
            fixed,
            _outcome(line, lambda: state_of(new_row(self._entity, line.values, with_key=True))) if may_make else Outcome(),
            _outcome(line, lambda: changes_of(self._entity, news)) if may_change else Outcome(),
        )

    def _placed(self, line: Line) -> tuple[Any, Line]:
        """By what the row of *line* is found, and the line, with a problem if no database can be asked for that."""
        value = line.values.get(self.match)
        if value is None:
            return None, line
        try:
            place = self._adapter.validate_python(value)
        except ValidationError:
            return None, line  # what is wrong with it is told when it is validated
        misfit = misfit_of(self._entity.fields[self.match], place) if self._mode is not Mode.CREATE and place is not None else None
        if misfit is None:
            return place, line
        return None, replace(line, problems=(*line.problems, Problem(line.number, misfit, self.match)))


def _outcome(line: Line, read: Callable[[], T]) -> Outcome[T]:
    try:
        return Outcome(read())
    except Misfits as error:
        return Outcome(problems=tuple(problem_of(line.number, {**found}) for found in error.entries))
