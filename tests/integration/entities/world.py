"""Entities that the tests serve: a shop, and one of everything."""

# No postponed annotations: SQLModel reads those of relationships when a class is made.

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from pydantic import field_validator, model_validator
from sqlalchemy import JSON, BigInteger, CheckConstraint, Column, MetaData
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import registry

from planar import PlanarApp
from planar.db.tables import create_application_tables
from planar.modeling.column_types import JSONText
from planar.modeling.entity_options import EntityOptions
from planar.modeling.field_helpers import PRESENTATION, EntityField, Hidden, LongText, ReadOnly, WriteOnce
from planar.modeling.mixins import SoftDeleteMixin, TimestampMixin
from planar.modeling.orm import Field, PlanarBaseEntity, Relationship, SQLModel

METADATA = MetaData()
"""Of their own: other tests' apps do not make these tables."""


class Level(Enum):
    GOLD = "gold"
    SILVER = "silver"
    BRONZE = "bronze"


class Status(Enum):
    OPEN = "open"
    PAID = "paid"


class Base(PlanarBaseEntity, registry=registry(metadata=METADATA)):
    """Keeps these classes apart from those of other tests."""


class Plain(SQLModel, registry=Base._sa_registry):
    """Of tables without a key and signatures."""


class CustomerTag(Plain, table=True):
    customer_id: UUID = Field(foreign_key="customer.id", primary_key=True)
    tag_id: UUID = Field(foreign_key="tag.id", primary_key=True)


class Tag(Base, table=True):
    label: str = Field(unique=True)


class Customer(TimestampMixin, Base, table=True):
    """Somebody who buys."""

    entity_options: ClassVar[EntityOptions] = EntityOptions(search_fields=("name", "email", "notes"))

    name: str = Field(min_length=1, max_length=40)
    email: str | None = Field(default=None, unique=True)
    level: Level = Level.BRONZE
    since: date | None = None
    limit: Decimal | None = Field(default=None, max_digits=10, decimal_places=2)
    notes: Annotated[str, LongText] = ""
    score: Annotated[int, ReadOnly] = 0
    secret: Annotated[str | None, Hidden] = None
    orders: list["Order"] = Relationship(back_populates="customer")
    tags: list[Tag] = Relationship(link_model=CustomerTag)

    @field_validator("name")
    @classmethod
    def _stripped(cls, name: str) -> str:
        # Not idempotent on purpose: a value is read once.
        return name.removeprefix("-")


class Order(TimestampMixin, Base, table=True):
    """What somebody bought."""

    entity_options: ClassVar[EntityOptions] = EntityOptions(display_field="number")

    number: Annotated[str, WriteOnce] = Field(unique=True)
    status: Status = Status.OPEN
    customer_id: UUID | None = Field(default=None, foreign_key="customer.id")
    placed_at: datetime | None = None
    paid_at: datetime | None = None
    customer: Customer | None = Relationship(back_populates="orders")
    lines: list["Line"] = Relationship(back_populates="order", sa_relationship_kwargs={"cascade": "all, delete-orphan"})

    @model_validator(mode="after")
    def _paid_is_dated(self) -> "Order":
        if self.status is Status.PAID and self.paid_at is None:
            raise ValueError("a paid order says when it was paid")
        return self


class Line(Base, table=True):
    __table_args__ = (CheckConstraint("quantity > 0", name="quantity_is_positive"),)

    order_id: UUID = Field(foreign_key="order.id")
    product: str
    quantity: int = 1
    order: Order | None = Relationship(back_populates="lines")


class Note(SoftDeleteMixin, Base, table=True):
    entity_options: ClassVar[EntityOptions] = EntityOptions(soft_delete=True, max_page=50)

    title: str
    about: Annotated[str | None, EntityField(entity=Customer)] = None
    parent_id: UUID | None = Field(default=None, foreign_key="note.id")


class Reply(Base, table=True):
    text: str
    note_id: UUID | None = Field(default=None, foreign_key="note.id")
    note: Note | None = Relationship()


class Patient(Base, table=True):
    name: str
    visits: list["Visit"] = Relationship(back_populates="patient")
    doctor: Annotated[str | None, Hidden] = Field(default=None, unique=True)
    hints: list["Hint"] = Relationship(back_populates="about")


class Visit(Base, table=True):
    """Nobody learns whose it is."""

    reason: str
    patient_id: Annotated[UUID | None, Hidden] = Field(default=None, foreign_key="patient.id")
    patient: Patient | None = Relationship(back_populates="visits")


class Hint(Base, table=True):
    """Refers to what nobody sees."""

    doctor: str | None = Field(default=None, foreign_key="patient.doctor")
    about: Patient | None = Relationship(back_populates="hints")


class Counter(Base, table=True):
    """Locked by its version."""

    value: int = 0
    version: int | None = Field(default=None, nullable=False)


Counter.__mapper__.version_id_col = Counter.__table__.c.version  # type: ignore[attr-defined]


class City(Plain, table=True):
    id: int | None = Field(default=None, primary_key=True)
    name: str


class Country(Plain, table=True):
    code: str = Field(primary_key=True, max_length=2)
    name: str


class Pin(Base, table=True):
    """Chooses of several entities, and of its own."""

    note: Annotated[str | None, EntityField(entity=Note)] = None
    city: Annotated[str | None, EntityField(entity=City)] = None
    other: str | None = Field(
        default=None, schema_extra={"json_schema_extra": {PRESENTATION: {"inputType": "entity-select", "entity": "Pin"}}}
    )
    several: Annotated[list[str], EntityField(entity=Note)] = Field(default_factory=list, sa_type=JSON)


class Rate(Base, table=True):
    entity_options: ClassVar[EntityOptions] = EntityOptions(read_only=True)

    percent: Decimal


class Sample(Base, table=True):
    """One of everything."""

    text: str
    maybe: str | None = Field(default=None, max_length=50)
    number: int = 0
    big: int | None = Field(default=None, sa_type=BigInteger)
    ratio: float | None = None
    price: Decimal | None = Field(default=None, max_digits=12, decimal_places=2)
    exact: Decimal | None = None
    flag: bool = False
    level: Level | None = None
    day: date | None = None
    moment: datetime | None = None
    clock: time | None = None
    span: timedelta | None = None
    other: UUID | None = None
    labels: list[Any] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    anything: Any = Field(default=None, sa_column=Column(JSONText))
    raw: bytes | None = None


ENTITIES = (Customer, Order, Line, Tag, Note, Reply, Patient, Visit, Hint, Counter, City, Country, Rate, Sample, Pin)


async def make_tables(engine: AsyncEngine) -> None:
    """The tables of these entities, when an app starts."""
    await create_application_tables(engine, METADATA)


def register_all(app: PlanarApp) -> PlanarApp:
    """*app*, which serves them all."""
    for entity in ENTITIES:
        app.register_entity(entity)
    return app
