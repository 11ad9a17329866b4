"""Workflows that the tests of the HTTP API serve."""

from __future__ import annotations

import base64
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from planar.security import get_current_principal
from planar.workflows import step, suspend, wait_for_event, workflow


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


class Line(BaseModel):
    product: str
    amount: Decimal
    due: date | None = None


@step(display_name="Add up")
async def add_up(left: int, right: int) -> int:
    return left + right


@step(max_retries=1)
async def failing_step(message: str) -> None:
    raise ValueError(message)


@workflow()
async def summing(left: int, right: int = 2) -> int:
    """Add two numbers, in a step."""
    return await add_up(left, right)


@workflow()
async def awaiting(key: str) -> Any:
    """Wait for an event and return its payload."""
    return await wait_for_event(key)


@workflow()
async def napping(seconds: float) -> str:
    await suspend(interval=timedelta(seconds=seconds))
    return "rested"


@workflow()
async def failing(message: str) -> None:
    raise ValueError(message)


@workflow()
async def nothing() -> None:
    return None


@workflow()
async def parenting(key: str) -> Any:
    """Call a child that waits."""
    return await awaiting(key)


@workflow()
async def typed(
    moment: datetime,
    who: UUID,
    colour: Colour,
    lines: list[Line],
    span: timedelta,
    raw: bytes,
    tags: set[str],
    either: int | str,
    extra: dict[str, Any] | None = None,
) -> list[str]:
    """Say which Python types the arguments have when they arrive."""
    assert base64.b64encode(raw) == b"AP8="
    assert lines[0].amount == Decimal("1.10")
    return [type(value).__name__ for value in (moment, who, colour, lines[0], lines[0].due, span, raw, tags, either, extra)]


@workflow()
async def three_steps() -> int:
    total = 0
    for number in range(3):
        total = await add_up(total, number)
    return total


@step()
async def who_acts() -> str:
    principal = get_current_principal()
    return principal.sub if principal is not None else "nobody"


@workflow()
async def acting() -> str:
    return await who_acts()


@workflow(name="naïve name?")
async def oddly_named() -> str:
    return "reached"


@workflow()
async def not_served() -> None:
    """Known in this process, but registered by no app."""


ALL = [summing, awaiting, napping, failing, nothing, parenting, typed, three_steps, acting, oddly_named]
