"""One worker over a memory database, in virtual time: what recording and replaying have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any, TypeVar
from unittest.mock import patch
from uuid import UUID

from planar.context import Services, bind_services
from planar.engine.catalog import Catalogue, Registry
from planar.engine.client import Client
from planar.engine.config import WorkerConfig
from planar.engine.core.model import Run
from planar.engine.events import Notices
from planar.engine.store.memory import MemoryDatabase, MemoryStore
from planar.engine.worker import Worker
from tests.scenario.corpus.workflows import ATTEMPTS, RAN, WORKFLOWS
from tests.scenario.simulation.clock import VirtualClock
from tests.scenario.simulation.loop import SimulatedLoop
from tests.scenario.simulation.process import Outside

T = TypeVar("T")


@dataclass
class Bench:
    """An open store, a worker that runs, and a client."""

    database: MemoryDatabase
    client: Client

    async def ended(self, run_id: UUID) -> Run:
        """The run, once it has ended."""
        return await self.client.ended(run_id, timeout=10**7)


def on_bench(
    play: Callable[[Bench], Coroutine[Any, Any, T]], fill: Callable[[MemoryDatabase], None] = lambda _: None, ids_from: str = "recording"
) -> T:
    """The outcome of *play*, over a database that *fill* filled before its worker began; new ids follow from *ids_from*."""
    RAN.clear()
    ATTEMPTS.clear()
    ids = Random(ids_from)
    loop = SimulatedLoop(Random("corpus"), Outside(), shuffled=False)
    try:
        with (
            patch("planar.engine.worker.uuid7", lambda: UUID(int=ids.getrandbits(128))),
            patch("planar.engine.client.uuid7", lambda: UUID(int=ids.getrandbits(128))),
        ):
            return loop.run_until_complete(_open(loop, play, fill))
    finally:
        loop.unwind()
        loop.close()


async def _open(
    loop: asyncio.AbstractEventLoop, play: Callable[[Bench], Coroutine[Any, Any, T]], fill: Callable[[MemoryDatabase], None]
) -> T:
    clock = VirtualClock(loop)
    database = MemoryDatabase(clock)
    fill(database)
    catalogue = Catalogue()
    for each in WORKFLOWS:
        catalogue.add(each.definition)
    services, store = Services(), MemoryStore(database)
    await store.open()
    registry, notices = services.add(Registry, Registry(catalogue)), Notices()
    worker = services.add(Worker, Worker(store, registry, notices, WorkerConfig(cancel_seconds=2, poll_seconds=3600), clock=clock))
    client = services.add(Client, Client(store, registry, notices, worker=worker))
    with bind_services(services):
        await worker.start()
        outcome = await play(Bench(database, client))
        await worker.stop()
    client.close()
    await store.close()
    return outcome
