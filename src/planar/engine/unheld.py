"""What becomes of a run that this worker holds and nobody executes? Until that is written, nobody else would."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

from planar.engine.codec import dump_failure
from planar.engine.core.failure import Failure
from planar.engine.core.model import Claim, Reason, RunStatus
from planar.engine.errors import StaleEpoch
from planar.engine.execution.recording import cancelled_error
from planar.engine.store.port import EndRun, Holder, Release, Sleep, Store
from planar.errors import InternalError
from planar.logging import get_logger

logger = get_logger(__name__)

BACKOFF_SECONDS = 1.0
SET_ASIDE = timedelta(minutes=1)


class Unheld:
    """Gives back, or ends, runs that are the worker's and that it does not execute."""

    def __init__(self, store: Store, worker_id: UUID) -> None:
        self._store = store
        self._worker_id = worker_id

    def holder(self, claim: Claim) -> Holder:
        """This worker, as the holder of what it claimed."""
        return Holder(claim.run.id, self._worker_id, claim.epoch)

    def hand_back(self, holder: Holder, *, later: bool = False) -> None:
        """It is due for everybody, *later* after a moment."""
        if later:
            asyncio.get_running_loop().call_later(BACKOFF_SECONDS, self.hand_back, holder)
        else:
            self.settle(Release(holder))

    def set_aside(self, claim: Claim, error: Exception) -> None:
        """Its history cannot be read: it is nobody's for a while; then whoever claims it first may try, a newer worker for one.

        One that somebody wants to be cancelled ends: there is no code here that could clean up.
        """
        logger.error("the history of a run cannot be read here; it is set aside", workflow_id=claim.run.id, error=repr(error))
        if claim.cancel_reason is not None:
            self.settle(_cancelled(self.holder(claim), claim.cancel_reason))
        else:
            self.settle(Sleep(self.holder(claim), Reason.RETRY, self._store.now() + SET_ASIDE))

    def give_up(self, claim: Claim) -> None:
        """Too many of its workers died: it has failed."""
        message = f"The worker of this run died {claim.recoveries} times while it executed the run."
        error = dump_failure(Failure("TooManyRecoveries", message))
        self.settle(EndRun(self.holder(claim), RunStatus.FAILED, None, error))
        logger.error("a run was given up", workflow_id=claim.run.id, recoveries=claim.recoveries)

    def settle(self, entry: Release | Sleep | EndRun) -> None:
        """Write *entry*, as often as it takes, unless the run is another's by then. One that may not sleep was cancelled just now."""

        def settled(done: asyncio.Future[Any]) -> None:
            error = done.exception()
            if error is not None and not isinstance(error, StaleEpoch):
                logger.error("a run could not be handed back; that is tried again", workflow_id=entry.holder.run_id, error=repr(error))
                self.hand_back(entry.holder, later=True)
            elif error is None and isinstance(entry, Sleep) and not done.result().asleep:
                self.settle(_cancelled(entry.holder, ""))

        try:
            self._store.submit(entry).add_done_callback(settled)
        except InternalError:
            logger.debug("the store was closed, after this worker had handed back everything")


def _cancelled(holder: Holder, reason: str) -> EndRun:
    return EndRun(holder, RunStatus.CANCELLED, None, cancelled_error(reason))
