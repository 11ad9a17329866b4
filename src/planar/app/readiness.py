"""Is this process fit to serve? What only the running app knows: whether its worker's loop turns, and whether it stops."""

from __future__ import annotations

from planar.app.role import Role
from planar.config import PlanarConfig
from planar.context import Services
from planar.engine.client import Client
from planar.engine.worker import Worker
from planar.routers.checks import Check

PATIENCE_FACTOR = 2.0
"""A worker that has not looked for work in twice its poll interval does not turn any more."""


class AppReadiness:
    """The checks of one app."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.stopping = False
        """The server was asked to stop: no more requests, please."""

    @property
    def works(self) -> bool:
        """Whether this process has a worker, by its role."""
        return self._services.get(Role).works

    async def checks(self) -> dict[str, Check]:
        """The worker's heartbeat, and whether the app stops."""
        return {"worker": self._worker(), "serving": self._serving()}

    def _worker(self) -> Check:
        if not self.works:
            return Check(ok=True, detail="This process has no worker: other processes execute the runs.")
        worker, client = self._services.find(Worker), self._services.find(Client)
        if worker is None or client is None or not worker.is_alive():
            return Check(ok=False, detail="The worker of this process does not run: look at the log, and restart the process.")
        if worker.last_look is None:
            return Check(ok=False, detail="The worker of this process has not looked for work yet: ask again in a moment.")
        age = (client.now() - worker.last_look).total_seconds()
        limit = self._services.get(PlanarConfig).workflows.poll_seconds * PATIENCE_FACTOR
        if age > limit:
            detail = "The worker of this process has not looked for work for long: something blocks its event loop. Look for blocking code."
            return Check(ok=False, seconds=round(age, 3), detail=detail)
        return Check(ok=True, seconds=round(age, 3))

    def _serving(self) -> Check:
        return Check(ok=not self.stopping, detail="The process was asked to stop." if self.stopping else None)
