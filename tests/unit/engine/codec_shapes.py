"""The types that the tests of the codec pass through it, and how they do that."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import InitVar, dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Generic, Literal, NamedTuple, NewType, NotRequired, Protocol, TypeVar
from uuid import UUID, uuid4

from pydantic import BaseModel, ConfigDict, Field, SecretStr, SerializeAsAny, computed_field
from pydantic.dataclasses import dataclass as pydantic_dataclass
from sqlmodel import Field as Column
from sqlmodel import SQLModel
from typing_extensions import TypeAliasType, TypedDict

from planar.engine.codec import CallCodec
from planar.engine.codec.values import same

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
Reference = NewType("Reference", UUID)
Json = TypeAliasType("Json", "dict[str, Json] | list[Json] | str | int | float | bool | None")


class Color(enum.Enum):
    RED = "r"
    BLUE = "b"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Word(enum.StrEnum):
    YES = "yes"


class Mixed(enum.Enum):
    """Values that JSON alone could not tell apart, or has no word for."""

    NUMBER = 1
    TEXT = "1"
    PAIR = (1, 2)
    NOTHING = None


class Opaque(enum.Enum):
    THING = object()


class Right(enum.Flag):
    READ = 1
    WRITE = 2


class Animal(BaseModel):
    name: str


class Dog(Animal):
    tricks: int = 0


class Owner(BaseModel):
    pet: Animal
    others: list[Animal] = []


class LooseOwner(BaseModel):
    pet: SerializeAsAny[Animal]


class Measured(BaseModel):
    value: float = 1.0
    tags: set[int] = set()
    maybe: float | None = None


class Textual(BaseModel):
    model_config = ConfigDict(ser_json_inf_nan="strings")
    value: float


class Guarded(BaseModel):
    key: SecretStr


class Swapped(BaseModel):
    first: int = Field(alias="second")
    second: int = Field(alias="first")

    @computed_field
    @property
    def total(self) -> int:
        return self.first + self.second


class Strictly(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    on: date
    pair: tuple[int, int] = (1, 2)


class Crate(BaseModel, Generic[T]):
    item: T
    items: list[T] = []


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: int = 1


class Transfer(BaseModel):
    kind: Literal["transfer"] = "transfer"
    number: int = 1


class Left(BaseModel):
    number: int = 1


class RightHand(BaseModel):
    number: int = 1


class Invoice(SQLModel, table=True):
    id: UUID = Column(default_factory=uuid4, primary_key=True)
    amount: Decimal
    due: datetime | None = None


class InvoicePage(BaseModel):
    rows: list[Invoice]


@dataclass
class Node:
    number: int
    pause: timedelta
    following: Node | None = None
    children: list[Node] = field(default_factory=list)
    label: int | str = 0


@dataclass
class Leaf(Node):
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class Point:
    x: Decimal
    marks: frozenset[int] = frozenset()


@dataclass
class Doubling:
    """A constructor that changes what it is given, and fields that it does not take."""

    amount: int
    total: int = field(init=False)

    def __post_init__(self) -> None:
        self.amount *= 2
        self.total = self.amount + 1


@dataclass
class Seeded:
    seed: InitVar[int]
    value: int = field(init=False)

    def __post_init__(self, seed: int) -> None:
        self.value = seed + 1


@dataclass
class Sloppy:
    count: int = None  # type: ignore[assignment]


@dataclass
class Box(Generic[T]):
    content: T


@pydantic_dataclass
class Checked:
    number: int
    share: float = 0.5


class Entry(TypedDict):
    number: int
    on: NotRequired[date]


class Place(NamedTuple):
    number: int
    on: date = date(2020, 1, 1)


class Speaks(Protocol):
    def speak(self) -> str: ...


def returning(hint: Any) -> Callable[..., Any]:
    """A function that is annotated to take one argument of type *hint* and to return one."""

    def example(value: Any) -> Any:
        return value

    example.__annotations__ = {"value": hint, "return": hint}
    return example


def stored(hint: Any, value: Any) -> str:
    """The JSON text of *value* where *hint* is annotated."""
    return CallCodec(returning(hint)).roundtrip_result(value)[0]


def through(hint: Any, value: Any) -> Any:
    """*value* as a workflow gets it back: at the first run, at a replay in another process, and as an argument, all alike."""
    codec, other_process = CallCodec(returning(hint)), CallCodec(returning(hint))
    text, first = codec.roundtrip_result(value)
    assert same(other_process.load_result(text), first)
    args, kwargs = codec.dump_call((value,), {})
    assert (args, kwargs) == (f"[{text}]", "{}")
    assert same(other_process.load_call(args, kwargs)[0][0], first)
    args, kwargs = codec.dump_call((), {"value": value})
    assert (args, kwargs) == ("[]", f'{{"value":{text}}}')
    assert same(other_process.load_call(args, kwargs)[1]["value"], first)
    return first


def survives(hint: Any, value: Any) -> bool:
    """Whether *value* comes back equal and of the same classes in every part."""
    return same(through(hint, value), value)
