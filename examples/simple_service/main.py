"""A service in one file: a workflow of two steps, tables that people edit and a step writes, documents, and a route of its own.

Start it with `planar dev examples/simple_service/main.py`; README.md shows the requests.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import ClassVar
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import col, func, select

from planar import PlanarApp, get_session
from planar.files import PlanarFile, file_field
from planar.modeling.entity_options import EntityOptions
from planar.modeling.orm import Field, PlanarBaseEntity, Relationship
from planar.workflows import step, suspend, workflow


class Greeting(BaseModel):
    name: str
    text: str
    letters: int


@step()
async def write_greeting(name: str) -> str:
    return f"Hello, {name}!"


@step(max_retries=2)
async def count_letters(text: str) -> int:
    return sum(letter.isalpha() for letter in text)


@workflow()
async def greet(name: str, after_seconds: float = 0.0) -> Greeting:
    """Greet somebody, at once or later."""
    text = await write_greeting(name)
    if after_seconds > 0:
        await suspend(interval=timedelta(seconds=after_seconds))
    return Greeting(name=name, text=text, letters=await count_letters(text))


class Customer(PlanarBaseEntity, table=True):
    """Somebody who buys."""

    name: str = Field(min_length=1, max_length=80, unique=True)


class Invoice(PlanarBaseEntity, table=True):
    entity_options: ClassVar[EntityOptions] = EntityOptions(display_field="number")

    number: str = Field(min_length=1, max_length=20, unique=True)
    customer_id: UUID = Field(foreign_key="customer.id", index=True)
    customer: Customer = Relationship()
    document: UUID | None = file_field(description="What was sent to the customer.")


class InvoiceLine(PlanarBaseEntity, table=True):
    invoice_id: UUID = Field(foreign_key="invoice.id", index=True)
    invoice: Invoice = Relationship()
    text: str = Field(min_length=1, max_length=200)
    amount: Decimal = Field(max_digits=12, decimal_places=2)


class Line(BaseModel):
    text: str
    amount: Decimal


@step()
async def write_invoice(number: str, customer: str, lines: list[Line]) -> PlanarFile:
    """What a step writes, rows and files alike, is committed together with the record that it was done: never twice, never half."""
    session = get_session()
    buyer = (await session.exec(select(Customer).where(Customer.name == customer))).one_or_none() or Customer(name=customer)
    listed = "".join(f"{line.amount:>12} {line.text}\n" for line in lines)
    document = await PlanarFile.upload(f"Invoice {number} for {customer}\n{listed}".encode(), f"{number}.txt")
    invoice = Invoice(number=number, customer_id=buyer.id, document=document.id)
    session.add_all([buyer, invoice])
    session.add_all(InvoiceLine(invoice_id=invoice.id, text=line.text, amount=line.amount) for line in lines)
    return document


@workflow()
async def bill(number: str, customer: str, lines: list[Line]) -> PlanarFile:
    """Write an invoice; the answer is its document."""
    return await write_invoice(number, customer, lines)


class InvoiceTotal(BaseModel):
    number: str
    customer: str
    total: Decimal


router = APIRouter(tags=["Greetings and invoices"])


@router.get("/invoices")
async def list_invoices() -> list[InvoiceTotal]:
    """All invoices, added up exactly by the database."""
    totals = (
        select(Invoice.number, Customer.name, func.sum(InvoiceLine.amount))
        .join(Customer, col(Invoice.customer_id) == col(Customer.id))
        .join(InvoiceLine, col(InvoiceLine.invoice_id) == col(Invoice.id))
        .group_by(Invoice.number, Customer.name)
        .order_by(Invoice.number)
    )
    rows = (await get_session().exec(totals)).all()
    return [InvoiceTotal(number=number, customer=name, total=total) for number, name, total in rows]


@router.post("/greetings")
async def greet_now(name: str) -> Greeting:
    """A workflow is a function: a request may simply await it."""
    return await greet(name)


app = PlanarApp(title="Greetings").register_workflow(greet).register_workflow(bill).register_router(router)
for entity in (Customer, Invoice, InvoiceLine):
    app.register_entity(entity)
