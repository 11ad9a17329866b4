"""Which bytes does a client want? Decided from its headers alone.

One range is served; a list of ranges is ignored, as the standard allows, so that nobody can ask for a file a thousand times at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime
from typing import Final

_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Whole:
    """All bytes: status 200."""


@dataclass(frozen=True, slots=True)
class Part:
    """The bytes from *start* up to, not including, *end*: status 206."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Unsatisfiable:
    """A range in which the file has no bytes: status 416."""


@dataclass(frozen=True, slots=True)
class NotModified:
    """The client has it already: status 304."""


Wanted = Whole | Part | Unsatisfiable | NotModified


@dataclass(frozen=True, slots=True)
class Validators:
    """What tells one content from another."""

    etag: str
    modified_at: datetime

    @property
    def last_modified(self) -> str:
        """The time as HTTP writes it."""
        return format_datetime(self.modified_at.replace(microsecond=0), usegmt=True)


def wanted(
    size: int, validators: Validators, *, range_: str | None = None, if_range: str | None = None, if_none_match: str | None = None
) -> Wanted:
    """What to answer to a request with these headers for a file of *size* bytes."""
    if if_none_match is not None and names(if_none_match, validators.etag):
        return NotModified()
    # A weak validator never matches here: its content may differ in a byte.
    if range_ is None or (if_range is not None and if_range.strip() not in (validators.etag, validators.last_modified)):
        return Whole()
    return part_of(size, range_)


def part_of(size: int, range_: str) -> Wanted:
    """What the header ``Range`` asks for of *size* bytes; `Whole` if it says nothing that can be served."""
    found = _RANGE.fullmatch(range_)
    if found is None or not (found[1] or found[2]):
        return Whole()
    if not found[1]:  # the last so many
        length = min(int(found[2]), size)
        return Part(size - length, size) if length else Unsatisfiable()
    start = int(found[1])
    end = int(found[2]) + 1 if found[2] else size
    if end <= start and found[2]:
        return Whole()
    return Part(start, min(end, size)) if start < size else Unsatisfiable()


def names(header: str, etag: str) -> bool:
    """Whether ``If-None-Match`` names *etag*, strongly or weakly."""
    stated = (entry.strip().removeprefix("W/") for entry in header.split(","))
    return header.strip() == "*" or etag in stated
