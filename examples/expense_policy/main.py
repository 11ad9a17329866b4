"""A rule that business people edit says which expenses need an approval, and a person gives it; a run keeps the rule that it began with.

Start it with `planar dev examples/expense_policy/main.py`; README.md shows the requests.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pydantic import BaseModel

from planar import PlanarApp
from planar.human import Human, HumanTaskExpired, Timeout
from planar.rules import rule
from planar.workflows import workflow


class Expense(BaseModel):
    employee: str
    category: str
    amount: Decimal


class Policy(BaseModel):
    needs_approval: bool
    daily_allowance: Decimal = Decimal(0)


class Approval(BaseModel):
    approved: bool
    note: str = ""


class Outcome(BaseModel):
    paid: Decimal
    note: str


@rule(description="Which expenses somebody has to approve, and what is paid a day besides.")
def policy(expense: Expense) -> Policy:
    return Policy(needs_approval=expense.amount > 100, daily_allowance=Decimal(28))


approve = Human(
    "approve_expense",
    "Approve an expense",
    Approval,
    input_type=Expense,
    timeout=Timeout(timedelta(days=14)),
    reminders=[timedelta(days=7)],
)


@workflow()
async def reimburse(expense: Expense) -> Outcome:
    """Ask the policy, ask a person if it says so, and pay with the allowance that the policy had when the run began."""
    if (await policy(expense)).needs_approval:
        try:
            answer = await approve(expense, suggested_data=Approval(approved=True))
        except HumanTaskExpired:
            return Outcome(paid=Decimal(0), note="nobody looked at it")
        if not answer.output.approved:
            return Outcome(paid=Decimal(0), note=answer.output.note)
    allowance = (await policy(expense)).daily_allowance
    return Outcome(paid=expense.amount + allowance, note="paid")


app = PlanarApp(title="Expense policy").register_workflow(reimburse).register_rule(policy)
