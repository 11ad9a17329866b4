"""Does every row of a table count, and is there one for every input?

A row is a box: for each field that the table compares, the values that it lets through. What is left of a row when those before it
are taken away is what it decides; what is left of everything when all are taken away is what nobody decides. Fields and cells of which
that cannot be said are compared by their text, so that nothing is ever reported that may be right.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from planar.rules.checking.cells import Kind, WrongKind, kind_of, values_of, whole_of
from planar.rules.checking.fields import Scope, is_path
from planar.rules.checking.findings import Finding, FindingCode, FindingSeverity, at
from planar.rules.checking.sets import ValueSet
from planar.rules.nodes import DecisionTableNode

MAX_BOXES: Final = 400
"""If so many pieces are left, nothing is said."""
MAX_SPLITS: Final = 10_000
"""So often pieces of one table are compared with a row; after that nothing more is said."""
MAX_COMPARED: Final = 500
"""Rows of larger tables are not compared with each other."""

Box = Mapping[str, ValueSet]


@dataclass(frozen=True, slots=True)
class Row:
    """A row: the values that it lets through, by field, and the cells of which they cannot be said, by column."""

    number: int
    box: Box
    texts: Mapping[str, str]
    cells: tuple[str, ...]
    never: str | None = None
    """The column that lets nothing through."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field that a table compares, and every value that it can have."""

    kind: Kind
    whole: ValueSet


def check_table(node: DecisionTableNode, scope: Scope) -> list[Finding]:
    """What is wrong with the rows of *node*, whose texts see *scope*."""
    fields = _fields(node, scope)
    found: list[Finding] = []
    rows = [_row(node, number, fields, found) for number in range(1, len(node.content.rules) + 1)]
    if len(rows) > MAX_COMPARED:
        return found
    rows_that_count = [row for row in rows if row is not None]
    is_first, budget = node.content.hitPolicy == "first", Budget()
    found.extend(_never(node, rows_that_count))
    found.extend(_shadowed(node, rows_that_count, budget) if is_first else _overlapping(node, rows_that_count))
    found.extend(_uncovered(node, rows, fields, budget))
    return found


def _fields(node: DecisionTableNode, scope: Scope) -> dict[str, Field]:
    fields: dict[str, Field] = {}
    for column in node.content.inputs:
        schema = scope.find(column.field) if column.field and is_path(column.field) else None
        kind = kind_of(schema) if schema else None
        if column.field and schema is not None and kind is not None:
            fields[column.field] = Field(kind, whole_of(kind, schema))
    return fields


def _row(node: DecisionTableNode, number: int, fields: Mapping[str, Field], found: list[Finding]) -> Row | None:
    """The row of that number; None if a cell of it is wrong, which is added to *found*."""
    rule = node.content.rules[number - 1]
    box: dict[str, ValueSet] = {name: field.whole for name, field in fields.items()}
    texts: dict[str, str] = {}
    never: str | None = None
    for column in node.content.inputs:
        cell = rule.cell(column.id)
        if not cell:
            continue
        field = fields.get(column.field or "")
        try:
            values = values_of(cell, field.kind) if field is not None else None
        except WrongKind as wrong:
            found.append(_wrong_kind(node, number, column.name or column.id, column.field or "", str(wrong), field))
            return None
        if values is None or field is None:
            texts[column.id] = cell
        else:
            box[column.field or ""] = box[column.field or ""].cut(values)
            if box[column.field or ""].is_empty():
                never = column.name or column.id
    return Row(number, box, texts, tuple(rule.cell(column.id) for column in node.content.inputs), never)


def _wrong_kind(node: DecisionTableNode, number: int, column: str, path: str, literal: str, field: Field | None) -> Finding:
    expected = {Kind.NUMBER: "a number", Kind.INTEGER: "a whole number", Kind.TEXT: "a text", Kind.BOOLEAN: "true or false"}
    kind = expected[field.kind] if field is not None else "something else"
    message = f"Row {number}, column '{column}': '{path}' is {kind}, so that it is never {literal}."
    return at(node, FindingCode.WRONG_TYPE, message, row=number, column=column, field_path=path, suggestion=f"Compare it with {kind}.")


def _warning(
    node: DecisionTableNode, code: FindingCode, message: str, suggestion: str, row: int | None, column: str | None = None
) -> Finding:
    return at(node, code, message, severity=FindingSeverity.WARNING, suggestion=suggestion, row=row, column=column)


def _never(node: DecisionTableNode, rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        if row.never is not None:
            message = f"Row {row.number} can never hold: column '{row.never}' lets no possible value through."
            yield _warning(node, FindingCode.UNREACHABLE_ROW, message, "Correct the cell, or remove the row.", row.number, row.never)


def _shadowed(node: DecisionTableNode, rows: Sequence[Row], budget: Budget) -> Iterator[Finding]:
    for index, row in enumerate(rows):
        if row.never is not None:
            continue
        before = [other for other in rows[:index] if _texts_hold(other, row)]
        same = next((other for other in rows[:index] if other.cells == row.cells), None)
        if same is not None:
            message = f"Row {row.number} has the conditions of row {same.number}, so it is never reached."
            yield _warning(node, FindingCode.DUPLICATE_ROW, message, "Remove one of them.", row.number)
        elif left_of(row.box, [other.box for other in before], budget) == []:
            takers = [str(other.number) for other in before if _meet(other.box, row.box)]
            above = f"row {takers[0]} above decides" if len(takers) == 1 else f"rows {', '.join(takers)} above decide"
            message = f"Row {row.number} is never reached: {above} all that fits it."
            yield _warning(node, FindingCode.UNREACHABLE_ROW, message, f"Move it above row {takers[0]}, or remove it.", row.number)


def _overlapping(node: DecisionTableNode, rows: Sequence[Row]) -> Iterator[Finding]:
    for index, row in enumerate(rows):
        same = next((other for other in rows[:index] if other.cells == row.cells), None)
        if same is not None:
            message = f"Row {row.number} has the conditions of row {same.number}: both give a result."
            yield _warning(node, FindingCode.DUPLICATE_ROW, message, "Remove one of them, if that is not meant.", row.number)
            continue
        others = [str(other.number) for other in rows[:index] if not other.texts and not row.texts and _meet(other.box, row.box)]
        if others:
            rows_called = f"row {others[0]}" if len(others) == 1 else f"rows {', '.join(others)}"
            message = f"Row {row.number} overlaps with {rows_called}: some inputs give several results."
            yield _warning(node, FindingCode.OVERLAPPING_ROWS, message, "Make them exclude each other, if that is not meant.", row.number)


def _uncovered(node: DecisionTableNode, rows: Sequence[Row | None], fields: Mapping[str, Field], budget: Budget) -> Iterator[Finding]:
    if None in rows or not fields:
        return
    known = [row for row in rows if row is not None]
    left = left_of({name: field.whole for name, field in fields.items()}, [row.box for row in known if not row.texts], budget)
    if not left or any(row.texts for row in known):
        return
    example = ", ".join(f"{name} = {values.example()}" for name, values in left[0].items())
    message = f"No row decides some inputs, such as {example}."
    yield _warning(node, FindingCode.UNCOVERED_VALUES, message, "Add a last row whose conditions are empty, for everything else.", None)


def _texts_hold(earlier: Row, row: Row) -> bool:
    """Whether the cells of *earlier* that cannot be read hold whenever those of *row* do: because they are the same."""
    return all(row.texts.get(column) == text for column, text in earlier.texts.items())


def _meet(a: Box, b: Box) -> bool:
    return not any(a[name].cut(b[name]).is_empty() for name in a)


@dataclass(slots=True)
class Budget:
    """How much work is left for a table."""

    splits: int = MAX_SPLITS


def left_of(box: Box, takers: Sequence[Box], budget: Budget) -> list[Box] | None:
    """What is left of *box* when *takers* are taken away, in pieces that do not overlap; None if that is too much work to say."""
    pieces: list[Box] = [box]
    for taker in takers:
        rest: list[Box] = []
        budget.splits -= len(pieces)
        if budget.splits < 0:
            return None
        for piece in pieces:
            rest.extend(_split(piece, taker))
        pieces = rest
        if len(pieces) > MAX_BOXES:
            return None
    return pieces


def _split(piece: Box, taker: Box) -> Iterator[Box]:
    if not _meet(piece, taker):
        yield piece
        return
    inner = dict(piece)
    for name, values in piece.items():
        outside = values.without(taker[name])
        if not outside.is_empty():
            yield {**inner, name: outside}
        inner[name] = values.cut(taker[name])
