"""Who holds a name, until when, and under which number? One row a name, and one conditional write for each change.

A row stays when its lease is given back, so that the numbers of a name rise for ever: whoever takes it next gets a higher one,
also after a holder that never came back. Every change but taking is bound to the number, so that a former holder changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import Executable, bindparam, event, text, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import Session, SessionTransaction
from sqlmodel import col

from planar.context import Services
from planar.db.base import PLANAR_SCHEMA
from planar.db.manager import DatabaseManager
from planar.db.session import PlanarSession
from planar.db.types import UTCDateTime
from planar.engine.client import Client
from planar.workflows.models import LockedResource

GIVEN_BACK: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""The end of a lease that was given back: always past, whatever becomes of the clock."""


class Taken(NamedTuple):
    """A hold: its number, and since when, by the event loop's clock."""

    number: int
    since: float


class Leases:
    """The leases in one app's database. Every call is a short transaction of its own, unless it is told to join another."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def take(self, key: str, duration: timedelta) -> Taken | None:
        """Hold *key* for *duration* from now on, if nobody does, under a number higher than all before. Else None."""
        async with self._writing(key) as connection:
            since, now = self._read_clocks()
            taken = await connection.execute(_taking(connection.dialect.name, key, now, now + duration))
            number: int | None = taken.scalar()
        return None if number is None else Taken(number, since)

    async def renew(self, key: str, number: int, duration: timedelta) -> float | None:
        """Hold *key* for *duration* from now on, if the hold *number* is the newest one and was not given back.

        Returns:
            Since when it is held anew, by the event loop's clock. None: it is not held any more.
        """
        async with self._writing(key) as connection:
            since, now = self._read_clocks()
            renewed = await connection.execute(_of(key, number).values(lock_until=now + duration))
        return since if renewed.rowcount > 0 else None

    async def give_back(self, key: str, number: int) -> bool:
        """End the hold *number*. False if it is not the newest one any more."""
        async with self._writing(key) as connection:
            return await _give_back(connection, key, number)

    async def give_back_in(self, session: PlanarSession, key: str, number: int) -> bool:
        """The same as part of the open transaction of *session*: it is given back with the commit, and kept if that does not come."""
        return await _give_back(await session.connection(), key, number)

    @asynccontextmanager
    async def _writing(self, key: str) -> AsyncGenerator[AsyncConnection]:
        async with self._services.get(DatabaseManager).get_session(label=f"lock {key}") as session:
            if session.dialect.name == "sqlite":
                # What is waited for the turn to write must not be taken off the lease.
                await session.set_serializable_isolation()
            yield await session.connection()
            await session.commit()

    def _read_clocks(self) -> tuple[float, datetime]:
        return asyncio.get_running_loop().time(), self._services.get(Client).now()


_TAKE: Final = """
insert into {table} as held (lock_key, lock_until, version_id) values (:key, :until, 1)
on conflict (lock_key) do update set lock_until = excluded.lock_until, version_id = held.version_id + 1
where held.lock_until <= :now
returning version_id
"""


def _taking(dialect: str, key: str, now: datetime, until: datetime) -> Executable:
    # As text, because the constructs for it are in modules of the dialects, which cost much to load.
    table = "locked_resource" if dialect == "sqlite" else f"{PLANAR_SCHEMA}.locked_resource"
    times = (bindparam("now", now, UTCDateTime), bindparam("until", until, UTCDateTime))
    return text(_TAKE.format(table=table)).bindparams(*times, key=key)


def _of(key: str, number: int) -> Any:
    newest = (col(LockedResource.lock_key) == key) & (col(LockedResource.version_id) == number)
    return update(LockedResource).where(newest, col(LockedResource.lock_until) > GIVEN_BACK)


async def _give_back(connection: AsyncConnection, key: str, number: int) -> bool:
    return (await connection.execute(_of(key, number).values(lock_until=GIVEN_BACK))).rowcount > 0


# -- the end of a user's transaction ------------------------------------------------------------------------------------

_WAITING: Final = "planar_after_transaction"


@dataclass(slots=True)
class _Waiting:
    calls: list[Callable[[bool], None]] = field(default_factory=list[Callable[[bool], None]])
    committed: bool = False


def after_transaction(session: PlanarSession, call: Callable[[bool], None]) -> None:
    """Call *call* once the open transaction of *session* is over, with whether it was committed."""
    sync = session.sync_session
    if _WAITING not in sync.info:
        sync.info[_WAITING] = _Waiting()
        event.listen(sync, "after_commit", _committed)
        event.listen(sync, "after_transaction_end", _ended)
    sync.info[_WAITING].calls.append(call)


def _committed(session: Session) -> None:
    if not session.in_nested_transaction():
        session.info[_WAITING].committed = True


def _ended(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is not None:
        return
    waiting: _Waiting = session.info[_WAITING]
    session.info[_WAITING] = _Waiting()
    for call in waiting.calls:
        call(waiting.committed)
