"""What do the lines of a file mean: new rows, or which of those that are there? These are held: nobody else changes them any more."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import null, select
from sqlmodel import SQLModel

from planar.db.planar_session import PlanarSession
from planar.entities.asking import ask_values
from planar.entities.cells import to_cell
from planar.entities.errors import InstanceNotFound
from planar.entities.import_checking import Prepared
from planar.entities.import_lines import Mode, Problem
from planar.entities.registration import RegisteredEntity
from planar.entities.stored_rows import hold_rows, key_of
from planar.modeling.mixins.soft_delete import DELETED_AT


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of a line.

    Args:
        line: that fits, as far as can be said before it is written.
        is_new: whether it makes a row.
        key: of the row that it changes.
    """

    line: Prepared
    is_new: bool
    key: Any = None


@dataclass(slots=True)
class Found:
    """The rows that were found by a field, by its values.

    Args:
        rows: those that are held.
        deleted: the values of rows that are marked as deleted.
        moved: the values of rows that had another one, or were gone, when they were held.
    """

    rows: dict[Any, list[SQLModel]] = field(default_factory=dict[Any, list[SQLModel]])
    deleted: set[Any] = field(default_factory=set[Any])
    moved: set[Any] = field(default_factory=set[Any])


class Matcher:
    """Decides what becomes of lines.

    Args:
        session: its transaction holds the rows that are found.
        entity: whose rows.
        mode: what lines are for.
        match: the field by which rows are found.
    """

    def __init__(self, session: PlanarSession, entity: RegisteredEntity, mode: Mode, match: str) -> None:
        self._session = session
        self._entity = entity
        self._mode = mode
        self._match = match

    async def steps(self, lines: Sequence[Prepared]) -> tuple[list[Step], list[Problem]]:
        """What becomes of *lines*, in which no row occurs twice, in their order; and why nothing becomes of some."""
        places = {line.place for line in lines if line.place is not None}
        found = await self._find(places) if self._mode is not Mode.CREATE else Found()
        steps: list[Step] = []
        problems: list[Problem] = []
        for line in lines:
            rows = found.rows.get(line.place, [])
            refused = self._refused(line, rows, line.place in found.deleted)
            problems += refused
            if not refused:
                steps.append(Step(line, False, key_of(self._entity, rows[0])) if rows else Step(line, True))
        return steps, problems

    def _refused(self, line: Prepared, rows: Sequence[SQLModel], deleted: bool) -> Sequence[Problem]:
        if len(rows) > 1:
            return [self._problem(line, f"{len(rows)} rows have this {self._match}.", "not_unique")]
        if rows:
            return [*line.change.problems, *self._fixed(line, rows[0])]
        if deleted:
            name = self._entity.name
            return [self._problem(line, f"The {name} with this {self._match} is deleted. Restore it first.", InstanceNotFound.code)]
        if self._mode is not Mode.UPDATE:
            return line.new.problems
        if not line.is_placed:
            return [self._problem(line, f"Without {self._match} no row can be found.", "missing")]
        return [self._problem(line, f"There is no {self._entity.name} with this {self._match}.", InstanceNotFound.code)]

    def _problem(self, line: Prepared, message: str, kind: str) -> Problem:
        return Problem(line.number, message, self._match, kind)

    def _fixed(self, line: Prepared, row: SQLModel) -> list[Problem]:
        """What *line* would change that is given once. It may be given again, if it is the same."""
        return [
            Problem(line.number, "This field is given once, when the row is made.", name, "extra_forbidden")
            for name, value in line.fixed.items()
            if not _is_same(self._entity, name, value, row)
        ]

    async def _find(self, places: Set[Any]) -> Found:
        found = await self._held(places)
        if found.moved:
            # Whoever was in the way has committed. What still moves is not found.
            again = await self._held(found.moved)
            found.rows |= {place: again.rows.get(place, []) for place in found.moved}
            found.deleted = (found.deleted - found.moved) | again.deleted
        return found

    async def _held(self, places: Set[Any]) -> Found:
        # Asked without a lock at first: rows are locked in the order of their keys, which are not known yet.
        cls, found = self._entity.cls, Found()
        mark = getattr(cls, DELETED_AT) if self._entity.options.soft_delete else null()
        key, match = getattr(cls, self._entity.key), getattr(cls, self._match)
        there: dict[Any, Any] = {}
        if places:
            query: Any = select(key, match, mark).where(match.in_(list(places)))
            answer: Sequence[Any] = (await ask_values(self._session, query)).all()
            for row_key, value, deleted_at in answer:
                if deleted_at is None:
                    there[row_key] = value
                else:
                    found.deleted.add(value)
        held = await hold_rows(self._session, self._entity, list(there))
        for row_key, value in there.items():
            row = held.get(row_key)
            if row is None or getattr(row, self._match) != value:
                found.moved.add(value)
            else:
                found.rows.setdefault(value, []).append(row)
        return found


def _is_same(entity: RegisteredEntity, name: str, value: Any, row: SQLModel) -> bool:
    held = entity.fields[name]
    return value == getattr(row, name) or to_cell(held, value) == to_cell(held, getattr(row, name))
