"""A value of every type that the journal keeps. Only added to: histories name these classes and their places in the list."""

from __future__ import annotations

import collections
import enum
import ipaddress
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Annotated, Any, Generic, Literal, NamedTuple, NewType, NotRequired, TypeVar
from uuid import UUID

from pydantic import AnyUrl, BaseModel, Field
from sqlmodel import Field as Column
from sqlmodel import SQLModel
from typing_extensions import TypedDict

T = TypeVar("T")
Reference = NewType("Reference", UUID)

KEY = UUID(int=5)
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Animal(BaseModel):
    name: str


class Dog(Animal):
    tricks: int = 0


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: int = 1


class Transfer(BaseModel):
    kind: Literal["transfer"] = "transfer"
    number: int = 1


class Crate(BaseModel, Generic[T]):
    item: T
    items: list[T] = []


class Bill(SQLModel):
    """A model of rows: without a table, so that no database of another test has it."""

    id: UUID = Column(default=KEY, primary_key=True)
    amount: Decimal
    due: datetime | None = None


@dataclass
class Node:
    number: int
    pause: timedelta
    following: Node | None = None
    children: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Point:
    x: Decimal
    marks: frozenset[int] = frozenset()


@dataclass
class Box(Generic[T]):
    content: T


class Entry(TypedDict):
    number: int
    on: NotRequired[date]


class Place(NamedTuple):
    number: int
    on: date = date(2020, 1, 1)


VALUES: list[tuple[str, Any, Any]] = [
    ("int", int, 10**30),
    ("bool", bool, True),
    ("float", float, 1.5),
    ("infinity", float, -math.inf),
    ("nan", float, math.nan),
    ("str", str, "a\x00é😀"),
    ("none", int | None, None),
    ("decimal", Decimal, Decimal("1.10")),
    ("uuid", UUID, KEY),
    ("datetime", datetime, MOMENT),
    ("datetime with an offset", datetime, MOMENT.astimezone(timezone(timedelta(hours=2)))),
    ("date", date, date(2024, 1, 2)),
    ("time", time, time(1, 2, 3, 4, tzinfo=UTC)),
    ("timedelta", timedelta, timedelta(days=-1, microseconds=3)),
    ("bytes", bytes, b"\xff\xfe"),
    ("bytearray", bytearray, bytearray(b"a")),
    ("path", PurePosixPath, PurePosixPath("/a/b")),
    ("enum", Color, Color.RED),
    ("int enum", Level, Level.HIGH),
    ("str enum", Word, Word.YES),
    ("flag", Right, Right.READ | Right.WRITE),
    ("list", list[timedelta], [timedelta(1)]),
    ("tuple", tuple[int, str], (1, "a")),
    ("tuple of any length", tuple[Decimal, ...], (Decimal(1), Decimal(2))),
    ("set", set[str], {"a", "b"}),
    ("frozenset", frozenset[UUID], frozenset({KEY})),
    ("deque", collections.deque[int], collections.deque([1, 2])),
    ("sequence", Sequence[int], [1, 2]),
    ("mapping", Mapping[str, date], {"a": date(2020, 1, 1)}),
    ("dict of dates", dict[date, int], {date(2020, 1, 1): 1}),
    ("dict of enums", dict[Color, list[bytes]], {Color.RED: [b"a"]}),
    ("dict of tuples", dict[tuple[int, str], int], {(1, "a"): 2}),
    ("dict of unions", dict[int | str, int], {1: 1, "1": 2}),
    ("ordered dict", collections.OrderedDict[str, int], collections.OrderedDict(a=1)),
    ("counter", collections.Counter[str], collections.Counter("aab")),
    ("defaultdict", collections.defaultdict[str, list[int]], collections.defaultdict(list, {"a": [1]})),
    ("typed dict", Entry, {"number": 1, "on": date(2020, 1, 1)}),
    ("named tuple", Place, Place(1, date(2021, 1, 1))),
    ("dataclass", Node, Node(1, timedelta(2), Node(3, timedelta(4)), [Node(6, timedelta(7))])),
    ("frozen dataclass", Point, Point(Decimal("1.0"), frozenset({1, 2}))),
    ("generic dataclass", Box[list[Decimal]], Box([Decimal(1)])),
    ("model", Animal, Animal(name="cat")),
    ("subclass of the model", Animal, Dog(name="dog", tricks=3)),
    ("generic model", Crate[date], Crate[date](item=date(2020, 1, 1))),
    ("model of rows", Bill, Bill(amount=Decimal("1.10"), due=MOMENT)),
    ("union", int | str | date, date(2020, 1, 1)),
    ("union of models", Card | Transfer, Transfer(number=2)),
    ("literal", Literal["a", 1, True], True),
    ("annotated", Annotated[int, Field(gt=0)], 1),
    ("new type", Reference, KEY),
    ("url", AnyUrl, AnyUrl("https://example.org/")),
    ("address", ipaddress.IPv4Address, ipaddress.IPv4Address("192.0.2.1")),
    ("pattern", re.Pattern, re.compile("a+")),
    ("complex", complex, 1 + 2j),
    ("plain", Any, {"a": [1, "x", None, 1.5]}),
    ("of any class", T, {"a": [Decimal("1.0"), MOMENT, KEY, (1, 2), {3}, Color.BLUE, Point(Decimal(1)), Dog(name="d")]}),
]
"""A name, the annotation, and a value."""
