"""A service in one file: a workflow of two steps, tables of its own that a step writes, and routes beside the framework's.

Start it with `planar dev examples/simple_service/main.py`; README.md shows the requests.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import col, func, select

from planar import PlanarApp, get_session
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
    name: str = Field(max_length=80, unique=True)


class Invoice(PlanarBaseEntity, table=True):
    customer_id: UUID = Field(foreign_key="customer.id", index=True)
    customer: Customer = Relationship()


class InvoiceLine(PlanarBaseEntity, table=True):
    invoice_id: UUID = Field(foreign_key="invoice.id", index=True)
    invoice: Invoice = Relationship()
    text: str = Field(max_length=200)
    amount: Decimal = Field(max_digits=12, decimal_places=2)


class Line(BaseModel):
    text: str
    amount: Decimal


@step()
async def write_invoice(customer: str, lines: list[Line]) -> UUID:
    """What a step writes is committed together with the record that it was done: never twice, never half."""
    session = get_session()
    buyer = (await session.exec(select(Customer).where(Customer.name == customer))).one_or_none() or Customer(name=customer)
    invoice = Invoice(customer_id=buyer.id)
    session.add_all([buyer, invoice])
    session.add_all(InvoiceLine(invoice_id=invoice.id, text=line.text, amount=line.amount) for line in lines)
    return invoice.id


@workflow()
async def bill(customer: str, lines: list[Line]) -> UUID:
    """Write an invoice."""
    return await write_invoice(customer, lines)


class InvoiceTotal(BaseModel):
    customer: str
    lines: int
    total: Decimal


router = APIRouter(tags=["Greetings and invoices"])


@router.get("/invoices")
async def list_invoices() -> list[InvoiceTotal]:
    """All invoices, added up exactly by the database."""
    totals = (
        select(Customer.name, func.count(), func.sum(InvoiceLine.amount))
        .join(Invoice, col(Invoice.customer_id) == col(Customer.id))
        .join(InvoiceLine, col(InvoiceLine.invoice_id) == col(Invoice.id))
        .group_by(col(Invoice.id), Customer.name)
        .order_by(col(Invoice.id))
    )
    rows = (await get_session().exec(totals)).all()
    return [InvoiceTotal(customer=name, lines=lines, total=total) for name, lines, total in rows]


@router.post("/greetings")
async def greet_now(name: str) -> Greeting:
    """A workflow is a function: a request may simply await it."""
    return await greet(name)


app = PlanarApp(title="Greetings").register_workflow(greet).register_workflow(bill).register_router(router)
