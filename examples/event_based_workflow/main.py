"""An order that waits for its payment: events, a time limit, a child workflow, and the end by a request.

Start it with `planar dev examples/event_based_workflow/main.py`; README.md shows the requests.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic import BaseModel

from planar import PlanarApp
from planar.workflows import emit_event, step, wait_for_event, workflow
from planar.workflows.exceptions import EventTimeout


class Receipt(BaseModel):
    order: str
    paid: Decimal
    parcel: str | None = None
    note: str


@step()
async def reserve_stock(order: str) -> str:
    return f"reservation for {order}"


@step()
async def release_stock(reservation: str) -> None:
    """Give back what was reserved."""


@step()
async def pack(order: str) -> str:
    return f"parcel-{order}"


@workflow()
async def ship(order: str) -> str:
    """Pack an order, and tell everybody who waits for its parcel."""
    parcel = await pack(order)
    await emit_event(f"shipped:{order}", {"parcel": parcel})
    return parcel


@workflow()
async def handle_order(order: str, price: Decimal, patience_seconds: float = 3600.0) -> Receipt:
    """Reserve, wait for the payment, ship; without a payment in time give back what was reserved."""
    reservation = await reserve_stock(order)
    try:
        payment = await wait_for_event(f"paid:{order}", max_wait_time=patience_seconds)
    except EventTimeout:
        await release_stock(reservation)
        return Receipt(order=order, paid=Decimal(0), note="not paid in time")
    paid = Decimal(str(payment["amount"]))
    if paid < price:
        await release_stock(reservation)
        return Receipt(order=order, paid=paid, note=f"paid {paid} of {price}")
    return Receipt(order=order, paid=paid, parcel=await ship(order), note="on its way")


@workflow()
async def watch_parcel(order: str) -> str:
    """Wait until an order was shipped; its parcel's number."""
    return str((await wait_for_event(f"shipped:{order}"))["parcel"])


app = PlanarApp(title="Orders").register_workflow(handle_order).register_workflow(ship).register_workflow(watch_parcel)
