"""How do rows become a file? As they come from the database: one statement, which sees the rows of one moment, and few rows in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import SQLModel

from planar.db.planar_session import PlanarSession
from planar.entities.cells import to_cell, to_member, write_json
from planar.entities.filters import Order, Scope, parse_fields, parse_filters, parse_sort
from planar.entities.formats import BOM, Format, join_cells
from planar.entities.import_lines import FileStyle
from planar.entities.listing import knows_unicode
from planar.entities.querying import Deleted, Selection, by_key, page_query, where
from planar.entities.registration import RegisteredEntity
from planar.entities.relations import Relation
from planar.entities.validation import entry
from planar.modeling.errors import Misfits
from planar.modeling.texts import text_misfit

PORTION: Final = 500
"""How many rows are in memory."""


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is asked for, as text.

    Args:
        style: how the file is written.
        filters: ``field:operator:value``.
        sort: fields separated by commas; None for the order of keys.
        fields: which ones, separated by commas; None for all that are shown.
        search: words.
        deleted: whether rows count that are marked as deleted.
        bom: whether the file begins with the mark by which spreadsheets know UTF-8.
    """

    style: FileStyle
    filters: Sequence[str] = ()
    sort: str | None = None
    fields: str | None = None
    search: str | None = None
    deleted: Deleted = Deleted.EXCLUDE
    bom: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be written, understood."""

    entity: RegisteredEntity
    style: FileStyle
    names: tuple[str, ...]
    selection: Selection
    orders: tuple[Order, ...]
    bom: bool


def read_request(entity: RegisteredEntity, relations: Mapping[str, Relation], asked: ExportRequest) -> Export:
    """Understand *asked*.

    Args:
        entity: whose rows.
        relations: those across which whoever asks may look.
        asked: what is asked for.

    Raises:
        Misfits: a field, an operator or a value is wrong.
    """
    message = text_misfit(asked.search or "")
    if message is not None:
        raise Misfits([entry("value_error", ("query", "search"), message)])
    scope = Scope(entity, relations)
    selection = Selection(tuple(parse_filters(asked.filters, scope)), asked.search, asked.deleted)
    names = parse_fields(asked.fields, entity) or entity.visible
    return Export(
        entity, asked.style, tuple(dict.fromkeys(names)), selection, tuple(by_key(parse_sort(asked.sort, scope), entity)), asked.bom
    )


async def export_rows(session: PlanarSession, export: Export) -> AsyncGenerator[tuple[bytes, int]]:
    """The file in pieces, each with the number of its rows. The first piece comes once the database has begun to answer.

    Args:
        session: one of its own; its transaction is open until the last piece.
        export: from `read_request`.
    """
    conditions = where(export.entity, export.selection, unicode=await knows_unicode(session))
    query: Any = page_query(export.entity, conditions, export.orders, None).execution_options(yield_per=PORTION)
    rows = await session.stream(query)
    try:
        head = _head(export)
        async for part in rows.partitions(PORTION):
            yield head + b"".join(_written(export, row[0]) for row in part), len(part)
            head = b""
        if head:
            yield head, 0
    finally:
        await rows.close()


def _head(export: Export) -> bytes:
    mark = BOM if export.bom else b""
    return mark + (join_cells(export.names, export.style.delimiter.sign).encode() if export.style.format is Format.CSV else b"")


def _written(export: Export, row: SQLModel) -> bytes:
    values = [(export.entity.fields[name], getattr(row, name)) for name in export.names]
    if export.style.format is Format.CSV:
        cells = [to_cell(field, value, safe=export.style.safe) for field, value in values]
        return join_cells(cells, export.style.delimiter.sign).encode()
    return write_json({field.name: to_member(field, value) for field, value in values}).encode() + b"\n"
