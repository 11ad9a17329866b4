"""Expense reports: read a file, check it against the policy, ask about large amounts, post the rest to the ledger.

Start it with `planar dev examples/expense_approval_workflow/main.py`; README.md shows the requests.
"""

from __future__ import annotations

import asyncio
import csv
import io
from collections import defaultdict
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import func, select

from planar import PlanarApp, get_session
from planar.modeling.orm import Field, PlanarBaseEntity
from planar.workflows import step, suspend, wait_for_event, workflow

LIMITS = {"travel": Decimal(2000), "meals": Decimal(150), "equipment": Decimal(3000), "training": Decimal(2500), "office": Decimal(400)}
ASK_ABOVE = Decimal(5000)


class Expense(BaseModel):
    expense_id: str
    employee: str
    day: date
    category: str
    amount: Decimal


class Problem(BaseModel):
    where: str
    what: str


class Reading(BaseModel):
    expenses: list[Expense]
    malformed: list[Problem]


class Verdict(BaseModel):
    accepted: list[Expense]
    rejected: list[Problem]
    large: list[Expense]


class Summary(BaseModel):
    report: str
    read: int
    malformed: list[Problem]
    rejected: list[Problem]
    approved_by: dict[str, str]
    posted: int
    total: Decimal
    by_category: dict[str, Decimal]


class LedgerEntry(PlanarBaseEntity, table=True):
    """One posted expense. Signed, by its mixins, with who posted it and when."""

    report: str = Field(index=True)
    expense_id: str = Field(index=True)
    employee: str
    category: str
    amount: Decimal


@step(display_name="Read the file")
async def read_expenses(content: str) -> Reading:
    reading = Reading(expenses=[], malformed=[])
    for number, row in enumerate(csv.DictReader(io.StringIO(content)), start=2):
        try:
            reading.expenses.append(parse(row))
        except ValueError as error:
            reading.malformed.append(Problem(where=f"line {number}", what=str(error)))
    return reading


def parse(row: dict[str, str | None]) -> Expense:
    """One line of the file, or a ValueError that says what is wrong with it."""
    missing = [name for name in ("expense_id", "employee", "day", "category", "amount") if not (row.get(name) or "").strip()]
    if missing:
        raise ValueError(f"no {', '.join(missing)}")
    if row["category"] not in LIMITS:
        raise ValueError(f"unknown category {row['category']!r}")
    try:
        amount = Decimal(row["amount"] or "")
    except InvalidOperation:
        raise ValueError(f"{row['amount']!r} is not an amount") from None
    if not amount.is_finite() or amount <= 0:
        raise ValueError(f"{row['amount']!r} is not a positive amount")
    try:
        day = date.fromisoformat(row["day"] or "")
    except ValueError:
        raise ValueError(f"{row['day']!r} is not a date") from None
    return Expense(
        expense_id=row["expense_id"] or "", employee=row["employee"] or "", day=day, category=row["category"] or "", amount=amount
    )


@step(display_name="Check the policy")
async def check_policy(expenses: list[Expense]) -> Verdict:
    verdict = Verdict(accepted=[], rejected=[], large=[])
    seen: set[str] = set()
    for expense in expenses:
        limit = LIMITS[expense.category]
        if expense.expense_id in seen:
            verdict.rejected.append(Problem(where=expense.expense_id, what="claimed twice in this file"))
        elif expense.amount > ASK_ABOVE:
            verdict.large.append(expense)
        elif expense.amount > limit:
            verdict.rejected.append(Problem(where=expense.expense_id, what=f"{expense.category}: {expense.amount} is above {limit}"))
        else:
            verdict.accepted.append(expense)
        seen.add(expense.expense_id)
    return verdict


@step(display_name="Post to the ledger")
async def post_to_ledger(report: str, expenses: list[Expense], seconds: float) -> Decimal:
    """Everything or nothing: what the session writes and the record that the step is done are one transaction."""
    await asyncio.sleep(seconds)
    session = get_session()
    for expense in expenses:
        session.add(LedgerEntry(report=report, **expense.model_dump(include={"expense_id", "employee", "category", "amount"})))
    return sum((expense.amount for expense in expenses), Decimal(0))


@workflow()
async def approve_expenses(report: str, content: str, cooling_off_seconds: float = 2.0, posting_seconds: float = 0.0) -> Summary:
    """Read, check, ask, wait, post. `posting_seconds` is how long each posting takes, for those who want to kill it meanwhile."""
    reading = await read_expenses(content)
    verdict = await check_policy(reading.expenses)

    accepted, rejected, approved_by = list(verdict.accepted), list(verdict.rejected), dict[str, str]()
    for expense in verdict.large:
        decision = await wait_for_event(f"expense-decision:{report}:{expense.expense_id}")
        by = str(decision.get("by", "somebody"))
        if decision.get("approved") is True:
            accepted.append(expense)
            approved_by[expense.expense_id] = by
        else:
            rejected.append(Problem(where=expense.expense_id, what=f"refused by {by}"))

    await suspend(interval=timedelta(seconds=cooling_off_seconds))

    by_category: dict[str, Decimal] = {}
    batches: dict[str, list[Expense]] = defaultdict(list)
    for expense in accepted:
        batches[expense.category].append(expense)
    for category, batch in sorted(batches.items()):
        by_category[category] = await post_to_ledger(report, batch, posting_seconds)

    return Summary(
        report=report,
        read=len(reading.expenses) + len(reading.malformed),
        malformed=reading.malformed,
        rejected=rejected,
        approved_by=approved_by,
        posted=len(accepted),
        total=sum(by_category.values(), Decimal(0)),
        by_category=by_category,
    )


router = APIRouter(prefix="/ledger")


class LedgerTotals(BaseModel):
    entries: int
    distinct: int
    total: Decimal


@router.get("/{report}")
async def ledger(report: str) -> LedgerTotals:
    """What the ledger holds of a report."""
    mine = select(func.count(), func.count(func.distinct(LedgerEntry.expense_id)), func.sum(LedgerEntry.amount))
    entries, distinct, total = (await get_session().exec(mine.where(LedgerEntry.report == report))).one()
    return LedgerTotals(entries=entries, distinct=distinct, total=total or Decimal(0))


app = (
    PlanarApp(title="Expenses", description="Expense reports from a file to the ledger")
    .register_workflow(approve_expenses)
    .register_router(router)
)
