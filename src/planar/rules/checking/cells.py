"""Which values does a cell of a condition let through? Read here for those forms of which it can be said; others are left open."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from enum import Enum, auto
from typing import Any, Final, cast

from planar.modeling.json_schema import PRESENTATION
from planar.rules.checking.sets import Choices, Interval, Literal, Numbers, ValueSet

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<text>"[^"\\]*"|'[^'\\]*')
      | (?P<number>-?\d+(?:_\d+)*(?:\.(?!\.)\d+)?)
      | (?P<range>\.\.)
      | (?P<sign><=|>=|==|!=|<|>|[\[\](),])
      | (?P<word>[A-Za-z_$][\w$.]*)
    )""",
    re.VERBOSE,
)


class Kind(Enum):
    """What a column compares."""

    NUMBER = auto()
    INTEGER = auto()
    TEXT = auto()
    BOOLEAN = auto()


class WrongKind(Exception):
    """A cell compares with a value that its column can never have."""


class _Unknown(Exception):
    """It cannot be said."""


def kind_of(schema: Mapping[str, Any]) -> Kind | None:
    """What a field of *schema* (resolved) holds, if that is one plain thing that is never null and compared as it is written."""
    if "enum" in schema or "const" in schema:
        members = cast("Sequence[Any]", schema.get("enum", [schema.get("const")]))
        return Kind.TEXT if all(isinstance(member, str) for member in members) else None
    options = cast("list[Mapping[str, Any]]", schema.get("anyOf") or [])
    if options:
        # A decimal, which may also be written as a text, reaches the graph as a number.
        hint = cast("Mapping[str, Any]", schema.get(PRESENTATION) or {})
        is_decimal = hint.get("inputType") == "money" and {option.get("type") for option in options} == {"number", "string"}
        return Kind.NUMBER if is_decimal else None
    kinds = {"number": Kind.NUMBER, "integer": Kind.INTEGER, "boolean": Kind.BOOLEAN, "string": Kind.TEXT}
    return kinds.get(str(schema.get("type")))


def whole_of(kind: Kind, schema: Mapping[str, Any]) -> ValueSet:
    """Every value that a field of *schema* can have."""
    if kind is Kind.BOOLEAN:
        return Choices(frozenset({True, False}))
    if kind is Kind.TEXT:
        members = schema.get("enum", [schema["const"]] if "const" in schema else None)
        return Choices(frozenset(members)) if members is not None else Choices(frozenset(), excluded=True)
    number = next((option for option in schema.get("anyOf", []) if option.get("type") == "number"), schema)
    low, high = _bound(number, "minimum", "exclusiveMinimum"), _bound(number, "maximum", "exclusiveMaximum")
    return Numbers.of([Interval(low[0], high[0], low[1], high[1])], integral=kind is Kind.INTEGER)


def _bound(schema: Mapping[str, Any], closed: str, opened: str) -> tuple[Decimal | None, bool]:
    if opened in schema:
        return Decimal(str(schema[opened])), True
    return (Decimal(str(schema[closed])), False) if closed in schema else (None, False)


def values_of(cell: str, kind: Kind) -> ValueSet | None:
    """The values that *cell* lets through; None if that cannot be said.

    Raises:
        WrongKind: it compares with a value of another kind, and so can never hold.
    """
    try:
        return _Reader(cell, kind).read()
    except _Unknown:
        return None


class _Reader:
    """Reads one cell, from left to right."""

    def __init__(self, cell: str, kind: Kind) -> None:
        self._kind = kind
        self._tokens = _tokens(cell)
        self._next = 0

    def read(self) -> ValueSet:
        found = self._either()
        # The engine reads a comma before "and": which parts belong together is left open then.
        if self._mixes():
            raise _Unknown
        while self._take("sign", ","):
            found = _either(found, self._either(), self._everything())
        if self._next < len(self._tokens):
            raise _Unknown
        return found

    def _mixes(self) -> bool:
        depth, commas = 0, False
        for kind, text in self._tokens:
            if kind == "sign" and text in "[(":
                depth += 1
            elif kind == "sign" and text in "])":
                depth -= 1
            elif kind == "sign" and text == "," and depth == 0:
                commas = True
        return commas and any(kind == "word" and text in ("and", "or") for kind, text in self._tokens)

    def _either(self) -> ValueSet:
        found = self._all()
        while self._take("word", "or"):
            found = _either(found, self._all(), self._everything())
        return found

    def _all(self) -> ValueSet:
        found = self._one()
        while self._take("word", "and"):
            found = found.cut(self._one())
        return found

    def _one(self) -> ValueSet:
        for sign in ("<=", ">=", "==", "!=", "<", ">"):
            if self._take("sign", sign):
                return self._compared(sign, self._literal())
        if self._take("word", "not"):
            self._need("word", "in")
            return self._everything().without(self._group())
        if self._take("word", "in"):
            return self._group()
        kind, text = self._peek()
        if kind == "sign" and text in "[(":
            return self._group()
        return self._only(self._literal())

    def _group(self) -> ValueSet:
        opened = self._peek()[1]
        if opened not in ("[", "("):
            raise _Unknown
        self._next += 1
        first = self._literal()
        if self._take("range", ".."):
            return self._range(first, self._literal(), low_open=opened == "(")
        if opened == "(":
            raise _Unknown
        found = self._only(first)
        while self._take("sign", ","):
            found = _either(found, self._only(self._literal()), self._everything())
        self._need("sign", "]")
        return found

    def _range(self, low: Literal, high: Literal, *, low_open: bool) -> ValueSet:
        high_open = not self._take("sign", "]")
        if high_open:
            self._need("sign", ")")
        if not isinstance(low, Decimal) or not isinstance(high, Decimal):
            raise _Unknown
        return self._numbers([Interval(low, high, low_open, high_open)])

    def _literal(self) -> Literal:
        kind, text = self._peek()
        self._next += 1
        found: Literal
        if kind == "number":
            found = Decimal(text.replace("_", ""))
        elif kind == "text":
            found = text[1:-1]
        elif kind == "word" and text in ("true", "false"):
            found = text == "true"
        else:
            raise _Unknown
        # What follows a literal may make an expression of it.
        if self._next < len(self._tokens) and self._tokens[self._next][0] == "word" and self._tokens[self._next][1] not in ("and", "or"):
            raise _Unknown
        if not _fits(found, self._kind):
            raise WrongKind(text)
        return found

    def _compared(self, sign: str, value: Literal) -> ValueSet:
        if sign == "==":
            return self._only(value)
        if sign == "!=":
            return self._everything().without(self._only(value))
        if not isinstance(value, Decimal):
            raise _Unknown  # an order of texts
        intervals = {
            "<": Interval(None, value, high_open=True),
            "<=": Interval(None, value),
            ">": Interval(value, None, low_open=True),
            ">=": Interval(value, None),
        }
        return self._numbers([intervals[sign]])

    def _only(self, value: Literal) -> ValueSet:
        return self._numbers([Interval(value, value)]) if isinstance(value, Decimal) else Choices(frozenset({value}))

    def _everything(self) -> ValueSet:
        if self._kind in (Kind.NUMBER, Kind.INTEGER):
            return self._numbers([Interval()])
        return Choices(frozenset(), excluded=True)

    def _numbers(self, intervals: list[Interval]) -> Numbers:
        return Numbers.of(intervals, integral=self._kind is Kind.INTEGER)

    def _peek(self) -> tuple[str, str]:
        if self._next >= len(self._tokens):
            raise _Unknown
        return self._tokens[self._next]

    def _take(self, kind: str, text: str) -> bool:
        if self._next < len(self._tokens) and self._tokens[self._next] == (kind, text):
            self._next += 1
            return True
        return False

    def _need(self, kind: str, text: str) -> None:
        if not self._take(kind, text):
            raise _Unknown


def _either(a: ValueSet, b: ValueSet, everything: ValueSet) -> ValueSet:
    without: Callable[[ValueSet], ValueSet] = everything.without
    return without(without(a).cut(without(b)))


def _fits(value: Literal, kind: Kind) -> bool:
    match kind:
        case Kind.NUMBER | Kind.INTEGER:
            return isinstance(value, Decimal)
        case Kind.TEXT:
            return isinstance(value, str)
        case Kind.BOOLEAN:
            return isinstance(value, bool)


def _tokens(cell: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    text = cell.rstrip()
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.lastgroup is None:
            raise _Unknown
        found.append((match.lastgroup, match[match.lastgroup]))
        place = match.end()
    return found
