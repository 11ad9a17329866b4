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
    except _UNREADABLE as error:
        if len(run_ids) == 1:
            return {}, {run_ids[0]: error}
    # Few are unreadable, if any: they are looked for by halving.
    middle = len(run_ids) // 2
    readable, unreadable = await load_readable(store, run_ids[:middle])
    others, unreadable_others = await load_readable(store, run_ids[middle:])
    return readable | others, unreadable | unreadable_others
