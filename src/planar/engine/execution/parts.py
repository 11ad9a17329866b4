"""What does an execution need of its worker? The parts, handed in once."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol
from uuid import UUID

from planar.context import Actor
from planar.db.manager import DatabaseManager
from planar.engine.catalog import Registry
from planar.engine.events import Notices
from planar.engine.execution.marks import RunningMarks
from planar.engine.store.lease import WorkerLease
from planar.engine.store.port import Holder, Store

if TYPE_CHECKING:
    from planar.engine.execution.run import LiveRun


class Host(Protocol):
    """The worker, as its runs see it."""

    def slept(self, live: LiveRun) -> None:
        """*live* sleeps now, and needs no slot."""
        ...

    def woke(self, live: LiveRun) -> None:
        """*live* goes on."""
        ...

    def watch(self, live: LiveRun) -> None:
        """Strands of *live* wait while others go on: tell it of news, and when a time comes for which one waits."""
        ...

    def hand_back(self, holder: Holder, *, later: bool = False) -> None:
        """Nobody executes the run of *holder* here any more: it is due for everybody, *later* after a moment."""
        ...

    def lost(self) -> None:
        """Another worker has a run that was executed here."""
        ...

    def is_torn_down(self) -> bool:
        """Whether the event loop ends without a stop: whoever cancels the runs' tasks then does not mean the runs."""
        ...


class Parts(NamedTuple):
    """One worker's surroundings."""

    worker_id: UUID
    lease: WorkerLease
    store: Store
    registry: Registry
    notices: Notices
    marks: RunningMarks
    host: Host
    manager: DatabaseManager | None = None
    load_actor: Callable[[str], Actor] | None = None
    """A run's stored principal as a value; the engine does not know its class."""
