"""Who waits for what, and how are they woken?"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from uuid import UUID

from planar.engine.store.postgres import statements as sql
from planar.engine.store.postgres.rows import pack
from planar.engine.store.postgres.transaction import Fetch, Transaction

LONGEST_WAIT_KEY = 400
"""Longer ones stand in the table of waits as a digest: an index holds 2,700 bytes at most."""


async def sleepers_of(fetch: Fetch, keys: Sequence[str], only: UUID | None) -> set[UUID]:
    """The runs that wait for *keys*, or *only* that one of them."""
    found = {row[1] for row in await fetch(sql.AWAITED, keys)}
    return found if only is None else found & {only}


async def wake(transaction: Transaction, keys: Sequence[str], only: UUID | None) -> int:
    """The runs that wait for *keys* are due now, without having taken anything: they look for themselves."""
    sleepers = await sleepers_of(transaction.fetch, keys, only)
    if sleepers:
        await transaction.fetch(sql.WAKE, sorted(sleepers), transaction.now)
        transaction.news.due = True
    return len(sleepers)


def event_key(key: str) -> str:
    """Who waits for an event of *key* waits for this."""
    return wait_key(f"event:{key}")


def run_key(run_id: UUID) -> str:
    """Who waits for the end of a run waits for this."""
    return f"run:{run_id.hex}"


def wait_key(key: str) -> str:
    """*key* as it stands in the table of waits."""
    if len(key) > LONGEST_WAIT_KEY:
        return f"digest:{blake2b(key.encode()).hexdigest()}"
    return pack(key)
