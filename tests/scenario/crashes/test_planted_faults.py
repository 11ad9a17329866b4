"""Would a broken promise be seen? Each of these plants is one that only a crash brings to light, and is to be found."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from planar.engine.core.model import Event
from planar.engine.execution.run import LiveRun
from planar.engine.store.memory.entries import MemoryEntries
from planar.engine.store.port import Entry, News, RetireWorker, SaveStep, Sleep
from planar.testing.faults import FaultyStore
from planar.workflows import waiting
from tests import stores
from tests.scenario.crashes import harness
from tests.scenario.crashes.conftest import StageOn
from tests.scenario.crashes.harness import Scenario, crash_everywhere, two_runs
from tests.scenario.crashes.test_children import crash_parent
from tests.scenario.crashes.test_retries import attempts_are_counted, crash_persevering
from tests.scenario.crashes.test_steps import crash_ordering
from tests.scenario.crashes.test_transactions import crash_booking
from tests.scenario.crashes.test_waiting import OTHER, correspondence

Plant = Callable[[pytest.MonkeyPatch], None]

STEPS = Scenario("steps", two_runs(crash_ordering), {label: f'succeeded: "reservation {label} for 1"' for label in ("A", "B")})
RETRIES = Scenario(
    "retries",
    two_runs(crash_persevering),
    {label: f'succeeded: ["{label} at last","caught {label} is broken"]' for label in ("A", "B")},
    check=attempts_are_counted,
)
CHILDREN = Scenario(
    "children",
    two_runs(crash_parent),
    {label: f'succeeded: ["{label}1 worked","{label}2 worked","{label}3 worked","{label}4 refuses"]' for label in ("A", "B")},
)
EVENTS = Scenario(
    "events",
    correspondence,
    {label: f'succeeded: ["{OTHER[label]}","{label} found","1","2","the caller","{label} finished"]' for label in ("A", "B")},
)
BOOKING = Scenario("transactional steps", two_runs(crash_booking), dict.fromkeys(("A", "B"), "succeeded: [1,1,2,2]"))


def no_barrier_before_a_body(patch: pytest.MonkeyPatch) -> None:
    """The next step's body runs before the record of the last one is durable."""

    async def at_once(_: LiveRun) -> None:
        return None

    patch.setattr(LiveRun, "durable", at_once)


def retries_counted_in_memory(patch: pytest.MonkeyPatch) -> None:
    """A mark that waits for its next attempt does not say how many there were."""
    sleep = MemoryEntries._sleep

    def forgetful(self: MemoryEntries, entry: Sleep, news: News) -> Any:
        return sleep(self, entry._replace(marks=tuple(mark._replace(retry_count=0) for mark in entry.marks)), news)

    patch.setattr(MemoryEntries, "_sleep", forgetful)


def a_child_started_before_its_mark(patch: pytest.MonkeyPatch) -> None:
    """The child is started by an entry of its own, and only then the parent's journal names it."""
    submit = FaultyStore.submit

    def apart(self: FaultyStore, entry: Entry) -> Any:
        if isinstance(entry, SaveStep) and entry.start is not None:
            submit(self, entry.start)
            return submit(self, entry._replace(start=None))
        return submit(self, entry)

    patch.setattr(FaultyStore, "submit", apart)


def events_without_a_place(patch: pytest.MonkeyPatch) -> None:
    """A body that runs again emits its event again."""

    def anew(event: Event, *_: Any) -> Event:
        return event

    patch.setattr(waiting, "_placed", anew)


def nobody_takes_over(patch: pytest.MonkeyPatch) -> None:
    """What a dead worker held stays with it."""
    retire = MemoryEntries._retire_worker

    def only_itself(self: MemoryEntries, entry: RetireWorker, news: News) -> int:
        if not entry.died:
            return retire(self, entry, news)
        self._db.workers.discard(entry.worker_id)
        return 0

    patch.setattr(MemoryEntries, "_retire_worker", only_itself)


def a_record_apart_from_what_its_step_wrote(patch: pytest.MonkeyPatch) -> None:
    """The session commits first, and the record follows."""

    async def after(self: FaultyStore, session: Any, entries: Any) -> list[Any]:
        await session.commit()
        return [await self.submit(entry) for entry in entries]

    patch.setattr(FaultyStore, "submit_in", after)


@pytest.mark.parametrize(
    ("plant", "scenario", "store", "found"),
    [
        (no_barrier_before_a_body, STEPS, stores.MEMORY, "more steps ran again than were open"),
        (retries_counted_in_memory, RETRIES, stores.MEMORY, "ran 5 times, without a crash 3"),
        (a_child_started_before_its_mark, CHILDREN, stores.MEMORY, "children: the process died"),
        (events_without_a_place, EVENTS, stores.MEMORY, "events: the process died"),
        *(
            pytest.param(
                a_record_apart_from_what_its_step_wrote,
                BOOKING,
                store,
                "transactional steps: the process died",
                marks=pytest.mark.store(store),
            )
            for store in (stores.SQLITE, stores.POSTGRESQL)
        ),
    ],
)
def test_a_planted_fault_is_found(
    plant: Plant, scenario: Scenario, store: str, found: str, stage_on: StageOn, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = stage_on(store)
    plant(monkeypatch)
    with pytest.raises(AssertionError, match=found):
        crash_everywhere(scenario, stage)


def test_a_run_that_nobody_takes_over_is_found_to_be_stuck(stage_on: StageOn, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody_takes_over(monkeypatch)
    # The worker goes on looking every second whether the dead one is still dead.
    monkeypatch.setattr(harness, "STUCK_SECONDS", 600.0)
    with pytest.raises(TimeoutError):
        crash_everywhere(STEPS, stage_on(stores.MEMORY))
