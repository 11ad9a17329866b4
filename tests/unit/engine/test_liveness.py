"""A locked file tells whether a worker lives."""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from planar.engine.store import liveness
from planar.engine.store.liveness import LockFiles


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "app.db-workers"


def test_a_worker_lives_as_long_as_its_file_is_held(folder: Path) -> None:
    mine, theirs, worker = LockFiles(folder), LockFiles(folder), uuid4()
    mine.hold(worker)
    assert not theirs.is_dead(worker)
    assert not mine.is_dead(worker)
    mine.release(worker)
    assert theirs.is_dead(worker)
    assert mine.is_dead(worker)


def test_looking_at_a_living_worker_does_not_harm_it(folder: Path) -> None:
    mine, theirs, worker = LockFiles(folder), LockFiles(folder), uuid4()
    mine.hold(worker)
    for _ in range(3):
        assert not theirs.is_dead(worker)
    mine.release_all()


def test_whoever_only_looks_removes_nothing(folder: Path) -> None:
    mine, theirs, worker = LockFiles(folder), LockFiles(folder), uuid4()
    mine.hold(worker)
    assert theirs.is_held(worker)
    assert not theirs.is_held(uuid4())
    mine.forget()
    assert not theirs.is_held(worker)
    assert list(folder.iterdir())


def test_a_worker_without_a_file_is_dead(folder: Path) -> None:
    assert LockFiles(folder).is_dead(uuid4())


def test_what_a_dead_worker_left_is_removed(folder: Path) -> None:
    worker = uuid4()
    dead = LockFiles(folder)
    dead.hold(worker)
    dead.forget()
    assert list(folder.iterdir())
    assert LockFiles(folder).is_dead(worker)
    assert not list(folder.iterdir())


def test_releasing_leaves_the_files_of_others(folder: Path) -> None:
    files, other = LockFiles(folder), LockFiles(folder)
    one, two, three = uuid4(), uuid4(), uuid4()
    files.hold(one)
    files.hold(two)
    other.hold(three)
    files.release_all()
    files.release_all()
    assert [path.name for path in folder.iterdir()] == [f"{three.hex}.lock"]
    assert not files.is_dead(three)
    other.release(three)
    assert not folder.exists()


def test_releasing_what_is_not_held_does_nothing(folder: Path) -> None:
    LockFiles(folder).release(uuid4())
    assert not folder.exists()


def test_a_worker_may_come_again(folder: Path) -> None:
    files, worker = LockFiles(folder), uuid4()
    for _ in range(2):
        files.hold(worker)
        assert not LockFiles(folder).is_dead(worker)
        files.release(worker)


def test_nobody_else_can_hold_the_file_of_a_living_worker(folder: Path) -> None:
    files, worker = LockFiles(folder), uuid4()
    files.hold(worker)
    with pytest.raises(BlockingIOError):
        LockFiles(folder).hold(worker)
    assert not LockFiles(folder).is_dead(worker)
    files.release(worker)


def test_a_worker_that_comes_while_the_last_one_goes_gets_its_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As at a restart: the old process removes the folder just before the new one writes into it."""
    files, worker = LockFiles(folder), uuid4()
    really_open, opened = os.open, 0

    def open_late(*args: Any) -> int:
        nonlocal opened
        opened += 1
        if opened == 1:
            folder.rmdir()
        return really_open(*args)

    monkeypatch.setattr(liveness.os, "open", open_late)
    files.hold(worker)
    assert not LockFiles(folder).is_dead(worker)
    files.release(worker)


def test_a_file_that_cannot_be_locked_is_not_kept_open(folder: Path) -> None:
    files, worker = LockFiles(folder), uuid4()
    files.hold(worker)
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").exists() else 0
    for _ in range(5):
        with pytest.raises(BlockingIOError):
            LockFiles(folder).hold(worker)
    assert before in (0, len(os.listdir("/proc/self/fd")))
    files.release(worker)


def test_a_worker_whose_file_may_not_be_opened_is_not_taken_for_dead(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, worker = LockFiles(folder), uuid4()
    files.hold(worker)

    def refuse(*args: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(liveness.os, "open", refuse)
    assert not LockFiles(folder).is_dead(worker)
    monkeypatch.undo()
    files.release(worker)


def test_only_the_owner_may_read_the_files(folder: Path) -> None:
    files, worker = LockFiles(folder), uuid4()
    files.hold(worker)
    assert (folder / f"{worker.hex}.lock").stat().st_mode & 0o077 == 0
    files.release(worker)


def test_a_forked_process_lets_go_without_letting_anybody_die(folder: Path) -> None:
    """What happens in the child of a fork, done here: the parent's lock outlives neither more nor less than the parent."""
    parent, worker = LockFiles(folder), uuid4()
    parent.hold(worker)
    (handle,) = parent._held.values()
    inherited = os.dup(handle)
    child = LockFiles(folder)
    child._held[worker] = inherited
    child.forget()
    assert not LockFiles(folder).is_dead(worker)
    parent.release(worker)


def test_locks_that_nobody_uses_any_more_are_not_kept_for_forks(folder: Path) -> None:
    files = LockFiles(folder)
    assert files in liveness._HOLDING
    before = len(liveness._HOLDING)
    del files
    gc.collect()
    assert len(liveness._HOLDING) < before
