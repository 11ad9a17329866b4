"""How does a column of many rows get to the server? As one text, in PostgreSQL's own notation for arrays.

The driver would look at each element of a list in turn, and wonder whether it is a list itself: that is more work than all the
rest of a batch. The notation is that of section 8.15.6 (Array Input and Output Syntax) of PostgreSQL's manual.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from planar.engine.store.postgres.rows import GAP, NOTHING


def array_of_texts(values: Iterable[str | None]) -> str:
    """Packed texts, or None. `planar.engine.store.postgres.rows.pack` sees to it that they have neither mark in them."""
    joined = GAP.join([NOTHING if value is None else value for value in values])
    joined = joined.replace("\\", "\\\\").replace('"', '\\"').replace(GAP, '","')
    return f'{{"{joined}"}}'.replace(f'"{NOTHING}"', "NULL")


def array_of_ids(values: Iterable[UUID | None]) -> str:
    """Ids, or None."""
    return f"{{{','.join(['NULL' if value is None else f'{value.int:032x}' for value in values])}}}"


def array_of_numbers(values: Iterable[int | None]) -> str:
    """Whole numbers, or None."""
    return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"


def array_of_moments(values: Iterable[datetime | None]) -> str:
    """Moments, or None."""
    return f"{{{','.join(['NULL' if value is None else value.isoformat() for value in values])}}}"


def array_of_truths(values: Iterable[bool]) -> str:
    """Truth values."""
    return f"{{{','.join(['t' if value else 'f' for value in values])}}}"


_OF: dict[str, Callable[[Iterable[Any]], str]] = {
    "text": array_of_texts,
    "uuid": array_of_ids,
    "int": array_of_numbers,
    "timestamptz": array_of_moments,
    "bool": array_of_truths,
}


def arrays_of(rows: Sequence[Sequence[Any]], columns: Iterable[str]) -> list[str]:
    """The *columns* of *rows*, each by its type, as one text."""
    if not rows:
        return ["{}" for _ in columns]
    return [_OF[kind](column) for kind, column in zip(columns, zip(*rows, strict=True), strict=True)]
