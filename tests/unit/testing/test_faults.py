"""A process dies at the write that was chosen: what was to be written from there on is lost, and nobody hears of anything any more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from planar.engine.core.model import Event
from planar.engine.store.memory import MemoryDatabase, MemoryStore
from planar.engine.store.port import Emit, News
from planar.errors import InternalError
from planar.testing.crashes import Process
from planar.testing.faults import Crash, Faults, FaultyStore, ProcessDied


@pytest.mark.parametrize(
    ("crash", "kept", "dies"),
    [
        (None, 3, False),
        (Crash(3), 0, True),
        (Crash(3, after=True), 1, True),
        (Crash(4), 1, True),
        (Crash(5, after=True), 3, True),
        (Crash(2, after=True), 3, False),
        (Crash(6), 3, False),
    ],
)
def test_writes_that_would_share_a_transaction_are_cut_where_the_process_dies(crash: Crash | None, kept: int, dies: bool) -> None:
    faults = Faults(crash)
    faults.writes = ["one", "two"]
    assert faults.cut(["three", "four", "five"]) == (kept, dies)
    assert faults.writes == ["one", "two", "three", "four", "five"]


def test_a_crash_says_where_it_is() -> None:
    assert [str(Crash(7)), str(Crash(7, after=True))] == ["before write 7", "after write 7"]


def emit(key: str) -> Emit:
    return Emit(Event(uuid4(), key, "{}", None, datetime(2026, 1, 1, tzinfo=UTC)))


@dataclass
class Scene:
    """One database, and the processes on it."""

    database: MemoryDatabase = field(default_factory=MemoryDatabase)
    processes: list[Process] = field(default_factory=list[Process])

    def run(self, main: Callable[[FaultyStore], Awaitable[None]], crash: Crash | None = None) -> None:
        process = Process(Faults(crash))
        self.processes.append(process)

        async def running() -> None:
            store = process.store(MemoryStore(self.database))
            await store.open()
            await main(store)
            await store.close()

        process.run(running())

    @property
    def keys(self) -> list[str]:
        """What is durable."""
        return [event.key for event in self.database.events]


@pytest.fixture
def scene() -> Iterator[Scene]:
    made = Scene()
    yield made
    for process in made.processes:
        process.bury()


@pytest.mark.parametrize(("crash", "durable"), [(Crash(2), ["a"]), (Crash(2, after=True), ["a", "b"])])
def test_what_was_written_before_the_crash_is_there_and_nothing_else(scene: Scene, crash: Crash, durable: list[str]) -> None:
    answers: list[str] = []
    heard: list[News] = []

    async def main(store: FaultyStore) -> None:
        store.subscribe(heard.append)
        writing = [store.submit(emit(key)) for key in ("a", "b", "c")]
        for future in writing:
            future.add_done_callback(lambda done: answers.append(done.result().event.key))
        await writing[0]

    with pytest.raises(ProcessDied):
        scene.run(main, crash)
    assert scene.keys == durable
    assert answers == []
    assert heard == []


def test_what_was_answered_before_the_crash_had_been_heard_in_order(scene: Scene) -> None:
    seen: list[str] = []

    async def main(store: FaultyStore) -> None:
        store.subscribe(lambda news: seen.append(f"news of {sorted(news.emitted)}"))
        first = store.submit(emit("a"))
        await first
        seen.append("answer")
        await store.submit(emit("b"))

    with pytest.raises(ProcessDied):
        scene.run(main, Crash(2))
    assert seen == ["news of ['a']", "answer"]


def test_no_code_of_a_dead_process_runs_until_it_is_cleared_away(scene: Scene) -> None:
    ran: list[str] = []

    async def main(store: FaultyStore) -> None:
        async def beside() -> None:
            try:
                await asyncio.sleep(3600)
            finally:
                ran.append("finally")
                with pytest.raises(InternalError):
                    store.submit(emit("from a dead process"))

        task = asyncio.create_task(beside())
        await asyncio.sleep(0)
        try:
            await store.submit(emit("a"))
        finally:
            ran.append(f"{task.get_name()[:4]}")

    with pytest.raises(ProcessDied):
        scene.run(main, Crash(1, after=True))
    assert ran == []
    scene.processes.pop().bury()
    assert sorted(ran) == ["Task", "finally"]
    assert scene.keys == ["a"]


def test_a_dead_process_is_seen_to_be_dead(scene: Scene) -> None:
    worker, other = uuid4(), uuid4()
    dead: list[UUID] = []

    async def dying(store: FaultyStore) -> None:
        await store.enlist(worker)
        await store.submit(emit("a"))

    async def looking(store: FaultyStore) -> None:
        dead.extend(await store.dead_workers(other))

    with pytest.raises(ProcessDied):
        scene.run(dying, Crash(2))
    scene.run(looking)
    assert dead == [worker]


def test_a_process_that_does_not_come_to_its_crash_lives(scene: Scene) -> None:
    async def main(store: FaultyStore) -> None:
        await store.submit(emit("a"))

    scene.run(main, Crash(2))
    assert not scene.processes[0].faults.fired
    assert scene.processes[0].faults.writes == ["Emit"]


def test_an_entry_that_is_refused_is_refused_by_the_numbered_store_too(scene: Scene) -> None:
    async def main(store: FaultyStore) -> None:
        with pytest.raises(UnicodeEncodeError):
            await store.submit(emit("\ud800"))
        await store.submit(emit("a"))

    scene.run(main)
    assert scene.keys == ["a"]


def test_a_closed_store_takes_nothing(scene: Scene) -> None:
    async def main(store: FaultyStore) -> None:
        await store.close()
        with pytest.raises(InternalError):
            store.submit(emit("a"))
        await store.open()

    scene.run(main)
    assert scene.keys == []
