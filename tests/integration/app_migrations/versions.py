"""A schema over its versions: customers, and their invoices."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Date, Enum, ForeignKeyConstraint, Index, Integer, MetaData, String, Table, UniqueConstraint

from planar.modeling.column_types import ExactDecimal
from planar.modeling.metadata import PLANAR_APPLICATION_METADATA

CUSTOMER_ID = Column("customer_id", Integer, nullable=False)
NAMES = PLANAR_APPLICATION_METADATA.naming_convention


def schema(version: int) -> MetaData:
    """The tables of the classes in a version: see the tests for what each one changes."""
    metadata = MetaData(naming_convention=NAMES)
    Table("customer", metadata, *_customer(version))
    Table("invoice", metadata, *_invoice(version))
    return metadata


def _customer(version: int) -> list[Any]:
    found: list[Any] = [Column("id", Integer, primary_key=True), Column("title" if version >= 4 else "name", String(80), nullable=False)]
    return [*found, UniqueConstraint("title")] if version >= 5 else found


def _invoice(version: int) -> list[Any]:
    labels = ["open", "paid", "sent"] if version >= 6 else ["open", "paid"]
    found: list[Any] = [
        Column("id", Integer, primary_key=True),
        Column("customer_id", Integer, nullable=False),
        Column("total", ExactDecimal(12, 2), nullable=False),
        Column("state", Enum(*labels, name="state"), nullable=False),
    ]
    if 2 <= version < 7:
        found.append(Column("note", String, nullable=False, server_default="none"))
    if version >= 3:
        found.append(Column("due", Date, nullable=False))
    if version >= 5:
        found += [ForeignKeyConstraint(["customer_id"], ["customer.id"]), Index("ix_invoice_due", "due")]
    return found
