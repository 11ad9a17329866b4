"""A small application: accounts that hold money."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import MetaData
from sqlalchemy.orm import registry
from sqlmodel import Field, select

from planar.db import DatabaseManager, PlanarSession
from planar.modeling.orm import PlanarBaseEntity


class Accounts(PlanarBaseEntity, registry=registry(metadata=MetaData())):
    """Keeps these tables apart from those of other tests."""


class Account(Accounts, table=True):
    owner: str = Field(unique=True)
    balance: Decimal = Decimal(0)


class Booking(Accounts, table=True):
    text: str
    account_id: str = Field(foreign_key="account.owner")


async def owners(manager: DatabaseManager) -> set[str]:
    """Whose accounts are committed."""
    async with manager.get_session() as session:
        return set((await session.exec(select(Account.owner))).all())


async def balance(session: PlanarSession, owner: str) -> Decimal:
    return (await session.exec(select(Account.balance).where(Account.owner == owner))).one()
