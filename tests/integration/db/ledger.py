"""A small application whose changes are kept: customers, their orders, and a value of each kind."""

# Annotations are not postponed here: SQLModel reads those of relationships as they stand.

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar
from uuid import UUID

from sqlalchemy import JSON, Column, LargeBinary, MetaData
from sqlalchemy import Enum as EnumColumn
from sqlalchemy.orm import registry
from sqlmodel import select

from planar.db import DatabaseManager
from planar.db.history import PlanarEntityChange
from planar.modeling.entity_options import EntityOptions
from planar.modeling.field_helpers import Hidden, NoHistory
from planar.modeling.mixins import SoftDeleteMixin, TimestampMixin
from planar.modeling.orm import Field, PlanarBaseEntity, Relationship


class Color(Enum):
    RED = "red"
    GREEN = "green"


class Ledger(PlanarBaseEntity, registry=registry(metadata=MetaData())):
    """Keeps these tables apart from those of other tests."""


class Customer(Ledger, TimestampMixin, table=True):
    __tablename__ = "ledger_customer"

    name: str
    secret: Annotated[str | None, Hidden] = None
    seen: Annotated[int, NoHistory] = 0
    visits: int = 0
    orders: list["Order"] = Relationship(back_populates="customer", cascade_delete=True)
    notes: list["Note"] = Relationship(back_populates="customer")


class Order(Ledger, table=True):
    __tablename__ = "ledger_order"

    amount: Decimal = Field(default=Decimal(0), max_digits=14, decimal_places=2)
    customer_id: UUID = Field(foreign_key="ledger_customer.id")
    customer: Customer = Relationship(back_populates="orders")


class Note(Ledger, table=True):
    __tablename__ = "ledger_note"

    text: str
    code: str | None = Field(default=None, unique=True)
    customer_id: UUID | None = Field(default=None, foreign_key="ledger_customer.id")
    customer: Customer | None = Relationship(back_populates="notes")


class Draft(Ledger, table=True):
    __tablename__ = "ledger_draft"
    entity_options: ClassVar[Any] = EntityOptions(history=False)

    text: str


class Paper(Ledger, SoftDeleteMixin, table=True):
    __tablename__ = "ledger_paper"
    entity_options: ClassVar[Any] = EntityOptions(soft_delete=True)

    text: str


class Everything(Ledger, table=True):
    __tablename__ = "ledger_everything"

    exact: Decimal = Decimal(0)
    rounded: Decimal = Field(default=Decimal(0), max_digits=10, decimal_places=2)
    whole: int = 0
    ratio: float = 0.0
    yes: bool = False
    day: date = date(2024, 2, 29)
    hour: time = time(12, 30, 0, 5)
    moment: datetime = datetime(2024, 2, 29, 12, 30, 0, 123456, tzinfo=UTC)
    span: timedelta = timedelta(days=2, microseconds=7)
    color: Color = Field(default=Color.RED, sa_column=Column(EnumColumn(Color, native_enum=False), nullable=False))
    other: UUID = UUID(int=5)
    raw: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False))
    data: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON))
    text: str = ""
    missing: str | None = None


def values(text: str | None) -> Mapping[str, Any] | None:
    return None if text is None else json.loads(text)


async def changes(manager: DatabaseManager, *names: str) -> list[PlanarEntityChange]:
    """What was kept, in the order of the changes; of these classes only, if any are named."""
    async with manager.get_session() as session:
        found = (await session.exec(select(PlanarEntityChange).order_by(PlanarEntityChange.at, PlanarEntityChange.id))).all()  # type: ignore[arg-type] - columns
    return [change for change in found if not names or change.entity in names]


async def seen(manager: DatabaseManager, *names: str) -> list[tuple[str, str, Any, Any]]:
    """What was kept, in short, without signatures and times of change."""
    return [
        (change.entity, change.action, _short(values(change.before)), _short(values(change.after)))
        for change in await changes(manager, *names)
    ]


def _short(row: Mapping[str, Any] | None) -> Any:
    left_out = ("id", "created_by", "updated_by", "created_at", "updated_at")
    return None if row is None else {name: value for name, value in row.items() if name not in left_out}
