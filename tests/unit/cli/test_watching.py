from __future__ import annotations

import asyncio
import importlib
import os
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path

import pytest

from planar.cli import watching
from planar.cli.watching import Sources, forget_compiled, is_source

pytestmark = pytest.mark.anyio


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def seen(sources: Sources, home: Path) -> set[str]:
    return {os.path.relpath(path, home) for path in sources.look().files}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.py", True),
        ("planar.dev.yaml", True),
        ("x.yml", True),
        (".env", True),
        (".env.dev", True),
        ("planar.db", False),
        ("db-wal", False),
        ("a.pyc", False),
        (".main.py.swp", False),
        ("a.py~", False),
        (".envrc", False),
    ],
)
def test_source_is_python_settings_and_variables(name: str, expected: bool) -> None:
    assert is_source(f"/x/{name}") is expected


def test_what_is_below_the_entry_counts_except_environments_caches_and_hidden_folders(home: Path) -> None:
    entry = write(home / "main.py")
    write(home / "flows" / "deep" / "a.py")
    for name in (".venv/a.py", "__pycache__/a.py", "node_modules/a.py", ".git/a.py", "data/planar.db"):
        write(home / name)
    write(home / "env311" / "pyvenv.cfg")
    write(home / "env311" / "lib" / "a.py")
    assert seen(Sources(entry, home, None), home) == {"main.py", "flows/deep/a.py"}


def test_of_the_current_folder_its_files_and_packages_count(home: Path) -> None:
    entry = write(home / "examples" / "one" / "main.py")
    write(home / "examples" / "two" / "other.py")
    for name in (".env", "planar.yaml", "lib/a.py", "lib/deep/b.py", "docs/c/d.py"):
        write(home / name)
    assert seen(Sources(entry, home, None), home) == {"examples/one/main.py", ".env", "planar.yaml", "lib/a.py", "lib/deep/b.py"}


def test_an_entry_elsewhere_does_not_make_the_current_folder_its_source(home: Path) -> None:
    entry = write(home / "there" / "main.py")
    config = write(home / "etc" / "planar.yaml")
    write(home / "here" / "lib" / "a.py")
    assert seen(Sources(entry, home / "here", config), home) == {"there/main.py", "etc/planar.yaml"}


def test_two_looks_tell_what_was_added_edited_and_removed(home: Path) -> None:
    entry = write(home / "main.py")
    edited, removed = write(home / "edited.py", "a"), write(home / "removed.py")
    sources = Sources(entry, home, None)
    before = sources.look()
    edited.write_text("bb")
    removed.unlink()
    added = write(home / "added.py")
    assert sources.look().changed_since(before) == [added, edited, removed]
    assert before.changed_since(before) == []


def test_no_more_folders_than_a_project_has_are_looked_through(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_FOLDERS", 3)
    entry = write(home / "main.py")
    for number in range(5):
        write(home / f"pack{number}" / "a.py")
    assert len(Sources(entry, home, None).look().folders) == 3


@pytest.fixture(autouse=True)
def looks_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "_LOOK_MILLISECONDS", 200)


@asynccontextmanager
async def watched(home: Path, sources: Sources) -> AsyncIterator[AsyncIterator[list[Path]]]:
    async with aclosing(sources.changes(sources.look())) as changes, asyncio.timeout(15):
        yield changes


async def test_an_edit_is_told_once_with_its_path(home: Path) -> None:
    entry = write(home / "main.py", "a")
    async with watched(home, Sources(entry, home, None)) as changes:
        ahead = asyncio.ensure_future(anext(changes))
        await asyncio.sleep(0)
        entry.write_text("bb")
        assert await ahead == [entry]
        ahead = asyncio.ensure_future(anext(changes))
        other = write(home / "other.py")
        assert await ahead == [other]


async def test_files_in_a_folder_made_later_are_seen(home: Path) -> None:
    entry = write(home / "main.py")
    async with watched(home, Sources(entry, home, None)) as changes:
        first = write(home / "later" / "a.py")
        assert await anext(changes) == [first]
        first.write_text("edited")
        assert await anext(changes) == [first]


async def test_without_any_notification_the_look_finds_the_edit(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(*folders: Path, **options: object) -> AsyncIterator[set[object]]:
        assert options["yield_on_timeout"] is True
        yield set()

    monkeypatch.setattr(watching, "awatch", silent)
    entry = write(home / "main.py", "a")
    sources = Sources(entry, home, None)
    before = sources.look()
    entry.write_text("bb")
    async with aclosing(sources.changes(before)) as changes:
        assert await anext(changes) == [entry]


async def test_a_folder_that_goes_away_does_not_end_the_watch(home: Path) -> None:
    entry = write(home / "main.py", "a")
    gone = write(home / "gone" / "a.py")
    sources = Sources(entry, home, None)
    before = sources.look()
    gone.unlink()
    gone.parent.rmdir()
    async with aclosing(sources.changes(before)) as changes, asyncio.timeout(15):
        assert await anext(changes) == [gone]
        ahead = asyncio.ensure_future(anext(changes))
        entry.write_text("bb")
        assert await ahead == [entry]


def test_two_edits_of_one_length_within_a_second_are_two(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(home))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    file = write(home / "edited_twice.py", "TEXT = 1")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    assert importlib.import_module("edited_twice").TEXT == 1
    file.write_text("TEXT = 2")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    forget_compiled(file)
    del sys.modules["edited_twice"]
    assert importlib.import_module("edited_twice").TEXT == 2
