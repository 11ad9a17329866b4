"""What does each line of a file say of a row? Read by the entity's fields, one line after the other; nothing is written here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, BinaryIO, Final, TypeAlias, cast

from planar.entities.cells import LEFT_OUT, from_cell, from_member, read_json
from planar.entities.fields import ServedField
from planar.entities.formats import Delimiter, Format, RawRecord, guess_delimiter, read_records, split_cells
from planar.entities.registration import RegisteredEntity


class Mode(StrEnum):
    """What becomes of a line: a new row, a change of one that is there, or whichever it takes."""

    CREATE = "create"
    UPDATE = "update"
    UPSERT = "upsert"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line.

    Args:
        line: its number, from 1; of a record of several lines, the first.
        message: for people.
        field: the field that it is about, if it is about one.
        type: for machines.
    """

    line: int
    message: str
    field: str | None = None
    type: str = "value_error"


@dataclass(frozen=True, slots=True)
class Line:
    """What a line says: values by the names of fields, in Python's or in JSON's types. With *problems* it says nothing."""

    number: int
    values: dict[str, Any] = field(default_factory=dict[str, Any])
    problems: tuple[Problem, ...] = ()
    size: int = 0
    """How many characters it has."""


@dataclass(frozen=True, slots=True)
class FileStyle:
    """How a file is written.

    Args:
        format: CSV or JSON lines.
        delimiter: what stands between cells of CSV.
        safe: whether texts that look like formulas have an apostrophe before them.
    """

    format: Format
    delimiter: Delimiter = Delimiter.AUTO
    safe: bool = False


class LineReader:
    """Reads a file for an entity.

    Args:
        entity: whose rows.
        mode: what they are for; a new row needs all columns that its class requires.
        match: the field by which rows are found.
        style: how the file is written.
    """

    def __init__(self, entity: RegisteredEntity, mode: Mode, match: str, style: FileStyle) -> None:
        self._entity = entity
        self._mode = mode
        self._match = match
        self._style = style
        self.ignored: dict[str, None] = {}
        """Fields that were given and that only the program sets."""

    def read(self, file: BinaryIO) -> Iterator[Line]:
        """The lines of *file*."""
        read = self._csv if self._style.format is Format.CSV else self._jsonl
        yield from read(read_records(file, self._style.format))

    def _jsonl(self, records: Iterator[RawRecord]) -> Iterator[Line]:
        for record in records:
            if record.problem is not None:
                yield _bad(record.line, record.problem)
            elif record.text.strip():
                yield self._object(record)

    def _object(self, record: RawRecord) -> Line:
        try:
            found = read_json(record.text)
        except ValueError as error:
            return _bad(record.line, str(error))
        if not isinstance(found, dict):
            return _bad(record.line, 'A line is a JSON object: {"name": "value"}')
        members = cast("dict[str, Any]", found)
        unknown = [self._unknown(record.line, name) for name in members if not self._is_known(name)]
        if unknown:
            return Line(record.line, problems=tuple(unknown))
        return self._line(record, members, from_member)

    def _csv(self, records: Iterator[RawRecord]) -> Iterator[Line]:
        header = next(records, None)
        if header is None:
            yield _bad(1, "The file is empty: its first line names the columns.")
            return
        names, delimiter, problems = self._header(header)
        if problems:
            yield Line(header.line, problems=tuple(problems))
            return
        for record in records:
            if record.problem is not None:
                yield _bad(record.line, record.problem)
            elif record.text or len(names) == 1:
                yield self._cells(record, names, delimiter)

    def _header(self, record: RawRecord) -> tuple[list[str], str, list[Problem]]:
        if record.problem is not None:
            return [], "", [Problem(record.line, record.problem)]
        chosen = self._style.delimiter
        delimiter = guess_delimiter(record.text) if chosen is Delimiter.AUTO else chosen.sign
        try:
            names = [(cell or "").strip() for cell in split_cells(record.text, delimiter)]
        except ValueError as error:
            return [], "", [Problem(record.line, str(error))]
        problems = [self._unknown(record.line, name) for name in dict.fromkeys(names) if not self._is_known(name)]
        problems += [Problem(record.line, f"The column {name} stands there twice.", name) for name in _doubles(names)]
        problems += [
            Problem(record.line, f"The column {name} is missing.", name, "missing") for name in self._needed() if name not in names
        ]
        return names, delimiter, problems

    def _cells(self, record: RawRecord, names: list[str], delimiter: str) -> Line:
        try:
            cells = split_cells(record.text, delimiter)
        except ValueError as error:
            return _bad(record.line, str(error))
        if len(cells) != len(names):
            return _bad(record.line, f"There are {len(cells)} cells, and {len(names)} columns.")
        return self._line(record, dict(zip(names, cells, strict=True)), self._from_cell)

    def _from_cell(self, field: ServedField, cell: str | None) -> Any:
        return from_cell(field, cell, safe=self._style.safe)

    def _line(self, record: RawRecord, given: Mapping[str, Any], read: Callable[[ServedField, Any], Any]) -> Line:
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, item in given.items():
            field = self._entity.fields[name]
            if field.read_only and name != self._entity.key:
                self.ignored[name] = None
                continue
            try:
                value = read(field, item)
            except ValueError as error:
                problems.append(Problem(record.line, str(error), name))
                continue
            if value is not LEFT_OUT and not (value is None and name == self._entity.key):
                values[name] = value
        return Line(record.line, values, tuple(problems), len(record.text))

    def _needed(self) -> list[str]:
        """The columns without which no line of the file could fit."""
        if self._mode is Mode.CREATE:
            return [name for name, info in self._entity.import_model.model_fields.items() if info.is_required()]
        return [self._match]

    def _is_known(self, name: str) -> bool:
        found = self._entity.fields.get(name)
        return found is not None and not found.hidden

    def _unknown(self, line: int, name: str) -> Problem:
        shown = ", ".join(self._entity.visible)
        return Problem(line, f"{self._entity.name} has no field {name!r}. Fields: {shown}", name or None, "extra_forbidden")


Lines: TypeAlias = Iterator[Line]
MOST_SHOWN: Final = 100
"""How many problems of a file are told."""


def _bad(line: int, message: str) -> Line:
    return Line(line, problems=(Problem(line, message),))


def _doubles(names: list[str]) -> list[str]:
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]
