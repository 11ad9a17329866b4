"""Which lines does a file have, and which records? CSV and JSON lines, read as they come, however long the file is.

CSV is that of RFC 4180 with one thing said more exactly: a cell without anything is no value, and one of two quotes is an empty text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import BinaryIO, Final

BOM: Final = b"\xef\xbb\xbf"
_WIDE: Final = (b"\xff\xfe", b"\xfe\xff")
"""How a file in UTF-16 begins."""

MAX_RECORD_BYTES: Final = 16 * 1024 * 1024
"""How long a record may be. A quote that is never closed would take the rest of the file for its cell."""

DELIMITERS: Final = (",", ";", "\t", "|")


class Format(StrEnum):
    """How a file is written."""

    CSV = "csv"
    JSONL = "jsonl"


class Delimiter(StrEnum):
    """What stands between the cells of CSV; ``auto`` looks at the header."""

    AUTO = "auto"
    COMMA = "comma"
    SEMICOLON = "semicolon"
    TAB = "tab"
    PIPE = "pipe"

    @property
    def sign(self) -> str:
        """The character; that of ``auto`` is what is written."""
        return {Delimiter.SEMICOLON: ";", Delimiter.TAB: "\t", Delimiter.PIPE: "|"}.get(self, ",")


@dataclass(frozen=True, slots=True)
class RawRecord:
    """A record, and the number of its first line, from 1. *problem* says why there is no text."""

    line: int
    text: str = ""
    problem: str | None = None
    ends: bool = False
    """Whether nothing after it can be read."""


def read_records(file: BinaryIO, style: Format) -> Iterator[RawRecord]:
    """The records of *file*, without their line ends; empty ones included. One that cannot be read says why."""
    number, first = 0, True
    while line := file.readline(MAX_RECORD_BYTES + 1):
        start, number = number + 1, number + 1
        if first:
            if line.startswith(_WIDE):
                yield RawRecord(1, problem="The file is in UTF-16. Save it as UTF-8.", ends=True)
                return
            line, first = line.removeprefix(BOM), False
            if not line:
                return
        parts, quotes, size = [line], line.count(b'"'), len(line)
        while style is Format.CSV and quotes % 2 and size <= MAX_RECORD_BYTES and (more := file.readline(MAX_RECORD_BYTES + 1)):
            parts.append(more)
            quotes, size, number = quotes + more.count(b'"'), size + len(more), number + 1
        record = _decoded(start, b"".join(parts), style, quotes)
        yield record
        if record.ends:
            return


def _decoded(start: int, raw: bytes, style: Format, quotes: int) -> RawRecord:
    if style is Format.CSV and quotes % 2:
        return RawRecord(start, problem="A quote is opened here and never closed.", ends=True)
    if len(raw) > MAX_RECORD_BYTES:
        return RawRecord(start, problem=f"The record is longer than {MAX_RECORD_BYTES} bytes.", ends=True)
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        line = start + raw.count(b"\n", 0, error.start)
        return RawRecord(line, problem="This is not UTF-8. Save the file as UTF-8.")
    return RawRecord(start, text.removesuffix("\n").removesuffix("\r"))


def split_cells(text: str, delimiter: str) -> list[str | None]:
    """The cells of a record of CSV; None is one without anything.

    Raises:
        ValueError: a quote stands where none may; the message names the cell.
    """
    if '"' not in text:
        return [cell or None for cell in text.split(delimiter)]
    cells: list[str | None] = []
    cell, place = _cell(delimiter), 0
    while True:
        found = cell(text, place)
        if found is None:
            raise ValueError(
                f"Cell {len(cells) + 1} has a quote inside: a cell with quotes stands in quotes, each of its own written twice"
            )
        quoted, plain, end = found.groups()
        cells.append(plain or None if quoted is None else quoted.replace('""', '"'))
        place = found.end()
        if not end:
            return cells


def join_cells(cells: Sequence[str | None], delimiter: str) -> str:
    """The record of *cells*, with its line end. A record of one cell without anything is an empty line."""
    return delimiter.join(_quoted(cell, delimiter) for cell in cells) + "\r\n"


def guess_delimiter(header: str) -> str:
    """The delimiter that stands most often between the names of a header; a comma if there is none."""
    bare = re.sub(r'"(?:[^"]|"")*"', "", header)
    return max(DELIMITERS, key=bare.count)


def _quoted(cell: str | None, delimiter: str) -> str:
    if cell is None:
        return ""
    if not cell or cell != cell.strip() or any(sign in cell for sign in (delimiter, '"', "\n", "\r")):
        return '"' + cell.replace('"', '""') + '"'
    return cell


@lru_cache(maxsize=16)
def _cell(delimiter: str) -> Callable[[str, int], re.Match[str] | None]:
    sign = re.escape(delimiter)
    return re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{sign}]*))({sign}|\Z)').match
