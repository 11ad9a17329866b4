"""What is left after a crash? Processes that die at a write of one's choice, and others that go on after them.

A process is an event loop of its own. When it dies the loop stops where it stands: no code of it runs any more, not even a
``finally``, its open transactions are undone and its locks are free, as after ``kill -9``. Then another process, on the same
database, may be asked what became of the runs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from shutil import copytree
from tempfile import TemporaryDirectory
from typing import Any, Generic, TypeVar

from planar.app import PlanarApp
from planar.clock import Clock
from planar.db.manager import DatabaseManager
from planar.engine.store.opening import StoreOpener, open_store
from planar.engine.store.port import Store
from planar.testing.faults import Crash, Faults, FaultyStore, ProcessDied

T = TypeVar("T")

UNWINDING_ROUNDS = 50
UNWINDING_SECONDS = 0.02


class Process:
    """A process that may die: an event loop of its own, in which everything stands still once it is dead.

    Args:
        faults: what it writes, and where it dies.
        make_loop: makes the loop.
    """

    def __init__(self, faults: Faults, make_loop: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop) -> None:
        self.faults = faults
        self.loop = make_loop()
        self._stores: list[FaultyStore] = []

    def store(self, inner: Store, manager: DatabaseManager | None = None) -> FaultyStore:
        """The store of this process, over *inner*. To be called in its loop."""
        self._stores.append(FaultyStore(inner, self.faults, manager))
        return self._stores[-1]

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run *main* in this process, to its end or the process's; what it returned.

        Raises:
            ProcessDied: the process is dead, and everybody else may know.
        """
        try:
            return self.loop.run_until_complete(main)
        except ProcessDied:
            for store in self._stores:
                _in_another_loop(store.abandon())
            raise

    def bury(self) -> None:
        """Clear away. What is left of the dead process's code is unwound here, so look at what it left behind before this."""
        # What it makes of its end interests nobody.
        self.loop.set_exception_handler(lambda _loop, _context: None)
        for store in self._stores:
            store.refuse()
        try:
            self.loop.run_until_complete(self._unwind())
            self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        finally:
            self.loop.close()

    async def _unwind(self) -> None:
        for _ in range(UNWINDING_ROUNDS):
            left = asyncio.all_tasks() - {asyncio.current_task()}
            if not left:
                break
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=UNWINDING_SECONDS)
        for store in self._stores:
            await store.clear_away()


def _in_another_loop(work: Coroutine[Any, Any, None]) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(work)
    finally:
        loop.close()


@dataclass(frozen=True, slots=True)
class Played(Generic[T]):
    """A story that was told to its end, by a second process if the first one died."""

    result: T
    """What the story returned."""
    crash: Crash | None
    """Where the first process died; None if nothing happened to it."""
    writes: list[str]
    """What the first process wrote durably, in order, with what it was about to write when it died."""
    folder: Path
    """Where the database is, until the next story begins."""


TRIES = 10
"""How often a story is told for one point: what is written together depends on time, so that a telling may have one write less."""


def at_every_write(make_app: Callable[[Path], PlanarApp], story: Callable[[], Awaitable[T]]) -> Iterator[Played[T]]:
    """Tell *story* once in peace, then once for each durable write of it before which the process dies, and once for each after.

    Each time a second process then tells the whole story again. So it is to be what a caller does who got no answer and asks
    again: it starts what is not there yet, and waits for the end. Not to be called in a running event loop.

    Args:
        make_app: makes the app of one process, on a database in the folder that it is given: each telling has a new one.
        story: awaited in the app, as by `PlanarApp.run_standalone`.

    Yields:
        What came of it, to be compared with what it should be.

    Raises:
        Exception: what the story raised.
    """
    with TemporaryDirectory(prefix="planar-crash-") as made:
        # Tables are made once: making them anew would be most of the work.
        prepared = Path(made)
        asyncio.run(make_app(prepared).run_standalone(_nothing))
        with _told(make_app, story, None, prepared) as peaceful:
            yield peaceful
        for place in count():
            crash = Crash(place // 2 + 1, after=place % 2 == 1)
            for last in (*[False] * (TRIES - 1), True):
                with _told(make_app, story, crash, prepared) as played:
                    if played.crash is None and crash.number > len(peaceful.writes):
                        return
                    if played.crash is None and not last:
                        continue
                    yield played
                    break


async def _nothing() -> None:
    """The story in which an app only starts and stops."""


@contextmanager
def _told(
    make_app: Callable[[Path], PlanarApp], story: Callable[[], Awaitable[T]], crash: Crash | None, prepared: Path
) -> Generator[Played[T]]:
    first = Faults(crash)
    with TemporaryDirectory(prefix="planar-crash-") as made, ExitStack() as dead:
        folder = Path(made)
        copytree(prepared, folder, dirs_exist_ok=True)
        try:
            result = _live(make_app(folder), story, first, dead)
        except ProcessDied:
            result = _live(make_app(folder), story, Faults(), dead)
        yield Played(result, crash if first.dead else None, first.writes, folder)


def _live(app: PlanarApp, story: Callable[[], Awaitable[T]], faults: Faults, dead: ExitStack) -> T:
    process = Process(faults)
    dead.callback(process.bury)

    def opened(manager: DatabaseManager, clock: Clock) -> Store:
        return process.store(open_store(manager, clock), manager)

    app.services.add(StoreOpener, StoreOpener(opened))
    return process.run(app.run_standalone(story))
