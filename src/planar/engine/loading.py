"""Which histories can be read? One that cannot must be in nobody's way."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from planar.engine.core.model import StepRecord
from planar.engine.store.port import Store

_UNREADABLE = (ValueError, LookupError, TypeError)
"""What the making of a record raises when its row says what this version does not know. A database that fails raises others."""


async def load_readable(store: Store, run_ids: Sequence[UUID]) -> tuple[dict[UUID, list[StepRecord]], dict[UUID, Exception]]:
    """The records of each run, in one query; and of those with a record that cannot be read, why.

    A newer version may have written it, or somebody changed it by hand.

    Raises:
        Exception: the store could not be asked.
    """
    try:
        return await store.load_steps(run_ids), {}
    except _UNREADABLE:
        return await _one_by_one(store, run_ids)


async def _one_by_one(store: Store, run_ids: Sequence[UUID]) -> tuple[dict[UUID, list[StepRecord]], dict[UUID, Exception]]:
    readable: dict[UUID, list[StepRecord]] = {}
    unreadable: dict[UUID, Exception] = {}
    for run_id in run_ids:
        try:
            readable |= await store.load_steps([run_id])
        except _UNREADABLE as error:
            unreadable[run_id] = error
    return readable, unreadable
