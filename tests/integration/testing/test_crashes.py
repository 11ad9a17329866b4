"""A whole app dies at each of its writes, and its sessions with it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlmodel import select

from planar import PlanarApp, sqlite_config
from planar.db.session import get_session
from planar.engine.store.opening import StoreOpener, open_store
from planar.modeling.orm import PlanarBaseEntity
from planar.testing.crashes import Process, at_every_write
from planar.testing.faults import Crash, Faults, ProcessDied
from planar.workflows import Workflow, step, workflow

pytestmark = pytest.mark.filterwarnings("ignore:The garbage collector is trying to clean up non-checked-in connection")
"""What a process that died has left open is closed by the collector, as by the system after ``kill -9``."""


@pytest.fixture(autouse=True)
def buried() -> Iterator[None]:
    """Nothing of the dead is left for another test's collector."""
    yield
    gc.collect()


class CrashNote(PlanarBaseEntity, table=True):
    text: str


EFFECTS: list[str] = []


@step()
async def write_down(text: str) -> int:
    EFFECTS.append(text)
    get_session().add(CrashNote(text=text))
    return len(text)


@workflow()
async def keeping_notes(text: str) -> int:
    return await write_down(text)


def app_in(folder: Path) -> PlanarApp:
    return PlanarApp(config=sqlite_config(str(folder / "app.db"))).register_workflow(keeping_notes)


async def notes() -> list[str]:
    return [note.text for note in (await get_session().exec(select(CrashNote))).all()]


async def take_notes() -> tuple[int, list[str]]:
    known = (await get_session().exec(select(Workflow))).first()
    run = known or await keeping_notes.start("once")
    return await keeping_notes.wait_for_completion(run.id), await notes()


def test_an_app_that_dies_at_any_of_its_writes_finishes_what_it_began() -> None:
    told = list(at_every_write(app_in, take_notes))
    assert [played.result for played in told] == [(4, ["once"])] * len(told)
    assert told[0].crash is None
    crashes = [played.crash for played in told[1:]]
    writes = told[0].writes
    expected = [Crash(number, after=after) for number in range(1, len(writes) + 1) for after in (False, True)]
    # A worker that looked for runs twice in the first telling may do so only once in all others: that is one write less to die at.
    missing = [crash for crash in expected if crash not in crashes]
    assert len(missing) <= 2 * (writes.count("ClaimDue") - 1), writes
    assert [crash for crash in crashes if crash in expected] == [crash for crash in expected if crash not in missing]
    assert {"enlist", "StartRun", "SaveStep", "commit", "EndRun", "discharge"} <= set(writes)


@pytest.mark.parametrize(("after", "left"), [(False, []), (True, ["written"])])
def test_a_commit_at_which_the_process_dies_is_all_or_nothing(tmp_path: Path, after: bool, left: list[str]) -> None:
    went_on: list[str] = []

    async def write() -> None:
        get_session().add(CrashNote(text="written"))
        await get_session().commit()
        went_on.append("the session was answered")

    folder, with_crash = _dead_at_its_commit(tmp_path, write, after)
    assert asyncio.run(app_in(folder).run_standalone(notes)) == left
    went_on.clear()
    with_crash.bury()
    assert went_on == []
    assert asyncio.run(app_in(folder).run_standalone(notes)) == left


def _dead_at_its_commit(tmp_path: Path, story, after: bool) -> tuple[Path, Process]:
    """The worker's first look for runs comes before the commit or after it, so that the number of the commit is not always the same."""
    for attempt in range(20):
        number = _number_of_commit(tmp_path / f"counted{attempt}", story)
        process, folder = Process(Faults(Crash(number, after=after))), tmp_path / f"played{attempt}"
        folder.mkdir()
        with suppress(ProcessDied):
            _run(process, folder, story)
        if process.faults.dead and process.faults.writes[-1] == "commit":
            return folder, process
        process.bury()
    raise AssertionError("no process died at its commit")


def _number_of_commit(folder: Path, story) -> int:
    folder.mkdir()
    counting = Process(Faults())
    _run(counting, folder, story)
    counting.bury()
    return counting.faults.writes.index("commit") + 1


def _run(process: Process, folder: Path, story) -> None:
    app = app_in(folder)
    app.services.add(StoreOpener, StoreOpener(lambda manager, clock: process.store(open_store(manager, clock), manager)))
    process.run(app.run_standalone(story))
