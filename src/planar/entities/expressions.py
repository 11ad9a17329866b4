"""How do comparisons mean the same on SQLite and on PostgreSQL? Pieces of SQL that each of them writes its own way.

Texts are ordered by the numbers of their characters, as Python orders them, whatever the locale of a database is.
"""

from __future__ import annotations

import json
from typing import Any, Final

from sqlalchemy import Boolean, ColumnElement, Integer, String, Text, case, cast, literal
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from planar.entities.fields import Kind, ServedField
from planar.entities.reading_values import JsonScalar, enum_members
from planar.modeling.column_types import FOLD

UNICODE_COLLATION: Final = "und-x-icu"
"""PostgreSQL's collation that knows the letters of every language, where it was built with ICU."""


class _ByCode(FunctionElement[str]):
    """A text that is compared by the numbers of its characters."""

    type = String()
    inherit_cache = True


@compiles(_ByCode)
def _by_code_plain(element: _ByCode, compiler: SQLCompiler, **kw: Any) -> str:
    return compiler.process(element.clauses, **kw)


@compiles(_ByCode, "postgresql")
def _by_code_postgresql(element: _ByCode, compiler: SQLCompiler, **kw: Any) -> str:
    return f'({compiler.process(element.clauses, **kw)} COLLATE "C")'


class _Folded(FunctionElement[str]):
    """A text in small letters; on PostgreSQL by the database's own locale."""

    type = String()
    inherit_cache = True
    collation: str | None = None


class _FoldedUnicode(_Folded):
    """The same, by Unicode."""

    inherit_cache = True
    collation = UNICODE_COLLATION


@compiles(_Folded)
@compiles(_FoldedUnicode)
def _fold_sqlite(element: _Folded, compiler: SQLCompiler, **kw: Any) -> str:
    return f"{FOLD}({compiler.process(element.clauses, **kw)})"


@compiles(_Folded, "postgresql")
@compiles(_FoldedUnicode, "postgresql")
def _fold_postgresql(element: _Folded, compiler: SQLCompiler, **kw: Any) -> str:
    collation = f' COLLATE "{element.collation}"' if element.collation else ""
    return f"lower({compiler.process(element.clauses, **kw)}{collation})"


class _Within(FunctionElement[bool]):
    """Whether a text holds another one, letter by letter: (text, part)."""

    type = Boolean()
    inherit_cache = True


@compiles(_Within)
def _within_sqlite(element: _Within, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(instr({compiler.process(element.clauses, **kw)}) > 0)"


@compiles(_Within, "postgresql")
def _within_postgresql(element: _Within, compiler: SQLCompiler, **kw: Any) -> str:
    return f"(strpos({compiler.process(element.clauses, **kw)}) > 0)"


class _Like(FunctionElement[bool]):
    """Whether a text has a pattern: (text, the pattern for LIKE, the same for GLOB, which heeds case on SQLite)."""

    type = Boolean()
    inherit_cache = True


@compiles(_Like)
def _like_sqlite(element: _Like, compiler: SQLCompiler, **kw: Any) -> str:
    text, _, pattern = element.clauses
    return f"({compiler.process(text, **kw)} GLOB {compiler.process(pattern, **kw)})"


@compiles(_Like, "postgresql")
def _like_postgresql(element: _Like, compiler: SQLCompiler, **kw: Any) -> str:
    text, pattern, _ = element.clauses
    return f"({compiler.process(text, **kw)} LIKE {compiler.process(pattern, **kw)})"


class _HasMember(FunctionElement[bool]):
    """Whether a list in JSON has a scalar: (list, the scalar, its types on SQLite, the scalar as JSON)."""

    type = Boolean()
    inherit_cache = True


@compiles(_HasMember)
def _has_member_sqlite(element: _HasMember, compiler: SQLCompiler, **kw: Any) -> str:
    held, value, types = (compiler.process(clause, **kw) for clause in list(element.clauses)[:3])
    return (
        f"(CASE WHEN json_valid({held}) AND json_type({held}) = 'array' THEN EXISTS (SELECT 1 FROM json_each({held}) AS member"
        f" WHERE instr({types}, member.type) > 0 AND member.value IS {value}) ELSE 0 END)"
    )


@compiles(_HasMember, "postgresql")
def _has_member_postgresql(element: _HasMember, compiler: SQLCompiler, **kw: Any) -> str:
    # What is not written must not be compiled either: its parameters would be sent.
    clauses = list(element.clauses)
    held, value = (compiler.process(clause, **kw) for clause in (clauses[0], clauses[3]))
    lists = f"CASE WHEN jsonb_typeof(CAST({held} AS jsonb)) = 'array' THEN CAST({held} AS jsonb) ELSE '[]' END"
    return f"EXISTS (SELECT 1 FROM jsonb_array_elements({lists}) AS member WHERE member.value = CAST({value} AS jsonb))"


def ordered(field: ServedField, column: Any) -> ColumnElement[Any]:
    """*column* as something whose order is the same everywhere: texts by code, enumerations by declaration, false before true."""
    match field.kind:
        case Kind.TEXT:
            return _ByCode(column)
        case Kind.BOOLEAN:
            return cast(column, Integer)
        case Kind.ENUM:
            return case(*((column == member, literal(place, Integer)) for place, member in enumerate(enum_members(field))))
        case _:
            return column


def folded(column: Any, *, unicode: bool) -> ColumnElement[str]:
    """*column* in small letters.

    Args:
        column: a text.
        unicode: whether the database knows `UNICODE_COLLATION`; SQLite need not.
    """
    return _FoldedUnicode(column) if unicode else _Folded(column)


def within(text: Any, part: str) -> ColumnElement[bool]:
    """Whether *text* holds *part*."""
    return _Within(text, literal(part, Text))


def like(text: Any, pattern: str) -> ColumnElement[bool]:
    """Whether *text* has the *pattern* of LIKE, in which a backslash takes the meaning of a sign; case is heeded."""
    return _Like(text, literal(pattern, Text), literal(glob_of(pattern), Text))


def has_member(column: Any, value: JsonScalar) -> ColumnElement[bool]:
    """Whether a list in JSON has *value*."""
    match value:
        case bool():
            types, plain = ("true" if value else "false"), literal(int(value), Integer)
        case None:
            types, plain = "null", literal(None, Text)
        case str():
            types, plain = "text", literal(value, Text)
        case _:
            types, plain = "integer real", literal(value)
    held = cast(column, Text)
    return _HasMember(held, plain, literal(types, Text), literal(json.dumps(value), Text))


def is_json_null(column: Any) -> ColumnElement[bool]:
    """Whether there is no JSON, or only ``null``."""
    return column.is_(None) | (cast(column, Text) == literal("null", Text))


def glob_of(pattern: str) -> str:
    """The pattern of LIKE as one of GLOB."""
    found: list[str] = []
    signs = iter(pattern)
    for sign in signs:
        if sign == "\\":
            found.append(_quoted(next(signs, "\\")))
        else:
            found.append({"%": "*", "_": "?"}.get(sign) or _quoted(sign))
    return "".join(found)


def _quoted(sign: str) -> str:
    return f"[{sign}]" if sign in "*?[" else sign
