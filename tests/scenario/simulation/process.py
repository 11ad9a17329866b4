"""One simulated process: a worker and a client over a store of its own, that may be killed, stopped, or held up."""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from planar.context import Services, bind_services
from planar.engine.catalog import Registry
from planar.engine.client import Client
from planar.engine.config import WorkerConfig
from planar.engine.events import Notices
from planar.engine.worker import Worker
from tests.scenario.simulation.clock import VirtualClock
from tests.scenario.simulation.loop import OWNER
from tests.scenario.simulation.store import SimulatedStore

if TYPE_CHECKING:
    from tests.scenario.simulation.world import World


class Outside:
    """What belongs to no process: the director of the simulation. Never paused, never dead."""

    def __init__(self) -> None:
        self.ready: deque[asyncio.Handle] = deque()
        self.paused = False
        self.dead = False


class Process:
    """A process of *world*; its host's clock is *skew* seconds ahead."""

    def __init__(self, world: World, name: str, config: WorkerConfig, skew: float) -> None:
        self.world = world
        self.name = name
        self.ready: deque[asyncio.Handle] = deque()
        self.paused = False
        self.dead = False
        self.is_up = False
        self.stopping = False
        self.paused_at = 0.0
        self.longest_pause = 0.0
        self.died_at: float | None = None
        self.well_since: float | None = None
        """Since when nothing has held it up; None while something does."""
        self.slow = 0
        self.deaf = 0
        self.cut_off = 0
        self.recovering = 0
        """Faults that are over, and whose consequences are not."""
        self.doom: Literal["before", "after"] | None = None
        """When it dies: at its next commit."""
        self.loses_ack = False
        self.gone: asyncio.Future[None] = world.loop.create_future()
        self.context = contextvars.copy_context()
        self.context.run(OWNER.set, self)
        self.clock = VirtualClock(world.loop, skew)
        self.store = SimulatedStore(self)
        self._config = config
        self.client: Client
        self.worker: Worker

    @property
    def worker_id(self) -> UUID:
        """The id under which it writes."""
        return self.worker.id

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do *work* in this process: it ends with it."""
        return self.world.loop.create_task(work, context=self.context.copy())

    async def boot(self) -> None:
        """Open the store, and start to work."""
        services = Services()
        registry, notices = services.add(Registry, Registry(self.world.catalogue)), Notices()
        await self.store.open()
        self.worker = services.add(Worker, Worker(self.store, registry, notices, self._config, clock=self.clock))
        self.client = services.add(Client, Client(self.store, registry, notices, worker=self.worker))
        self.world.workers[self.worker.id] = self
        with bind_services(services):
            await self.worker.start()
        self.is_up = True
        self.feel_well()

    async def stop(self) -> None:
        """As on SIGTERM."""
        self.stopping = True
        self.well_since = None
        await self.worker.stop()
        self.client.close()
        await self.store.close()

    def feel_well(self) -> None:
        """Something that held it up is over."""
        held_up = self.paused or self.dead or self.stopping or self.slow or self.deaf or self.cut_off or self.recovering or not self.is_up
        self.well_since = None if held_up else self.world.loop.time()

    async def recover(self, seconds: float) -> None:
        """A fault is over: for *seconds* it may still hold up what it met, and no other fault's end makes that well."""
        self.recovering += 1
        await asyncio.sleep(seconds)
        self.recovering -= 1
        self.feel_well()

    # -- how long things take -----------------------------------------------------------------------------------------------

    def delay(self) -> float:
        """The way to the database, or back."""
        chance = self.world.schedule.random()
        return 0.1 + chance * 2.5 if self.slow else chance * self.world.way

    def news_delay(self) -> float:
        """How long it takes until it hears that others wrote: it looks a few times a second, as at a file's `data_version`."""
        chance = self.world.schedule.random()
        return chance * 1.5 if self.deaf else chance * 0.08


def current_process() -> Process:
    """The process that executes this."""
    process = OWNER.get()
    assert isinstance(process, Process)
    return process
